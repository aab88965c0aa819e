/**
 * WebSocket (RFC 6455, RFC 7692), client and server.
 *
 * @module
 */

import {
  checkFunctions,
  checkMethods,
  checkObject,
  checkOptions,
  checkString,
} from "../src/bytes/check_argument.ts";
import type { Addr, TcpAddr, UnixAddr } from "../src/net/addr.ts";
import type { Conn, Listener } from "../src/net/conn.ts";
import type { StreamNetwork } from "../src/net/dial.ts";
import type { ListenTlsOptions } from "../src/net/dial_tls.ts";
import { checkTcpNetwork, type TcpNetwork } from "../src/net/resolve.ts";
import type { TlsConfig } from "../src/net/tls.ts";
import { dialWebSocketOn, type WebSocketDialOptions } from "../src/websocket/dial_web_socket.ts";
import { checkServeOptions } from "../src/server/check_serve_options.ts";
import { type ServeOptions, Server } from "../src/server/server.ts";
import { Upgrader as UpgraderOn, type UpgraderOptions } from "../src/server/upgrader.ts";
import type { WebSocketConn } from "../src/websocket/web_socket_conn.ts";
import { listen, listenTls } from "./net.ts";
import { runtime } from "./runtime.ts";

/**
 * Connects to a WebSocket server. Go: gorilla's `Dialer.Dial`.
 *
 * @param url `ws://host:port/path`, or `wss:` for TLS
 * @param options see {@linkcode WebSocketDialOptions}
 * @returns the connection, once it is open
 * @throws {SyntaxError} when the URL is not valid for a WebSocket
 * @throws {TypeError} when a header or subprotocol cannot be sent
 * @throws {RangeError} when an option is out of range
 * @throws {HandshakeError} when the server refuses; has its status, headers and up to 64 KiB of its body
 * @throws {NetError} when the server cannot be reached
 * @throws {TlsError} when TLS fails, as for `dialTls`
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
export async function dialWebSocket(
  url: string | URL,
  options?: WebSocketDialOptions,
): Promise<WebSocketConn> {
  checkOptions("connect", options);
  if (options !== undefined) checkFunctions("connect", options, ["netDial"]);
  return dialWebSocketOn(runtime, url, options);
}

/**
 * Serves WebSockets and plain requests on a listener. Go: `http.Serve`.
 *
 * @param listener belongs to the server from now on; do not accept from it or close it
 * @param options callbacks and limits; see {@linkcode ServeOptions}
 * @throws {RangeError} when an option is out of range
 * @throws {TypeError} when the listener has a server already
 */
export function serve<A extends Addr>(listener: Listener<Conn, A>, options: ServeOptions): Server<A> {
  checkMethods("serve", "listener", listener, ["accept", "close"]);
  checkServeOptions(options);
  return new Server(runtime, listener, options);
}

/**
 * Options of {@linkcode listenAndServe}: those of {@linkcode serve}, and those of `listen` or, with `tls`, of
 * `listenTls`. `handshakeTimeout` bounds the TLS handshake and then the opening handshake, each by itself.
 */
export interface ListenAndServeOptions
  extends ServeOptions, Omit<ListenTlsOptions, "handshakeTimeout" | "signal" | "tls"> {
  /** TLS options, to serve `wss:` and `https:` on TCP. Default of `nextProtos`: `http/1.1`. Without `tls`: no TLS. */
  tls?: TlsConfig;
}

/**
 * Listens and serves. Go: `http.ListenAndServe` and `http.ListenAndServeTLS`.
 *
 * @param network `"tcp"`, `"tcp4"`, `"tcp6"` or `"unix"`; with `tls` not `"unix"`
 * @param address `host:port`, where port 0 is any free port, or the path of a Unix socket
 * @param options callbacks, limits and TLS; see {@linkcode ListenAndServeOptions}
 * @returns the server, once it listens
 * @throws {NetError} when the address cannot be listened on
 * @throws {TypeError} as for `listenTls`
 * @throws {RangeError} when an option is out of range
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
export function listenAndServe(
  network: TcpNetwork,
  address: string,
  options: ListenAndServeOptions,
): Promise<Server<TcpAddr>>;
/** Listens and serves on a Unix socket. */
export function listenAndServe(
  network: "unix",
  address: string,
  options: ListenAndServeOptions,
): Promise<Server<UnixAddr>>;
/** Listens and serves on any stream network. */
export function listenAndServe(
  network: StreamNetwork,
  address: string,
  options: ListenAndServeOptions,
): Promise<Server>;
export async function listenAndServe(
  network: StreamNetwork,
  address: string,
  options: ListenAndServeOptions,
): Promise<Server> {
  if (network !== "unix") checkTcpNetwork(network, "unix");
  checkString("listen", "address", address, "localhost:8080");
  checkServeOptions(options);
  if (options.tls !== undefined) checkObject("listen", "tls", options.tls);
  // The server closes the listener when its signal aborts.
  const { signal: _, ...listening } = options;
  const tls = options.tls && { nextProtos: ["http/1.1"], ...options.tls };
  const listener = tls === undefined
    ? await listen(network, address, listening)
    : await listenTls(network as TcpNetwork, address, { ...listening, tls });
  try {
    return serve(listener, options);
  } catch (error) {
    await listener.close();
    throw error;
  }
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
 * // The HTTP server in front gives the connection and the request.
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
export class Upgrader extends UpgraderOn {
  /**
   * Makes an upgrader.
   *
   * @param options how to answer; see {@linkcode UpgraderOptions}
   * @throws {RangeError} when a bound is not positive
   */
  constructor(options?: UpgraderOptions) {
    checkOptions("make an Upgrader", options);
    if (options !== undefined) checkFunctions("make an Upgrader", options, ["checkOrigin", "error"]);
    super(runtime, options);
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
export type { ConnectionPhase } from "../src/websocket/lifecycle.ts";
export type {
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
export type { PingHook, PongHook } from "../src/websocket/control_hooks.ts";
export type { WebSocketDialOptions } from "../src/websocket/dial_web_socket.ts";
export type { WriteOptions } from "../src/websocket/sender.ts";
export { HandshakeError } from "../src/websocket/handshake_error.ts";
export { HandshakeResponse } from "../src/websocket/handshake_response.ts";
export type { HeadersLike } from "../src/websocket/headers_like.ts";
export type { Bytes, Message, MessageData, MessageType } from "../src/websocket/message.ts";
export { MemoryBudget, type MemoryHolder } from "../src/websocket/memory_budget.ts";
export type { CompressionOptions } from "../src/websocket/compression.ts";
export type { MessageReader } from "../src/websocket/message_reader.ts";
export type { MessageWriter } from "../src/websocket/message_writer.ts";
export type { KeepaliveOptions, WebSocketOptions } from "../src/websocket/options.ts";
export { type MessageEncoding, PreparedMessage } from "../src/websocket/prepared_message.ts";
export type { AllowedHostsOption } from "../src/server/allowed_hosts.ts";
export type { ResponseOptions } from "../src/server/response_pace.ts";
export type { RequestHandlerOptions } from "../src/server/request_handler.ts";
export type { ConnInfo, ServeOptions, ShutdownOptions, UpgradeResult } from "../src/server/server.ts";
export { Server } from "../src/server/server.ts";
export { isWebSocketUpgrade, type UpgradeExtras, type UpgraderOptions } from "../src/server/upgrader.ts";
export { type CloseReadOptions, WebSocketConn } from "../src/websocket/web_socket_conn.ts";
