import type { Addr } from "../net/addr.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { WebSocketConn } from "../websocket/web_socket_conn.ts";

/**
 * A connection that can be a member of a hub: anything that takes prepared messages, such as a
 * {@linkcode ConnMember} or a class of the application. A `WebSocketConn` needs no such class: `Hub.register` takes it
 * as it is.
 */
export interface HubSocket {
  /** Address of the peer. The hub does not use it. */
  readonly remoteAddr: Addr;
  /** Settles when the connection is closed, by whichever side; must not reject. The hub then removes the member. */
  readonly closed: Promise<unknown>;
  /**
   * Sends one message, without waiting. An exception counts as a broken connection: the hub calls `closeNow`.
   *
   * @param message bytes in `payload`, or as the connection's encoding by `encodedBy`
   * @returns whether the message was taken. After `false` the hub keeps the message, waits for `drained` and sends it
   * again; later messages wait in the member's queue
   */
  send(message: PreparedMessage): boolean;
  /** Resolves when `send` takes a message again; at once when it does now. A rejection counts as a broken connection. */
  drained(): Promise<unknown>;
  /** Asks the peer for a sign of life and resolves when that arrives. Members without `ping` are not pinged. */
  ping?(): Promise<unknown>;
  /**
   * Closes the connection after the messages that `send` took. The hub sends nothing afterwards. A rejection makes the
   * hub call `closeNow`.
   *
   * @param code WebSocket close code, for connections that have one
   * @param reason text for the peer, at most 123 bytes of UTF-8
   */
  close(code?: number, reason?: string): Promise<unknown>;
  /** Drops the connection at once. */
  closeNow(): void;
}

/** The connections that `Hub.register` takes. */
export type MemberSocket = HubSocket | WebSocketConn;
