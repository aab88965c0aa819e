import type { Runtime } from "../net/runtime.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import type { Flushable } from "../net/flush_queue.ts";
import { CloseCode } from "../protocol/close_code.ts";
import type { MessageData } from "../websocket/message.ts";
import { positive } from "../websocket/options.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import { BrokerLink, linkLimits, type LinkOwner } from "./broker_link.ts";
import { Drain, type DrainOptions, type DrainOwner, type DrainReport, drainSettings } from "./drain.ts";
import { EventQueue } from "./event_queue.ts";
import type { HubClient, PublishOptions } from "./hub_client.ts";
import { checkExcept, type ClientOwner, HubMember, isExcepted, prepare } from "./hub_member.ts";
import { HubCounters, type HubStats } from "./hub_counters.ts";
import type { BroadcastOptions, HubOptions, RegisterOptions } from "./hub_options.ts";
import { Liveness } from "./liveness.ts";
import { labelOf, Mark } from "./mark.ts";
import type { HubSocket } from "./member.ts";
import { OverflowReports } from "./overflow_reports.ts";
import { hasQueueOptions, type QueuePolicy, queuePolicy } from "./queue_policy.ts";
import { type RequestHooks, type RequestLimits, requestLimits } from "./requests.ts";
import type { RoomOwner } from "./room.ts";
import type { SendQueue } from "./send_queue.ts";
import { type RateSettings, rateSettings } from "./token_bucket.ts";

/**
 * What a hub does, behind its public page: it keeps the members and rooms, and joins the parts that each know one thing:
 * queues, liveness, requests, the broker, the events.
 */
