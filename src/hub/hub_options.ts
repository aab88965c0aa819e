import type { Broker } from "./broker.ts";
import type { LinkOptions } from "./broker_link.ts";
import type { HubDebugHook } from "./hub_debug.ts";
import type { HubMember, PublishOptions } from "./hub_member.ts";
import type { LivenessOptions } from "./liveness.ts";
import type { OverflowEvent } from "./overflow_reports.ts";
import type { QueueOptions } from "./queue_policy.ts";
import type { RequestHooks, RequestOptions } from "./requests.ts";
import type { RateLimit } from "./token_bucket.ts";

/**
 * Options of a hub. A message is queued under the policy of its member, else of its room, else of the hub.
 *
 * Handlers are called in order, and never in the middle of a broadcast; their errors go to `onError`.
 */
export interface HubOptions<Data = unknown>
  extends QueueOptions, LivenessOptions, RequestHooks<Data>, RequestOptions, LinkOptions {
  /**
   * Bounds and policy of a room, for messages to it. Called when a first member joins; the result holds until the room
   * is empty. Default: the hub's.
   */
  roomQueue?: (room: string) => QueueOptions | undefined;
  /**
   * Called at the end of a turn in which queues were full, once for each member and policy. Under the policy `close` the
   * member is already removed.
   */
  onOverflow?: (event: OverflowEvent<Data>) => void;
  /** Called when a member has entered a room. */
  onJoin?: (member: HubMember<Data>, room: string) => void;
  /** Called once when a member has left a room, whatever the cause: `leave`, its removal, or the end of its socket. */
  onLeave?: (member: HubMember<Data>, room: string) => void;
  /** Rate limit for the requests of each member. Default: none. */
  rateLimit?: RateLimit;
  /** Joins this hub to others. The hub does not close the broker. Default: none. */
  broker?: Broker;
  /** Called with errors that no call of the hub can report: of a broker, a hook or a handler. Default: errors are ignored. */
  onError?: (error: unknown) => void;
  /** Called when members come and go, with the cause, and when their requests are refused. Default: none. */
  onDebug?: HubDebugHook<Data>;
}

/** Options of one member. A bound or policy that is not given is the hub's. */
export interface RegisterOptions extends QueueOptions {
  /** Rate limit in place of the hub's; `null` for none. */
  rateLimit?: RateLimit | null;
}

/** Options of a broadcast. */
export interface BroadcastOptions<Data = unknown> extends PublishOptions<Data> {
  /** Rooms whose members get the message, each member once. Default: all members of the hub. */
  rooms?: readonly string[];
  /**
   * Accepts or leaves out members of this hub. Called for all of them before the message is queued, so that it may call
   * the hub. Other hubs do not apply it. Default: all are accepted.
   */
  filter?: (member: HubMember<Data>) => boolean;
}
