/**
 * A hub that passes messages to many connections.
 *
 * @module
 */

import { Hub as HubOn } from "../src/hub/hub.ts";
import type { BroadcastOptions, HubOptions, RegisterOptions } from "../src/hub/hub_options.ts";
import type { DrainOptions, DrainReport } from "../src/hub/drain.ts";
import type { HubClient } from "../src/hub/hub_client.ts";
import type { HubStats } from "../src/hub/hub_counters.ts";
import type { HubSocket } from "../src/hub/member.ts";
import type { Room } from "../src/hub/room.ts";
import { CloseCode } from "../src/protocol/close_code.ts";
import type { MessageData } from "../src/websocket/message.ts";
import type { PreparedMessage } from "../src/websocket/prepared_message.ts";
import { runtime } from "./runtime.ts";

/**
 * Passes messages to many connections. Go: the Hub of gorilla's chat example.
 *
 * A broadcast is encoded once, however many get it. Each member has a bounded queue with a policy: a slow one never
 * delays another, and either loses what it cannot take or is closed with 1013. What is broadcast in one turn of the
 * event loop leaves in one write a member. Messages from one place to one member keep their order; a message that is
 * written to a connection directly may overtake those that its hub has queued, so send through {@linkcode HubClient.send}.
 *
 * With a {@linkcode Broker} a broadcast also reaches the members of the other hubs that share it.
 */
export class Hub<Data = unknown> implements AsyncDisposable {
  readonly #hub: HubOn<Data>;

  /**
   * Makes one.
   *
   * @param options queues, timing, hooks and handlers; see {@linkcode HubOptions}
   * @throws {RangeError} when a bound is not positive
   * @throws {TypeError} when a policy is none
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

  /** The hub in numbers. They are kept as it goes: to ask costs the same however many members there are. */
  get stats(): HubStats {
    return this.#hub.stats;
  }

  // ── Members ──

  /**
   * Takes a member in. It is let go of by itself when its socket is closed.
   *
   * A hub that is drained or closed takes nobody: the socket is closed with the code that the others were closed with,
   * and the client that is returned is gone from the beginning.
   *
   * @param socket a `WebSocketConn`, a {@linkcode ConnMember}, or anything else that can take messages
   * @param data whatever the application keeps with it
   * @param options its own queue and rate limit, in place of the hub's
   * @throws {RangeError} when a bound is not positive
   * @throws {TypeError} when a policy is none
   */
  register(socket: HubSocket, data: Data, options: RegisterOptions = {}): HubClient<Data> {
    return this.#hub.register(socket, data, options);
  }

  /**
   * Lets a member go, from all rooms. Its socket is given what is queued, if it is not busy, and stays open. A client
   * that is gone, or another hub's, is left alone.
   */
  unregister(client: HubClient<Data>): void {
    this.#hub.unregister(client);
  }

  /** The room of this name, whether somebody is in it or not. */
  room(name: string): Room<Data> {
    return this.#hub.room(name);
  }

  // ── Messages ──

  /**
   * Queues a message for every client, or for who is in any of `rooms`, here and, through the broker, elsewhere.
   *
   * @returns how many queues of this hub took it
   * @throws {TypeError} when the message is neither text nor bytes, the bytes of a text are not UTF-8, or `except` is
   * neither a hub's client nor a set
   */
  broadcast(message: MessageData | PreparedMessage, options: BroadcastOptions<Data> = {}): number {
    return this.#hub.broadcast(message, options);
  }

  /** Queues a value as JSON text; see {@linkcode Hub.broadcast}. */
  broadcastJson(value: unknown, options: BroadcastOptions<Data> = {}): number {
    return this.#hub.broadcastJson(value, options);
  }

  // ── The end ──

  /**
   * Empties the hub for a deploy: from now on nobody is admitted. Members are closed in batches, spread over time, each
   * after what is queued for it; when the time is up, or the signal is aborted, who is left is cut off. A second call
   * gives the first one's report.
   *
   * @returns what became of the members, when none is left
   * @throws {RangeError} when a number is not positive
   */
  drain(options: DrainOptions = {}): Promise<DrainReport> {
    return this.#hub.drain(options);
  }

  /**
   * Closes every member at once, after what is queued, which is handed to its socket even if that is busy. From now on
   * nobody is admitted.
   *
   * @returns when all are gone
   */
  async close(code: number = CloseCode.GoingAway, reason = ""): Promise<void> {
    await this.#hub.close(code, reason);
  }

  /** Closes it with 1001. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

export type { Broker, Subscription } from "../src/hub/broker.ts";
export { codecEncoding, ConnMember } from "../src/hub/conn_member.ts";
export type { DrainOptions, DrainReport } from "../src/hub/drain.ts";
export type { HistogramSnapshot } from "../src/hub/histogram.ts";
export type { HubClient, PublishOptions, SendOptions } from "../src/hub/hub_client.ts";
export type { HubStats } from "../src/hub/hub_counters.ts";
export type { BroadcastOptions, HubOptions, RegisterOptions } from "../src/hub/hub_options.ts";
export type { LivenessOptions } from "../src/hub/liveness.ts";
export { MemoryBroker } from "../src/hub/memory_broker.ts";
export type { HubSocket } from "../src/hub/member.ts";
export type { OverflowEvent } from "../src/hub/overflow_reports.ts";
export type { OverflowPolicy, QueueOptions } from "../src/hub/queue_policy.ts";
export type { RefusalReason, RequestHooks, RequestOptions, RequestResult } from "../src/hub/requests.ts";
export type { LinkOptions } from "../src/hub/broker_link.ts";
export { Room, type RoomBroadcastOptions } from "../src/hub/room.ts";
export { type RateLimit, type RateSettings, TokenBucket } from "../src/hub/token_bucket.ts";
export type { ByteBuffer } from "../src/bytes/byte_buffer.ts";
export type { Encoder } from "../src/framing/codec.ts";
export type { Addr, PipeAddr, TcpAddr, UdpAddr, UnixAddr } from "../src/net/addr.ts";
export type { Bytes, MessageData, MessageType } from "../src/websocket/message.ts";
export type { DrainListener } from "../src/websocket/drain_listener.ts";
export type { MessageBatch, MessageMark } from "../src/websocket/message_batch.ts";
export { type MessageEncoding, PreparedMessage } from "../src/websocket/prepared_message.ts";
