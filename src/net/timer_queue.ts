/**
 * All time-outs of the process, behind one timer of the runtime.
 *
 * Deadlines move far more often than they fire: a server moves one with every message. Moving a deadline is therefore a
 * store, and an alarm that rings too early is set again for the remaining time. The heap changes once per ring, not
 * once per message (setting and clearing a runtime timer costs 0.1–1.2 µs).
 *
 * A process that stood still, in a long computation, in a debugger or on a laptop that was shut, finds its timers due and its
 * input unread. Alarms judge by what has come, so the input is let in first.
 */

/** Clock and timers of a runtime. */
export interface Clock {
  /** Milliseconds on a monotonic clock, with fractions, as of `performance.now()`. Setting the system's time does not move it. */
  now(): number;
  /** Milliseconds since the epoch, as of `Date.now()`. May jump, forward or back, when the system's time is set. */
  wallNow(): number;
  /** Calls `callback` once after `delay` milliseconds, without keeping the process alive. Returns the timer. */
  startTimer(callback: () => void, delay: number): unknown;
  stopTimer(timer: unknown): void;
  /** Calls `callback` once at the end of this turn of the event loop, after all input that is ready now. */
  afterTurn(callback: () => void): void;
}

/** An entry of a {@linkcode TimerQueue}, which alone may change `time` and `index`. */
export interface TimerEntry {
  /** When `ring` is called, milliseconds on the monotonic clock; -1 while the entry is not in the queue. */
  time: number;
  /** Index in the queue's heap; -1 while the entry is not in the queue. */
  index: number;
  /** Called once the time has come, after the entry was taken out of the queue. */
  ring(): void;
}

/** A {@linkcode TimerEntry} that calls a function. */
export class Alarm implements TimerEntry {
  time = -1;
  index = -1;
  readonly ring: () => void;

  constructor(ring: () => void) {
    this.ring = ring;
  }
}

/** Longest delay that the timers of all runtimes accept, milliseconds. */
const MAX_DELAY = 0x7fffffff;

/** Lateness of the runtime's timer from which on the process is held to have stood still, milliseconds. */
const STALL = 10;
/**
 * Turns of the event loop that pass after a stall before alarms ring. Three hold a whole one, from waiting for input to
 * handling it, on each runtime: on Bun callbacks after a turn come before the next input.
 */
const LEAST_TURNS = 3;
/** Upper bound of these turns, for input that takes many: one brings input of about a thousand sockets. */
const MOST_TURNS = 16;
/** Time after which no more than the least turns pass, milliseconds. */
const LETTING_IN_TIME = 50;

