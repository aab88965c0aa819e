import type { Addr } from "./addr.ts";
import { NetError, type NetOp } from "./errors.ts";
import { Alarm, type TimerQueue } from "./timer_queue.ts";

/** The operation that is attempted, as named by the error when the time-out passes. */
export interface AttemptOf {
  readonly op: NetOp;
  readonly network: string;
  readonly addr: Addr | string;
}

/** Causes that end an attempt early. */
export interface AttemptLimits {
  readonly signal?: AbortSignal | null | undefined;
  /** Upper bound of the attempt's duration, milliseconds; none by default. */
  readonly timeout?: number | undefined;
}

/**
 * An operation that may take long: joins the caller's signal and a time-out into one signal. Must be ended in any case.
 */
export class Attempt {
  readonly #timers: TimerQueue;
  readonly #outer: AbortSignal | null;
  readonly #abort: AbortController | null = null;
  readonly #alarm: Alarm | null = null;
  readonly #onAbort = (): void => this.abort(this.#outer!.reason);

  constructor(timers: TimerQueue, what: AttemptOf, { signal = null, timeout }: AttemptLimits) {
    this.#timers = timers;
    this.#outer = signal;
    // Without a time-out the caller's signal is used as it is.
    if (timeout === undefined) return;
    this.#abort = new AbortController();
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (signal?.aborted) this.#onAbort();
    this.#alarm = new Alarm(() => this.abort(new NetError({ ...what, code: "ETIMEDOUT" })));
    timers.set(this.#alarm, timers.now() + timeout);
  }

  /** Aborted when the operation should stop; `null` when nothing can abort it. */
  get signal(): AbortSignal | null {
    return this.#abort?.signal ?? this.#outer;
  }

  /** Aborts an attempt that has a time-out; without one, does nothing. */
  abort(reason: unknown): void {
    this.#abort?.abort(reason);
  }

  /** Ends the attempt: releases the timer and the listener on the caller's signal. */
  end(): void {
    if (this.#alarm !== null) this.#timers.clear(this.#alarm);
    this.#outer?.removeEventListener("abort", this.#onAbort);
  }
}
