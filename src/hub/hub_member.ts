import type { MessageData, MessageType } from "../websocket/message.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { HubSocket } from "./hub_socket.ts";
import type { RequestResult } from "./requests.ts";

/** How one message is sent. */
export interface SendOptions {
  /**
   * Names a value of which this is the latest: under the policy `coalesce` it takes the place of one that still waits.
   * The same key in another room is another value.
   */
  key?: string;
  /** Unless it is given, text for a string and binary for bytes. A `PreparedMessage` has its own. */
  type?: MessageType;
}

/** How a member's own message is sent to a room. */
export interface PublishOptions<Data = unknown> extends SendOptions {
  /** Who does not get it. A member of another hub is nobody here. */
  except?: HubMember<Data> | ReadonlySet<HubMember<Data>>;
  /** Not to other hubs. Default: false. */
  local?: boolean;
}

/**
 * One member of a hub, as `Hub.register` gives it.
 *
 * What the application does with it is done: `join`, `leave`, `send`. What is asked for by whoever is at the other end
 * goes through {@linkcode HubMember.requestJoin} and {@linkcode HubMember.publish}, which ask the hub's hooks and keep to
 * its rate limit.
 */
export interface HubMember<Data = unknown> {
  /** What it was registered with. */
  readonly socket: HubSocket;
  /** Whatever the application keeps with it. */
  data: Data;
  /** Whether the hub still has it. What is done with one that is gone does nothing. */
  readonly registered: boolean;
  /** The rooms it is in. */
  readonly rooms: ReadonlySet<string>;
  /** Bytes of payload that its socket has not taken. */
  readonly queuedBytes: number;
  /** Messages that its socket has not taken. */
  readonly queuedMessages: number;
  /** Messages that it lost because its queue was full. */
  readonly dropped: number;
  /** Messages for it whose place a later one of the same key took. */
  readonly coalesced: number;

  /** Enters a room; does nothing when it is there already, or gone. */
  join(room: string): void;
  /** Leaves a room. */
  leave(room: string): void;
  /**
   * Queues one message for this member alone, in order with the broadcasts that it gets.
   *
   * @returns `false` when its queue did not take it, or it is gone
   * @throws {TypeError} when the message is neither text nor bytes, or the bytes of a text are not UTF-8
   */
  send(message: MessageData | PreparedMessage, options?: SendOptions): boolean;
  /** Queues a value as JSON text. */
  sendJson(value: unknown, options?: SendOptions): boolean;
  /**
   * Joins a room, if the hub's `authorizeJoin` and the rate limit allow it. A member's requests are done in their order:
   * while a hook has not answered, later ones wait. Where nothing has to be waited for it is done when this returns.
   *
   * @returns what became of it; never rejects
   */
  requestJoin(room: string): Promise<RequestResult>;
  /**
   * Broadcasts a message of this member to a room, itself included, if it is in it and the hub's `authorizePublish` and
   * the rate limit allow it; in order with its other requests.
   *
   * @returns what became of it; never rejects
   * @throws {TypeError} when the message is neither text nor bytes, the bytes of a text are not UTF-8, or `except` is
   * neither a hub's member nor a set
   */
  publish(
    room: string,
    message: MessageData | PreparedMessage,
    options?: PublishOptions<Data>,
  ): Promise<RequestResult>;
  /**
   * Closes its socket, after what is queued, which is handed to the socket even if it is busy. Nothing more is queued.
   * It is a member until its socket is closed.
   *
   * @param code of the close frame; default 1000
   */
  close(code?: number, reason?: string): Promise<void>;
}
