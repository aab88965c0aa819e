import { showFields } from "../bytes/inspection.ts";
import type { Runtime } from "../net/runtime.ts";
import { CloseCode } from "../protocol/close_code.ts";
import type { MessageData } from "../websocket/message.ts";
import { toJson } from "../websocket/message_json.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { DrainOptions, DrainReport } from "./drain.ts";
import type { HubStats } from "./hub_counters.ts";
import { HubEngine } from "./hub_engine.ts";
import type { HubMember } from "./hub_member.ts";
import type { BroadcastOptions, HubOptions, RegisterOptions } from "./hub_options.ts";
import type { MemberSocket } from "./hub_socket.ts";
import { type Room, RoomView } from "./room.ts";

/**
 * The public class `Hub`, before an entry binds the runtime.
 *
 * @internal
 */
export class Hub<Data = unknown> implements AsyncDisposable {
  readonly #engine: HubEngine<Data>;

  constructor(runtime: Runtime, options: HubOptions<Data> = {}) {
    this.#engine = new HubEngine(runtime, options);
  }

  /** Members in the hub. */
  get size(): number {
    return this.#engine.members.size;
  }

  /** All members, in the order in which they were registered. */
  get members(): ReadonlySet<HubMember<Data>> {
    return this.#engine.members;
  }

  /** Names of the rooms that have members. */
  get rooms(): Iterable<string> {
    return this.#engine.rooms;
  }

  /** Counters and gauges of the hub. Reading them costs the same however many members there are. */
  get stats(): HubStats {
    return this.#engine.stats;
  }

  // ── Members ──

  /**
   * Adds a member. The hub removes it when its socket is closed.
   *
   * A hub that is drained or closed adds no member: the socket is closed with the same code as the others, and the
   * member that is returned is already removed.
   *
   * @param socket a `WebSocketConn`, a {@linkcode ConnMember}, or any other {@linkcode HubSocket}
   * @param data the application's own data, kept as `member.data`
   * @param options queue and rate limit of this member, in place of the hub's
   * @throws {RangeError} when a bound is not positive
   * @throws {TypeError} when a policy is unknown, or `socket` cannot send messages
   */
  register(socket: MemberSocket, data: Data, options: RegisterOptions = {}): HubMember<Data> {
    return this.#engine.register(socket, data, options);
  }

  /**
   * Removes a member from the hub and all rooms. Its socket stays open, and gets the messages that are queued unless it
   * is busy. Members of another hub, and members already removed, are ignored.
   */
  unregister(member: HubMember<Data>): void {
    this.#engine.unregister(member);
  }

  /** The room of this name, with or without members. */
  room(name: string): Room<Data> {
    return new RoomView(this.#engine, name);
  }

  // ── Messages ──

  /**
   * Queues a message for all members, or for those in any of `options.rooms`, here and, through the broker, in other
   * hubs.
   *
   * @returns how many queues of this hub accepted the message
   * @throws {TypeError} when the message is neither text nor bytes, the bytes of a text are not UTF-8, or `except` is
   * neither a member of a hub nor a set
   */
  broadcast(message: MessageData | PreparedMessage, options: BroadcastOptions<Data> = {}): number {
    return this.#engine.broadcast(message, options);
  }

  /** Queues a value as JSON text; see {@linkcode Hub.broadcast}. */
  broadcastJson(value: unknown, options: BroadcastOptions<Data> = {}): number {
    return this.broadcast(toJson(value), options);
  }

  // ── The end ──

  /**
   * Empties the hub for a deploy, and adds no more members. Members are closed in batches, spread over time, each after
   * its queued messages. Members that are left when the time is up, or when the signal is aborted, are cut off. A second
   * call returns the first call's report.
   *
   * @returns the numbers of members that were closed, left and were cut off, once none is left
   * @throws {RangeError} when a number is not positive
   */
  drain(options: DrainOptions = {}): Promise<DrainReport> {
    return this.#engine.drain(options);
  }

  /**
   * Closes all members at once, each after its queued messages as `HubMember.close` does, and adds no more members.
   *
   * @param code code of the close frames; default 1001
   * @param reason text for the peers, at most 123 bytes of UTF-8; default: empty
   * @returns resolves when no member is left
   */
  async close(code: number = CloseCode.GoingAway, reason = ""): Promise<void> {
    await this.#engine.close(code, reason);
  }

  /** Closes the hub with 1001. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

showFields(Hub, ({ members, rooms }) => ({ members: members.size, rooms: [...rooms].length }));
