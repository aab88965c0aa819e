import { CloseCode } from "../protocol/close_code.ts";
import type { MessageData, MessageType } from "../websocket/message.ts";
import { PreparedMessage } from "../websocket/prepared_message.ts";
import type { HubMember, PublishOptions, SendOptions } from "./hub_member.ts";
import type { HubCounters } from "./hub_counters.ts";
import type { Pinged } from "./liveness.ts";
import { labelOf, Mark } from "./mark.ts";
import type { HubSocket } from "./hub_socket.ts";
import type { QueuePolicy } from "./queue_policy.ts";
import { type RequestResult, Requests, type RequestsOwner } from "./requests.ts";
import { SendQueue } from "./send_queue.ts";
import type { RateSettings } from "./token_bucket.ts";

/** What a member needs of its hub. */
export interface MemberOwner<Data> extends RequestsOwner<Data> {
  readonly counters: HubCounters;
  onJoin(member: Member<Data>, room: string): void;
  onLeave(member: Member<Data>, room: string): void;
  flushSoon(member: Member<Data>): void;
  onFull(member: Member<Data>): void;
  onDropped(member: Member<Data>, policy: QueuePolicy, messages: number, bytes: number): void;
  onSilent(member: Member<Data>): void;
  onBroken(member: Member<Data>): void;
}

/** What is set for one member. */
export interface MemberSettings {
  readonly policy: QueuePolicy;
  /** Whether the policy is its own, not the hub's. */
  readonly ownPolicy: boolean;
  readonly rate: RateSettings | null;
}

/** The {@linkcode HubMember} that a hub makes: its queue, its rooms, and what it asks for. */
export class Member<Data = unknown> extends SendQueue implements HubMember<Data>, Pinged {
  /** Whatever the application keeps with it. */
  data: Data;
  /** For the liveness: its group, and the tick of the ping that it owes an answer to. */
  pingGroup = -1;
  pingedAt = 0;
  /** For broadcasts to several rooms: the last that it was found for. */
  found = 0;
  readonly #owner: MemberOwner<Data>;
  readonly #rooms = new Set<string>();
  readonly #rate: RateSettings | null;
  #requests: Requests<Data> | null = null;
  #registered = true;

  /** Made by `Hub.register`. */
  constructor(owner: MemberOwner<Data>, socket: HubSocket, data: Data, settings: MemberSettings) {
    super(socket, owner.counters, settings.policy, settings.ownPolicy);
    this.#owner = owner;
    this.data = data;
    this.#rate = settings.rate;
  }

  /** Whether the hub still has it. What is done with one that is gone does nothing. */
  get registered(): boolean {
    return this.#registered;
  }

  /** The rooms it is in. */
  get rooms(): ReadonlySet<string> {
    return this.#rooms;
  }

  // ── Rooms ──

  /** Enters a room; does nothing when it is there already, or gone. */
  join(room: string): void {
    if (!this.#registered || this.#rooms.has(room)) return;
    this.#rooms.add(room);
    this.#owner.onJoin(this, room);
  }

  /** Leaves a room. */
  leave(room: string): void {
    if (this.#rooms.delete(room)) this.#owner.onLeave(this, room);
  }

  // ── Messages ──

  /**
   * Queues one message for this member alone, in order with the broadcasts that it gets.
   *
   * @returns `false` when its queue did not take it, or it is gone
   */
  send(message: MessageData | PreparedMessage, options: SendOptions = {}): boolean {
    const { key } = options;
    const prepared = prepare(message, options.type);
    const { counters } = this;
    counters.messages++;
    const taken = key === undefined
      ? this.push(prepared)
      : this.pushMarked(prepared, new Mark(labelOf(null, key), null));
    if (taken) counters.countSent(1, prepared.payload.length);
    return taken;
  }

  /** Queues a value as JSON text. */
  sendJson(value: unknown, options: SendOptions = {}): boolean {
    return this.send(JSON.stringify(value), options);
  }

  // ── What the other end asks for ──

  /**
   * Joins a room, if the hub's `authorizeJoin` and the rate limit allow it. A member's requests are done in their order:
   * while a hook has not answered, later ones wait. Where nothing has to be waited for it is done when this returns.
   *
   * @returns what became of it; never rejects
   */
  requestJoin(room: string): Promise<RequestResult> {
    return this.#requestQueue().ask(room, null, {});
  }

  /**
   * Broadcasts a message of this member to a room, itself included, if it is in it and the hub's `authorizePublish` and
   * the rate limit allow it; in order with its other requests.
   *
   * @returns what became of it; never rejects
   * @throws {TypeError} when the message is neither text nor bytes, or the bytes of a text are not UTF-8
   */
  publish(
    room: string,
    message: MessageData | PreparedMessage,
    options: PublishOptions<Data> = {},
  ): Promise<RequestResult> {
    checkExcept(options.except);
    return this.#requestQueue().ask(room, prepare(message, options.type), options);
  }

  #requestQueue(): Requests<Data> {
    return this.#requests ??= new Requests(this.#owner, this, this.#rate);
  }

  // ── The end ──

  /**
   * Closes its socket, after what is queued, which is handed to the socket even if it is busy. Nothing more is queued.
   * It is a member until its socket is closed.
   */
  async close(code: number = CloseCode.NormalClosure, reason = ""): Promise<void> {
    this.endNow();
    await this.socket.close(code, reason);
  }

  /** Forgets its queue and requests: the hub let go of it. */
  override release(): void {
    this.#registered = false;
    super.release();
    this.#requests?.release();
  }

  // ── From its queue, and the liveness ──

  protected flushSoon(): void {
    this.#owner.flushSoon(this);
  }

  protected onFull(): void {
    this.#owner.onFull(this);
  }

  protected onDropped(policy: QueuePolicy, messages: number, bytes: number): void {
    this.#owner.onDropped(this, policy, messages, bytes);
  }

  protected onBroken(): void {
    this.#owner.onBroken(this);
  }

  ping(): Promise<unknown> {
    return this.socket.ping!();
  }

  onSilent(): void {
    this.#owner.onSilent(this);
  }
}

/** The message, prepared unless it is. */
export function prepare(
  message: MessageData | PreparedMessage,
  type: MessageType | undefined,
): PreparedMessage {
  if (message instanceof PreparedMessage) return message;
  return new PreparedMessage(message, type === undefined ? {} : { type });
}

/**
 * Checks what an application would except, before anybody gets anything.
 *
 * @throws {TypeError} when it is neither a hub's member nor a set
 */
export function checkExcept(except: PublishOptions["except"]): void {
  if (except === undefined || except instanceof Member) return;
  if (typeof (except as ReadonlySet<HubMember> | null)?.has === "function") return;
  throw new TypeError("Cannot use except: it is neither a member of a hub nor a set of them");
}

/** Whether a member does not get a message. */
export function isExcepted<Data>(
  member: Member<Data>,
  except: HubMember<Data> | ReadonlySet<HubMember<Data>>,
): boolean {
  if (except instanceof Member) return except === member;
  return (except as ReadonlySet<HubMember<Data>>).has(member);
}
