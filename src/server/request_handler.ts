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
import { type ResponseLimits, responseLimits, type ResponseOptions } from "./response_pace.ts";
import { type AnsweredRequest, ResponseWriter } from "./response_writer.ts";
import { prepareLazyRequests } from "./lazy_request.ts";
import { RequestSocket, type RequestSocketOwner } from "./request_socket.ts";
import { takesArgument } from "./takes_request.ts";
import { textResponse } from "./text_response.ts";
import { HandshakeAnswerer, type UpgraderOptions } from "./upgrader.ts";
import type { WebSocketConn } from "../websocket/web_socket_conn.ts";

/** Addresses of a request's connection. */
export interface ConnInfo {
  /** Address of this end. */
  readonly localAddr: Addr;
  /** Address of the client, or of the proxy in front of it. */
  readonly remoteAddr: Addr;
}

/** Result of an `upgrade` callback: a response that refuses, headers for the 101 response, or nothing. */
export type UpgradeResult = void | Response | { headers: HeadersLike };

/** Options of the answers to requests. */
export interface RequestHandlerOptions extends UpgraderOptions, ResponseOptions {
  /**
   * Called before a handshake is accepted: return a `Response` to refuse it, or headers for the 101 response. The client
   * gets 408 when the result takes longer than `handshakeTimeout`, counted from the beginning of the connection. The
   * request's `signal` aborts then, and when the client leaves.
   */
  upgrade?: (request: Request, info: ConnInfo) => UpgradeResult | Promise<UpgradeResult>;
  /**
   * Answers plain requests, which have no body: a request with a body is refused. The request's `signal` aborts when the
   * client leaves before it has the whole response; a body that is a stream is cancelled. Default: 426 Upgrade Required.
   */
  fetch?: (request: Request, info: ConnInfo) => Response | Promise<Response>;
}

/** The server, as its request handler knows it. */
export interface RequestHandlerOwner {
  /** Whether a callback for the accepted WebSocket can see the request. Default: false. */
  readonly takesRequest?: boolean;
  /** Whether the server is shutting down, so that no WebSocket is accepted any more. */
  isEnding(): boolean;
  /** The request was answered with a WebSocket. */
  onAccepted(from: RequestSocket, accepted: Accepted): void;
  /** The request was answered with a plain response, or the answer failed; the connection is closed. */
  onAnswered(from: RequestSocket): void;
  /** A callback threw, or returned a value that cannot be sent. */
  report(error: unknown, info: ConnInfo): void;
}

/** A WebSocket, and the request that asked for it. */
export interface Accepted {
  readonly ws: WebSocketConn;
  readonly request: Request;
}

/** A stand-in for a request whose head could not be read. */
const UNREADABLE: AnsweredRequest = { method: "GET", minorVersion: 1 };

/** Methods that the class `Request` refuses. */
const UNSUPPORTED_METHOD = /^(CONNECT|TRACE|TRACK)$/i;

/** The answer to a request. */
type Answer = Accepted | Response;

/** Reads the one request of a connection and answers it. */
export class RequestHandler implements RequestSocketOwner {
  readonly #owner: RequestHandlerOwner;
  readonly #runtime: Runtime;
  readonly #options: RequestHandlerOptions;
  readonly #upgrader: HandshakeAnswerer;
  readonly #limits: ResponseLimits;
  /** Whether a callback can see the request of a handshake. */
  readonly #takesRequest: boolean;

  /** @param listening address of the listener; `null` without one */
  constructor(
    runtime: Runtime,
    options: RequestHandlerOptions,
    owner: RequestHandlerOwner,
    listening: Addr | null = null,
  ) {
    this.#owner = owner;
    this.#runtime = runtime;
    this.#options = options;
    this.#limits = responseLimits(options);
    this.#upgrader = new HandshakeAnswerer(runtime, options, listening);
    this.#takesRequest = owner.takesRequest === true || takesArgument(options.upgrade, 0) ||
      takesArgument(options.checkOrigin, 0) || takesArgument(options.error, 0);
    prepareLazyRequests();
  }

  /**
   * Expects a request on a socket. Reading begins with `start` of the result.
   *
   * @param below the connection that the socket was taken from; `null` for a socket of a listener
   */
  expect(detached: DetachedSocket, below: Conn | null): RequestSocket {
    const trace = this.#upgrader.newTrace(detached.socket.remoteAddr);
    const { headLimits } = this.#upgrader.settings;
    return new RequestSocket(this, this.#runtime, detached, below, trace, headLimits);
  }

  /** Bound of the opening handshake, milliseconds. */
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
    // Most requests are answered in the turn in which they came.
    if (isResponse(answer)) void this.#respond(from, answer, head);
    else if ("ws" in answer) this.#owner.onAccepted(from, answer);
    else void this.#finish(from, answer, head);
  }

