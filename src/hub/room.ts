import type { MessageData } from "../websocket/message.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { BroadcastOptions } from "./hub_options.ts";
import type { HubMember } from "./hub_member.ts";

/** How a broadcast to one room is made. */
export type RoomBroadcastOptions<Data = unknown> = Omit<BroadcastOptions<Data>, "rooms">;

/** What a room needs of its hub. */
export interface RoomOwner<Data> {
  membersOf(room: string): ReadonlySet<HubMember<Data>>;
  broadcastTo(
    room: string,
    message: MessageData | PreparedMessage,
    options: RoomBroadcastOptions<Data>,
  ): number;
}

/** The members that joined under one name. A room exists while it has members; this is a view of it. */
export class Room<Data = unknown> implements Iterable<HubMember<Data>> {
  /** What members join it by. */
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

  /** Whether a member is in it. */
  has(member: HubMember<Data>): boolean {
    return this.#owner.membersOf(this.name).has(member);
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
  [Symbol.iterator](): IterableIterator<HubMember<Data>> {
    return this.#owner.membersOf(this.name).values();
  }
}
