import { Histogram, type HistogramSnapshot } from "./histogram.ts";
import type { OverflowPolicy } from "./queue_policy.ts";

/**
 * A hub in numbers. What ends with "now" is a gauge; all else only grows. Reading them walks over nobody.
 */
export interface HubStats {
  /** Members that are registered now. */
  readonly members: number;
  /** Rooms with somebody in them now. */
  readonly rooms: number;
  /** Broadcasts, single messages, and messages that came by the broker. */
  readonly messages: number;
  /** Messages that queues took: one for each member that a message is for. */
  readonly sent: number;
  /** Bytes of payload of those. */
  readonly sentBytes: number;
  /** Messages that sockets took. */
  readonly written: number;
  /** Bytes of payload of those. */
  readonly writtenBytes: number;
  /** Messages that wait for a socket now, with those that one is busy with. */
  readonly queuedMessages: number;
  /** Bytes of payload of those. */
  readonly queuedBytes: number;
  /** Messages that were lost because a queue was full. */
  readonly dropped: number;
  /** The same by the policy that they were lost to; with `close`, what waited for a member that was evicted. */
  readonly drops: Readonly<Record<OverflowPolicy, number>>;
  /** Messages whose place a later one of the same key took. */
  readonly coalesced: number;
  /** Members closed because their queue was full. */
  readonly evicted: number;
  /** Members dropped because they were silent. */
  readonly timedOut: number;
  /** Joins and publishes that were refused, by a hook or because too many waited for one. */
  readonly refused: number;
  /** Joins and publishes that came too fast. */
  readonly rateLimited: number;
  /** Messages given to the broker. */
  readonly published: number;
  /** Messages that came by the broker and were for members of this hub. */
  readonly received: number;
  /** Messages that were not given to the broker, because too many waited for it. */
  readonly publishDropped: number;
  /** Calls of the broker that failed, and what came by it that was no message. */
  readonly brokerErrors: number;
  /**
   * Milliseconds from the first message of a turn to the moment when every socket was handed what is for it: how long
   * the loop and the hub kept messages back. A slow socket does not count here, but in `queuedMessages`.
   */
  readonly broadcastLatency: HistogramSnapshot;
}

/** Buckets of the latency, milliseconds. */
const LATENCY_BOUNDS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500];

/** What the parts of a hub count. */
export class HubCounters {
  messages = 0;
  sent = 0;
  sentBytes = 0;
  written = 0;
  writtenBytes = 0;
  queuedMessages = 0;
  queuedBytes = 0;
  readonly dropped: Record<OverflowPolicy, number> = {
    "close": 0,
    "drop-oldest": 0,
    "drop-newest": 0,
    "coalesce": 0,
  };
  coalesced = 0;
  evicted = 0;
  timedOut = 0;
  refused = 0;
  rateLimited = 0;
  published = 0;
  received = 0;
  publishDropped = 0;
  brokerErrors = 0;
  readonly broadcastLatency: Histogram = new Histogram(LATENCY_BOUNDS);

  /** So many queues took a message of this size. */
  countSent(taken: number, bytes: number): void {
    this.sent += taken;
    this.sentBytes += taken * bytes;
    this.queuedMessages += taken;
    this.queuedBytes += taken * bytes;
  }

  snapshot(members: number, rooms: number): HubStats {
    const { dropped, broadcastLatency, ...counters } = this;
    return {
      members,
      rooms,
      ...counters,
      dropped: Object.values(dropped).reduce((sum, count) => sum + count, 0),
      drops: { ...dropped },
      broadcastLatency: broadcastLatency.snapshot(),
    };
  }
}
