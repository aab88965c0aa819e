import type { Addr } from "../net/addr.ts";
import type { Conn, Listener } from "../net/conn.ts";
import { ClosedError, DeadlineExceededError } from "../net/errors.ts";
import type { Runtime } from "../net/runtime.ts";
import { HttpHeadError } from "../protocol/http_head.ts";
import { isUpgradeRequest } from "../protocol/server_handshake.ts";
import { CloseCode } from "../protocol/close_code.ts";
import { MessageTooBigError, ProtocolError } from "../protocol/protocol_error.ts";
import { CloseError } from "./close_error.ts";
import { readRequest, type ReceivedRequest, toRequest } from "./http_request.ts";
import { writeResponse } from "./http_response.ts";
import { Upgrader, type UpgraderOptions } from "./upgrader.ts";
import type { WebSocketConn } from "./web_socket_conn.ts";

/** The two ends of the connection that a request came on. */
export interface ConnInfo {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
}

/** What a server does. */
export interface ServeOptions extends UpgraderOptions {
  /** Called for each WebSocket that is accepted; the connection is closed when it settles. */
  websocket: (conn: WebSocketConn, request: Request) => void | Promise<void>;
  /** Called before a handshake is accepted: return a `Response` to refuse, or headers to add. */
  upgrade?: (request: Request, info: ConnInfo) => UpgradeResult | Promise<UpgradeResult>;
  /** Answers plain requests. They have no body: a request with one is refused. Default: 426 Upgrade Required. */
  fetch?: (request: Request, info: ConnInfo) => Response | Promise<Response>;
  /** Told when a callback throws. What a peer does wrong is not told. Default: prints it. */
  onError?: (error: unknown, info: ConnInfo) => void;
  /** Shuts the server down when it is aborted. */
  signal?: AbortSignal;
}

/** What an `upgrade` callback returns. */
export type UpgradeResult = void | Response | { headers: HeadersInit };

/** How to end a server. */
export interface ShutdownOptions {
  /** Drops the connections that are still there when it is aborted. */
  signal?: AbortSignal;
  /** Default: 1001, going away. */
  code?: number;
  reason?: string;
}

/** A server of WebSockets and plain requests. Go: `http.Server`. */
export class WebSocketServer implements AsyncDisposable {
  /** Settles when the server has ended and every connection is closed; never rejects. */
  readonly finished: Promise<void>;
  readonly #runtime: Runtime;
  readonly #listener: Listener;
  readonly #options: ServeOptions;
  readonly #upgrader: Upgrader;
  /** Connections on their way to be answered. */
  readonly #pending = new Set<Conn>();
  readonly #conns = new Set<WebSocketConn>();
  readonly #tasks = new Set<Promise<void>>();
  #ending = false;

  /** Made by `serve`. */
  constructor(runtime: Runtime, listener: Listener, options: ServeOptions) {
    this.#runtime = runtime;
    this.#listener = listener;
    this.#options = options;
    this.#upgrader = new Upgrader(runtime, options);
    this.finished = this.#accept();
    options.signal?.addEventListener("abort", () => void this.shutdown(), { once: true });
  }

  /** Where it listens. */
  get addr(): Addr {
    return this.#listener.addr;
  }

  /** The WebSockets that are open. */
  get conns(): ReadonlySet<WebSocketConn> {
    return this.#conns;
  }

