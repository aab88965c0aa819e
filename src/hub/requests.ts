import { Alarm, type TimerQueue } from "../net/timer_queue.ts";
import { positive } from "../websocket/options.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { HubCounters } from "./hub_counters.ts";
import type { HubMember, PublishOptions } from "./hub_member.ts";
import { type RateSettings, TokenBucket } from "./token_bucket.ts";

/**
 * Why a member's request was refused.
 *
 * - `"forbidden"`: the hook did not answer `true`, threw, rejected or took too long
 * - `"not-joined"`: it is not in the room that it would publish to
 * - `"rate"`: it asks too often
 * - `"busy"`: too many of its requests wait for the hook
 * - `"gone"`: it is no member any more
 */
export type RefusalReason = "forbidden" | "not-joined" | "rate" | "busy" | "gone";

/** What became of a member's request. */
export interface RequestResult {
  /** Whether it was done. */
  readonly accepted: boolean;
  /** Why it was not; `null` when it was. */
  readonly reason: RefusalReason | null;
  /** For a publish: how many queues of this hub took the message. */
  readonly receivers: number;
}

/** Who is asked before a member's request is done. Whatever is not `true` refuses it. */
export interface RequestHooks<Data> {
  /** Asked before {@linkcode HubMember.requestJoin} joins. */
  authorizeJoin?: (member: HubMember<Data>, room: string) => boolean | Promise<boolean>;
  /** Asked before {@linkcode HubMember.publish} broadcasts. */
  authorizePublish?: (
    member: HubMember<Data>,
    room: string,
    message: PreparedMessage,
  ) => boolean | Promise<boolean>;
}

/** What requests need of the hub. */
export interface RequestsOwner<Data> {
  readonly hooks: RequestHooks<Data>;
  readonly limits: RequestLimits;
  readonly counters: HubCounters;
  readonly timers: TimerQueue;
  /** Broadcasts to a room. */
  broadcastFrom(room: string, message: PreparedMessage, options: PublishOptions<Data>): number;
  /** The member asks too often, and is to be closed. */
  onTooMany(member: HubMember<Data>): void;
  onError(error: unknown): void;
}

/** What bounds the requests of one member. */
export interface RequestOptions {
  /** Requests of one member that may wait for a hook; one more is refused. Default: 64. */
  maxPendingRequests?: number;
  /** Bytes of payload that these may have. Default: 1 MiB. */
  maxPendingBytes?: number;
  /** Milliseconds for a hook to answer; then the request is refused. Default: 10,000. */
  authorizeTimeout?: number;
  /** Whether a member may publish to a room that it is not in. Default: false. */
  publishWithoutJoining?: boolean;
}

/** {@linkcode RequestOptions} with every default in place. */
export type RequestLimits = Readonly<Required<RequestOptions>>;

/**
 * Puts the defaults in and checks what was given.
 *
 * @throws {RangeError} when a number is not positive
 */
export function requestLimits(options: RequestOptions): RequestLimits {
  return {
    maxPendingRequests: positive("maxPendingRequests", options.maxPendingRequests, 64),
    maxPendingBytes: positive("maxPendingBytes", options.maxPendingBytes, 1_048_576),
    authorizeTimeout: positive("authorizeTimeout", options.authorizeTimeout, 10_000),
    publishWithoutJoining: options.publishWithoutJoining ?? false,
  };
}

/** A join, or with a message a publish. */
interface Request<Data> {
  readonly room: string;
  readonly message: PreparedMessage | null;
  readonly options: PublishOptions<Data>;
}

interface Pending<Data> {
  readonly request: Request<Data>;
  readonly resolve: (result: RequestResult) => void;
}

/**
 * The requests of one member, done in the order in which they came. While a hook has not answered, those after it
 * wait, so many and so many bytes of them at most. Without a hook that answers later, nothing waits.
 */
export class Requests<Data> {
  readonly #owner: RequestsOwner<Data>;
  readonly #member: HubMember<Data>;
  readonly #rate: RateSettings | null;
  readonly #bucket: TokenBucket | null;
  /** The first of them is at the hook. */
  readonly #pending: Pending<Data>[] = [];
  #pendingBytes = 0;
  #alarm: Alarm | null = null;

  constructor(owner: RequestsOwner<Data>, member: HubMember<Data>, rate: RateSettings | null) {
    this.#owner = owner;
    this.#member = member;
    this.#rate = rate;
    this.#bucket = rate === null ? null : new TokenBucket(rate, owner.timers.now());
  }

