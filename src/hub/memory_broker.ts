import type { Broker, Subscription } from "./broker.ts";

type Deliver = (envelope: Uint8Array) => void;

/** A {@linkcode Broker} for the hubs of one process: what is published is delivered before `publish` returns. */
export class MemoryBroker implements Broker {
  readonly #subscribers: Map<string | null, Set<{ deliver: Deliver }>> = new Map();
  #closed = false;

  /** Has `deliver` called with what is published to a room. */
  subscribe(room: string | null, deliver: (envelope: Uint8Array) => void): Subscription {
    this.#check("subscribe");
    const subscriber = { deliver };
    const subscribers = this.#subscribers.get(room);
    if (subscribers === undefined) this.#subscribers.set(room, new Set([subscriber]));
    else subscribers.add(subscriber);
    return { unsubscribe: () => this.#remove(room, subscriber) };
  }

  /**
   * Passes an envelope on.
   *
   * @throws {Error} when the broker is closed
   */
  publish(room: string | null, envelope: Uint8Array): void {
    this.#check("publish");
    const subscribers = this.#subscribers.get(room);
    if (subscribers === undefined) return;
    // A copy: who is told may subscribe, or end a subscription.
    for (const subscriber of [...subscribers]) {
      if (subscribers.has(subscriber)) subscriber.deliver(envelope);
    }
  }

  /** Ends it, with all subscriptions. */
  close(): void {
    this.#closed = true;
    for (const subscribers of this.#subscribers.values()) subscribers.clear();
    this.#subscribers.clear();
  }

  /** How many rooms somebody subscribed to; everybody counts as one. */
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
