import type { Runtime } from "../net/runtime.ts";
import { Alarm } from "../net/timer_queue.ts";
import type { Flushable } from "../net/turn.ts";
import { CloseCode } from "../protocol/close_code.ts";
import type { MessageData } from "../websocket/message.ts";
import { positive } from "../websocket/options.ts";
import { PreparedMessage } from "../websocket/prepared_message.ts";
import { type ClientOwner, HubClient, type QueueLimits } from "./hub_client.ts";
import type { HubSocket } from "./member.ts";
import { Room, type RoomOwner } from "./room.ts";

/** How a hub treats its members. */
export interface HubOptions<Data = unknown> {
  /** Bytes that one client's queue may hold. Default: 1 MiB. */
  maxQueuedBytes?: number;
  /** Messages that one client's queue may hold: small ones cost more than their bytes. Default: 16,384. */
  maxQueuedMessages?: number;
  /** Told after a client was evicted because its queue was full. */
  onEvict?: (client: HubClient<Data>) => void;
  /** Milliseconds between two pings of a member. Default: 30,000. `Infinity`: none. */
  pingInterval?: number;
  /** Milliseconds without a pong after which a member is dropped. Default: twice the interval. */
  pongTimeout?: number;
}

/** Who gets a broadcast. */
export interface BroadcastOptions<Data = unknown> {
  /** Who does not. */
  except?: HubClient<Data> | ReadonlySet<HubClient<Data>>;
  /** Only those for whom it is true. */
  filter?: (client: HubClient<Data>) => boolean;
}

/** A hub in numbers. */
export interface HubStats {
  /** Clients that are registered. */
  readonly members: number;
  /** Rooms with somebody in them. */
  readonly rooms: number;
  /** Messages that queues took. */
  readonly sent: number;
  /** Messages that queues refused. */
  readonly dropped: number;
  /** Members closed because their queue was full. */
  readonly evicted: number;
  /** Members dropped because they were silent. */
  readonly timedOut: number;
  /** Bytes in all queues. */
  readonly queuedBytes: number;
}

/**
 * Passes messages to many connections. Go: the Hub of gorilla's chat example.
 *
 * A broadcast is encoded once, however many get it. Each member has a bounded queue: a slow one never delays another,
 * and one whose queue is full is closed with 1013. What is broadcast in one turn of the event loop leaves in one write
 * a member. Messages from one place to one member keep their order; a message that is written to a connection directly
 * may overtake those that its hub has queued, so send through {@linkcode HubClient.send}.
 */
export class Hub<Data = unknown> implements ClientOwner<Data>, RoomOwner<Data>, Flushable, AsyncDisposable {
  readonly limits: QueueLimits;
  readonly #runtime: Runtime;
  readonly #onEvict: ((client: HubClient<Data>) => void) | undefined;
  readonly #clients = new Set<HubClient<Data>>();
  readonly #rooms = new Map<string, Set<HubClient<Data>>>();
  #dirty: HubClient<Data>[] = [];
  readonly #pingInterval: number;
  readonly #pongTimeout: number;
  readonly #pingAlarm = new Alarm(() => this.#pingAll());
  #sent = 0;
  #dropped = 0;
  #evicted = 0;
  #timedOut = 0;

  constructor(runtime: Runtime, options: HubOptions<Data> = {}) {
    this.#runtime = runtime;
    this.limits = {
      maxQueuedBytes: positive("maxQueuedBytes", options.maxQueuedBytes, 1_048_576),
      maxQueuedMessages: positive("maxQueuedMessages", options.maxQueuedMessages, 16_384),
    };
    this.#onEvict = options.onEvict;
    this.#pingInterval = positive("pingInterval", options.pingInterval, 30_000);
    this.#pongTimeout = positive("pongTimeout", options.pongTimeout, this.#pingInterval * 2);
  }

  /** How many clients are registered. */
  get size(): number {
    return this.#clients.size;
  }

  /** Everybody. */
  get clients(): ReadonlySet<HubClient<Data>> {
    return this.#clients;
  }

  /** The names of the rooms that have members. */
  get rooms(): Iterable<string> {
    return this.#rooms.keys();
  }

