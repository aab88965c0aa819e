import { Histogram, type HistogramSnapshot } from "./histogram.ts";
import type { OverflowPolicy } from "./queue_policy.ts";

/**
 * Counters and gauges of a hub. A comment that ends with "now" marks a gauge; all other numbers only grow. Reading them
 * costs the same however many members there are.
 */
export interface HubStats {
  /** Members in the hub, now. */
  readonly members: number;
  /** Rooms with members, now. */
  readonly rooms: number;
  /** Broadcasts, single messages, and messages from the broker. */
  readonly messages: number;
  /** Messages that queues accepted: one for each receiver. */
  readonly sent: number;
  /** Bytes of payload that queues accepted. */
  readonly sentBytes: number;
  /** Messages that sockets took. */
  readonly written: number;
  /** Bytes of payload that sockets took. */
  readonly writtenBytes: number;
  /** Messages in queues or in flight to a socket, now. */
  readonly queuedMessages: number;
  /** Bytes of payload in queues or in flight to a socket, now. */
  readonly queuedBytes: number;
  /** Messages that were lost because a queue was full. */
  readonly dropped: number;
  /** Lost messages by the policy that dropped them; under `close`, those that waited for a member that was closed. */
  readonly drops: Readonly<Record<OverflowPolicy, number>>;
  /** Messages that a later one of the same key replaced. */
  readonly coalesced: number;
  /** Members closed because their queue was full. */
  readonly evicted: number;
  /** Members removed because they did not answer a ping. */
  readonly timedOut: number;
  /** Requests that were refused by a hook, or because too many waited for one. */
  readonly refused: number;
  /** Requests that exceeded the rate limit. */
  readonly rateLimited: number;
  /** Messages given to the broker. */
  readonly published: number;
  /** Messages from the broker that were delivered to this hub. */
  readonly received: number;
  /** Messages that were not given to the broker, because too many waited for it already. */
  readonly publishDropped: number;
  /** Failed calls of the broker, and deliveries that were not valid messages. */
  readonly brokerErrors: number;
  /**
   * Milliseconds from the first message of a turn until all sockets were handed theirs: how long the event loop and the
   * hub held messages back. Slow sockets do not count here, but in `queuedMessages`.
   */
  readonly broadcastLatency: HistogramSnapshot;
}

/** Upper bounds of the latency's buckets, milliseconds. */
const LATENCY_BOUNDS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500];

/** The numbers behind {@linkcode HubStats}, which the parts of a hub change. */
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

  /** `count` queues accepted a message of `bytes` bytes. */
  countSent(count: number, bytes: number): void {
    this.sent += count;
    this.sentBytes += count * bytes;
    this.queuedMessages += count;
    this.queuedBytes += count * bytes;
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
