import { takeOver } from "../net/conn_socket.ts";
import type { Conn } from "../net/conn.ts";
import type { Runtime } from "../net/runtime.ts";
import type { RequestHead } from "../protocol/http_head.ts";
import {
  checkUpgradeRequest,
  encodeUpgradeResponse,
  isUpgradeRequest,
  sameOriginHost,
  selectSubprotocol,
  type UpgradeRequest,
} from "../protocol/server_handshake.ts";
import { HandshakeError } from "./handshake_error.ts";
import { fromRequest } from "./http_request.ts";
import { writeResponse } from "./http_response.ts";
import { type WebSocketOptions, type WebSocketSettings, webSocketSettings } from "./options.ts";
import { WebSocketConn } from "./web_socket_conn.ts";

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
  headers?: HeadersInit;
}

/** A handshake that is about to be answered. */
export interface Handshake {
  readonly head: RequestHead;
  /** The same as the application sees it, made when it is asked for. */
  readonly request: () => Request;
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
    const handshake = { head: fromRequest(request), request: () => request };
    const check = this.check(handshake);
    if (check instanceof Response) {
      await this.refuse(conn, check);
      throw new HandshakeError(`The handshake was refused with ${check.status}`, check.status);
    }
    return this.accept(conn, check, extras.head ?? new Uint8Array(0), extras.headers);
  }

  /** What the request asks for, or the answer that refuses it. */
  check(handshake: Handshake): UpgradeRequest | Response {
    const check = checkUpgradeRequest(handshake.head);
    if (!check.ok) return this.#refusal(handshake, check.status, check.reason, check.headers);
    if (!this.#originAllowed(handshake)) {
      return this.#refusal(handshake, 403, "The origin is not allowed", []);
    }
    return check;
  }

  /** Sends the 101 response, with the connection's first frames. */
  accept(conn: Conn, asked: UpgradeRequest, rest: Uint8Array, headers?: HeadersInit): WebSocketConn {
    const subprotocol = selectSubprotocol(asked.subprotocols, this.settings.subprotocols);
    const fields = headers === undefined ? [] : new Headers(headers);
    const preamble = encodeUpgradeResponse({ key: asked.key, subprotocol, headers: fields });
    const runtime = this.#runtime;
    const detached = takeOver(conn);
    return new WebSocketConn({
      runtime,
      role: "server",
      netConn: conn,
      detached,
      settings: this.settings,
      subprotocol,
      rest,
      preamble,
    });
  }

  /** Sends an answer other than 101 and closes. */
  async refuse(conn: Conn, response: Response): Promise<void> {
    await writeResponse(conn, response, false, this.#runtime.timers.now());
  }

  #originAllowed({ head, request }: Handshake): boolean {
    const { checkOrigin } = this.#options;
    if (checkOrigin !== undefined) return checkOrigin(request());
    return sameOriginHost(head.headers.get("origin"), head.headers.get("host") ?? "");
  }

  #refusal(
    { request }: Handshake,
    status: number,
    reason: string,
    fields: readonly (readonly [string, string])[],
  ): Response {
    const response = this.#options.error?.(request(), status, reason) ??
      new Response(`${reason}\n`, { status });
    for (const [name, value] of fields) response.headers.append(name, value);
    return response;
  }
}

/** Whether a request asks for a WebSocket. Go: gorilla's `IsWebSocketUpgrade`. */
export function isWebSocketUpgrade(request: Request): boolean {
  return isUpgradeRequest(fromRequest(request));
}
