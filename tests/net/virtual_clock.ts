import type { Clock } from "../../src/net/timer_queue.ts";

interface VirtualTimer {
  readonly callback: () => void;
  readonly at: number;
}

/** A clock that only the test advances. */
export class VirtualClock implements Clock {
  /** Milliseconds on the monotonic clock. */
  time = 1_000_000;
  /** What the wall clock is ahead of it, milliseconds. */
  wallAhead = 1_700_000_000_000;
  readonly timers: Set<VirtualTimer> = new Set();
  /** Number of started timers, which is the cost of deadlines to a runtime. */
  started = 0;
  readonly #afterTurn: (() => void)[] = [];

  now(): number {
    return this.time;
  }

  wallNow(): number {
    return this.time + this.wallAhead;
  }

  startTimer(callback: () => void, delay: number): VirtualTimer {
    if (!(delay >= 1 && delay <= 0x7fffffff)) throw new RangeError(`No runtime takes a delay of ${delay}`);
    const timer = { callback, at: this.time + delay };
    this.timers.add(timer);
    this.started++;
    return timer;
  }

  stopTimer(timer: unknown): void {
    this.timers.delete(timer as VirtualTimer);
  }

  afterTurn(callback: () => void): void {
    this.#afterTurn.push(callback);
  }

  /** Ends the turn of the event loop; what it adds belongs to the next one. Tells how many callbacks there were. */
  endTurn(): number {
    const callbacks = this.#afterTurn.splice(0);
    for (const callback of callbacks) callback();
    return callbacks.length;
  }

  /** Lets `milliseconds` pass, with every timer at its time. */
  advance(milliseconds: number): void {
    const end = this.time + milliseconds;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.callback();
    }
    this.time = end;
  }

  #next(end: number): VirtualTimer | undefined {
    let first: VirtualTimer | undefined;
    for (const timer of this.timers) {
      if (timer.at <= end && (first === undefined || timer.at < first.at)) first = timer;
    }
    return first;
  }
}
