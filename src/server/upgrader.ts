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
import { ResponseWriter } from "./response_writer.ts";
import type { TakenSocket } from "./request_socket.ts";
import { type WebSocketOptions, type WebSocketSettings, webSocketSettings } from "../websocket/options.ts";
import { textResponse } from "./text_response.ts";
import { WebSocketConn } from "../websocket/web_socket_conn.ts";

/** How a server answers handshakes. */
export interface UpgraderOptions extends WebSocketOptions {
  /**
   * Whether to accept a page of this origin. Default: a request without `Origin` (no browser sent it), or one whose
   * origin's host and port are the request's own `Host`. RFC 6455, 10.2.
   */
  checkOrigin?: (request: Request) => boolean;
  /** The answer to a handshake that is refused. Default: the status and a line of text. */
  error?: (request: Request, status: number, reason: string) => Response;
}

/** What a server's `upgrade` hook may add. */
export interface UpgradeExtras {
  /** Bytes that came with the request's head and belong to the connection. */
  head?: Uint8Array;
  /** Headers for the 101 response, such as cookies. */
  headers?: HeadersLike;
}

/** Answers opening handshakes, RFC 6455, 4.2. Go: gorilla's `Upgrader`. */
export class Upgrader {
  readonly settings: WebSocketSettings;
  readonly #runtime: Runtime;
  readonly #options: UpgraderOptions;

  constructor(runtime: Runtime, options: UpgraderOptions = {}) {
    this.#runtime = runtime;
    this.#options = options;
    this.settings = webSocketSettings(options);
  }

  /**
   * Answers the handshake on a connection whose request was already read.
   *
   * @param conn what the request came on; it belongs to the result from now on
   * @throws {HandshakeError} when the request is refused; that was answered, and `conn` is closed
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
      throw new HandshakeError(`The handshake was refused with ${check.status}`, check.status);
    } catch (error) {
      // Refused and closed, or broken, or a callback threw: in no case has it an owner any more.
      conn.closeNow();
      throw error;
    }
  }

  /**
   * What the request asks for, or the answer that refuses it.
   *
   * @param request the same as the application sees it
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
    if (!check.ok || this.#originAllowed(head, request)) return check;
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
   * @param source what the request came on, taken when nothing can go wrong any more
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

  /** Sends an answer other than 101 and closes. That the peer left meanwhile makes it no less refused. */
  async #refuse(conn: Conn, response: Response, method: string): Promise<void> {
    try {
      const writer = new ResponseWriter(conn, this.#runtime, this.settings.handshakeTimeout);
      await writer.write(response, { method, minorVersion: 1 });
    } catch (error) {
      if (!(error instanceof NetError)) throw error;
    }
  }

  #originAllowed({ headers }: RequestHead, request: Request): boolean {
    const { checkOrigin } = this.#options;
    // Only `true` will do: what a callback that should not be asynchronous returns is not yes.
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
    // A response may not let its headers be changed; a copy does.
    const copy = new Response(response.body, response);
    for (const [name, value] of missing) copy.headers.append(name, value);
    return copy;
  }
}

/** Whether a request asks for a WebSocket. Go: gorilla's `IsWebSocketUpgrade`. */
export function isWebSocketUpgrade(request: Request): boolean {
  return isUpgradeRequest(fromRequest(request));
}
