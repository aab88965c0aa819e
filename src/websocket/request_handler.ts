import type { Addr } from "../net/addr.ts";
import type { Conn } from "../net/conn.ts";
import { DeadlineExceededError, NetError } from "../net/errors.ts";
import type { Runtime } from "../net/runtime.ts";
import { HttpHeadError } from "../protocol/http_head.ts";
import { isUpgradeRequest } from "../protocol/server_handshake.ts";
import type { HeadersLike } from "./headers_like.ts";
import { BodyError } from "./http_body.ts";
import { readRequest, type ReceivedRequest, toRequest, toUpgradeRequest } from "./http_request.ts";
import { type AnsweredRequest, ResponseWriter } from "./http_response.ts";
import { textResponse } from "./text_response.ts";
import { Upgrader, type UpgraderOptions } from "./upgrader.ts";
import type { WebSocketConn } from "./web_socket_conn.ts";

/** The two ends of the connection that a request came on. */
export interface ConnInfo {
  /** This end. */
  readonly localAddr: Addr;
  /** The other end. */
  readonly remoteAddr: Addr;
}

/** What an `upgrade` callback returns. */
export type UpgradeResult = void | Response | { headers: HeadersLike };

/** How requests are answered. */
export interface RequestHandlerOptions extends UpgraderOptions {
  /** Called before a handshake is accepted: return a `Response` to refuse, or headers to add. */
  upgrade?: (request: Request, info: ConnInfo) => UpgradeResult | Promise<UpgradeResult>;
  /** Answers plain requests. They have no body: a request with one is refused. Default: 426 Upgrade Required. */
  fetch?: (request: Request, info: ConnInfo) => Response | Promise<Response>;
}

/** Who the handler works for. */
export interface RequestHandlerOwner {
  /** Whether no connection is accepted any more. */
  isEnding(): boolean;
  /** A callback threw, or returned what cannot be sent. */
  report(error: unknown, info: ConnInfo): void;
}

/** A WebSocket, and the request that asked for it. */
export interface Accepted {
  readonly ws: WebSocketConn;
  readonly request: Request;
}

/** What answers a head that could not be read. */
const UNREAD: AnsweredRequest = { method: "GET", minorVersion: 1 };

/** `Request` takes none of these. */
const UNSUPPORTED_METHOD = /^(CONNECT|TRACE|TRACK)$/i;

/** Reads the one request of a connection and answers it. */
export class RequestHandler {
  readonly #owner: RequestHandlerOwner;
  readonly #runtime: Runtime;
  readonly #options: RequestHandlerOptions;
  readonly #upgrader: Upgrader;

  constructor(runtime: Runtime, options: RequestHandlerOptions, owner: RequestHandlerOwner) {
    this.#owner = owner;
    this.#runtime = runtime;
    this.#options = options;
    this.#upgrader = new Upgrader(runtime, options);
  }

  /**
   * Answers with a WebSocket, or otherwise and `null`.
   *
   * @throws {NetError} when the connection breaks meanwhile
   */
  async handle(conn: Conn): Promise<Accepted | null> {
    conn.setDeadline(this.#runtime.timers.now() + this.#upgrader.settings.handshakeTimeout);
    const received = await this.#receive(conn);
    if (received instanceof Response) {
      await this.#respond(conn, received, UNREAD);
    } else if (received !== null) {
      const answer = await this.#answer(conn, received);
      if (!isResponse(answer)) return answer;
      await this.#respond(conn, answer, received.head);
    } else {
      await conn.close();
    }
    return null;
  }

  /** Reads the request: what refuses it if it is malformed or late, `null` when there is none to answer. */
  async #receive(conn: Conn): Promise<ReceivedRequest | Response | null> {
    try {
      return await readRequest(conn);
    } catch (error) {
      if (error instanceof HttpHeadError) return textResponse(error.status, error.message);
      if (error instanceof DeadlineExceededError) {
        return textResponse(408, "The request did not come in time");
      }
      throw error;
    }
  }

  async #answer(conn: Conn, received: ReceivedRequest): Promise<Accepted | Response> {
    const { head } = received;
    if (UNSUPPORTED_METHOD.test(head.method)) return textResponse(501, "The method is not supported");
    try {
      if (isUpgradeRequest(head)) {
        // Another method is refused, and nobody makes a request of it that was not checked.
        const request = head.method === "GET" ? toUpgradeRequest(head, conn) : toRequest(head, conn);
        return await this.#upgrade(conn, received, request);
      }
      const request = toRequest(head, conn);
      const { fetch } = this.#options;
      if (fetch === undefined) return upgradeRequired();
      const response = await fetch(request, conn);
      if (isResponse(response)) return response;
      throw new TypeError("The fetch callback did not return a Response");
    } catch (error) {
      if (error instanceof HttpHeadError) return textResponse(error.status, error.message);
      this.#owner.report(error, conn);
      return serverFailed();
    }
  }

  async #upgrade(
    conn: Conn,
    { head, rest }: ReceivedRequest,
    request: Request,
  ): Promise<Accepted | Response> {
    const asked = this.#upgrader.check(head, request);
    if (!("key" in asked)) return asked;
    const result = await this.#options.upgrade?.(request, conn);
    if (isResponse(result)) return result;
    // Whatever else is returned might mean a refusal.
    if (result !== undefined && typeof result?.headers !== "object") {
      throw new TypeError("The upgrade callback returned neither a Response, headers nor nothing");
    }
    if (this.#owner.isEnding()) return textResponse(503, "The server is shutting down");
    return { ws: this.#upgrader.accept(conn, asked, rest, result?.headers), request };
  }

  async #respond(conn: Conn, response: Response, request: AnsweredRequest): Promise<void> {
    const writer = new ResponseWriter(conn, this.#runtime, this.#upgrader.settings.handshakeTimeout);
    try {
      await writer.write(response, request);
    } catch (error) {
      // That the connection broke is nobody's fault here. Anything else is the application's, who made the response.
      if (error instanceof NetError) throw error;
      this.#owner.report(error instanceof BodyError ? error.cause : error, conn);
      if (writer.begun) throw error;
      await writer.write(serverFailed(), request);
    }
  }
}

/** Also one that is not of this realm's class, or of somebody's own. */
function isResponse(value: unknown): value is Response {
  return value instanceof Response || (typeof value === "object" && value !== null && "status" in value);
}

function upgradeRequired(): Response {
  return textResponse(426, "This is a WebSocket server", { upgrade: "websocket" });
}

function serverFailed(): Response {
  return textResponse(500, "The server failed");
}
