import { positive } from "../websocket/options.ts";

/**
 * What becomes of a message for which a member's queue has no room.
 *
 * - `"close"`: the member is closed with 1013 and let go of. What it got has no gap.
 * - `"drop-newest"`: the message is dropped.
 * - `"drop-oldest"`: the oldest ones that wait are dropped, until there is room.
 * - `"coalesce"`: as `"drop-oldest"`; besides, a message with a key takes the place of the one with this key that
 *   still waits, whether there is room or not: of each key the latest value arrives.
 */
export type OverflowPolicy = "close" | "drop-oldest" | "drop-newest" | "coalesce";

/** How much may wait for one member, and what happens to more. */
export interface QueueOptions {
  /** Bytes of payload that the queue may hold, with what its socket is busy with. Default: 1 MiB. */
  maxQueuedBytes?: number;
  /** Messages that the queue may hold: small ones cost more than their bytes. Default: 16,384. */
  maxQueuedMessages?: number;
  /** What becomes of a message that does not fit. Default: `"close"`. */
  overflow?: OverflowPolicy;
}

/** {@linkcode QueueOptions} with every default in place. */
export interface QueuePolicy {
  readonly maxQueuedBytes: number;
  readonly maxQueuedMessages: number;
  readonly overflow: OverflowPolicy;
  /**
   * Whether what is newest is kept at the cost of what is older. One write takes at most half of such a queue: what a
   * socket is busy with can be dropped no more, and would leave no room for what is new.
   */
  readonly keepsNewest: boolean;
}

/** What a queue is bounded by when nobody says anything. */
export const DEFAULT_POLICY: QueuePolicy = {
  maxQueuedBytes: 1_048_576,
  maxQueuedMessages: 16_384,
  overflow: "close",
  keepsNewest: false,
};

const OVERFLOW_POLICIES: readonly string[] = ["close", "drop-oldest", "drop-newest", "coalesce"];

/**
 * Puts the defaults in and checks what was given.
 *
 * @param base what holds where the options say nothing
 * @throws {RangeError} when a bound is not positive
 * @throws {TypeError} when the policy is none
 */
export function queuePolicy(options: QueueOptions, base: QueuePolicy = DEFAULT_POLICY): QueuePolicy {
  const { overflow = base.overflow } = options;
  if (!OVERFLOW_POLICIES.includes(overflow)) {
    throw new TypeError(`Cannot use overflow: it is ${overflow}, not one of ${OVERFLOW_POLICIES.join(", ")}`);
  }
  return {
    maxQueuedBytes: positive("maxQueuedBytes", options.maxQueuedBytes, base.maxQueuedBytes),
    maxQueuedMessages: positive("maxQueuedMessages", options.maxQueuedMessages, base.maxQueuedMessages),
    overflow,
    keepsNewest: overflow === "drop-oldest" || overflow === "coalesce",
  };
}

/** Whether the options say anything of a queue. */
export function hasQueueOptions(options: QueueOptions): boolean {
  return options.maxQueuedBytes !== undefined || options.maxQueuedMessages !== undefined ||
    options.overflow !== undefined;
}
