import type { Broker } from "./broker.ts";
import type { LinkOptions } from "./broker_link.ts";
import type { HubMember, PublishOptions } from "./hub_member.ts";
import type { LivenessOptions } from "./liveness.ts";
import type { OverflowEvent } from "./overflow_reports.ts";
import type { QueueOptions } from "./queue_policy.ts";
import type { RequestHooks, RequestOptions } from "./requests.ts";
import type { RateLimit } from "./token_bucket.ts";

/**
 * How a hub treats its members. What holds for a message's queue is the member's own, else the room's, else this.
 *
 * The handlers are told in order, and never in the middle of a broadcast; what they throw goes to `onError`.
 */
export interface HubOptions<Data = unknown>
  extends QueueOptions, LivenessOptions, RequestHooks<Data>, RequestOptions, LinkOptions {
  /**
   * A room's own bounds and policy, for what is sent to it. Asked when somebody joins a room that was empty, and kept
   * while somebody is in it.
   */
  roomQueue?: (room: string) => QueueOptions | undefined;
  /**
   * Told when queues were full: at the end of the turn, once for each member and policy, with how many messages were
   * lost. With the policy `close` the member is gone by then.
   */
  onOverflow?: (event: OverflowEvent<Data>) => void;
  /** Told when somebody has entered a room. */
  onJoin?: (member: HubMember<Data>, room: string) => void;
  /** Told when somebody has left a room, once however that came: by itself, closed, evicted, silent or unregistered. */
  onLeave?: (member: HubMember<Data>, room: string) => void;
  /** Requests a member may make. Default: no limit. */
  rateLimit?: RateLimit;
  /** Joins this hub to others. It is not closed with the hub. */
  broker?: Broker;
  /** Told of what failed and is nobody's call: a broker, a hook, a handler. Default: nobody is. */
  onError?: (error: unknown) => void;
}

/** What is set for one member. */
export interface RegisterOptions extends QueueOptions {
  /** Its own limit in place of the hub's; `null`: none. */
  rateLimit?: RateLimit | null;
}

/** How a broadcast is made. */
export interface BroadcastOptions<Data = unknown> extends PublishOptions<Data> {
  /** To those who are in any of these rooms, once each. Default: everybody. */
  rooms?: readonly string[];
  /**
   * Only those members of this hub for whom it is true. It is asked for all of them before any gets the message, so it
   * may do what it likes. Other hubs do not know of it.
   */
  filter?: (member: HubMember<Data>) => boolean;
}
