import { positive } from "../websocket/options.ts";

/** What a member may ask for, and what happens when it asks for more. */
export interface RateLimit {
  /** Requests a second, in the long run. */
  rate: number;
  /** Requests at once, after a pause. Default: the rate, at least 1. */
  burst?: number;
  /** `"drop"`: what is too much is refused; `"close"`: who asks for too much is closed with 1008. Default: `"drop"`. */
  policy?: "drop" | "close";
}

/** {@linkcode RateLimit} with every default in place. */
export type RateSettings = Required<RateLimit>;

/**
 * Puts the defaults in and checks what was given.
 *
 * @throws {RangeError} when the rate is not positive, or the burst less than 1
 * @throws {TypeError} when the policy is none
 */
export function rateSettings(limit: RateLimit): RateSettings {
  const rate = positive("rateLimit.rate", limit.rate, 1);
  const burst = positive("rateLimit.burst", limit.burst, Math.max(1, rate));
  const { policy = "drop" } = limit;
  if (burst < 1) throw new RangeError(`Cannot use rateLimit.burst: with ${burst} nothing is ever allowed`);
  if (policy !== "drop" && policy !== "close") {
    throw new TypeError(`Cannot use rateLimit.policy: it is ${policy}, not drop or close`);
  }
  return { rate, burst, policy };
}

/**
 * A token bucket: it holds `burst` tokens, fills at `rate` a second, and each request takes one. It has no clock: time
 * is given to it, and one that goes back brings nothing.
 */
export class TokenBucket {
  readonly #rate: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number;

  /**
   * Makes a full one.
   *
   * @param now milliseconds, of any clock
   */
  constructor({ rate, burst }: { rate: number; burst: number }, now: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAt = now;
  }

  /** Takes a token; `false` when there is none. */
  take(now: number): boolean {
    const passed = Math.max(0, now - this.#filledAt);
    this.#tokens = Math.min(this.#burst, this.#tokens + passed * this.#rate / 1000);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