  /**
   * Stops accepting, closes every WebSocket with 1001, and resolves when all is done.
   *
   * Handshakes and plain requests that are not answered yet are dropped.
   */
  async shutdown(options: ShutdownOptions = {}): Promise<void> {
    const { signal, code = CloseCode.GoingAway, reason = "" } = options;
    const stopped = this.#stop();
    for (const conn of this.#conns) void conn.close(code, reason);
    const drop = () => this.close();
    signal?.addEventListener("abort", drop, { once: true });
    if (signal?.aborted) drop();
    await stopped;
    await this.finished;
    signal?.removeEventListener("abort", drop);
  }

  /** Stops accepting and drops every connection. */
  close(): void {
    void this.#stop();
    for (const conn of this.#conns) conn.closeNow();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  #stop(): Promise<void> {
    this.#ending = true;
    for (const conn of this.#pending) conn.closeNow();
    return this.#listener.close();
  }

  async #accept(): Promise<void> {
    while (!this.#ending) {
      try {
        const conn = await this.#listener.accept();
        const task: Promise<void> = this.#serve(conn).finally(() => this.#tasks.delete(task));
        this.#tasks.add(task);
      } catch (error) {
        if (error instanceof ClosedError) break;
        // One connection could not be accepted, for want of descriptors, say. The listener goes on.
      }
    }
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  async #serve(conn: Conn): Promise<void> {
    this.#pending.add(conn);
    try {
      const received = await this.#receive(conn);
      if (received === null) return conn.closeNow();
      const ws = await this.#answer(conn, received);
      this.#pending.delete(conn);
      if (ws !== null) await this.#run(ws, received);
    } catch {
      // The connection broke or timed out while it was answered. There is nobody left to tell.
      conn.closeNow();
    } finally {
      this.#pending.delete(conn);
    }
  }

  /** Reads a request; one that is malformed or late is answered here. `null` when there is none to answer. */
  async #receive(conn: Conn): Promise<Received | null> {
    conn.setDeadline(this.#runtime.timers.now() + this.#upgrader.settings.handshakeTimeout);
    try {
      const received = await readRequest(conn);
      if (received === null) return null;
      const request = lazy(() => toRequest(received.head, false));
      if (!received.head.method.match(/^(CONNECT|TRACE|TRACK)$/)) return { ...received, request };
      await this.#respond(conn, textResponse(501, "The method is not supported"), false);
    } catch (error) {
      if (error instanceof HttpHeadError) {
        await this.#respond(conn, textResponse(error.status, error.message), false);
      } else if (error instanceof DeadlineExceededError) {
        await this.#respond(conn, textResponse(408, "The request did not come in time"), false);
      }
    }
    return null;
  }

  /** Answers a request: with a WebSocket, or with a response and `null`. */
  async #answer(conn: Conn, received: Received): Promise<WebSocketConn | null> {
    let response: Response;
    try {
      if (isUpgradeRequest(received.head)) {
        const result = await this.#upgrade(conn, received);
        if (!(result instanceof Response)) return result;
        response = result;
      } else {
        response = await this.#fetch(conn, received);
      }
    } catch (error) {
      this.#report(error, conn);
      response = textResponse(500, "The server failed");
    }
    await this.#respond(conn, response, received.head.method === "HEAD");
    return null;
  }

  async #upgrade(conn: Conn, received: Received): Promise<WebSocketConn | Response> {
    const asked = this.#upgrader.check(received);
    if (asked instanceof Response) return asked;
    const { upgrade } = this.#options;
    const result = upgrade === undefined ? undefined : await upgrade(received.request(), conn);
    if (result instanceof Response) return result;
    if (this.#ending) return textResponse(503, "The server is shutting down");
    return this.#upgrader.accept(conn, asked, received.rest, result?.headers);
  }

  async #fetch(conn: Conn, received: Received): Promise<Response> {
    const { fetch } = this.#options;
    if (fetch !== undefined) return await fetch(received.request(), conn);
    const headers = { upgrade: "websocket" };
    return new Response("This is a WebSocket server\n", { status: 426, headers });
  }

  async #respond(conn: Conn, response: Response, isHead: boolean): Promise<void> {
    const now = this.#runtime.timers.now();
    conn.setDeadline(now + this.#upgrader.settings.handshakeTimeout);
    await writeResponse(conn, response, isHead, now);
  }

  /** Runs the application on a WebSocket until both are done. */
  async #run(ws: WebSocketConn, received: Received): Promise<void> {
    this.#conns.add(ws);
    // It may have begun to end while this one was being answered.
    if (this.#ending) void ws.close(CloseCode.GoingAway);
    try {
      await this.#options.websocket(ws, received.request());
      await ws.close();
    } catch (error) {
      if (!isPeersDoing(error)) this.#report(error, ws);
      await ws.close(CloseCode.InternalError);
    } finally {
      this.#conns.delete(ws);
    }
  }

  #report(error: unknown, info: ConnInfo): void {
    const { onError } = this.#options;
    if (onError === undefined) return console.error(error);
    try {
      onError(error, info);
    } catch (second) {
      console.error(second);
    }
  }
}

/** A request with its `Request`, which is made when somebody asks for it. */
interface Received extends ReceivedRequest {
  readonly request: () => Request;
}

/** How a connection ended is no error of the application. */
function isPeersDoing(error: unknown): boolean {
  return error instanceof CloseError || error instanceof ProtocolError || error instanceof MessageTooBigError;
}

function textResponse(status: number, text: string): Response {
  return new Response(`${text}\n`, { status });
}

function lazy<T>(make: () => T): () => T {
  let value: T | undefined;
  return () => value ??= make();
}
