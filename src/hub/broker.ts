/** What ends a subscription. */
export interface Subscription {
  /** Nothing is to be delivered any more. May be called once; what comes late all the same is ignored. */
  unsubscribe(): void | Promise<void>;
}

/**
 * Carries messages between hubs: of one process, or, over a message broker, of many. It is filled by an adapter, which
 * only translates: rooms to the broker's subjects or channels, and bytes to its messages. Several hubs may share one,
 * so no hub closes it: who made it does.
 *
 * What a hub expects of one:
 *
 * - **Bytes arrive as they were.** An envelope is binary, and the hub's own: what is in it is nobody else's business.
 * - **Rooms stay apart.** A room's name is any text. What the broker's subjects or channels give a meaning to (spaces,
 *   line ends, `*`, `>`, `.`, braces, patterns, length) is the adapter's to escape, so that no two rooms meet. `null` is
 *   not a room but everybody. A hub drops what is for another room than the one it came for.
 * - **Order.** Of what one hub publishes to one room, each subscriber gets what it gets in that order. Calls of
 *   `publish` follow each other without waiting, so an adapter that waits for something must queue them.
 * - **At least or at most once**, as the broker has it: a hub drops what it has had before, and what is its own.
 * - **Reconnection is the adapter's**, with the subscriptions that stood. What was published meanwhile may be lost.
 *   `subscribe` is called again, with growing pauses, only when it has failed.
 * - **Calls return at once.** They may fail by throwing or rejecting, or take their time: the hub goes on, counts, and
 *   reports to its `onError`. It has no more than a bounded number of calls under way, and never two for one room.
 *
 * `deliver` may be called at any time, also inside `publish` or `subscribe`, with bytes that are the broker's again
 * when it returns. It never throws.
 */
export interface Broker {
  /**
   * Has `deliver` called with what others publish to a room, from when it returns or resolves on, if not before.
   *
   * @param room the room's name; `null` for what is for everybody
   */
  subscribe(
    room: string | null,
    deliver: (envelope: Uint8Array) => void,
  ): Subscription | Promise<Subscription>;
  /**
   * Passes an envelope on. Resolves when the broker has taken it: what waits for that is bounded by the hub.
   *
   * @param envelope not to be changed
   */
  publish(room: string | null, envelope: Uint8Array): void | Promise<void>;
  /** Ends it. Nothing is delivered any more, and later calls fail. */
  close(): void | Promise<void>;
}
