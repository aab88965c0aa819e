/** A subscription of a hub to a room, as `Broker.subscribe` returns it. */
export interface Subscription {
  /** Ends the subscription. Called once; later deliveries are ignored. */
  unsubscribe(): void | Promise<void>;
}

/**
 * Carries messages between hubs, of one process or, over a message broker, of many. An implementation only translates:
 * rooms to the message broker's subjects or channels, and bytes to its messages. Several hubs may share a `Broker`, so
 * no hub closes it: the application does.
 *
 * A hub relies on the following:
 *
 * - **Bytes arrive as they were.** An envelope is binary, and only hubs read it.
 * - **Rooms stay apart.** A room's name is any text. The implementation escapes what subjects or channels give a meaning
 *   to (spaces, line ends, `*`, `>`, `.`, braces, patterns, length), so that no two rooms meet. `null` is not a room but
 *   stands for all members. A hub drops envelopes that are for another room than the one they came for.
 * - **Order.** A subscriber gets the envelopes of one hub for one room in the order in which they were published, as far
 *   as it gets them. A hub calls `publish` again without waiting, so an implementation that waits must queue the calls.
 * - **At least or at most once**, as the message broker has it: a hub drops duplicates, and its own messages.
 * - **Reconnection.** The implementation reconnects, and renews its subscriptions. Messages that are published meanwhile
 *   may be lost. A hub calls `subscribe` again, with growing pauses, only when that call has failed.
 * - **Calls return at once.** They may throw, reject, or return a promise that takes its time: the hub goes on, counts,
 *   and reports errors to its `onError`. Calls under way are bounded, and never two for one room.
 *
 * `deliver` may be called at any time, also inside `publish` or `subscribe`. The hub does not keep the bytes after
 * `deliver` returned. `deliver` never throws.
 */
export interface Broker {
  /**
   * Calls `deliver` with each envelope that is published to a room, at the latest from when this call returns or
   * resolves on.
   *
   * @param room the room's name; `null` for messages to all members
   * @param deliver takes an envelope
   * @returns the subscription
   */
  subscribe(
    room: string | null,
    deliver: (envelope: Uint8Array) => void,
  ): Subscription | Promise<Subscription>;
  /**
   * Publishes an envelope. Returns or resolves when the broker has taken it; the hub bounds the envelopes that wait.
   *
   * @param room the room's name; `null` for messages to all members
   * @param envelope must not be changed
   */
  publish(room: string | null, envelope: Uint8Array): void | Promise<void>;
  /** Closes the broker: delivers nothing any more, and later calls fail. Called by the application. */
  close(): void | Promise<void>;
}
