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
import type { HubMember, PublishOptions } from "./hub_member.ts";
import { checkExcept, isExcepted, Member, type MemberOwner, prepare } from "./member.ts";
import { HubCounters, type HubStats } from "./hub_counters.ts";
import type { BroadcastOptions, HubOptions, RegisterOptions } from "./hub_options.ts";
import { Liveness } from "./liveness.ts";
import { labelOf, Mark } from "./mark.ts";
import type { HubSocket } from "./hub_socket.ts";
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
  implements MemberOwner<Data>, RoomOwner<Data>, LinkOwner, DrainOwner<Data>, Flushable {
  readonly counters: HubCounters = new HubCounters();
  readonly hooks: RequestHooks<Data>;
  readonly limits: RequestLimits;
  readonly timers: TimerQueue;
  readonly #runtime: Runtime;
  readonly #options: HubOptions<Data>;
  readonly #policy: QueuePolicy;
  readonly #rate: RateSettings | null;
  readonly #members = new Set<Member<Data>>();
  readonly #rooms = new Map<string, Set<Member<Data>>>();
  /** Of the rooms with a policy of their own, what is noted with their messages. */
  readonly #roomMarks = new Map<string, Mark>();
  #dirty: Member<Data>[] = [];
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
  get members(): ReadonlySet<Member<Data>> {
    return this.#members;
  }

  /** The names of the rooms that have members. */
  get rooms(): Iterable<string> {
    return this.#rooms.keys();
  }

  get stats(): HubStats {
    return this.counters.snapshot(this.#members.size, this.#rooms.size);
  }

  // ── Members ──

  /** Takes a member in; see `Hub.register`. */
  register(socket: HubSocket, data: Data, options: RegisterOptions): Member<Data> {
    const { rateLimit } = options;
    const ownPolicy = hasQueueOptions(options);
    const member = new Member<Data>(this, socket, data, {
      policy: ownPolicy ? queuePolicy(options, this.#policy) : this.#policy,
      ownPolicy,
      rate: rateLimit === undefined ? this.#rate : rateLimit === null ? null : rateSettings(rateLimit),
    });
    if (this.#closeCode !== null) {
      member.release();
      closeSocket(socket, this.#closeCode, "");
      return member;
    }
    if (this.#members.add(member).size === 1) this.#link?.want(null);
    if (socket.ping !== undefined) this.#liveness.add(member);
    void socket.closed.then(() => this.unregister(member), () => this.unregister(member));
    return member;
  }

  /** Lets a member go. */
  unregister(given: HubMember<Data>): void {
    // Ours, if we have it: whatever else it is, it is nobody here.
    const member = given as Member<Data>;
    if (!this.#members.delete(member)) return;
    this.#liveness.remove(member);
    this.#events.hold();
    member.flush();
    const rooms = [...member.rooms];
    member.release();
    for (const room of rooms) member.leave(room);
    if (this.#members.size === 0) this.#link?.unwant(null);
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

  #membersOf(rooms: readonly string[] | null): Iterable<Member<Data>> {
    if (rooms === null) return this.#members;
    return rooms.length === 1 ? this.membersOf(rooms[0]!) : this.#collect(rooms);
  }

  /** Everybody who is in any of the rooms, once. */
  #collect(rooms: readonly string[]): Member<Data>[] {
    const search = ++this.#search;
    const found: Member<Data>[] = [];
    for (const room of rooms) {
      for (const member of this.membersOf(room)) {
        if (member.found === search) continue;
        member.found = search;
        found.push(member);
      }
    }
    return found;
  }

  /** Whom the filter wants of those; but not who is there no more when it has been asked for all. */
  #filter(
    members: Iterable<Member<Data>>,
    rooms: readonly string[] | null,
    except: BroadcastOptions<Data>["except"],
    filter: (member: HubMember<Data>) => boolean,
  ): Member<Data>[] {
    const asked = except === undefined
      ? [...members]
      : [...members].filter((member) => !isExcepted(member, except));
    const wanted = asked.filter((member) => filter(member));
    return rooms === null ? wanted : wanted.filter((member) => rooms.some((room) => member.rooms.has(room)));
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
    for (const member of dirty) member.flush();
    this.counters.broadcastLatency.observe(Math.max(0, this.timers.now() - this.#turnStartedAt));
    this.#events.release();
  }

  // ── The end ──

  /** Empties the hub; see `Hub.drain`. */
  drain(options: DrainOptions): Promise<DrainReport> {
    if (this.#drain !== null) return this.#drain;
    const settings = drainSettings(options);
    this.#closeCode ??= settings.code;
    const drain = new Drain(this.#runtime, this, this.#members, settings);
    return this.#drain = drain.run(options.signal).finally(() => this.#link?.close());
  }

  /** Closes everybody at once. */
  async close(code: number, reason: string): Promise<void> {
    this.#closeCode ??= code;
    const closing = Array.from(this.#members, async (member) => {
      try {
        await member.close(code, reason);
        this.unregister(member);
      } catch {
        this.cut(member);
      }
    });
    await Promise.all(closing);
    this.#link?.close();
  }

  // ── From the members ──

  membersOf(room: string): ReadonlySet<Member<Data>> {
    return this.#rooms.get(room) ?? NOBODY;
  }

  onJoin(member: Member<Data>, room: string): void {
    const members = this.#rooms.get(room);
    if (members === undefined) this.#openRoom(room, member);
    else members.add(member);
    const { onJoin } = this.#options;
    if (onJoin !== undefined) this.#events.add(() => onJoin(member, room));
  }

  onLeave(member: Member<Data>, room: string): void {
    const members = this.#rooms.get(room)!;
    members.delete(member);
    if (members.size === 0) {
      this.#rooms.delete(room);
      this.#roomMarks.delete(room);
      this.#link?.unwant(room);
    }
    const { onLeave } = this.#options;
    if (onLeave !== undefined) this.#events.add(() => onLeave(member, room));
  }

  #openRoom(room: string, member: Member<Data>): void {
    this.#rooms.set(room, new Set([member]));
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

  flushSoon(member: Member<Data>): void {
    if (this.#dirty.push(member) > 1) return;
    this.#turnStartedAt = this.timers.now();
    this.#runtime.flushQueue.add(this);
  }

  onDropped(member: Member<Data>, policy: QueuePolicy, messages: number, bytes: number): void {
    this.#overflows?.add(member, policy.overflow, messages, bytes);
  }

  onFull(member: Member<Data>): void {
    this.counters.evicted++;
    this.unregister(member);
    closeSocket(member.socket, CloseCode.TryAgainLater, "Too slow");
  }

  onTooMany(member: Member<Data>): void {
    this.unregister(member);
    closeSocket(member.socket, CloseCode.PolicyViolation, "Too many requests");
  }

  onSilent(member: Member<Data>): void {
    this.counters.timedOut++;
    this.cut(member);
  }

  onBroken(member: Member<Data>): void {
    this.cut(member);
  }

  cut(member: Member<Data>): void {
    this.unregister(member);
    dropSocket(member.socket);
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
  for (const member of members) {
    if (member.push(message)) taken++;
  }
  return taken;
}

function pushMost<Data>(
  members: Iterable<Member<Data>>,
  message: PreparedMessage,
  mark: Mark | null,
  except: BroadcastOptions<Data>["except"],
): number {
  let taken = 0;
  for (const member of members) {
    if (except !== undefined && isExcepted(member, except)) continue;
    if (mark === null ? member.push(message) : member.pushMarked(message, mark)) taken++;
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
