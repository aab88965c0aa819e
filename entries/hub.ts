/**
 * A hub that passes messages to many connections.
 *
 * @module
 */

import { checkFunctions, checkOptions } from "../src/bytes/check_argument.ts";
import { Hub as HubOn } from "../src/hub/hub.ts";
import type { HubOptions } from "../src/hub/hub_options.ts";
import { runtime } from "./runtime.ts";

/** Options that are functions. */
const HANDLERS = [
  "roomQueue",
  "onOverflow",
  "onJoin",
  "onLeave",
  "onError",
  "authorizeJoin",
  "authorizePublish",
];

/**
 * Passes messages to many connections. Go: the Hub of gorilla's chat example.
 *
 * A broadcast is encoded once for all its receivers. Each member has a bounded queue with a policy: a slow member never
 * delays another, and either loses messages or is closed with 1013. The messages of one turn of the event loop leave in
 * one write for each member. Messages of one sender reach a member in order. A message that is written to a connection
 * directly may overtake queued ones, so send through {@linkcode HubMember.send}.
 *
 * With a {@linkcode Broker}, broadcasts also reach the members of the other hubs that share it.
 */
export class Hub<Data = unknown> extends HubOn<Data> {
  /**
   * A hub without members.
   *
   * @param options queues, timing, hooks and handlers; see {@linkcode HubOptions}
   * @throws {RangeError} when a bound is not positive
   * @throws {TypeError} when a policy is unknown
   */
  constructor(options?: HubOptions<Data>) {
    checkOptions("make a Hub", options);
    if (options !== undefined) checkFunctions("make a Hub", options, HANDLERS);
    super(runtime, options);
  }
}

export type { Broker, Subscription } from "../src/hub/broker.ts";
export { codecEncoding, ConnMember } from "../src/hub/conn_member.ts";
export type { DrainOptions, DrainReport } from "../src/hub/drain.ts";
export type {
  DepartureCause,
  EndingDebugEvent,
  HubDebugEvent,
  HubDebugHook,
  RefusedDebugEvent,
  RegisteredDebugEvent,
  RejectedDebugEvent,
  RemovedDebugEvent,
} from "../src/hub/hub_debug.ts";
export type { HistogramSnapshot } from "../src/hub/histogram.ts";
export type { HubMember, PublishOptions, SendOptions } from "../src/hub/hub_member.ts";
export type { HubStats } from "../src/hub/hub_counters.ts";
export type { BroadcastOptions, HubOptions, RegisterOptions } from "../src/hub/hub_options.ts";
export type { LivenessOptions } from "../src/hub/liveness.ts";
export { MemoryBroker } from "../src/hub/memory_broker.ts";
export type { HubSocket, MemberSocket } from "../src/hub/hub_socket.ts";
export type { OverflowEvent } from "../src/hub/overflow_reports.ts";
export type { OverflowPolicy, QueueOptions } from "../src/hub/queue_policy.ts";
export type { RefusalReason, RequestResult } from "../src/hub/request_result.ts";
export type { RequestHooks, RequestOptions } from "../src/hub/requests.ts";
export type { LinkOptions } from "../src/hub/broker_link.ts";
export type { Room, RoomBroadcastOptions } from "../src/hub/room.ts";
export { type RateLimit, type RateSettings, TokenBucket } from "../src/hub/token_bucket.ts";
export type { ByteBuffer } from "../src/bytes/byte_buffer.ts";
export type { Encoder } from "../src/framing/codec.ts";
export type { Addr, PipeAddr, TcpAddr, UdpAddr, UnixAddr } from "../src/net/addr.ts";
export type { Bytes, MessageData, MessageType } from "../src/websocket/message.ts";
export { type MessageEncoding, PreparedMessage } from "../src/websocket/prepared_message.ts";
