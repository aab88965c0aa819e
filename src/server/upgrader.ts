import { acceptDeflate } from "../protocol/deflate_negotiation.ts";
import { compression } from "../websocket/compression.ts";
import { takeOver } from "../net/conn_socket.ts";
import type { Addr } from "../net/addr.ts";
import type { Conn } from "../net/conn.ts";
import { NetError } from "../net/errors.ts";
import type { Runtime } from "../net/runtime.ts";
import type { RequestHead } from "../http/head.ts";
import {
  checkUpgradeRequest,
  isUpgradeRequest,
  sameOriginHost,
  selectSubprotocol,
  type UpgradeRequest,
  type UpgradeRequestCheck,
  upgradeResponseText,
} from "../protocol/server_handshake.ts";
import { DebugTrace } from "../websocket/debug.ts";
import { HandshakeError } from "../websocket/handshake_error.ts";
import type { HeadersLike } from "../websocket/headers_like.ts";
import { fromRequest } from "./request.ts";
import { responseLimits } from "./response_pace.ts";
import { ResponseWriter } from "./response_writer.ts";
import type { TakenSocket } from "./request_socket.ts";
import { type WebSocketOptions, type WebSocketSettings, webSocketSettings } from "../websocket/options.ts";
import { AllowedHosts, type AllowedHostsOption } from "./allowed_hosts.ts";
import { textResponse } from "./text_response.ts";
import { WebSocketConn } from "../websocket/web_socket_conn.ts";

/** Options of the answers to opening handshakes. */
export interface UpgraderOptions extends WebSocketOptions {
  /**
   * Whether to accept a handshake from the page of this origin; only `true` accepts it. Default: accepts a request
   * without `Origin`, which no browser sent, or whose origin has the host and port of its `Host` field. RFC 6455,
   * 10.2.
   */
  checkOrigin?: (request: Request) => boolean;
  /**
   * The hosts that requests may name in `Host`, without ports, such as `"chat.example"`, `"*.chat.example"` for all
   * names below, `"[::1]"`; `"any"` for every host. Others get 403: DNS rebinding lets any page reach a server on the
   * machine of who looks at it. Behind a proxy, list the names under which the proxy is reached. Default: on a listener
   * with a loopback address `localhost`, `*.localhost` and loopback addresses; otherwise, and for an `Upgrader`, any.
   */
  allowedHosts?: AllowedHostsOption;
  /** Makes the answer to a refused handshake. Default: the status with `reason` as a line of text. */
  error?: (request: Request, status: number, reason: string) => Response;
}

/** Further parameters of {@linkcode Upgrader.upgrade}. */
export interface UpgradeExtras {
  /** Bytes that came after the request's head: the first frames. */
  head?: Uint8Array;
  /** Headers for the 101 response, such as cookies. */
  headers?: HeadersLike;
}

/** Bounds of a refusal of an {@linkcode Upgrader}. */
const DEFAULT_LIMITS = responseLimits({});

/** Answers opening handshakes, RFC 6455, 4.2, for a server or an {@linkcode Upgrader}. */
export class HandshakeAnswerer {
  readonly settings: WebSocketSettings;
  readonly allowedHosts: AllowedHosts;
  readonly #runtime: Runtime;
  readonly #options: UpgraderOptions;

  /** @param listening address of the listener; `null` without one */
  constructor(runtime: Runtime, options: UpgraderOptions = {}, listening: Addr | null = null) {
    this.#runtime = runtime;
    this.#options = options;
    this.allowedHosts = new AllowedHosts(options.allowedHosts, listening);
    this.settings = webSocketSettings(options);
  }

  /**
   * Answers the handshake on a connection whose request was already read.
   *
   * @param conn the connection of the request; belongs to the result from now on
   * @param request the request, without a body
   * @param extras bytes after the request's head, and headers for the response
   * @throws {HandshakeError} when the request is refused; the refusal was sent, and `conn` is closed
   * @throws {NetError} when the connection breaks
   */
  async upgrade(conn: Conn, request: Request, extras: UpgradeExtras = {}): Promise<WebSocketConn> {
    try {
      const head = fromRequest(request);
      const trace = this.newTrace(conn.remoteAddr);
      trace?.handshake(head.target, head.headers);
      const check = this.check(head, request, trace);
      if ("key" in check) {
        const source = { trace, take: () => ({ detached: takeOver(conn), netConn: conn }) };
        return this.accept(source, check, extras.head ?? new Uint8Array(0), extras.headers);
      }
      await this.#refuse(conn, check, request.method);
      throw new HandshakeError(`Refused the handshake with status ${check.status}`, check.status);
    } catch (error) {
      // After a refusal, a broken connection or an error of a callback the connection has no owner.
      conn.closeNow();
      throw error;
    }
  }

