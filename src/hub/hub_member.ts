import type { MessageData, MessageType } from "../websocket/message.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { MemberSocket } from "./hub_socket.ts";
import type { RequestResult } from "./request_result.ts";

/** How one message is sent. */
export interface SendOptions {
  /**
   * Name of a value of which this message is the latest: under the policy `coalesce` the message replaces a waiting one
   * with the same key. Keys of different rooms are different. Default: none.
   */
  key?: string;
  /** Type of the message. Default: text for a string, binary for bytes. A `PreparedMessage` has its own. */
  type?: MessageType;
}

/** How a member's own message is sent to a room. */
export interface PublishOptions<Data = unknown> extends SendOptions {
  /** Members that do not get the message. Members of another hub are ignored. Default: none. */
  except?: HubMember<Data> | ReadonlySet<HubMember<Data>>;
  /** Whether the message stays in this hub instead of also going to the broker. Default: false. */
  local?: boolean;
}

/**
 * One member of a hub, as `Hub.register` returns it.
 *
 * `join`, `leave` and `send` are the application's own calls, and always allowed. Requests of the peer belong into
 * {@linkcode HubMember.requestJoin} and {@linkcode HubMember.publish}, which ask the hub's hooks and keep to its rate
 * limit.
 */
export interface HubMember<Data = unknown> {
  /** The connection that was registered. */
  readonly socket: MemberSocket;
  /** The application's data; may be replaced. */
  data: Data;
  /** Whether the member is in the hub. Calls on a removed member do nothing. */
  readonly registered: boolean;
  /** Names of the rooms that the member is in. */
  readonly rooms: ReadonlySet<string>;
  /** Bytes of payload that the socket has not taken. */
  readonly queuedBytes: number;
  /** Messages that the socket has not taken. */
  readonly queuedMessages: number;
  /** Messages that were lost because the queue was full. */
  readonly dropped: number;
  /** Messages that a later one of the same key replaced before the socket had them. */
  readonly coalesced: number;

  /** Enters a room; does nothing when the member is already in the room, or removed. */
  join(room: string): void;
  /** Leaves a room; does nothing when the member is not in the room. */
  leave(room: string): void;
  /**
   * Queues one message for this member only, in order with the broadcasts that it gets.
   *
   * @returns `false` when the queue did not accept the message, or the member is removed
   * @throws {TypeError} when the message is neither text nor bytes, or the bytes of a text are not UTF-8
   */
  send(message: MessageData | PreparedMessage, options?: SendOptions): boolean;
  /** Queues a value as JSON text; see {@linkcode HubMember.send}. */
  sendJson(value: unknown, options?: SendOptions): boolean;
  /**
   * Joins a room, if the hub's `authorizeJoin` and the rate limit allow it. A member's requests are done in order: while
   * a hook has not answered, later requests wait. Without such a hook the room is joined when this call returns.
   *
   * @returns whether the request was accepted; never rejects
   */
  requestJoin(room: string): Promise<RequestResult>;
  /**
   * Broadcasts a message of this member to a room that it is in, itself included, if the hub's `authorizePublish` and
   * the rate limit allow it; in order with the member's other requests.
   *
   * @returns whether the request was accepted; never rejects
   * @throws {TypeError} when the message is neither text nor bytes, the bytes of a text are not UTF-8, or `except` is
   * neither a member of a hub nor a set
   */
  publish(
    room: string,
    message: MessageData | PreparedMessage,
    options?: PublishOptions<Data>,
  ): Promise<RequestResult>;
  /**
   * Closes the socket after the messages that are queued, without waiting for a busy socket to take them: a
   * `WebSocketConn` and a `ConnMember` accept them all the same, another `HubSocket` has 5 s to do so. Later messages
   * are refused. The hub removes the member when the socket is closed.
   *
   * @param code code of the close frame; default 1000
   * @param reason text for the peer, at most 123 bytes of UTF-8; default: empty
   */
  close(code?: number, reason?: string): Promise<void>;
}
