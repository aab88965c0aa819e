import type { Runtime } from "../net/runtime.ts";
import { isThenable } from "../net/thenable.ts";
import { Alarm } from "../net/timer_queue.ts";
import { positive } from "../websocket/options.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { Broker, Subscription } from "./broker.ts";
import { decodeEnvelope, encodeEnvelope, type Envelope, ORIGIN_LENGTH } from "./envelope.ts";
import type { HubCounters } from "./hub_counters.ts";
import { SeenMessages } from "./seen_messages.ts";

/** The most calls of `subscribe` and `unsubscribe` under way at a time; other rooms wait. */
const MAX_CALLS = 1024;
/** Milliseconds before a failed subscription is tried again, the first time. */
const FIRST_PAUSE = 1_000;
/** The most milliseconds before a failed subscription is tried again. The pause doubles each time. */
const LONGEST_PAUSE = 30_000;

/** The hub's side of a link. */
export interface LinkTarget {
  readonly counters: HubCounters;
  /** Queues a message for the hub's members in `rooms`, or for all of them when that is `null`. */
  readonly deliver: (rooms: readonly string[] | null, message: PreparedMessage, key: string | null) => void;
  /** Reports an error of the broker. */
  readonly onError: (error: unknown) => void;
}

/** Bounds of what waits for a broker. */
export interface LinkOptions {
  /** The most messages that wait for the broker; further ones are not passed on. Default: 1,024. */
  maxPublishing?: number;
  /** The most bytes of these messages. Default: 16 MiB. */
  maxPublishingBytes?: number;
}

/** {@linkcode LinkOptions} with all defaults filled in. */
export type LinkLimits = Readonly<Required<LinkOptions>>;

/**
 * Fills in the defaults and checks the values.
 *
 * @throws {RangeError} when a number is not positive
 */
export function linkLimits(options: LinkOptions): LinkLimits {
  return {
    maxPublishing: positive("maxPublishing", options.maxPublishing, 1_024),
    maxPublishingBytes: positive("maxPublishingBytes", options.maxPublishingBytes, 1 << 24),
  };
}

/** A room that the hub is or was subscribed to. */
interface Topic {
  /** Name of the room; `null` for messages to all members. */
  readonly room: string | null;
  /** Whether the hub has members in the room. */
  wanted: boolean;
  /** Whether a call of `subscribe` or `unsubscribe` for the room is under way. */
  busy: boolean;
  subscription: Subscription | null;
  /** Identity of the last subscription, by which late deliveries of an earlier one are recognised. */
  token: object | null;
}

/**
 * Joins a hub to a broker. Subscriptions follow the rooms that have members in the hub. No broadcast waits for the
 * broker or fails with it: errors are counted and reported, and the messages that wait for it are bounded.
 */
export class BrokerLink {
  readonly #broker: Broker;
  readonly #hub: LinkTarget;
  readonly #runtime: Runtime;
  readonly #limits: LinkLimits;
  readonly #origin: Uint8Array;
  readonly #originName: string;
  readonly #seen: SeenMessages = new SeenMessages();
  #published = 0;

  readonly #topics: Map<string | null, Topic> = new Map();
  readonly #waiting: Set<Topic> = new Set();
  #calls = 0;
  readonly #failed: Set<Topic> = new Set();
  readonly #retryAlarm: Alarm = new Alarm(() => this.#retry());
  #pause = FIRST_PAUSE;

  #publishing = 0;
  #publishingBytes = 0;
  #dropping = false;

  constructor(runtime: Runtime, broker: Broker, limits: LinkLimits, hub: LinkTarget) {
    this.#runtime = runtime;
    this.#broker = broker;
    this.#hub = hub;
    this.#limits = limits;
    this.#origin = runtime.random.bytes(ORIGIN_LENGTH);
    this.#originName = nameOf(this.#origin);
  }

  // ── Subscribing ──

  /** Subscribes to a room, which has members now; `null`: the hub has members. */
  want(room: string | null): void {
    let topic = this.#topics.get(room);
    if (topic === undefined) {
      this.#topics.set(room, topic = { room, wanted: true, busy: false, subscription: null, token: null });
    }
    topic.wanted = true;
    this.#settle(topic);
  }

  /** Ends the subscription to a room, which has no members any more. */
  unwant(room: string | null): void {
    const topic = this.#topics.get(room);
    if (topic === undefined) return;
    topic.wanted = false;
    this.#settle(topic);
  }

  /** Ends all subscriptions. */
  close(): void {
    for (const room of [...this.#topics.keys()]) this.unwant(room);
  }

  /** Calls the broker when a room's subscription is not as wanted. One call at a time for a room. */
  #settle(topic: Topic): void {
    if (topic.busy) return;
    if (topic.wanted === (topic.subscription !== null)) {
      this.#waiting.delete(topic);
      if (!topic.wanted) this.#forget(topic);
    } else if (this.#failed.has(topic) && topic.wanted) {
      return;
    } else if (this.#calls >= MAX_CALLS) {
      this.#waiting.add(topic);
    } else {
      this.#waiting.delete(topic);
      this.#call(topic);
    }
  }

  #forget(topic: Topic): void {
    this.#topics.delete(topic.room);
    this.#failed.delete(topic);
  }

