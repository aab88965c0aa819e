import { Alarm, type TimerQueue } from "../net/timer_queue.ts";
import { isThenable } from "../net/thenable.ts";
import { positive } from "../websocket/options.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { HubCounters } from "./hub_counters.ts";
import type { HubDebugHook } from "./hub_debug.ts";
import type { HubMember, PublishOptions } from "./hub_member.ts";
import type { RefusalReason, RequestResult } from "./request_result.ts";
import { type RateSettings, TokenBucket } from "./token_bucket.ts";

/** Hooks that decide about a member's requests. Every answer but `true` refuses the request. */
export interface RequestHooks<Data> {
  /** Called before {@linkcode HubMember.requestJoin} joins. Default: every join is allowed. */
  authorizeJoin?: (member: HubMember<Data>, room: string) => boolean | Promise<boolean>;
  /** Called before {@linkcode HubMember.publish} broadcasts. Default: every message is allowed. */
  authorizePublish?: (
    member: HubMember<Data>,
    room: string,
    message: PreparedMessage,
  ) => boolean | Promise<boolean>;
}

/** Bounds of the requests of one member. */
export interface RequestOptions {
  /** The most requests of one member that wait for a hook; further ones are refused. Default: 64. */
  maxPendingRequests?: number;
  /** The most bytes of payload that these requests have. Default: 1 MiB. */
  maxPendingBytes?: number;
  /** Milliseconds for a hook to answer; the request is refused afterwards. Default: 10,000. */
  authorizeTimeout?: number;
  /** Whether a member may publish to a room that it is not in. Default: false. */
  publishWithoutJoining?: boolean;
}

/** The hub, as the requests of its members see it. */
export interface RequestHub<Data> {
  readonly hooks: RequestHooks<Data>;
  readonly limits: RequestLimits;
  readonly debug: HubDebugHook<Data> | null;
  readonly counters: HubCounters;
  readonly timers: TimerQueue;
  /** Broadcasts to a room; returns how many queues accepted the message. */
  broadcastFrom(room: string, message: PreparedMessage, options: PublishOptions<Data>): number;
  /** Closes and removes a member that exceeded its rate limit. */
  onTooMany(member: HubMember<Data>): void;
  /** Reports an error of a hook. */
  onError(error: unknown): void;
}

/** {@linkcode RequestOptions} with all defaults filled in. */
export type RequestLimits = Readonly<Required<RequestOptions>>;

/**
 * Fills in the defaults and checks the values.
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

/** A request to join a room, or, with a message, to publish to the room. */
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
 * The requests of one member, done in the order in which they came. While a hook has not answered, later requests wait,
 * up to a bound in number and bytes. Where hooks answer at once, none waits.
 */
export class Requests<Data> {
  readonly #hub: RequestHub<Data>;
  readonly #member: HubMember<Data>;
  readonly #rate: RateSettings | null;
  readonly #bucket: TokenBucket | null;
  /** Requests in order; the hook is deciding about the first. */
  readonly #pending: Pending<Data>[] = [];
  #pendingBytes = 0;
  #alarm: Alarm | null = null;

  constructor(hub: RequestHub<Data>, member: HubMember<Data>, rate: RateSettings | null) {
    this.#hub = hub;
    this.#member = member;
    this.#rate = rate;
    this.#bucket = rate === null ? null : new TokenBucket(rate, hub.timers.now());
  }

