import type { MessageData } from "../websocket/message.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { BroadcastOptions } from "./hub.ts";
import type { HubClient } from "./hub_client.ts";

/** What a room needs of its hub. */
export interface RoomOwner<Data> {
  membersOf(room: string): ReadonlySet<HubClient<Data>>;
  broadcastTo(
    members: ReadonlySet<HubClient<Data>>,
    message: MessageData | PreparedMessage,
    options: BroadcastOptions<Data>,
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

  /** Queues a message for everybody in it; returns how many queues took it. */
  broadcast(message: MessageData | PreparedMessage, options: BroadcastOptions<Data> = {}): number {
    return this.#owner.broadcastTo(this.#owner.membersOf(this.name), message, options);
  }

  /** Queues a value as JSON text for everybody in it. */
  broadcastJson(value: unknown, options: BroadcastOptions<Data> = {}): number {
    return this.broadcast(JSON.stringify(value), options);
  }

  /** Who is in it. */
  [Symbol.iterator](): IterableIterator<HubClient<Data>> {
    return this.#owner.membersOf(this.name).values();
  }
}
