import type { Flushable } from "../net/flush_queue.ts";
import type { Runtime } from "../net/runtime.ts";
import { reportRejection } from "../net/thenable.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import { CloseCode } from "../protocol/close_code.ts";
import type { MessageData } from "../websocket/message.ts";
import { positive } from "../websocket/options.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import { BrokerLink, linkLimits } from "./broker_link.ts";
import { Drain, type DrainOptions, type DrainReport, drainSettings } from "./drain.ts";
import { EventQueue } from "./event_queue.ts";
import { FanOut } from "./fan_out.ts";
import { type DepartureCause, type HubDebugHook, safeHubDebugHook } from "./hub_debug.ts";
import { HubCounters, type HubStats } from "./hub_counters.ts";
import type { HubMember, PublishOptions } from "./hub_member.ts";
import type { BroadcastOptions, HubOptions, RegisterOptions } from "./hub_options.ts";
import type { MemberSocket } from "./hub_socket.ts";
import { Liveness } from "./liveness.ts";
import { Member, type MemberHub, prepare, type RemovalCause } from "./member.ts";
import { OverflowReports } from "./overflow_reports.ts";
import { hasQueueOptions, type QueuePolicy, queuePolicy } from "./queue_policy.ts";
import { type RequestHooks, type RequestLimits, requestLimits } from "./requests.ts";
import { Rooms } from "./rooms.ts";
import { type RateSettings, rateSettings } from "./token_bucket.ts";

/**
 * The implementation of `Hub`: keeps the members, and joins the parts that each know one thing, such as rooms, queues,
 * liveness, requests, the broker and the events.
 */
export class HubEngine<Data> implements MemberHub<Data>, Flushable {
  readonly counters: HubCounters = new HubCounters();
  readonly hooks: RequestHooks<Data>;
  readonly limits: RequestLimits;
  /** `null` where the application does not debug. */
  readonly debug: HubDebugHook<Data> | null;
  readonly timers: TimerQueue;
  readonly #runtime: Runtime;
  readonly #options: HubOptions<Data>;
  readonly #policy: QueuePolicy;
  readonly #rate: RateSettings | null;
  readonly #members = new Set<Member<Data>>();
  readonly #rooms = new Rooms<Data>();
  readonly #events: EventQueue = new EventQueue((error) => this.onError(error));
  readonly #fanOut: FanOut<Data>;
  readonly #overflows: OverflowReports<Data> | null;
  readonly #liveness: Liveness;
  readonly #link: BrokerLink | null;
  /** Members to flush at the end of the turn. */
  #unflushed: Member<Data>[] = [];
  #turnStartedAt = 0;
  #drain: Promise<DrainReport> | null = null;
  /** Close code for sockets that are registered too late; `null` while members are accepted. */
  #closeCode: number | null = null;

