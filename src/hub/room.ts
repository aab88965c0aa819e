import { showFields } from "../bytes/inspection.ts";
import type { MessageData } from "../websocket/message.ts";
import { toJson } from "../websocket/message_json.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { HubEngine } from "./hub_engine.ts";
import type { HubMember } from "./hub_member.ts";
import type { BroadcastOptions } from "./hub_options.ts";

/** How a message is broadcast to one room. */
export type RoomBroadcastOptions<Data = unknown> = Omit<BroadcastOptions<Data>, "rooms">;

/**
 * The members that joined under one name, as `Hub.room` returns them: a view that follows the members as they come and
 * go. A room exists while it has members. Iterating gives them in the order in which they joined.
 */
export interface Room<Data = unknown> extends Iterable<HubMember<Data>> {
  /** The name by which members join. */
  readonly name: string;
  /** Members in the room. */
  readonly size: number;
  /** Whether a member is in the room. */
  has(member: HubMember<Data>): boolean;
  /**
   * Queues a message for all members of the room; see `Hub.broadcast`.
   *
   * @returns how many queues of this hub accepted the message
   */
  broadcast(message: MessageData | PreparedMessage, options?: RoomBroadcastOptions<Data>): number;
  /** Queues a value as JSON text for all members of the room. */
  broadcastJson(value: unknown, options?: RoomBroadcastOptions<Data>): number;
  /** Members of the room, in the order in which they joined. */
  [Symbol.iterator](): IterableIterator<HubMember<Data>>;
}

/** A {@linkcode Room} of a hub. */
export class RoomView<Data> implements Room<Data> {
  readonly name: string;
  readonly #engine: HubEngine<Data>;

  constructor(engine: HubEngine<Data>, name: string) {
    this.#engine = engine;
    this.name = name;
  }

  get size(): number {
    return this.#engine.membersOf(this.name).size;
  }

  has(member: HubMember<Data>): boolean {
    return (this.#engine.membersOf(this.name) as ReadonlySet<HubMember<Data>>).has(member);
  }

  broadcast(message: MessageData | PreparedMessage, options: RoomBroadcastOptions<Data> = {}): number {
    return this.#engine.broadcastTo(this.name, message, options);
  }

  broadcastJson(value: unknown, options: RoomBroadcastOptions<Data> = {}): number {
    return this.broadcast(toJson(value), options);
  }

  [Symbol.iterator](): IterableIterator<HubMember<Data>> {
    return this.#engine.membersOf(this.name).values();
  }
}

showFields(RoomView, ({ name, size }) => ({ name, size }));