  #call(topic: Topic): void {
    topic.busy = true;
    this.#calls++;
    const { subscription } = topic;
    let result: unknown;
    try {
      result = subscription === null ? this.#subscribe(topic) : subscription.unsubscribe();
    } catch (error) {
      return this.#onCallFailed(topic, error);
    }
    if (isThenable(result)) {
      Promise.resolve(result).then(
        (result) => this.#onCalled(topic, result),
        (error) => this.#onCallFailed(topic, error),
      );
    } else {
      this.#onCalled(topic, result);
    }
  }

  #subscribe(topic: Topic): unknown {
    const token = topic.token = {};
    return this.#broker.subscribe(topic.room, (bytes) => {
      // Ignores late deliveries: the room has no members any more, or a newer subscription.
      if (topic.wanted && topic.token === token) this.#onDelivered(topic, bytes);
    });
  }

  #onCalled(topic: Topic, result: unknown): void {
    const subscribed = topic.subscription === null;
    if (subscribed && !isSubscription(result)) {
      return this.#onCallFailed(
        topic,
        new TypeError("Cannot subscribe: subscribe() of the broker must return a Subscription"),
      );
    }
    topic.subscription = subscribed ? result as Subscription : null;
    if (!subscribed) topic.token = null;
    this.#pause = FIRST_PAUSE;
    this.#endCall(topic);
  }

  #onCallFailed(topic: Topic, error: unknown): void {
    this.#countError(error);
    // A subscription that cannot be ended is given up: without its token, deliveries are ignored.
    topic.token = null;
    if (topic.subscription !== null) topic.subscription = null;
    else if (topic.wanted) this.#retryLater(topic);
    this.#endCall(topic);
  }

  #endCall(topic: Topic): void {
    topic.busy = false;
    this.#calls--;
    this.#settle(topic);
    for (const next of this.#waiting) {
      if (this.#calls >= MAX_CALLS) break;
      this.#settle(next);
    }
  }

  #retryLater(topic: Topic): void {
    this.#failed.add(topic);
    if (this.#retryAlarm.index >= 0) return;
    // Random, so that the hubs of a broker that comes back do not all call at once.
    const jitter = 0.5 + (this.#runtime.random.next() >>> 0) / 2 ** 32;
    this.#runtime.timers.set(this.#retryAlarm, this.#runtime.timers.now() + this.#pause * jitter);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  #retry(): void {
    const topics = [...this.#failed];
    this.#failed.clear();
    for (const topic of topics) this.#settle(topic);
  }

  // ── From the broker ──

  #onDelivered(topic: Topic, bytes: unknown): void {
    let envelope: Envelope;
    try {
      envelope = decodeEnvelope(bytes);
      checkRooms(envelope, topic.room);
    } catch (error) {
      return this.#countError(error);
    }
    const origin = nameOf(envelope.origin);
    if (origin === this.#originName || !this.#seen.add(origin, envelope.number)) return;
    this.#hub.counters.received++;
    this.#hub.deliver(envelope.rooms, envelope.message, envelope.key);
  }

  // ── To the broker ──

  /** Passes a message on to the other hubs, or drops the message when too many wait already. */
  publish(rooms: readonly string[] | null, message: PreparedMessage, key: string | null): void {
    let bytes: Uint8Array;
    try {
      const number = ++this.#published;
      bytes = encodeEnvelope({ origin: this.#origin, number, rooms, key, message });
    } catch (error) {
      return this.#countError(error);
    }
    if (rooms === null) this.#publish(null, bytes);
    else for (const room of rooms) this.#publish(room, bytes);
  }

  #publish(room: string | null, bytes: Uint8Array): void {
    const { counters } = this.#hub;
    if (!this.#hasRoom(bytes.length)) {
      counters.publishDropped++;
      return;
    }
    let result: unknown;
    try {
      result = this.#broker.publish(room, bytes);
    } catch (error) {
      return this.#countError(error);
    }
    counters.published++;
    if (!isThenable(result)) return;
    this.#publishing++;
    this.#publishingBytes += bytes.length;
    const end = () => {
      this.#publishing--;
      this.#publishingBytes -= bytes.length;
    };
    Promise.resolve(result).then(end, (error) => {
      end();
      this.#countError(error);
    });
  }

  /** Whether a message of `bytes` bytes may wait for the broker. The first refusal in a row is reported. */
  #hasRoom(bytes: number): boolean {
    const { maxPublishing, maxPublishingBytes } = this.#limits;
    if (
      this.#publishing < maxPublishing &&
      (this.#publishing === 0 || this.#publishingBytes + bytes <= maxPublishingBytes)
    ) {
      this.#dropping = false;
      return true;
    }
    if (!this.#dropping) {
      this.#dropping = true;
      this.#countError(new Error(`Cannot publish: ${this.#publishing} messages wait for the broker already`));
    }
    return false;
  }

  #countError(error: unknown): void {
    this.#hub.counters.brokerErrors++;
    this.#hub.onError(error);
  }
}

/** Checks that an envelope is for the room of its subscription: a broker may mix up names, and senders may lie. */
function checkRooms({ rooms }: Envelope, room: string | null): void {
  if (room === null ? rooms === null : rooms !== null && rooms.includes(room)) return;
  throw new TypeError("Cannot read an envelope of the broker: it is for another room");
}

function nameOf(origin: Uint8Array): string {
  return String.fromCharCode(...origin);
}

function isSubscription(value: unknown): value is Subscription {
  return typeof (value as { unsubscribe?: unknown } | null | undefined)?.unsubscribe === "function";
}
