/**
 * WebSocket (RFC 6455, RFC 7692), client and server.
 *
 * @module
 */

import type { Conn, Listener } from "../src/net/conn.ts";
import type { StreamNetwork } from "../src/net/dial.ts";
import type { TcpNetwork } from "../src/net/resolve.ts";
import type { TlsConfig } from "../src/net/tls.ts";
import { dialWebSocketOn, type WebSocketDialOptions } from "../src/websocket/dial_web_socket.ts";
import { type ServeOptions, Server } from "../src/server/server.ts";
import { type UpgradeExtras, Upgrader as UpgraderOn, type UpgraderOptions } from "../src/server/upgrader.ts";
import type { WebSocketConn } from "../src/websocket/web_socket_conn.ts";
import { listen, listenTls } from "./net.ts";
import { runtime } from "./runtime.ts";

/**
 * Connects to a WebSocket server. Go: gorilla's `Dialer.Dial`.
 *
 * @param url `ws://host:port/path`, or `wss:` for TLS
 * @throws {SyntaxError} when the URL is none of a WebSocket
 * @throws {HandshakeError} when the server refuses; with its status, headers and the start of its body
 * @throws {NetError} when it cannot be reached
 * @throws {TlsError} when TLS fails, as `dialTls`
 *
 * @example
 * ```ts
 * import { dialWebSocket, HandshakeError, listenAndServe } from "jackfield";
 *
 * const server = await listenAndServe("tcp", "127.0.0.1:0", {
 *   websocket: (conn) => conn.writeMessage("welcome"),
 *   upgrade: () => new Response("Not today\n", { status: 503 }),
 * });
 * try {
 *   await dialWebSocket(`ws://${server.addr}/`, { compression: true });
 * } catch (error) {
 *   console.log(error instanceof HandshakeError && error.status); // 503
 * }
 * await server.shutdown();
 * ```
 */
export function dialWebSocket(url: string | URL, options?: WebSocketDialOptions): Promise<WebSocketConn> {
  return dialWebSocketOn(runtime, url, options);
}

/**
 * Serves WebSockets and plain requests on a listener, which is the server's from now on: nobody else accepts from it.
 * Go: `http.Serve`.
 */
export function serve(listener: Listener, options: ServeOptions): Server {
  return new Server(runtime, listener, options);
}

/** What `listenAndServe` takes. */
export interface ListenAndServeOptions extends ServeOptions {
  /** Serves `wss:` and `https:`, on TCP. Its application protocol is `http/1.1` if nothing else is said. */
  tls?: TlsConfig;
}

/**
 * Listens and serves. Go: `http.ListenAndServe` and `http.ListenAndServeTLS`.
 *
 * @returns the server, once it listens
 * @throws {NetError} when the address cannot be listened on
 * @throws {TypeError} as `listenTls`
 *
 * @example
 * ```ts
 * import { listenAndServe } from "jackfield";
 *
 * const server = await listenAndServe("tcp", "127.0.0.1:0", {
 *   websocket: async (conn) => {
 *     for await (const message of conn) await conn.writeMessage(message.data);
 *   },
 *   fetch: (request) => new Response(`You asked for ${new URL(request.url).pathname}`),
 * });
 * console.log(await (await fetch(`http://${server.addr}/page`)).text()); // You asked for /page
 * await server.shutdown();
 * ```
 */
export async function listenAndServe(
  network: StreamNetwork,
  address: string,
  options: ListenAndServeOptions,
): Promise<Server> {
  if (options.tls === undefined) return serve(await listen(network, address), options);
  const tls = { nextProtos: ["http/1.1"], ...options.tls };
  return serve(await listenTls(network as TcpNetwork, address, { tls }), options);
}

/**
 * Answers opening handshakes, RFC 6455, 4.2. Go: gorilla's `Upgrader`.
 *
 * @example
 * ```ts
 * import { pipe, Upgrader } from "jackfield";
 *
 * const upgrader = new Upgrader({ checkOrigin: (request) => request.headers.get("origin") === null });
 *
 * // Whoever reads HTTP gives the connection and the request that came on it.
 * const [ours] = pipe();
 * const request = new Request("http://a.example/", {
 *   headers: {
 *     host: "a.example",
 *     connection: "upgrade",
 *     upgrade: "websocket",
 *     "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
 *     "sec-websocket-version": "13",
 *   },
 * });
 * const conn = await upgrader.upgrade(ours, request, { headers: { "set-cookie": "seen=yes" } });
 * await conn.writeMessage("welcome");
 * conn.closeNow();
 * ```
 */
export class Upgrader {
  readonly #upgrader: UpgraderOn;

  /**
   * Makes one.
   *
   * @param options how to answer; see {@linkcode UpgraderOptions}
   */
  constructor(options?: UpgraderOptions) {
    this.#upgrader = new UpgraderOn(runtime, options);
  }

  /**
   * Answers the handshake on a connection whose request was already read.
   *
   * @param conn what the request came on; it belongs to the result from now on
   * @throws {HandshakeError} when the request is refused; that was answered, and `conn` is closed
   */
  upgrade(conn: Conn, request: Request, extras?: UpgradeExtras): Promise<WebSocketConn> {
    return this.#upgrader.upgrade(conn, request, extras);
  }
}

export { CloseCode } from "../src/protocol/close_code.ts";
export { MessageTooBigError, ProtocolError } from "../src/protocol/protocol_error.ts";
export {
  CloseError,
  type CloseInfo,
  isCloseError,
  isUnexpectedCloseError,
} from "../src/websocket/close_error.ts";
export type {
  ConnectionPhase,
  ControlDebugEvent,
  DebugEvent,
  DebugHook,
  DebugSubject,
  EndDebugEvent,
  HandshakeDebugEvent,
  OpenDebugEvent,
  PhaseDebugEvent,
  RefusalDebugEvent,
} from "../src/websocket/debug.ts";
export type { WebSocketDialOptions } from "../src/websocket/dial_web_socket.ts";
export type { WriteOptions } from "../src/websocket/sender.ts";
export { HandshakeError } from "../src/websocket/handshake_error.ts";
export type { HeadersLike } from "../src/websocket/headers_like.ts";
export type { Bytes, Message, MessageData, MessageType } from "../src/websocket/message.ts";
export { MemoryBudget, type MemoryHolder } from "../src/websocket/memory_budget.ts";
export type { CompressionOptions } from "../src/websocket/compression.ts";
export type { MessageReader } from "../src/websocket/message_reader.ts";
export type { MessageWriter } from "../src/websocket/message_writer.ts";
export type { KeepaliveOptions, WebSocketOptions } from "../src/websocket/options.ts";
export { type MessageEncoding, PreparedMessage } from "../src/websocket/prepared_message.ts";
export type { RequestHandlerOptions } from "../src/server/request_handler.ts";
export type { ConnInfo, ServeOptions, ShutdownOptions, UpgradeResult } from "../src/server/server.ts";
export { Server } from "../src/server/server.ts";
export { isWebSocketUpgrade, type UpgradeExtras, type UpgraderOptions } from "../src/server/upgrader.ts";
export { WebSocketConn } from "../src/websocket/web_socket_conn.ts";
