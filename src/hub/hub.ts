import type { Runtime } from "../net/runtime.ts";
import { CloseCode } from "../protocol/close_code.ts";
import type { MessageData } from "../websocket/message.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { DrainOptions, DrainReport } from "./drain.ts";
import type { HubMember } from "./hub_member.ts";
import type { HubStats } from "./hub_counters.ts";
import { HubEngine } from "./hub_engine.ts";
import type { BroadcastOptions, HubOptions, RegisterOptions } from "./hub_options.ts";
import type { HubSocket } from "./hub_socket.ts";
import { Room } from "./room.ts";

/**
 * Passes messages to many connections. Go: the Hub of gorilla's chat example.
 *
 * A broadcast is encoded once, however many get it. Each member has a bounded queue with a policy: a slow one never
 * delays another, and either loses what it cannot take or is closed with 1013. What is broadcast in one turn of the
 * event loop leaves in one write a member. Messages from one place to one member keep their order; a message that is
 * written to a connection directly may overtake those that its hub has queued, so send through {@linkcode HubMember.send}.
 *
 * With a {@linkcode Broker} a broadcast also reaches the members of the other hubs that share it.
 *
 * @internal
 */
export class Hub<Data = unknown> implements AsyncDisposable {
  readonly #engine: HubEngine<Data>;

  constructor(runtime: Runtime, options: HubOptions<Data> = {}) {
    this.#engine = new HubEngine(runtime, options);
  }

  /** How many members are registered. */
  get size(): number {
    return this.#engine.members.size;
  }

  /** Everybody. */
  get members(): ReadonlySet<HubMember<Data>> {
    return this.#engine.members;
  }

  /** The names of the rooms that have members. */
  get rooms(): Iterable<string> {
    return this.#engine.rooms;
  }

  /** The hub in numbers. They are kept as it goes: to ask costs the same however many members there are. */
  get stats(): HubStats {
    return this.#engine.stats;
  }

  // ── Members ──

  /**
   * Takes a member in. It is let go of by itself when its socket is closed.
   *
   * A hub that is drained or closed takes nobody: the socket is closed with the code that the others were closed with,
   * and the member that is returned is gone from the beginning.
   *
   * @param socket a `WebSocketConn`, a {@linkcode ConnMember}, or anything else that can take messages
   * @param data whatever the application keeps with it
   * @param options its own queue and rate limit, in place of the hub's
   * @throws {RangeError} when a bound is not positive
   * @throws {TypeError} when a policy is none
   */
  register(socket: HubSocket, data: Data, options: RegisterOptions = {}): HubMember<Data> {
    return this.#engine.register(socket, data, options);
  }

  /**
   * Lets a member go, from all rooms. Its socket is given what is queued, if it is not busy, and stays open. A member
   * that is gone, or another hub's, is left alone.
   */
  unregister(member: HubMember<Data>): void {
    this.#engine.unregister(member);
  }

  /** The room of this name, whether somebody is in it or not. */
  room(name: string): Room<Data> {
    return new Room(this.#engine, name);
  }

  // ── Messages ──

  /**
   * Queues a message for every member, or for who is in any of `rooms`, here and, through the broker, elsewhere.
   *
   * @returns how many queues of this hub took it
   * @throws {TypeError} when the message is neither text nor bytes, the bytes of a text are not UTF-8, or `except` is
   * neither a hub's member nor a set
   */
  broadcast(message: MessageData | PreparedMessage, options: BroadcastOptions<Data> = {}): number {
    return this.#engine.broadcast(message, options);
  }

  /** Queues a value as JSON text; see {@linkcode Hub.broadcast}. */
  broadcastJson(value: unknown, options: BroadcastOptions<Data> = {}): number {
    return this.broadcast(JSON.stringify(value), options);
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
    return this.#engine.drain(options);
  }

  /**
   * Closes every member at once, after what is queued, which is handed to its socket even if that is busy. From now on
   * nobody is admitted.
   *
   * @returns when all are gone
   */
  async close(code: number = CloseCode.GoingAway, reason = ""): Promise<void> {
    await this.#engine.close(code, reason);
  }

  /** Closes it with 1001. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
