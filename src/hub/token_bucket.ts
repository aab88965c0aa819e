import { positive } from "../websocket/options.ts";

/** A member's rate limit for requests. */
export interface RateLimit {
  /** Requests a second on average. */
  rate: number;
  /** Requests at once after a pause. Default: `rate`, at least 1. */
  burst?: number;
  /** `"drop"` refuses further requests; `"close"` closes the member with 1008. Default: `"drop"`. */
  policy?: "drop" | "close";
}

/** {@linkcode RateLimit} with all defaults filled in. */
export type RateSettings = Required<RateLimit>;

/**
 * Fills in the defaults and checks the values.
 *
 * @throws {RangeError} when the rate is not positive, or the burst less than 1
 * @throws {TypeError} when the policy is unknown
 */
export function rateSettings(limit: RateLimit): RateSettings {
  const rate = positive("rateLimit.rate", limit.rate, 1);
  const burst = positive("rateLimit.burst", limit.burst, Math.max(1, rate));
  const { policy = "drop" } = limit;
  if (burst < 1) {
    throw new RangeError(`Cannot use rateLimit.burst: ${burst} is less than 1 and allows no request`);
  }
  if (policy !== "drop" && policy !== "close") {
    throw new TypeError(`Cannot use rateLimit.policy: ${policy} is not one of drop, close`);
  }
  return { rate, burst, policy };
}

/**
 * A token bucket: holds up to `burst` tokens, gains `rate` tokens a second, and loses one with each request. The caller
 * passes the time; a clock that goes back adds no tokens.
 */
export class TokenBucket {
  readonly #rate: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number;

  /**
   * A full bucket.
   *
   * @param now milliseconds of any clock, the same in later calls
   */
  constructor({ rate, burst }: { rate: number; burst: number }, now: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAt = now;
  }

  /** Takes a token; returns `false` when there is none. */
  take(now: number): boolean {
    const passed = Math.max(0, now - this.#filledAt);
    this.#tokens = Math.min(this.#burst, this.#tokens + passed * this.#rate / 1000);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
