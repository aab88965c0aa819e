import { callGuarded } from "../net/guarded_hook.ts";
import type { WebSocketConn } from "./web_socket_conn.ts";

/**
 * Called for each ping that comes. `false` leaves the ping without its automatic pong; any other result does not. What the
 * hook throws is printed and changes nothing. Go: gorilla's `SetPingHandler`.
 *
 * @param data the payload, at most 125 bytes, the hook's own
 */
export type PingHook = (conn: WebSocketConn, data: Uint8Array) => boolean | void;

/**
 * Called for each pong that comes, also those that answer the keep-alive's pings, which have no payload. What the hook throws
 * is printed and changes nothing. Go: gorilla's `SetPongHandler`.
 *
 * @param data the payload, at most 125 bytes, the hook's own
 */
export type PongHook = (conn: WebSocketConn, data: Uint8Array) => void;

/** Calls a hook with a copy of the payload; its result, or `undefined` for no hook and for one that throws. */
export function callHook(
  hook: PingHook | PongHook | null,
  conn: WebSocketConn,
  payload: Uint8Array,
): boolean | void {
  if (hook === null) return undefined;
  return callGuarded(() => hook(conn, new Uint8Array(payload))) === false ? false : undefined;
}
