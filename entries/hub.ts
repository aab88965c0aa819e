/**
 * A hub that passes messages to many connections.
 *
 * @module
 */

import { type BroadcastOptions, Hub as HubOn, type HubOptions, type HubStats } from "../src/hub/hub.ts";
import type { HubClient } from "../src/hub/hub_client.ts";
import type { HubSocket } from "../src/hub/member.ts";
import type { Room } from "../src/hub/room.ts";
import type { MessageData } from "../src/websocket/message.ts";
import type { PreparedMessage } from "../src/websocket/prepared_message.ts";
import { runtime } from "./runtime.ts";

/**
 * Passes messages to many connections. Go: the Hub of gorilla's chat example.
 *
 * A broadcast is encoded once, however many get it. Each member has a bounded queue: a slow one never delays another,
 * and one whose queue is full is closed with 1013. What is broadcast in one turn of the event loop leaves in one write
 * a member. Messages from one place to one member keep their order; a message that is written to a connection directly
 * may overtake those that its hub has queued, so send through {@linkcode HubClient.send}.
 */
export class Hub<Data = unknown> implements AsyncDisposable {
  readonly #hub: HubOn<Data>;

  /**
   * Makes one.
   *
   * @param options bounds and timing; see {@linkcode HubOptions}
   */
  constructor(options?: HubOptions<Data>) {
    this.#hub = new HubOn(runtime, options);
  }

  /** How many clients are registered. */
  get size(): number {
    return this.#hub.size;
  }

  /** Everybody. */
  get clients(): ReadonlySet<HubClient<Data>> {
    return this.#hub.clients;
  }

  /** The names of the rooms that have members. */
  get rooms(): Iterable<string> {
    return this.#hub.rooms;
  }

  /** The hub in numbers, counted when it is asked for. */
  get stats(): HubStats {
    return this.#hub.stats;
  }

  /** Takes a member in. It is let go of by itself when its socket is closed. */
  register(socket: HubSocket, data: Data): HubClient<Data> {
    return this.#hub.register(socket, data);
  }

  /** Lets a member go, from all rooms. Its socket is given what is queued, if it is not busy, and stays open. */
  unregister(client: HubClient<Data>): void {
    this.#hub.unregister(client);
  }

  /** The room of this name, whether somebody is in it or not. */
  room(name: string): Room<Data> {
    return this.#hub.room(name);
  }

  /** Queues a message for every client; returns how many queues took it. */
  broadcast(message: MessageData | PreparedMessage, options?: BroadcastOptions<Data>): number {
    return this.#hub.broadcast(message, options);
  }

  /** Queues a value as JSON text for every client; returns how many queues took it. */
  broadcastJson(value: unknown, options?: BroadcastOptions<Data>): number {
    return this.#hub.broadcastJson(value, options);
  }

  /**
   * Closes every member, and resolves when all are gone.
   *
   * @param code of the close frame; default 1001, "going away"
   */
  close(code?: number, reason?: string): Promise<void> {
    return this.#hub.close(code, reason);
  }

  /** The same as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#hub.close();
  }
}

export { codecEncoding, ConnMember } from "../src/hub/conn_member.ts";
export type { BroadcastOptions, HubOptions, HubStats } from "../src/hub/hub.ts";
export { HubClient } from "../src/hub/hub_client.ts";
export type { MessageBatch } from "../src/websocket/message_batch.ts";
export type { HubSocket } from "../src/hub/member.ts";
export { Room } from "../src/hub/room.ts";
