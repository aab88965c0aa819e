import { showFields } from "../bytes/inspection.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import { CloseCode } from "../protocol/close_code.ts";
import type { MessageData, MessageType } from "../websocket/message.ts";
import { toJson } from "../websocket/message_json.ts";
import { PreparedMessage } from "../websocket/prepared_message.ts";
import type { HubMember, PublishOptions, SendOptions } from "./hub_member.ts";
import type { MemberSocket } from "./hub_socket.ts";
import type { HubCounters } from "./hub_counters.ts";
import type { Pinged } from "./liveness.ts";
import { MessageFeed } from "./message_feed.ts";
import type { QueuePolicy } from "./queue_policy.ts";
import { labelOf, QueueTerms } from "./queue_terms.ts";
import type { RequestResult } from "./request_result.ts";
import { type RequestHub, Requests } from "./requests.ts";
import { SendQueue } from "./send_queue.ts";
import { socketWriter } from "./socket_writer.ts";
import type { RateSettings } from "./token_bucket.ts";

/** Why a hub removes a member by itself and drops or closes its socket. */
export type RemovalCause = "queue full" | "silent" | "broken" | "out of time";

/** The hub, as its members see it. */
export interface MemberHub<Data> extends RequestHub<Data> {
  readonly counters: HubCounters;
  readonly timers: TimerQueue;
  onJoin(member: Member<Data>, room: string): void;
  onLeave(member: Member<Data>, room: string): void;
  /** Calls `member.flush` at the end of the turn. */
  flushSoon(member: Member<Data>): void;
  onDropped(member: Member<Data>, policy: QueuePolicy, messages: number, bytes: number): void;
  /** Removes a member; its socket stays open. */
  unregister(member: Member<Data>): void;
  /** Removes a member and ends its socket. */
  remove(member: Member<Data>, cause: RemovalCause): void;
}

/** Settings of one member. */
export interface MemberSettings {
  readonly policy: QueuePolicy;
  /** Whether the policy is the member's own, not the hub's. */
  readonly ownPolicy: boolean;
  readonly rate: RateSettings | null;
}

/** The {@linkcode HubMember} that a hub makes: a queue, the rooms it is in, and the requests of its peer. */
export class Member<Data = unknown> extends SendQueue implements HubMember<Data>, Pinged {
  readonly socket: MemberSocket;
  data: Data;
  // Numbers of `Liveness`, which alone changes them.
  pingGroup = -1;
  pingedAt = 0;
  /** Number of the last search of `Rooms` that found the member. */
  foundBy = 0;
  readonly #hub: MemberHub<Data>;
  readonly #rooms = new Set<string>();
  readonly #rate: RateSettings | null;
  /** The writer to the socket, if that takes single messages; `null` if it takes batches. */
  readonly #feed: MessageFeed | null;
  #requests: Requests<Data> | null = null;
  #registered = true;

  constructor(hub: MemberHub<Data>, socket: MemberSocket, data: Data, settings: MemberSettings) {
    const writer = socketWriter(socket, hub.timers);
    super(writer, hub.counters, settings.policy, settings.ownPolicy);
    this.#feed = writer instanceof MessageFeed ? writer : null;
    this.#hub = hub;
    this.socket = socket;
    this.data = data;
    this.#rate = settings.rate;
  }

  get registered(): boolean {
    return this.#registered;
  }

  get rooms(): ReadonlySet<string> {
    return this.#rooms;
  }

  // ── Rooms ──

  join(room: string): void {
    if (!this.#registered || this.#rooms.has(room)) return;
    this.#rooms.add(room);
    this.#hub.onJoin(this, room);
  }

  leave(room: string): void {
    if (this.#rooms.delete(room)) this.#hub.onLeave(this, room);
  }

  // ── Messages ──

  send(message: MessageData | PreparedMessage, options: SendOptions = {}): boolean {
    const { key } = options;
    const prepared = prepare(message, options.type);
    const { counters } = this;
    counters.messages++;
    const accepted = key === undefined
      ? this.push(prepared)
      : this.pushOnTerms(prepared, new QueueTerms(labelOf(null, key), null));
    if (accepted) counters.countSent(1, prepared.payload.length);
    return accepted;
  }

  sendJson(value: unknown, options: SendOptions = {}): boolean {
    return this.send(toJson(value), options);
  }

  // ── Requests of the peer ──

  requestJoin(room: string): Promise<RequestResult> {
    return this.#requestQueue().ask(room, null, {});
  }

  publish(
    room: string,
    message: MessageData | PreparedMessage,
    options: PublishOptions<Data> = {},
  ): Promise<RequestResult> {
    checkExcept(options.except);
    return this.#requestQueue().ask(room, prepare(message, options.type), options);
  }

  #requestQueue(): Requests<Data> {
    return this.#requests ??= new Requests(this.#hub, this, this.#rate);
  }

  // ── The end ──

  async close(code: number = CloseCode.NormalClosure, reason = ""): Promise<void> {
    this.endNow();
    if (this.#feed !== null) await this.#feed.empty();
    await this.socket.close(code, reason);
  }

  /** Closes the socket and leaves the hub; drops the socket when closing fails. Never rejects. */
  async closeAndLeave(code: number, reason: string): Promise<void> {
    try {
      await this.close(code, reason);
      this.#hub.unregister(this);
    } catch {
      this.#hub.remove(this, "broken");
    }
  }

  /** Leaves the hub and drops the socket. */
  cut(): void {
    this.#hub.remove(this, "out of time");
  }

  /** Forgets queue and requests: the hub has removed the member. */
  override release(): void {
    this.#registered = false;
    super.release();
    this.#feed?.stop();
    this.#requests?.release();
  }

  // ── From the queue, and from the liveness ──

  protected flushSoon(): void {
    this.#hub.flushSoon(this);
  }

  protected onDropped(policy: QueuePolicy, messages: number, bytes: number): void {
    this.#hub.onDropped(this, policy, messages, bytes);
  }

  protected onFull(): void {
    this.#hub.remove(this, "queue full");
  }

  protected onBroken(): void {
    this.#hub.remove(this, "broken");
  }

  ping(): Promise<unknown> {
    return this.socket.ping!();
  }

  onSilent(): void {
    this.#hub.remove(this, "silent");
  }
}

/** A prepared message as it is, anything else prepared. */
export function prepare(
  message: MessageData | PreparedMessage,
  type: MessageType | undefined,
): PreparedMessage {
  if (message instanceof PreparedMessage) return message;
  return new PreparedMessage(message, type === undefined ? {} : { type });
}

/**
 * Checks the option `except`, before anything is queued.
 *
 * @throws {TypeError} when `except` is neither a member of a hub nor a set
 */
export function checkExcept(except: PublishOptions["except"]): void {
  if (except === undefined || except instanceof Member) return;
  if (typeof (except as ReadonlySet<HubMember> | null)?.has === "function") return;
  throw new TypeError("Cannot use except: pass a member of a hub or a set of them");
}

/** Whether `except` leaves a member out. */
export function isExcepted<Data>(
  member: Member<Data>,
  except: HubMember<Data> | ReadonlySet<HubMember<Data>>,
): boolean {
  if (except instanceof Member) return except === member;
  return (except as ReadonlySet<HubMember<Data>>).has(member);
}

showFields(Member, ({ registered, rooms, queuedBytes, queuedMessages, dropped, data }) => (
  { registered, rooms: [...rooms], queuedBytes, queuedMessages, dropped, data }
));
