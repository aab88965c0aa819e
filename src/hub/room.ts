import type { MessageData } from "../websocket/message.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { BroadcastOptions } from "./hub_options.ts";
import type { HubClient } from "./hub_client.ts";

/** How a broadcast to one room is made. */
export type RoomBroadcastOptions<Data = unknown> = Omit<BroadcastOptions<Data>, "rooms">;

/** What a room needs of its hub. */
export interface RoomOwner<Data> {
  membersOf(room: string): ReadonlySet<HubClient<Data>>;
  broadcastTo(
    room: string,
    message: MessageData | PreparedMessage,
    options: RoomBroadcastOptions<Data>,
  ): number;
}

/** The clients that joined under one name. A room exists while it has members; this is a view of it. */
export class Room<Data = unknown> implements Iterable<HubClient<Data>> {
  /** What clients join it by. */
  readonly name: string;
  readonly #owner: RoomOwner<Data>;

  /** Made by `Hub.room`. */
  constructor(owner: RoomOwner<Data>, name: string) {
    this.#owner = owner;
    this.name = name;
  }

  /** How many are in it. */
  get size(): number {
    return this.#owner.membersOf(this.name).size;
  }

  /** Whether a client is in it. */
  has(client: HubClient<Data>): boolean {
    return this.#owner.membersOf(this.name).has(client);
  }

  /** Queues a message for everybody in it; returns how many queues of this hub took it. */
  broadcast(message: MessageData | PreparedMessage, options: RoomBroadcastOptions<Data> = {}): number {
    return this.#owner.broadcastTo(this.name, message, options);
  }

  /** Queues a value as JSON text for everybody in it. */
  broadcastJson(value: unknown, options: RoomBroadcastOptions<Data> = {}): number {
    return this.broadcast(JSON.stringify(value), options);
  }

  /** Who is in it, in the order in which they came. */
  [Symbol.iterator](): IterableIterator<HubClient<Data>> {
    return this.#owner.membersOf(this.name).values();
  }
}
