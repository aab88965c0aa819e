import type { Addr } from "./addr.ts";
import { NetError, type NetOp } from "./errors.ts";
import { Alarm, type TimerQueue } from "./timer_queue.ts";

/** What is attempted, for the error when time is up. */
export interface AttemptOf {
  readonly op: NetOp;
  readonly network: string;
  readonly addr: Addr | string;
}

/** What ends an attempt early. */
export interface AttemptLimits {
  readonly signal?: AbortSignal | null | undefined;
  /** Milliseconds. */
  readonly timeout?: number | undefined;
}

/** Something that may take long: one signal out of the caller's and a time-out. To be ended whatever becomes of it. */
export class Attempt {
  readonly #timers: TimerQueue;
  readonly #outer: AbortSignal | null;
  readonly #abort: AbortController | null = null;
  readonly #alarm: Alarm | null = null;
  readonly #onAbort = (): void => this.abort(this.#outer!.reason);

  constructor(timers: TimerQueue, what: AttemptOf, { signal = null, timeout }: AttemptLimits) {
    this.#timers = timers;
    this.#outer = signal;
    // Without a time-out the caller's signal is as good as one of our own.
    if (timeout === undefined) return;
    this.#abort = new AbortController();
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (signal?.aborted) this.#onAbort();
    this.#alarm = new Alarm(() => this.abort(new NetError({ ...what, code: "ETIMEDOUT" })));
    timers.set(this.#alarm, timers.now() + timeout);
  }

  /** Aborted when it should stop. */
  get signal(): AbortSignal | null {
    return this.#abort?.signal ?? this.#outer;
  }

  /** Stops one that has a time-out. */
  abort(reason: unknown): void {
    this.#abort?.abort(reason);
  }

  /** It is over: nothing is waited for any more. */
  end(): void {
    if (this.#alarm !== null) this.#timers.clear(this.#alarm);
    this.#outer?.removeEventListener("abort", this.#onAbort);
  }
}
