import { callGuarded } from "../net/guarded_hook.ts";
import type { HubMember } from "./hub_member.ts";
import type { RefusalReason } from "./request_result.ts";

/** A socket was registered. */
export interface RegisteredDebugEvent<Data = unknown> {
  /** The kind of event. */
  readonly type: "registered";
  /** The new member. */
  readonly member: HubMember<Data>;
}

/** A socket was not accepted, because the hub drains or is closed; it was closed. */
export interface RejectedDebugEvent<Data = unknown> {
  /** The kind of event. */
  readonly type: "rejected";
  /** The member that `register` returned: its `registered` is false. */
  readonly member: HubMember<Data>;
}

/**
 * Cause for which a member left its hub.
 *
 * - `"unregistered"`: the application called `unregister`
 * - `"socket closed"`: its socket was closed, by either side
 * - `"queue full"`: its queue was full under the policy `close`
 * - `"silent"`: no pong came in time
 * - `"broken"`: writing to its socket failed
 * - `"out of time"`: a drain, or `close` of the member, cut it off
 * - `"too many requests"`: it exceeded a rate limit whose policy is `close`
 */
export type DepartureCause =
  | "unregistered"
  | "socket closed"
  | "queue full"
  | "silent"
  | "broken"
  | "out of time"
  | "too many requests";

/** A member left the hub. */
export interface RemovedDebugEvent<Data = unknown> {
  /** The kind of event. */
  readonly type: "removed";
  /** The member that left. */
  readonly member: HubMember<Data>;
  /** Cause of the departure. */
  readonly cause: DepartureCause;
}

/** A request of a member was refused. */
export interface RefusedDebugEvent<Data = unknown> {
  /** The kind of event. */
  readonly type: "refused";
  /** The member that asked. */
  readonly member: HubMember<Data>;
  /** Kind of the request. */
  readonly request: "join" | "publish";
  /** Room that the request names. */
  readonly room: string;
  /** Reason of the refusal. */
  readonly reason: RefusalReason;
}

/** The hub begins to empty itself, by `drain` or `close`. */
export interface EndingDebugEvent {
  /** The kind of event. */
  readonly type: "draining" | "closing";
  /** Members at that time. */
  readonly members: number;
}

/** Argument of a hub's `onDebug`. Later versions may add types of events. */
export type HubDebugEvent<Data = unknown> =
  | RegisteredDebugEvent<Data>
  | RejectedDebugEvent<Data>
  | RemovedDebugEvent<Data>
  | RefusedDebugEvent<Data>
  | EndingDebugEvent;

/** A hook for debugging a hub. Called synchronously, in the order of events; what it throws is printed and changes nothing. */
export type HubDebugHook<Data = unknown> = (event: HubDebugEvent<Data>) => void;

/**
 * A hook whose errors are printed.
 *
 * @throws {TypeError} when the hook is not a function
 */
export function safeHubDebugHook<Data>(hook: HubDebugHook<Data> | undefined): HubDebugHook<Data> | null {
  if (hook === undefined) return null;
  if (typeof hook !== "function") throw new TypeError("Cannot use onDebug: it is not a function");
  return (event) => void callGuarded(() => hook(event));
}