  onBadRequest(from: RequestSocket, { status, message }: HttpHeadError): void {
    from.trace?.emit({ type: "refused", status, reason: message });
    void this.#respond(from, textResponse(status, message), UNREADABLE);
  }

  onLate(from: RequestSocket): void {
    const reason = from.late ? "The handshake was not answered in time" : "The request did not come in time";
    from.trace?.emit({ type: "refused", status: 408, reason });
    void this.#respond(from, textResponse(408, reason), UNREADABLE);
  }

  onGone(from: RequestSocket): void {
    this.#owner.onAnswered(from);
  }

  #answer(from: RequestSocket, head: RequestHead, rest: Uint8Array): Answer | Promise<Answer> {
    if (UNSUPPORTED_METHOD.test(head.method)) return textResponse(501, "The method is not supported");
    if (isUpgradeRequest(head)) {
      // Any other method will be refused; `toRequest` checks it before the `error` callback sees the request.
      const isLazy = head.method === "GET" && !this.#takesRequest;
      const request = isLazy ? toUpgradeRequest(head, from) : toRequest(head, from);
      return this.#upgrade(from, head, rest, request);
    }
    const wrongHost = this.#upgrader.allowedHosts.refusal(head);
    if (wrongHost !== null) {
      from.trace?.emit({ type: "refused", status: 403, reason: wrongHost });
      return textResponse(403, wrongHost);
    }
    const request = toRequest(head, from);
    const { fetch } = this.#options;
    if (fetch === undefined) return upgradeRequired();
    const answer = fetch(request, from);
    from.wait(false);
    return this.#fetch(answer);
  }

  async #fetch(answer: Response | Promise<Response>): Promise<Response> {
    const response = await answer;
    if (isResponse(response)) return response;
    throw new TypeError("The fetch callback must return a Response");
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
    if (!isThenable(result)) return this.#accept(from, asked, rest, request, result);
    from.wait(true);
    return Promise.resolve(result).then((result) =>
      from.late ? lateAnswer(result) : this.#accept(from, asked, rest, request, result)
    );
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
    // Any other value might be meant as a refusal, so that the handshake must not be accepted.
    if (result !== undefined && typeof result?.headers !== "object") {
      throw new TypeError("The upgrade callback must return a Response, { headers } or undefined");
    }
    if (this.#owner.isEnding()) {
      const reason = "The server is shutting down";
      from.trace?.emit({ type: "refused", status: 503, reason });
      return textResponse(503, reason);
    }
    return { ws: this.#upgrader.accept(from, asked, rest, result?.headers), request };
  }

  /** Waits for an asynchronous answer and sends it. */
  async #finish(from: RequestSocket, answering: Promise<Answer>, head: RequestHead): Promise<void> {
    const answer = await answering.catch((error) => this.#failure(from, error));
    if (from.late) {
      // The client has got 408.
      if (isResponse(answer)) answer.body?.cancel().catch(() => {});
    } else if (isResponse(answer)) await this.#respond(from, answer, head);
    else this.#owner.onAccepted(from, answer);
  }

  /** The answer after an error: of a callback, or of a head that no `Request` can be made of. */
  #failure(from: RequestSocket, error: unknown): Response {
    if (error instanceof HttpHeadError) return textResponse(error.status, error.message);
    // A callback may fail with the reason of the request's signal: then the client has left.
    if (!from.client.caused(error)) this.#owner.report(error, from);
    return serverFailed();
  }

  /** Sends a response and closes the connection. */
  async #respond(from: RequestSocket, response: Response, request: AnsweredRequest): Promise<void> {
    try {
      await this.#write(from, response, request);
    } catch {
      // The connection broke, or the response failed halfway: the client cannot be answered any more.
      from.drop();
    }
    this.#owner.onAnswered(from);
  }

  async #write(from: RequestSocket, response: Response, request: AnsweredRequest): Promise<void> {
    const writer = new ResponseWriter(from.conn, this.#runtime, this.#limits, from.client);
    try {
      await writer.write(response, request);
    } catch (error) {
      // A broken connection is not the application's fault. Any other error is one of its response.
      if (error instanceof NetError) throw error;
      this.#owner.report(error instanceof BodyError ? error.cause : error, from);
      if (writer.begun) throw error;
      await writer.write(serverFailed(), request);
    }
  }
}

/** What is left of a result that comes after the 408. */
function lateAnswer(result: UpgradeResult): Response {
  return isResponse(result) ? result : textResponse(408, "The handshake was not answered in time");
}

/** Whether the value is a `Response`, of this realm, another realm or another implementation of the class. */
function isResponse(value: unknown): value is Response {
  return value instanceof Response || (typeof value === "object" && value !== null && "status" in value);
}

function upgradeRequired(): Response {
  return textResponse(426, "This is a WebSocket server", { upgrade: "websocket" });
}

function serverFailed(): Response {
  return textResponse(500, "The server failed");
}
