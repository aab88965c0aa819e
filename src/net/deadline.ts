import { Alarm, type TimerQueue } from "./timer_queue.ts";

/** An absolute time (`Date`, or milliseconds as in `Date.now()`), or `null` for none. */
export type Deadline = Date | number | null;

/**
 * Reads a {@linkcode Deadline}: milliseconds since the epoch, `Infinity` for none.
 *
 * @throws {TypeError} when it is no time
 */
export function deadlineTime(t: Deadline): number {
  if (t === null) return Infinity;
  const time = typeof t === "number" ? t : t instanceof Date ? t.getTime() : NaN;
  if (Number.isNaN(time)) throw new TypeError("Cannot set the deadline: it is not a Date, a number or null");
  return time;
}

/**
 * One direction's deadline. The owner says when a call starts to wait; `onExpired` is called when the time comes
 * while one waits. Setting it costs a store: an alarm is only moved when it has to ring earlier than it is set,
 * and one that rings too early is set again.
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

  /** Whether the deadline has passed; without one, no clock is read. */
  get expired(): boolean {
    return this.#time !== Infinity && this.#timers.now() >= this.#time;
  }

  /** When it is, `Infinity` for never. */
  get time(): number {
    return this.#time;
  }

  /** Moves the deadline, also under a waiting call. */
  set(t: Deadline): void {
    this.#time = deadlineTime(t);
    if (this.#waiting) this.#arm();
  }

  /** A call starts to wait. */
  startWait(): void {
    this.#waiting = true;
    if (this.#time !== Infinity) this.#arm();
  }

  /** Nobody waits any more. The alarm stays: clearing it would cost more than its rare ring. */
  endWait(): void {
    this.#waiting = false;
  }

  /** The owner is gone. */
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
