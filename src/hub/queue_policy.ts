import { positive } from "../websocket/options.ts";

/**
 * Treatment of a message for which a member's queue has no room.
 *
 * - `"close"`: the member is removed and its socket closed with 1013. The messages that it got have no gap.
 * - `"drop-newest"`: the message is dropped.
 * - `"drop-oldest"`: the oldest waiting messages are dropped until there is room.
 * - `"coalesce"`: as `"drop-oldest"`; besides, a message with a key always replaces the waiting message of the same
 *   key, so that of each key the latest value arrives.
 */
export type OverflowPolicy = "close" | "drop-oldest" | "drop-newest" | "coalesce";

/** Bounds of a member's queue, and the policy for a message that does not fit. */
export interface QueueOptions {
  /** The most bytes of payload in the queue and in flight to the socket. Default: 1 MiB. */
  maxQueuedBytes?: number;
  /** The most messages in the queue and in flight: small messages cost more than their bytes. Default: 16,384. */
  maxQueuedMessages?: number;
  /** The policy for a message that does not fit. Default: `"close"`. */
  overflow?: OverflowPolicy;
}

/** {@linkcode QueueOptions} with all defaults filled in. */
export interface QueuePolicy {
  readonly maxQueuedBytes: number;
  readonly maxQueuedMessages: number;
  readonly overflow: OverflowPolicy;
  /**
   * Whether new messages push out older ones. One write takes at most half of such a queue: messages in flight cannot
   * be dropped, and would leave no room for new ones.
   */
  readonly keepsNewest: boolean;
}

/** The policy of a hub without options. */
export const DEFAULT_POLICY: QueuePolicy = {
  maxQueuedBytes: 1_048_576,
  maxQueuedMessages: 16_384,
  overflow: "close",
  keepsNewest: false,
};

const OVERFLOW_POLICIES: readonly string[] = ["close", "drop-oldest", "drop-newest", "coalesce"];

/**
 * Fills in the defaults and checks the values.
 *
 * @param base the values for options that are not given
 * @throws {RangeError} when a bound is not positive
 * @throws {TypeError} when the policy is unknown
 */
export function queuePolicy(options: QueueOptions, base: QueuePolicy = DEFAULT_POLICY): QueuePolicy {
  const { overflow = base.overflow } = options;
  if (!OVERFLOW_POLICIES.includes(overflow)) {
    throw new TypeError(`Cannot use overflow: ${overflow} is not one of ${OVERFLOW_POLICIES.join(", ")}`);
  }
  return {
    maxQueuedBytes: positive("maxQueuedBytes", options.maxQueuedBytes, base.maxQueuedBytes),
    maxQueuedMessages: positive("maxQueuedMessages", options.maxQueuedMessages, base.maxQueuedMessages),
    overflow,
    keepsNewest: overflow === "drop-oldest" || overflow === "coalesce",
  };
}

/** Whether any option of a queue is given. */
export function hasQueueOptions(options: QueueOptions): boolean {
  return options.maxQueuedBytes !== undefined || options.maxQueuedMessages !== undefined ||
    options.overflow !== undefined;
}