  constructor(runtime: Runtime, options: HubOptions<Data>) {
    const { onOverflow, broker } = options;
    this.#runtime = runtime;
    this.timers = runtime.timers;
    this.#options = options;
    this.hooks = options;
    this.debug = safeHubDebugHook(options.onDebug);
    this.#policy = queuePolicy(options);
    this.#rate = options.rateLimit === undefined ? null : rateSettings(options.rateLimit);
    this.limits = requestLimits(options);
    this.#fanOut = new FanOut(this.#members, this.#rooms, this.#events, this.counters);
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
    this.#link = broker === undefined ? null : new BrokerLink(runtime, broker, limits, {
      counters: this.counters,
      deliver: (rooms, message, key) => void this.#fanOut.queue(rooms, message, key, {}),
      onError: (error) => this.onError(error),
    });
  }

  get members(): ReadonlySet<Member<Data>> {
    return this.#members;
  }

  get rooms(): Iterable<string> {
    return this.#rooms.names;
  }

  get stats(): HubStats {
    return this.counters.snapshot(this.#members.size, this.#rooms.count);
  }

  membersOf(room: string): ReadonlySet<Member<Data>> {
    return this.#rooms.membersOf(room);
  }

  // ── Members ──

  /** Adds a member; see `Hub.register`. */
  register(socket: MemberSocket, data: Data, options: RegisterOptions): Member<Data> {
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
      this.debug?.({ type: "rejected", member });
      return member;
    }
    if (this.#members.add(member).size === 1) this.#link?.want(null);
    if (socket.ping !== undefined) this.#liveness.add(member);
    const onClosed = () => this.unregister(member, "socket closed");
    void socket.closed.then(onClosed, onClosed);
    this.debug?.({ type: "registered", member });
    return member;
  }

  /** Removes a member; its socket stays open. */
  unregister(given: HubMember<Data>, cause: DepartureCause = "unregistered"): void {
    // A member of another hub is not in `#members`, and is ignored.
    const member = given as Member<Data>;
    if (!this.#members.delete(member)) return;
    this.debug?.({ type: "removed", member, cause });
    this.#liveness.remove(member);
    this.#events.hold();
    member.flush();
    const rooms = [...member.rooms];
    member.release();
    for (const room of rooms) member.leave(room);
    if (this.#members.size === 0) this.#link?.unwant(null);
    this.#events.release();
  }

  /** Removes a member and ends its socket. */
  remove(member: Member<Data>, cause: RemovalCause): void {
    if (cause === "queue full") this.counters.evicted++;
    if (cause === "silent") this.counters.timedOut++;
    this.unregister(member, cause);
    if (cause === "queue full") closeSocket(member.socket, CloseCode.TryAgainLater, "Too slow");
    else dropSocket(member.socket);
  }

  /** Removes a member that exceeded its rate limit, and closes its socket. */
  onTooMany(member: Member<Data>): void {
    this.unregister(member, "too many requests");
    closeSocket(member.socket, CloseCode.PolicyViolation, "Too many requests");
  }

  // ── Messages ──

  /** Queues a message for all members, or for those in the rooms that the options name. */
  broadcast(message: MessageData | PreparedMessage, options: BroadcastOptions<Data>): number {
    const rooms = options.rooms === undefined ? null : [...new Set(options.rooms)];
    return this.#broadcast(rooms, prepare(message, options.type), options);
  }

  /** Queues a message for the members of one room. */
  broadcastTo(
    room: string,
    message: MessageData | PreparedMessage,
    options: BroadcastOptions<Data>,
  ): number {
    return this.#broadcast([room], prepare(message, options.type), options);
  }

  /** Queues a member's own message for the members of one room. */
  broadcastFrom(room: string, message: PreparedMessage, options: PublishOptions<Data>): number {
    return this.#broadcast([room], message, options);
  }

  #broadcast(
    rooms: readonly string[] | null,
    message: PreparedMessage,
    options: BroadcastOptions<Data>,
  ): number {
    const { key = null } = options;
    const accepted = this.#fanOut.queue(rooms, message, key, options);
    if (this.#link !== null && options.local !== true) this.#link.publish(rooms, message, key);
    return accepted;
  }

  /** Has a member flushed at the end of the turn. */
  flushSoon(member: Member<Data>): void {
    if (this.#unflushed.push(member) > 1) return;
    this.#turnStartedAt = this.timers.now();
    this.#runtime.flushQueue.add(this);
  }

  /** Called at the end of the turn: each member with new messages gets them in one write. */
  flush(): void {
    const members = this.#unflushed;
    this.#unflushed = [];
    this.#events.hold();
    for (const member of members) member.flush();
    this.counters.broadcastLatency.observe(Math.max(0, this.timers.now() - this.#turnStartedAt));
    this.#events.release();
  }

  // ── The end ──

  /** Empties the hub; see `Hub.drain`. */
  drain(options: DrainOptions): Promise<DrainReport> {
    if (this.#drain !== null) return this.#drain;
    const settings = drainSettings(options);
    this.debug?.({ type: "draining", members: this.#members.size });
    this.#closeCode ??= settings.code;
    const drain = new Drain(this.#runtime, this.#members, settings);
    return this.#drain = drain.run(options.signal).finally(() => this.#link?.close());
  }

  /** Closes all members at once; see `Hub.close`. */
  async close(code: number, reason: string): Promise<void> {
    this.debug?.({ type: "closing", members: this.#members.size });
    this.#closeCode ??= code;
    await Promise.all(Array.from(this.#members, (member) => member.closeAndLeave(code, reason)));
    this.#link?.close();
  }

  // ── Events ──

  onJoin(member: Member<Data>, room: string): void {
    if (this.#rooms.add(member, room)) this.#openRoom(room);
    const { onJoin } = this.#options;
    if (onJoin !== undefined) this.#events.add(() => onJoin(member, room));
  }

  #openRoom(room: string): void {
    try {
      const options = this.#options.roomQueue?.(room);
      if (options !== undefined) this.#rooms.setPolicy(room, queuePolicy(options, this.#policy));
    } catch (error) {
      this.onError(error);
    }
    this.#link?.want(room);
  }

  onLeave(member: Member<Data>, room: string): void {
    if (this.#rooms.remove(member, room)) this.#link?.unwant(room);
    const { onLeave } = this.#options;
    if (onLeave !== undefined) this.#events.add(() => onLeave(member, room));
  }

  onDropped(member: Member<Data>, policy: QueuePolicy, messages: number, bytes: number): void {
    this.#overflows?.add(member, policy.overflow, messages, bytes);
  }

  /** Passes an error to the application's `onError`. */
  onError(error: unknown): void {
    try {
      const result: unknown = this.#options.onError?.(error);
      // The handler for errors fails itself: nothing is left to report to.
      reportRejection(result, () => {});
    } catch {
      // The handler for errors fails itself: nothing is left to report to.
    }
  }
}

/** Closes a socket, and drops it when that fails. */
function closeSocket(socket: MemberSocket, code: number, reason: string): void {
  try {
    socket.close(code, reason).catch(() => dropSocket(socket));
  } catch {
    dropSocket(socket);
  }
}

function dropSocket(socket: MemberSocket): void {
  try {
    socket.closeNow();
  } catch {
    // The hub has already forgotten this socket: a failing `closeNow` is the socket's problem.
  }
}
