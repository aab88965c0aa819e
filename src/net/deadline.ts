import { Alarm, type TimerQueue } from "./timer_queue.ts";

/**
 * An absolute time, as a `Date` or in milliseconds as of `Date.now()`; `null` or `Infinity` for none. A time that has passed, such
 * as 0, ends calls at once. A number from 1 to 10,000,000,000 is refused by a `RangeError`, as it can only be meant as a
 * duration: write `Date.now() + 5_000`. Setting a deadline turns it into a
 * duration: a later change of the system's time does not move it.
 */
export type Deadline = Date | number | null;

/** Numbers up to this are durations by mistake, milliseconds: as a time they lie before May 1970. */
const LARGEST_MISTAKE = 1e10;

/**
 * Converts a {@linkcode Deadline} to milliseconds since the epoch; `Infinity` for none.
 *
 * @throws {TypeError} when it is not a time
 * @throws {RangeError} when it is a number that can only be meant as a duration
 */
export function deadlineTime(t: Deadline): number {
  if (t === null) return Infinity;
  const time = typeof t === "number" ? t : timeOfDate(t);
  if (Number.isNaN(time)) throw new TypeError("Cannot set the deadline: it is not a Date, a number or null");
  if (typeof t === "number" && time > 0 && time <= LARGEST_MISTAKE) {
    throw new RangeError(
      `Cannot set the deadline: ${t} is not a time of today in milliseconds since the epoch; for a duration, pass Date.now() + ${t}`,
    );
  }
  return time;
}

/** The time of a `Date`, also of one of another realm, for which `instanceof` is false; `NaN` for other values. */
function timeOfDate(value: unknown): number {
  try {
    return Date.prototype.getTime.call(value);
  } catch {
    return NaN;
  }
}

/**
 * The deadline of one direction. The owner reports when calls start and stop waiting, and `onExpired` is called when
 * the time comes while a call waits. Setting a deadline costs a look at the clocks and a store: the alarm is moved only when
 * it has to ring earlier, and one that rings too early is set again.
 */
export class DeadlineTimer {
  readonly #timers: TimerQueue;
  readonly #onExpired: () => void;
  #time = Infinity;
  #waiting = false;
  #alarm: Alarm | null = null;

  constructor(timers: TimerQueue, onExpired: () => void) {
    this.#timers = timers;
    this.#onExpired = onExpired;
  }

  /** Whether the deadline has passed. Without a deadline, the clock is not read. */
  get expired(): boolean {
    return this.#time !== Infinity && this.#timers.now() >= this.#time;
  }

  /** Milliseconds on the monotonic clock; `Infinity` for no deadline. */
  get time(): number {
    return this.#time;
  }

  /** Moves the deadline, also while a call waits. */
  set(t: Deadline): void {
    const wallTime = deadlineTime(t);
    this.setTime(wallTime === Infinity ? Infinity : this.#timers.toMonotonic(wallTime));
  }

  /**
   * Moves the deadline, as {@linkcode DeadlineTimer.set} does.
   *
   * @param time milliseconds on the monotonic clock; `Infinity` for none
   */
  setTime(time: number): void {
    this.#time = time;
    if (this.#waiting) this.#arm();
  }

  /** Reports that a call starts to wait. */
  startWait(): void {
    this.#waiting = true;
    if (this.#time !== Infinity) this.#arm();
  }

  /** Reports that no call waits any more. The alarm stays set: clearing it would cost more than its rare ring. */
  endWait(): void {
    this.#waiting = false;
  }

  /** Removes the deadline and its alarm, because the owner has ended. */
  stop(): void {
    this.#waiting = false;
    this.#time = Infinity;
    if (this.#alarm !== null) this.#timers.clear(this.#alarm);
  }

  #arm(): void {
    if (this.#time === Infinity) return;
    this.#alarm ??= new Alarm(() => this.#ring());
    if (this.#alarm.index < 0 || this.#alarm.time > this.#time) this.#timers.set(this.#alarm, this.#time);
  }

  #ring(): void {
    if (!this.#waiting) return;
    if (this.expired) this.#onExpired();
    else this.#arm();
  }
}