  /** Does it, or waits for the hook. Never rejects. */
  ask(room: string, message: PreparedMessage | null, options: PublishOptions<Data>): Promise<RequestResult> {
    if (!this.#member.registered) return refused("gone");
    if (this.#bucket !== null && !this.#bucket.take(this.#owner.timers.now())) {
      this.#owner.counters.rateLimited++;
      if (this.#rate!.policy === "close") this.#owner.onTooMany(this.#member);
      return refused("rate");
    }
    const request = { room, message, options };
    if (this.#pending.length > 0) return this.#wait(request);
    const answer = this.#askHook(request);
    if (typeof answer === "boolean") return Promise.resolve(this.#do(request, answer));
    const waiting = this.#wait(request);
    this.#await(answer);
    return waiting;
  }

  /** The member is gone: so is all that waits. */
  release(): void {
    if (this.#alarm !== null) this.#owner.timers.clear(this.#alarm);
    for (const { resolve } of this.#pending.splice(0)) resolve(result("gone"));
    this.#pendingBytes = 0;
  }

  #wait(request: Request<Data>): Promise<RequestResult> {
    const { message } = request;
    const { maxPendingRequests, maxPendingBytes } = this.#owner.limits;
    const size = sizeOf(message);
    const { length } = this.#pending;
    if (length > 0 && (length >= maxPendingRequests || this.#pendingBytes + size > maxPendingBytes)) {
      this.#owner.counters.refused++;
      return refused("busy");
    }
    this.#pendingBytes += size;
    return new Promise((resolve) => this.#pending.push({ request, resolve }));
  }

  /** The hook's answer: a boolean, or a promise that does not reject. */
  #askHook({ room, message }: Request<Data>): boolean | Promise<boolean> {
    const { hooks } = this.#owner;
    if (!this.#member.registered) return false;
    if (message !== null && !this.#mayPublish(room)) return false;
    try {
      const answer: unknown = message === null
        ? hooks.authorizeJoin === undefined || hooks.authorizeJoin(this.#member, room)
        : hooks.authorizePublish === undefined || hooks.authorizePublish(this.#member, room, message);
      if (typeof (answer as PromiseLike<unknown> | null)?.then !== "function") return answer === true;
      return Promise.resolve(answer).then((answer) => answer === true, (error) => this.#report(error));
    } catch (error) {
      return this.#report(error);
    }
  }

  #report(error: unknown): false {
    this.#owner.onError(error);
    return false;
  }

  /** Waits for the answer to the first that waits, as long as a hook may take. */
  #await(answer: Promise<boolean>): void {
    const { timers, limits } = this.#owner;
    const first = this.#pending[0]!;
    const end = (allowed: boolean) => {
      // An answer that comes too late is none.
      if (this.#pending[0] !== first) return;
      timers.clear(this.#alarm!);
      this.#onAnswer(first, allowed);
    };
    this.#alarm = new Alarm(() => {
      this.#report(new Error(`Cannot authorize: the hook took more than ${limits.authorizeTimeout} ms`));
      end(false);
    });
    if (limits.authorizeTimeout !== Infinity) {
      timers.set(this.#alarm, timers.now() + limits.authorizeTimeout);
    }
    answer.then(end);
  }

  #onAnswer({ request, resolve }: Pending<Data>, allowed: boolean): void {
    this.#pendingBytes -= sizeOf(request.message);
    resolve(this.#do(request, allowed));
    // What was just done may have ended the member, and with it what waits.
    this.#pending.shift();
    for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
      const answer = this.#askHook(next.request);
      if (typeof answer !== "boolean") return this.#await(answer);
      this.#pendingBytes -= sizeOf(next.request.message);
      next.resolve(this.#do(next.request, answer));
      this.#pending.shift();
    }
  }

  #do({ room, message, options }: Request<Data>, allowed: boolean): RequestResult {
    if (!this.#member.registered) return result("gone");
    if (message !== null && !this.#mayPublish(room)) return this.#refuse("not-joined");
    if (!allowed) return this.#refuse("forbidden");
    if (message === null) {
      this.#member.join(room);
      return result(this.#member.registered ? null : "gone");
    }
    return result(null, this.#owner.broadcastFrom(room, message, options));
  }

  #refuse(reason: RefusalReason): RequestResult {
    this.#owner.counters.refused++;
    return result(reason);
  }

  #mayPublish(room: string): boolean {
    return this.#owner.limits.publishWithoutJoining || this.#member.rooms.has(room);
  }
}

function sizeOf(message: PreparedMessage | null): number {
  return message === null ? 0 : message.payload.length;
}

function result(reason: RefusalReason | null, receivers = 0): RequestResult {
  return { accepted: reason === null, reason, receivers };
}

function refused(reason: RefusalReason): Promise<RequestResult> {
  return Promise.resolve(result(reason));
}