/** A binary heap of alarms, the earliest first. */
export class TimerQueue {
  readonly #clock: Clock;
  readonly #heap: TimerEntry[] = [];
  readonly #wake: () => void;
  #timer: unknown = null;
  /** Time for which the runtime's timer is set, milliseconds on the monotonic clock; `Infinity` when there is none. */
  #timerAt = Infinity;
  /** When the runtime's timer has to call, milliseconds on the monotonic clock: later than `#timerAt` if that was past. */
  #wakeAt = Infinity;
  /** Whether input is let in after a stall, until which no timer is needed. */
  #lettingIn = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wake = () => this.#onWake();
  }

  /** Milliseconds on the monotonic clock: for everything that has a duration. */
  now(): number {
    return this.#clock.now();
  }

  /** Milliseconds since the epoch: for a date that is shown or sent. */
  wallNow(): number {
    return this.#clock.wallNow();
  }

  /** The time on the monotonic clock at which the wall clock will show `wallTime`, unless it is set meanwhile. */
  toMonotonic(wallTime: number): number {
    return this.now() + (wallTime - this.wallNow());
  }

  /** The inverse of {@linkcode TimerQueue.toMonotonic}, for a deadline that is set in the same turn. */
  toWall(time: number): number {
    return this.wallNow() + (time - this.now());
  }

  /** Number of alarms that are set. */
  get size(): number {
    return this.#heap.length;
  }

  /**
   * Sets an alarm, or moves one that is set.
   *
   * @param time milliseconds on the monotonic clock
   */
  set(alarm: TimerEntry, time: number): void {
    if (alarm.index < 0) {
      alarm.index = this.#heap.length;
      this.#heap.push(alarm);
    }
    alarm.time = time;
    this.#siftUp(alarm);
    this.#siftDown(alarm);
    this.#startTimer();
  }

  /** Removes an alarm. The runtime's timer stays: one needless wake-up is cheaper than stopping it. */
  clear(alarm: TimerEntry): void {
    if (alarm.index < 0) return;
    const last = this.#heap.pop()!;
    if (last !== alarm) {
      last.index = alarm.index;
      this.#heap[last.index] = last;
      this.#siftUp(last);
      this.#siftDown(last);
    }
    alarm.index = -1;
    alarm.time = -1;
  }

  /** @param rung whether alarms were rung just now: one that is left though its time has passed is late, and not set to the past */
  #startTimer(rung = false): void {
    const first = this.#heap[0];
    if (first === undefined || first.time >= this.#timerAt || this.#lettingIn) return;
    if (this.#timer !== null) this.#clock.stopTimer(this.#timer);
    const now = this.#clock.now();
    const delay = Math.min(Math.max(1, Math.ceil(first.time - now)), MAX_DELAY);
    this.#timerAt = first.time;
    this.#wakeAt = rung ? first.time : now + delay;
    this.#timer = this.#clock.startTimer(this.#wake, delay);
  }

  #onWake(): void {
    this.#timer = null;
    this.#timerAt = Infinity;
    const now = this.#clock.now();
    if (now - this.#wakeAt < STALL) this.#ringDue(now);
    else this.#letInputIn(now);
  }

  /** After some turns of the event loop, rings what was due at `start`. What is due since may have input that came since. */
  #letInputIn(start: number): void {
    let turns = 0;
    const onTurn = () => {
      turns++;
      const more = turns < MOST_TURNS && this.#clock.now() - start < LETTING_IN_TIME;
      if (turns < LEAST_TURNS || more) return this.#clock.afterTurn(onTurn);
      this.#lettingIn = false;
      this.#ringDue(start);
    };
    this.#lettingIn = true;
    this.#clock.afterTurn(onTurn);
  }

  /** @param now milliseconds on the monotonic clock: later alarms are left */
  #ringDue(now: number): void {
    // At most as many rings as there are alarms now. An alarm that is set again to a time that has passed, by mistake,
    // waits for the next wake-up instead of keeping this loop running.
    let left = this.#heap.length;
    try {
      for (let first = this.#heap[0]; left > 0 && first !== undefined && first.time <= now; left--) {
        this.clear(first);
        first.ring();
        first = this.#heap[0];
      }
    } finally {
      this.#startTimer(true);
    }
  }

  #siftUp(alarm: TimerEntry): void {
    const heap = this.#heap;
    let index = alarm.index;
    while (index > 0) {
      const parent = heap[(index - 1) >> 1]!;
      if (parent.time <= alarm.time) break;
      heap[index] = parent;
      const above = parent.index;
      parent.index = index;
      index = above;
    }
    heap[index] = alarm;
    alarm.index = index;
  }

  #siftDown(alarm: TimerEntry): void {
    const heap = this.#heap;
    let index = alarm.index;
    for (let child = 2 * index + 1; child < heap.length; child = 2 * index + 1) {
      const right = heap[child + 1];
      if (right !== undefined && right.time < heap[child]!.time) child++;
      const least = heap[child]!;
      if (least.time >= alarm.time) break;
      heap[index] = least;
      least.index = index;
      index = child;
    }
    heap[index] = alarm;
    alarm.index = index;
  }
}