export class HubEngine<Data>
  implements ClientOwner<Data>, RoomOwner<Data>, LinkOwner, DrainOwner<Data>, Flushable {
  readonly counters: HubCounters = new HubCounters();
  readonly hooks: RequestHooks<Data>;
  readonly limits: RequestLimits;
  readonly timers: TimerQueue;
  readonly #runtime: Runtime;
  readonly #options: HubOptions<Data>;
  readonly #policy: QueuePolicy;
  readonly #rate: RateSettings | null;
  readonly #clients = new Set<HubMember<Data>>();
  readonly #rooms = new Map<string, Set<HubMember<Data>>>();
  /** Of the rooms with a policy of their own, what is noted with their messages. */
  readonly #roomMarks = new Map<string, Mark>();
  #dirty: HubMember<Data>[] = [];
  #turnStartedAt = 0;
  #search = 0;
  readonly #events: EventQueue = new EventQueue((error) => this.onError(error));
  readonly #overflows: OverflowReports<Data> | null;
  readonly #liveness: Liveness;
  readonly #link: BrokerLink | null;
  #drain: Promise<DrainReport> | null = null;
  #closeCode: number | null = null;

  constructor(runtime: Runtime, options: HubOptions<Data>) {
    this.#runtime = runtime;
    this.timers = runtime.timers;
    this.#options = options;
    this.hooks = options;
    this.#policy = queuePolicy(options);
    this.#rate = options.rateLimit === undefined ? null : rateSettings(options.rateLimit);
    this.limits = requestLimits(options);
    const { onOverflow, broker } = options;
    this.#overflows = onOverflow === undefined
      ? null
      : new OverflowReports(runtime.flushQueue, (event) => this.#events.add(() => onOverflow(event)));
    this.#liveness = new Liveness(
      runtime.timers,
      runtime.random,
      positive("pingInterval", options.pingInterval, 30_000),
      positive("pongTimeout", options.pongTimeout, 20_000),
    );
    const limits = linkLimits(options);
    this.#link = broker === undefined ? null : new BrokerLink(runtime, broker, this, limits);
  }

  /** Everybody. */
  get clients(): ReadonlySet<HubMember<Data>> {
    return this.#clients;
  }

  /** The names of the rooms that have members. */
  get rooms(): Iterable<string> {
    return this.#rooms.keys();
  }

  get stats(): HubStats {
    return this.counters.snapshot(this.#clients.size, this.#rooms.size);
  }

  // ── Members ──

  /** Takes a member in; see `Hub.register`. */
  register(socket: HubSocket, data: Data, options: RegisterOptions): HubMember<Data> {
    const { rateLimit } = options;
    const ownPolicy = hasQueueOptions(options);
    const client = new HubMember<Data>(this, socket, data, {
      policy: ownPolicy ? queuePolicy(options, this.#policy) : this.#policy,
      ownPolicy,
      rate: rateLimit === undefined ? this.#rate : rateLimit === null ? null : rateSettings(rateLimit),
    });
    if (this.#closeCode !== null) {
      client.release();
      closeSocket(socket, this.#closeCode, "");
      return client;
    }
    if (this.#clients.add(client).size === 1) this.#link?.want(null);
    if (socket.ping !== undefined) this.#liveness.add(client);
    void socket.closed.then(() => this.unregister(client), () => this.unregister(client));
    return client;
  }

  /** Lets a member go. */
  unregister(given: HubClient<Data>): void {
    // Ours, if we have it: whatever else it is, it is nobody here.
    const client = given as HubMember<Data>;
    if (!this.#clients.delete(client)) return;
    this.#liveness.remove(client);
    this.#events.hold();
    client.flush();
    const rooms = [...client.rooms];
    client.release();
    for (const room of rooms) client.leave(room);
    if (this.#clients.size === 0) this.#link?.unwant(null);
    this.#events.release();
  }

  // ── Messages ──

  /** Queues a message for everybody, or for who is in the rooms that the options name. */
  broadcast(message: MessageData | PreparedMessage, options: BroadcastOptions<Data>): number {
    const rooms = options.rooms === undefined ? null : [...new Set(options.rooms)];
    return this.#broadcast(rooms, prepare(message, options.type), options);
  }

  broadcastTo(
    room: string,
    message: MessageData | PreparedMessage,
    options: BroadcastOptions<Data>,
  ): number {
    return this.#broadcast([room], prepare(message, options.type), options);
  }

  broadcastFrom(room: string, message: PreparedMessage, options: PublishOptions<Data>): number {
    return this.#broadcast([room], message, options);
  }

  #broadcast(
    rooms: readonly string[] | null,
    message: PreparedMessage,
    options: BroadcastOptions<Data>,
  ): number {
    const { key = null } = options;
    const taken = this.#queue(rooms, message, key, options);
    if (this.#link !== null && options.local !== true) this.#link.publish(rooms, message, key);
    return taken;
  }

  /** Queues a message for those members of this hub that it is for. */
  #queue(
    rooms: readonly string[] | null,
    message: PreparedMessage,
    key: string | null,
    { except, filter }: BroadcastOptions<Data>,
  ): number {
    checkExcept(except);
    this.counters.messages++;
    let members = this.#membersOf(rooms);
    if (filter !== undefined) members = this.#filter(members, rooms, except, filter);
    const mark = this.#markOf(rooms, key);
    // From here on nothing of the application is called: members neither come nor go but by their own failing.
    this.#events.hold();
    const taken = mark === null && except === undefined
      ? pushAll(members, message)
      : pushMost(members, message, mark, except);
    this.counters.countSent(taken, message.payload.length);
    this.#events.release();
    return taken;
  }

  #membersOf(rooms: readonly string[] | null): Iterable<HubMember<Data>> {
    if (rooms === null) return this.#clients;
    return rooms.length === 1 ? this.membersOf(rooms[0]!) : this.#collect(rooms);
  }

  /** Everybody who is in any of the rooms, once. */
  #collect(rooms: readonly string[]): HubMember<Data>[] {
    const search = ++this.#search;
    const found: HubMember<Data>[] = [];
    for (const room of rooms) {
      for (const client of this.membersOf(room)) {
        if (client.found === search) continue;
        client.found = search;
        found.push(client);
      }
    }
    return found;
  }

  /** Whom the filter wants of those; but not who is there no more when it has been asked for all. */
  #filter(
    members: Iterable<HubMember<Data>>,
    rooms: readonly string[] | null,
    except: BroadcastOptions<Data>["except"],
    filter: (client: HubClient<Data>) => boolean,
  ): HubMember<Data>[] {
    const asked = except === undefined
      ? [...members]
      : [...members].filter((client) => !isExcepted(client, except));
    const wanted = asked.filter((client) => filter(client));
    return rooms === null ? wanted : wanted.filter((client) => rooms.some((room) => client.rooms.has(room)));
  }

  /** What is noted with a message; nothing, for most. */
  #markOf(rooms: readonly string[] | null, key: string | null): Mark | null {
    const room = rooms?.length === 1 ? rooms[0]! : null;
    const mark = room === null || this.#roomMarks.size === 0 ? null : this.#roomMarks.get(room) ?? null;
    return key === null ? mark : new Mark(labelOf(room, key), mark?.policy ?? null);
  }

  /** The end of a turn: everybody who got something gets it in one write. */
  flush(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    this.#events.hold();
    for (const client of dirty) client.flush();
    this.counters.broadcastLatency.observe(Math.max(0, this.timers.now() - this.#turnStartedAt));
    this.#events.release();
  }

  // ── The end ──

  /** Empties the hub; see `Hub.drain`. */
  drain(options: DrainOptions): Promise<DrainReport> {
    if (this.#drain !== null) return this.#drain;
    const settings = drainSettings(options);
    this.#closeCode ??= settings.code;
    const drain = new Drain(this.#runtime, this, this.#clients, settings);
    return this.#drain = drain.run(options.signal).finally(() => this.#link?.close());
  }

  /** Closes everybody at once. */
  async close(code: number, reason: string): Promise<void> {
    this.#closeCode ??= code;
    const closing = Array.from(this.#clients, async (client) => {
      try {
        await client.close(code, reason);
        this.unregister(client);
      } catch {
        this.cut(client);
      }
    });
    await Promise.all(closing);
    this.#link?.close();
  }

  // ── From the clients ──

  membersOf(room: string): ReadonlySet<HubMember<Data>> {
    return this.#rooms.get(room) ?? NOBODY;
  }

  onJoin(client: HubMember<Data>, room: string): void {
    const members = this.#rooms.get(room);
    if (members === undefined) this.#openRoom(room, client);
    else members.add(client);
    const { onJoin } = this.#options;
    if (onJoin !== undefined) this.#events.add(() => onJoin(client, room));
  }

  onLeave(client: HubMember<Data>, room: string): void {
    const members = this.#rooms.get(room)!;
    members.delete(client);
    if (members.size === 0) {
      this.#rooms.delete(room);
      this.#roomMarks.delete(room);
      this.#link?.unwant(room);
    }
    const { onLeave } = this.#options;
    if (onLeave !== undefined) this.#events.add(() => onLeave(client, room));
  }

  #openRoom(room: string, client: HubMember<Data>): void {
    this.#rooms.set(room, new Set([client]));
    const { roomQueue } = this.#options;
    if (roomQueue !== undefined) {
      try {
        const options = roomQueue(room);
        if (options !== undefined) {
          this.#roomMarks.set(room, new Mark(null, queuePolicy(options, this.#policy)));
        }
      } catch (error) {
        this.onError(error);
      }
    }
    this.#link?.want(room);
  }

  flushSoon(client: HubMember<Data>): void {
    if (this.#dirty.push(client) > 1) return;
    this.#turnStartedAt = this.timers.now();
    this.#runtime.flushQueue.add(this);
  }

  onDropped(client: HubMember<Data>, policy: QueuePolicy, messages: number, bytes: number): void {
    this.#overflows?.add(client, policy.overflow, messages, bytes);
  }

  onFull(client: HubMember<Data>): void {
    this.counters.evicted++;
    this.unregister(client);
    closeSocket(client.socket, CloseCode.TryAgainLater, "Too slow");
  }

  onTooMany(client: HubMember<Data>): void {
    this.unregister(client);
    closeSocket(client.socket, CloseCode.PolicyViolation, "Too many requests");
  }

  onSilent(client: HubMember<Data>): void {
    this.counters.timedOut++;
    this.cut(client);
  }

  onBroken(client: HubMember<Data>): void {
    this.cut(client);
  }

  cut(client: HubMember<Data>): void {
    this.unregister(client);
    dropSocket(client.socket);
  }

  // ── From the broker, and of what fails ──

  onPublished(rooms: readonly string[] | null, message: PreparedMessage, key: string | null): void {
    this.#queue(rooms, message, key, {});
  }

  /** What fails is told, but a handler that fails too is nobody's. */
  onError(error: unknown): void {
    try {
      this.#options.onError?.(error);
    } catch {
      // There is nobody left to tell.
    }
  }
}

/** The loop of most broadcasts: the step for each member is all there is to it. */
function pushAll(members: Iterable<SendQueue>, message: PreparedMessage): number {
  let taken = 0;
  for (const client of members) {
    if (client.push(message)) taken++;
  }
  return taken;
}

function pushMost<Data>(
  members: Iterable<HubMember<Data>>,
  message: PreparedMessage,
  mark: Mark | null,
  except: BroadcastOptions<Data>["except"],
): number {
  let taken = 0;
  for (const client of members) {
    if (except !== undefined && isExcepted(client, except)) continue;
    if (mark === null ? client.push(message) : client.pushMarked(message, mark)) taken++;
  }
  return taken;
}

const NOBODY: ReadonlySet<never> = new Set<never>();

/** Sends a socket away, and drops it when that fails. */
function closeSocket(socket: HubSocket, code: number, reason: string): void {
  try {
    socket.close(code, reason).catch(() => dropSocket(socket));
  } catch {
    dropSocket(socket);
  }
}

function dropSocket(socket: HubSocket): void {
  try {
    socket.closeNow();
  } catch {
    // Then it is its own: the hub knows it no more.
  }
}