  /**
   * Checks a handshake: the client's wishes, or the response that refuses them.
   *
   * @param head the request's head
   * @param request the request for the callbacks of the application
   */
  check(head: RequestHead, request: Request, trace: DebugTrace | null): UpgradeRequest | Response {
    const check = this.#check(head, request);
    if (check.ok) return check;
    const { status, reason, headers } = check;
    trace?.emit({ type: "refused", status, reason });
    return this.#refusal(request, status, reason, headers);
  }

  #check(head: RequestHead, request: Request): UpgradeRequestCheck {
    const check = checkUpgradeRequest(head);
    if (!check.ok) return check;
    const wrongHost = this.allowedHosts.refusal(head);
    if (wrongHost !== null) return { ok: false, status: 403, reason: wrongHost, headers: [] };
    if (this.#originAllowed(head, request)) return check;
    return { ok: false, status: 403, reason: "The origin is not allowed", headers: [] };
  }

  /** The trace of a connection, where the application debugs. */
  newTrace(remoteAddr: Addr): DebugTrace | null {
    const { onDebug } = this.settings;
    return onDebug === null ? null : new DebugTrace(onDebug, "server", String(remoteAddr));
  }

  /**
   * Sends the 101 response, with the connection's first frames.
   *
   * @param source gives the socket, once nothing can fail any more
   * @param asked the result of `check`
   * @param rest bytes that came after the request's head
   * @param headers further fields of the response
   * @throws {TypeError} when a header cannot be sent
   */
  accept(
    source: { readonly trace: DebugTrace | null; take(): TakenSocket },
    asked: UpgradeRequest,
    rest: Uint8Array,
    headers?: HeadersLike,
  ): WebSocketConn {
    const subprotocol = selectSubprotocol(asked.subprotocols, this.settings.subprotocols);
    const fields = headers === undefined ? undefined : new Headers(headers);
    const runtime = this.#runtime;
    const { compression: wanted } = this.settings;
    const { deflate } = runtime.adapter;
    const agreed = wanted === null || deflate === null
      ? null
      : acceptDeflate(asked.extensions, wanted.wishes);
    const extensions = agreed === null ? undefined : [agreed.response];
    const preamble = upgradeResponseText({ key: asked.key, subprotocol, headers: fields, extensions });
    const { detached, netConn } = source.take();
    return new WebSocketConn({
      runtime,
      role: "server",
      netConn,
      detached,
      settings: this.settings,
      subprotocol,
      compression: agreed && compression(deflate!, "server", agreed.parameters, wanted!),
      rest,
      preamble,
      trace: source.trace,
    });
  }

  /** Sends a response other than 101 and closes. A broken connection is ignored: the handshake is refused anyway. */
  async #refuse(conn: Conn, response: Response, method: string): Promise<void> {
    try {
      const writer = new ResponseWriter(conn, this.#runtime, DEFAULT_LIMITS, null);
      await writer.write(response, { method, minorVersion: 1 });
    } catch (error) {
      if (!(error instanceof NetError)) throw error;
    }
  }

  #originAllowed({ headers }: RequestHead, request: Request): boolean {
    const { checkOrigin } = this.#options;
    // Only `true` accepts: the promise of an async callback must not.
    if (checkOrigin !== undefined) return checkOrigin(request) === true;
    return sameOriginHost(headers.get("origin"), headers.get("host") ?? "");
  }

  #refusal(
    request: Request,
    status: number,
    reason: string,
    fields: readonly (readonly [string, string])[],
  ): Response {
    const response = this.#options.error?.(request, status, reason) ??
      textResponse(status, reason);
    const missing = fields.filter(([name]) => !response.headers.has(name));
    if (missing.length === 0) return response;
    // The headers of a response may be immutable; those of a copy are not.
    const copy = new Response(response.body, response);
    for (const [name, value] of missing) copy.headers.append(name, value);
    return copy;
  }
}

/**
 * The public class `Upgrader`, before an entry binds the runtime.
 *
 * @internal
 */
export class Upgrader {
  readonly #answerer: HandshakeAnswerer;

  constructor(runtime: Runtime, options?: UpgraderOptions) {
    this.#answerer = new HandshakeAnswerer(runtime, options);
  }

  /**
   * Answers the handshake on a connection whose request was already read.
   *
   * @param conn the connection of the request; belongs to the result from now on
   * @param request the request, without a body
   * @param extras bytes after the request's head, and headers for the response
   * @throws {HandshakeError} when the request is refused; the refusal was sent, and `conn` is closed
   * @throws {NetError} when the connection breaks
   */
  upgrade(conn: Conn, request: Request, extras?: UpgradeExtras): Promise<WebSocketConn> {
    return this.#answerer.upgrade(conn, request, extras);
  }
}

/** Whether a request asks for a WebSocket. Go: gorilla's `IsWebSocketUpgrade`. */
export function isWebSocketUpgrade(request: Request): boolean {
  return isUpgradeRequest(fromRequest(request));
}
