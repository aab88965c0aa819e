import { positive } from "../websocket/options.ts";
import type { TimerEntry, TimerQueue } from "../net/timer_queue.ts";

/** Largest part of a body that is written at once, bytes: the step in which the client's progress is seen. */
export const PIECE = 65_536;

/** Longest time that a client may take nothing, at any lowest rate above 1,092 bytes a second; milliseconds. */
const GRACE = 60_000;

/** Options of the time in which a client takes a response. */
export interface ResponseOptions {
  /**
   * Lowest average rate at which a client must take a response, bytes a second, after a first minute; 0 for none. A
   * slower client is dropped. Default: 1,024.
   */
  responseMinRate?: number;
  /**
   * Bound of the time that one response waits for its client in all, milliseconds; then the client is dropped. Waiting
   * for the stream of a body does not count. Default: 3,600,000, an hour.
   */
  responseTimeout?: number;
}

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {RangeError} when an option is out of range
 */
export function responseLimits(
  { responseMinRate = 1_024, responseTimeout }: ResponseOptions,
): ResponseLimits {
  if (typeof responseMinRate !== "number" || !(responseMinRate >= 0 && responseMinRate < Infinity)) {
    throw new RangeError(`Cannot use responseMinRate: it is ${responseMinRate}, not a finite number from 0`);
  }
  return { minRate: responseMinRate, timeout: positive("responseTimeout", responseTimeout, 3_600_000) };
}

/** Bounds of the time in which a client takes a response. */
export interface ResponseLimits {
  /** Lowest average rate, bytes a second; 0 for none. */
  readonly minRate: number;
  /** Upper bound of the time that the whole response waits for the client, milliseconds. */
  readonly timeout: number;
}

/**
 * The pace at which a client takes a response. The client has a credit of time: waiting for it takes from the credit,
 * and each byte that the runtime accepts gives back its time at the lowest rate, up to where the credit began.
 */
export class ResponsePace implements TimerEntry {
  time = -1;
  index = -1;
  readonly #timers: TimerQueue;
  readonly #minRate: number;
  readonly #onSlow: () => void;
  readonly #fullCredit: number;
  /** Time for which the response may go on waiting before the client takes more, milliseconds. */
  #credit: number;
  /** Time for which the response may go on waiting at all, milliseconds. */
  #left: number;
  #waitsSince = 0;

  /** @param onSlow called when the client has taken too little, while a write waits */
  constructor(timers: TimerQueue, { minRate, timeout }: ResponseLimits, onSlow: () => void) {
    this.#timers = timers;
    this.#minRate = minRate;
    this.#onSlow = onSlow;
    // Enough for one piece at the lowest rate.
    this.#fullCredit = Math.max(GRACE, PIECE * 1000 / minRate);
    this.#credit = this.#fullCredit;
    this.#left = timeout;
  }

  /** A write begins. */
  begin(): void {
    this.#waitsSince = this.#timers.now();
    const time = this.#waitsSince + Math.min(this.#credit, this.#left);
    if (time < Infinity) this.#timers.set(this, time);
  }

  /** The write has ended: the runtime has accepted its bytes. */
  end(bytes: number): void {
    this.#timers.clear(this);
    const waited = this.#timers.now() - this.#waitsSince;
    this.#left -= waited;
    this.#credit = Math.min(this.#fullCredit, this.#credit - waited + bytes * 1000 / this.#minRate);
  }

  /** Stops the clock after a write that failed. */
  stop(): void {
    this.#timers.clear(this);
  }

  ring(): void {
    this.#onSlow();
  }
}
