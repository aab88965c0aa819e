import type { Addr } from "../net/addr.ts";
import type { Conn } from "../net/conn.ts";
import { NetError } from "../net/errors.ts";
import type { Runtime } from "../net/runtime.ts";
import type { DetachedSocket } from "../net/socket_conn.ts";
import { isThenable } from "../net/thenable.ts";
import { HttpHeadError, type RequestHead } from "../http/head.ts";
import { isUpgradeRequest, type UpgradeRequest } from "../protocol/server_handshake.ts";
import type { HeadersLike } from "../websocket/headers_like.ts";
import { BodyError } from "./body_reader.ts";
import { toRequest, toUpgradeRequest } from "./request.ts";
import { type AnsweredRequest, ResponseWriter } from "./response_writer.ts";
import { prepareLazyRequests } from "./lazy_request.ts";
import { RequestSocket, type RequestSocketOwner } from "./request_socket.ts";
import { textResponse } from "./text_response.ts";
import { Upgrader, type UpgraderOptions } from "./upgrader.ts";
import type { WebSocketConn } from "../websocket/web_socket_conn.ts";

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
  /** A request was answered with a WebSocket. */
  onAccepted(from: RequestSocket, accepted: Accepted): void;
  /** It was answered otherwise, and the connection is closed; or it was not, because that broke. */
  onAnswered(from: RequestSocket): void;
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

/** What a request is answered with. */
type Answer = Accepted | Response;

/** Reads the one request of a connection and answers it. */
export class RequestHandler implements RequestSocketOwner {
  readonly #owner: RequestHandlerOwner;
  readonly #runtime: Runtime;
  readonly #options: RequestHandlerOptions;
  readonly #upgrader: Upgrader;

  constructor(runtime: Runtime, options: RequestHandlerOptions, owner: RequestHandlerOwner) {
    this.#owner = owner;
    this.#runtime = runtime;
    this.#options = options;
    this.#upgrader = new Upgrader(runtime, options);
    prepareLazyRequests();
  }

  /**
   * What answers the request that is to come on a socket, once it is started.
   *
   * @param below the connection that the socket was taken from, if there was one
   */
  expect(detached: DetachedSocket, below: Conn | null): RequestSocket {
    const trace = this.#upgrader.newTrace(detached.socket.remoteAddr);
    return new RequestSocket(this, this.#runtime, detached, below, trace);
  }

  /** Milliseconds for a handshake. */
  get timeout(): number {
    return this.#upgrader.settings.handshakeTimeout;
  }

  onRequest(from: RequestSocket, head: RequestHead, rest: Uint8Array): void {
    let answer: Answer | Promise<Answer>;
    try {
      answer = this.#answer(from, head, rest);
    } catch (error) {
      answer = this.#failure(from, error);
    }
    // Most are answered in the turn in which they came.
    if (isResponse(answer)) void this.#respond(from, answer, head);
    else if ("ws" in answer) this.#owner.onAccepted(from, answer);
    else void this.#finish(from, answer, head);
  }

  onBadRequest(from: RequestSocket, { status, message }: HttpHeadError): void {
    from.trace?.emit({ type: "refused", status, reason: message });
    void this.#respond(from, textResponse(status, message), UNREAD);
  }

  onLate(from: RequestSocket): void {
    const reason = "The request did not come in time";
    from.trace?.emit({ type: "refused", status: 408, reason });
    void this.#respond(from, textResponse(408, reason), UNREAD);
  }

  onGone(from: RequestSocket): void {
    this.#owner.onAnswered(from);
  }

  #answer(from: RequestSocket, head: RequestHead, rest: Uint8Array): Answer | Promise<Answer> {
    if (UNSUPPORTED_METHOD.test(head.method)) return textResponse(501, "The method is not supported");
    if (isUpgradeRequest(head)) {
      // Another method is refused, and nobody makes a request of it that was not checked.
      const request = head.method === "GET" ? toUpgradeRequest(head, from) : toRequest(head, from);
      return this.#upgrade(from, head, rest, request);
    }
    const request = toRequest(head, from);
    const { fetch } = this.#options;
    return fetch === undefined ? upgradeRequired() : this.#fetch(fetch(request, from));
  }

  async #fetch(answer: Response | Promise<Response>): Promise<Response> {
    const response = await answer;
    if (isResponse(response)) return response;
    throw new TypeError("The fetch callback did not return a Response");
  }

  #upgrade(
    from: RequestSocket,
    head: RequestHead,
    rest: Uint8Array,
    request: Request,
  ): Answer | Promise<Answer> {
    from.trace?.handshake(head.target, head.headers);
    const asked = this.#upgrader.check(head, request, from.trace);
    if (!("key" in asked)) return asked;
    const result = this.#options.upgrade?.(request, from);
    const accept = (result: UpgradeResult) => this.#accept(from, asked, rest, request, result);
    return isThenable(result) ? Promise.resolve(result).then(accept) : accept(result);
  }

  #accept(
    from: RequestSocket,
    asked: UpgradeRequest,
    rest: Uint8Array,
    request: Request,
    result: UpgradeResult,
  ): Answer {
    if (isResponse(result)) {
      from.trace?.emit({ type: "refused", status: result.status, reason: "The upgrade callback refused it" });
      return result;
    }
    // Whatever else is returned might mean a refusal.
    if (result !== undefined && typeof result?.headers !== "object") {
      throw new TypeError("The upgrade callback returned neither a Response, headers nor nothing");
    }
    if (this.#owner.isEnding()) {
      const reason = "The server is shutting down";
      from.trace?.emit({ type: "refused", status: 503, reason });
      return textResponse(503, reason);
    }
    return { ws: this.#upgrader.accept(from, asked, rest, result?.headers), request };
  }

  /** An answer that takes its time. */
  async #finish(from: RequestSocket, answering: Promise<Answer>, head: RequestHead): Promise<void> {
    // Whatever comes meanwhile is read, up to a bound.
    void from.conn;
    const answer = await answering.catch((error) => this.#failure(from, error));
    if (isResponse(answer)) await this.#respond(from, answer, head);
    else this.#owner.onAccepted(from, answer);
  }

  /** A callback threw, or the request is one that nobody can make a `Request` of. */
  #failure(from: RequestSocket, error: unknown): Response {
    if (error instanceof HttpHeadError) return textResponse(error.status, error.message);
    this.#owner.report(error, from);
    return serverFailed();
  }

  /** Answers and closes. */
  async #respond(from: RequestSocket, response: Response, request: AnsweredRequest): Promise<void> {
    try {
      await this.#write(from, response, request);
    } catch {
      // The connection broke while it was answered. There is nobody left to tell.
      from.drop();
    }
    this.#owner.onAnswered(from);
  }

  async #write(from: RequestSocket, response: Response, request: AnsweredRequest): Promise<void> {
    const writer = new ResponseWriter(from.conn, this.#runtime, this.timeout);
    try {
      await writer.write(response, request);
    } catch (error) {
      // That the connection broke is nobody's fault here. Anything else is the application's, who made the response.
      if (error instanceof NetError) throw error;
      this.#owner.report(error instanceof BodyError ? error.cause : error, from);
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
