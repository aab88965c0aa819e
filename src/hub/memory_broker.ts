import type { Broker, Subscription } from "./broker.ts";

type Deliver = (envelope: Uint8Array) => void;

/** A {@linkcode Broker} for the hubs of one process. Messages are delivered before `publish` returns. */
export class MemoryBroker implements Broker {
  readonly #subscribers: Map<string | null, Set<{ deliver: Deliver }>> = new Map();
  #closed = false;

  /**
   * Calls `deliver` with each envelope that is published to a room.
   *
   * @throws {Error} when the broker is closed
   */
  subscribe(room: string | null, deliver: (envelope: Uint8Array) => void): Subscription {
    this.#check("subscribe");
    const subscriber = { deliver };
    const subscribers = this.#subscribers.get(room);
    if (subscribers === undefined) this.#subscribers.set(room, new Set([subscriber]));
    else subscribers.add(subscriber);
    return { unsubscribe: () => this.#remove(room, subscriber) };
  }

  /**
   * Delivers an envelope to the room's subscribers.
   *
   * @throws {Error} when the broker is closed
   */
  publish(room: string | null, envelope: Uint8Array): void {
    this.#check("publish");
    const subscribers = this.#subscribers.get(room);
    if (subscribers === undefined) return;
    // A copy: a subscriber may subscribe, or end a subscription, while it is called.
    for (const subscriber of [...subscribers]) {
      if (subscribers.has(subscriber)) subscriber.deliver(envelope);
    }
  }

  /** Closes the broker and ends all subscriptions. */
  close(): void {
    this.#closed = true;
    for (const subscribers of this.#subscribers.values()) subscribers.clear();
    this.#subscribers.clear();
  }

  /** Rooms with subscribers; `null` counts as a room. */
  get size(): number {
    return this.#subscribers.size;
  }

  #remove(room: string | null, subscriber: { deliver: Deliver }): void {
    const subscribers = this.#subscribers.get(room);
    if (subscribers?.delete(subscriber) && subscribers.size === 0) this.#subscribers.delete(room);
  }

  #check(call: string): void {
    if (this.#closed) throw new Error(`Cannot ${call}: the broker is closed`);
  }
}
