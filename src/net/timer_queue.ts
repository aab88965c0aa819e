/**
 * All time-outs of the process behind one timer of the runtime.
 *
 * Deadlines move far more often than they fire: a server pushes one forward with every message. So a moved
 * deadline is a store, and an alarm that rings too early is set again for the rest. The heap is touched once per
 * ring, not once per message (a set-and-clear pair of runtime timers costs 0.1–1.2 µs).
 */

/** What an adapter gives of time. */
export interface Clock {
  /** Milliseconds since the epoch, as `Date.now()`. */
  now(): number;
  /** Calls `callback` once, `delay` milliseconds from now, without keeping the process alive. */
  startTimer(callback: () => void, delay: number): unknown;
  stopTimer(timer: unknown): void;
  /** Calls `callback` once at the end of this turn of the event loop, after the input that is ready now. */
  afterTurn(callback: () => void): void;
}

/** An entry of a {@linkcode TimerQueue}, which alone may change `time` and `index`. */
export interface TimerEntry {
  /** Milliseconds since the epoch at which `ring` is called; -1 while the entry is not in the queue. */
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

/** The longest delay that every runtime's timer takes. */
const MAX_DELAY = 0x7fffffff;

/** A heap of alarms, the next one first. */
export class TimerQueue {
  readonly #clock: Clock;
  readonly #heap: TimerEntry[] = [];
  readonly #wake: () => void;
  #timer: unknown = null;
  /** When the runtime's timer goes off, while there is one. */
  #timerAt = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wake = () => this.#ringDue();
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return this.#clock.now();
  }

  /** How many alarms are set. */
  get size(): number {
    return this.#heap.length;
  }

  /** Sets an alarm, or moves one that is set. */
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

  /** Takes an alarm out. The runtime's timer is left: it wakes to nothing once, which is cheaper than stopping it. */
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

  #startTimer(): void {
    const first = this.#heap[0];
    if (first === undefined || first.time >= this.#timerAt) return;
    if (this.#timer !== null) this.#clock.stopTimer(this.#timer);
    const delay = Math.min(Math.max(1, Math.ceil(first.time - this.#clock.now())), MAX_DELAY);
    this.#timerAt = first.time;
    this.#timer = this.#clock.startTimer(this.#wake, delay);
  }

  #ringDue(): void {
    this.#timer = null;
    this.#timerAt = Infinity;
    const now = this.#clock.now();
    // No more rings than alarms were set: one that is set again to a time that has passed, by mistake or because
    // the clock was put back, waits for the next wake instead of holding this one for ever.
    let left = this.#heap.length;
    try {
      for (let first = this.#heap[0]; left > 0 && first !== undefined && first.time <= now; left--) {
        this.clear(first);
        first.ring();
        first = this.#heap[0];
      }
    } finally {
      this.#startTimer();
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
