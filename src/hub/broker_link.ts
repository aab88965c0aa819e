import type { Runtime } from "../net/runtime.ts";
import { isThenable } from "../net/thenable.ts";
import { Alarm } from "../net/timer_queue.ts";
import { positive } from "../websocket/options.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { Broker, Subscription } from "./broker.ts";
import { decodeEnvelope, encodeEnvelope, type Envelope, ORIGIN_LENGTH } from "./envelope.ts";
import type { HubCounters } from "./hub_counters.ts";
import { SeenMessages } from "./seen_messages.ts";

/** So many calls of `subscribe` and `unsubscribe` are under way at most; other rooms wait for their turn. */
const MAX_CALLS = 1024;
/** Milliseconds before a subscription that failed is tried again: at first, and at most. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

/** What a link needs of its hub. */
export interface LinkOwner {
  readonly counters: HubCounters;
  /** A message came for rooms, or for everybody. */
  onPublished(rooms: readonly string[] | null, message: PreparedMessage, key: string | null): void;
  onError(error: unknown): void;
}

/** How much may wait for a broker. */
export interface LinkOptions {
  /** Messages that may wait for the broker; one more is not passed on. Default: 1,024. */
  maxPublishing?: number;
  /** Bytes that these may have. Default: 16 MiB. */
  maxPublishingBytes?: number;
}

/** {@linkcode LinkOptions} with every default in place. */
export type LinkLimits = Readonly<Required<LinkOptions>>;

/**
 * Puts the defaults in and checks what was given.
 *
 * @throws {RangeError} when a number is not positive
 */
export function linkLimits(options: LinkOptions): LinkLimits {
  return {
    maxPublishing: positive("maxPublishing", options.maxPublishing, 1_024),
    maxPublishingBytes: positive("maxPublishingBytes", options.maxPublishingBytes, 1 << 24),
  };
}

/** A room that this hub wants, or wanted, to hear of. `null`: everybody. */
interface Topic {
  readonly room: string | null;
  wanted: boolean;
  /** A call for it is under way. */
  busy: boolean;
  subscription: Subscription | null;
  /** Tells what the last subscription delivers from what an earlier one does, late. */
  token: object | null;
}

/**
 * Joins a hub to a broker. It is subscribed to what has members here and to nothing else; whatever the broker does, or
 * does not do, the hub goes on: no call of it is waited for, and what it throws is reported.
 */
export class BrokerLink {
  readonly #broker: Broker;
  readonly #owner: LinkOwner;
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

  constructor(runtime: Runtime, broker: Broker, owner: LinkOwner, limits: LinkLimits) {
    this.#runtime = runtime;
    this.#broker = broker;
    this.#owner = owner;
    this.#limits = limits;
    this.#origin = runtime.random.bytes(ORIGIN_LENGTH);
    this.#originName = nameOf(this.#origin);
  }

  // ── Subscribing ──

  /** Somebody is there to hear of a room. */
  want(room: string | null): void {
    let topic = this.#topics.get(room);
    if (topic === undefined) {
      this.#topics.set(room, topic = { room, wanted: true, busy: false, subscription: null, token: null });
    }
    topic.wanted = true;
    this.#settle(topic);
  }

  /** Nobody is there any more. */
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

  /** Calls the broker when what is wanted is not what is: one call at a time for a room, so that none is made twice. */
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
      // Late: nobody is there any more, or hears it by another subscription.
      if (topic.wanted && topic.token === token) this.#onDelivered(topic, bytes);
    });
  }

  #onCalled(topic: Topic, result: unknown): void {
    const subscribed = topic.subscription === null;
    if (subscribed && !isSubscription(result)) {
      return this.#onCallFailed(topic, new TypeError("Cannot subscribe: the broker gave no subscription"));
    }
    topic.subscription = subscribed ? result as Subscription : null;
    if (!subscribed) topic.token = null;
    this.#pause = FIRST_PAUSE;
    this.#endCall(topic);
  }

  #onCallFailed(topic: Topic, error: unknown): void {
    this.#countError(error);
    // A subscription that cannot be ended is left: what it delivers is ignored while nobody is there.
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
    // Somewhat at random, so that the hubs of a broker that comes back do not all call at once.
    const jitter = 0.5 + (this.#runtime.random.next() >>> 0) / 2 ** 32;
    this.#runtime.timers.set(this.#retryAlarm, this.#runtime.timers.now() + this.#pause * jitter);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  #retry(): void {
    const topics = [...this.#failed];
    this.#failed.clear();
    for (const topic of topics) this.#settle(topic);
  }

  // ── In ──

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
    this.#owner.counters.received++;
    this.#owner.onPublished(envelope.rooms, envelope.message, envelope.key);
  }

  // ── Out ──

  /** Passes a message on to the other hubs, or drops it when too many wait already. */
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
    const { counters } = this.#owner;
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

  /** Whether one more may wait for the broker. That it is too slow is reported when it begins. */
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
    this.#owner.counters.brokerErrors++;
    this.#owner.onError(error);
  }
}

/** What came for a room must be for it: names may meet in a broker, and senders may lie. */
function checkRooms({ rooms }: Envelope, room: string | null): void {
  if (room === null ? rooms === null : rooms !== null && rooms.includes(room)) return;
  throw new TypeError("Cannot read what came by the broker: it is for another room");
}

function nameOf(origin: Uint8Array): string {
  return String.fromCharCode(...origin);
}

function isSubscription(value: unknown): value is Subscription {
  return typeof (value as { unsubscribe?: unknown } | null | undefined)?.unsubscribe === "function";
}