  /** Does a request, or queues it while a hook is deciding. Never rejects. */
  ask(room: string, message: PreparedMessage | null, options: PublishOptions<Data>): Promise<RequestResult> {
    if (!this.#member.registered) return Promise.resolve(result("gone"));
    const request = { room, message, options };
    if (this.#bucket !== null && !this.#bucket.take(this.#hub.timers.now())) {
      this.#hub.counters.rateLimited++;
      const refusal = this.#refusal(request, "rate");
      if (this.#rate!.policy === "close") this.#hub.onTooMany(this.#member);
      return Promise.resolve(refusal);
    }
    if (this.#pending.length > 0) return this.#wait(request);
    const answer = this.#askHook(request);
    if (typeof answer === "boolean") return Promise.resolve(this.#do(request, answer));
    const waiting = this.#wait(request);
    this.#await(answer);
    return waiting;
  }

  /** Refuses all requests that wait: the hub has removed the member. */
  release(): void {
    if (this.#alarm !== null) this.#hub.timers.clear(this.#alarm);
    for (const { resolve } of this.#pending.splice(0)) resolve(result("gone"));
    this.#pendingBytes = 0;
  }

  #wait(request: Request<Data>): Promise<RequestResult> {
    const { message } = request;
    const { maxPendingRequests, maxPendingBytes } = this.#hub.limits;
    const size = sizeOf(message);
    const { length } = this.#pending;
    if (length > 0 && (length >= maxPendingRequests || this.#pendingBytes + size > maxPendingBytes)) {
      return Promise.resolve(this.#refuse(request, "busy"));
    }
    this.#pendingBytes += size;
    return new Promise((resolve) => this.#pending.push({ request, resolve }));
  }

  /** The hook's answer: a boolean, or a promise that does not reject. */
  #askHook({ room, message }: Request<Data>): boolean | Promise<boolean> {
    const { hooks } = this.#hub;
    if (!this.#member.registered) return false;
    if (message !== null && !this.#mayPublish(room)) return false;
    try {
      const answer: unknown = message === null
        ? hooks.authorizeJoin === undefined || hooks.authorizeJoin(this.#member, room)
        : hooks.authorizePublish === undefined || hooks.authorizePublish(this.#member, room, message);
      if (!isThenable(answer)) return answer === true;
      return Promise.resolve(answer).then((answer) => answer === true, (error) => this.#report(error));
    } catch (error) {
      return this.#report(error);
    }
  }

  #report(error: unknown): false {
    this.#hub.onError(error);
    return false;
  }

  /** Waits for the hook's answer to the first request, for `authorizeTimeout` at most. */
  #await(answer: Promise<boolean>): void {
    const { timers, limits } = this.#hub;
    const first = this.#pending[0]!;
    const end = (allowed: boolean) => {
      // An answer after the timeout is ignored.
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
    // Doing the request may have removed the member, which empties `#pending`.
    this.#pending.shift();
    for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
      const answer = this.#askHook(next.request);
      if (typeof answer !== "boolean") return this.#await(answer);
      this.#pendingBytes -= sizeOf(next.request.message);
      next.resolve(this.#do(next.request, answer));
      this.#pending.shift();
    }
  }

  #do(request: Request<Data>, allowed: boolean): RequestResult {
    const { room, message, options } = request;
    if (!this.#member.registered) return result("gone");
    if (message !== null && !this.#mayPublish(room)) return this.#refuse(request, "not-joined");
    if (!allowed) return this.#refuse(request, "forbidden");
    if (message === null) {
      this.#member.join(room);
      return result(this.#member.registered ? null : "gone");
    }
    return result(null, this.#hub.broadcastFrom(room, message, options));
  }

  #refuse(request: Request<Data>, reason: RefusalReason): RequestResult {
    this.#hub.counters.refused++;
    return this.#refusal(request, reason);
  }

  #refusal({ room, message }: Request<Data>, reason: RefusalReason): RequestResult {
    const request = message === null ? "join" : "publish";
    this.#hub.debug?.({ type: "refused", member: this.#member, request, room, reason });
    return result(reason);
  }

  #mayPublish(room: string): boolean {
    return this.#hub.limits.publishWithoutJoining || this.#member.rooms.has(room);
  }
}

function sizeOf(message: PreparedMessage | null): number {
  return message === null ? 0 : message.payload.length;
}

function result(reason: RefusalReason | null, receivers = 0): RequestResult {
  return { accepted: reason === null, reason, receivers };
}