  /** The hub in numbers, counted when it is asked for. */
  get stats(): HubStats {
    let queuedBytes = 0;
    for (const client of this.#clients) queuedBytes += client.queuedBytes;
    return {
      members: this.#clients.size,
      rooms: this.#rooms.size,
      sent: this.#sent,
      dropped: this.#dropped,
      evicted: this.#evicted,
      timedOut: this.#timedOut,
      queuedBytes,
    };
  }

  // ── Members ──

  /** Takes a member in. It is let go of by itself when its socket is closed. */
  register(socket: HubSocket, data: Data): HubClient<Data> {
    const client = new HubClient<Data>(this, socket, data);
    this.#clients.add(client);
    if (socket.ping !== undefined && this.#pingInterval !== Infinity) {
      client.deadline = this.#runtime.timers.now() + this.#pongTimeout;
      if (this.#pingAlarm.index < 0) this.#startPings();
    }
    void socket.closed.then(() => this.unregister(client), () => this.unregister(client));
    return client;
  }

  /** Lets a member go, from all rooms. Its socket is given what is queued, if it is not busy, and stays open. */
  unregister(client: HubClient<Data>): void {
    if (!this.#clients.delete(client)) return;
    client.flush();
    for (const room of client.rooms) this.leave(client, room);
    client.release();
    if (this.#clients.size === 0) this.#runtime.timers.clear(this.#pingAlarm);
  }

  /** The room of this name, whether somebody is in it or not. */
  room(name: string): Room<Data> {
    return new Room(this, name);
  }

  // ── Messages ──

  /** Queues a message for every client; returns how many queues took it. */
  broadcast(message: MessageData | PreparedMessage, options: BroadcastOptions<Data> = {}): number {
    return this.broadcastTo(this.#clients, message, options);
  }

  /** Queues a value as JSON text for every client. */
  broadcastJson(value: unknown, options: BroadcastOptions<Data> = {}): number {
    return this.broadcast(JSON.stringify(value), options);
  }

  /** Queues a message for these. */
  broadcastTo(
    members: ReadonlySet<HubClient<Data>>,
    message: MessageData | PreparedMessage,
    { except, filter }: BroadcastOptions<Data>,
  ): number {
    const prepared = message instanceof PreparedMessage ? message : new PreparedMessage(message);
    let taken = 0;
    for (const client of members) {
      if (except !== undefined && (except instanceof HubClient ? except === client : except.has(client))) {
        continue;
      }
      if (filter !== undefined && !filter(client)) continue;
      if (client.enqueue(prepared)) taken++;
    }
    this.#sent += taken;
    return taken;
  }

  /** The end of a turn: everybody who got something gets it in one write. */
  flush(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const client of dirty) client.flush();
  }

  /** Closes every member with a code, and resolves when all are gone. */
  async close(code: number = CloseCode.GoingAway, reason = ""): Promise<void> {
    await Promise.allSettled([...this.#clients].map((client) => client.close(code, reason)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // ── From the clients ──

  membersOf(room: string): ReadonlySet<HubClient<Data>> {
    return this.#rooms.get(room) ?? NOBODY;
  }

  join(client: HubClient<Data>, room: string): void {
    const members = this.#rooms.get(room);
    if (members === undefined) this.#rooms.set(room, new Set([client]));
    else members.add(client);
  }

  leave(client: HubClient<Data>, room: string): void {
    const members = this.#rooms.get(room);
    members?.delete(client);
    if (members?.size === 0) this.#rooms.delete(room);
  }

  flushSoon(client: HubClient<Data>): void {
    if (this.#dirty.push(client) === 1) this.#runtime.turn.add(this);
  }

  onOverflow(client: HubClient<Data>): void {
    this.#dropped += client.queuedMessages + 1;
    this.#evicted++;
    this.unregister(client);
    void client.socket.close(CloseCode.TryAgainLater, "Too slow").catch(() => {});
    // Not from inside a broadcast: what the application does now must not come between its receivers.
    const onEvict = this.#onEvict;
    if (onEvict !== undefined) queueMicrotask(() => onEvict(client));
  }

  onBroken(client: HubClient<Data>): void {
    this.unregister(client);
    client.socket.closeNow();
  }

  // ── Liveness ──

  #startPings(): void {
    this.#runtime.timers.set(this.#pingAlarm, this.#runtime.timers.now() + this.#pingInterval);
  }

  /** Pings everybody, and drops who did not answer in time: one alarm for all members. */
  #pingAll(): void {
    const now = this.#runtime.timers.now();
    for (const client of this.#clients) {
      if (client.deadline === Infinity) continue;
      if (client.deadline <= now) {
        this.#timedOut++;
        this.onBroken(client);
      } else {
        this.#ping(client);
      }
    }
    if (this.#clients.size > 0) this.#startPings();
  }

  #ping(client: HubClient<Data>): void {
    client.socket.ping!().then(
      () => client.deadline = this.#runtime.timers.now() + this.#pongTimeout,
      () => {/* It is closing; `closed` tells. */},
    );
  }
}

const NOBODY: ReadonlySet<never> = new Set<never>();
