import type { Addr } from "../net/addr.ts";
import type { Conn, Listener } from "../net/conn.ts";
import { takeOver } from "../net/conn_socket.ts";
import { ClosedError } from "../net/errors.ts";
import type { Runtime } from "../net/runtime.ts";
import type { DetachedSocket } from "../net/socket_conn.ts";
import { SocketListener } from "../net/socket_listener.ts";
import type { StreamSocket } from "../net/stream_socket.ts";
import { isThenable } from "../net/thenable.ts";
import { Alarm } from "../net/timer_queue.ts";
import { CloseCode } from "../protocol/close_code.ts";
import { MessageTooBigError, ProtocolError } from "../protocol/protocol_error.ts";
import { checkClose } from "../websocket/check_close.ts";
import { CloseError } from "../websocket/close_error.ts";
import {
  type Accepted,
  type ConnInfo,
  RequestHandler,
  type RequestHandlerOptions,
} from "./request_handler.ts";
import type { RequestSocket } from "./request_socket.ts";
import type { WebSocketConn } from "../websocket/web_socket_conn.ts";

export type { ConnInfo, UpgradeResult } from "./request_handler.ts";

/** What a server does. */
export interface ServeOptions extends RequestHandlerOptions {
  /**
   * Called for each WebSocket that is accepted; the connection is closed when it settles. The request is made when it is
   * looked at: `fetch` and `new Request` take `request.clone()`.
   */
  websocket: (conn: WebSocketConn, request: Request) => void | Promise<void>;
  /** Told when a callback throws. What a peer does wrong is not told. Default: prints it. */
  onError?: (error: unknown, info: ConnInfo) => void;
  /** Shuts the server down when it is aborted. */
  signal?: AbortSignal;
}

/** How to end a server. */
export interface ShutdownOptions {
  /** Drops the connections that are still there when it is aborted, and waits for no callback any more. */
  signal?: AbortSignal;
  /** Default: 1001, going away. */
  code?: number;
  /** The reason that the close frames give. Default: none. */
  reason?: string;
}

/** Pauses between attempts to accept when one failed, milliseconds: the first, and the longest, as in Go. */
const FIRST_RETRY = 5;
const LAST_RETRY = 1_000;

/** A server of WebSockets and plain requests. Go: `http.Server`. */
export class Server implements AsyncDisposable {
  /** Settles when the server has ended, every connection is closed and every callback has settled; never rejects. */
  readonly finished: Promise<void>;
  readonly #runtime: Runtime;
  readonly #listener: Listener;
  readonly #options: ServeOptions;
  readonly #handler: RequestHandler;
  /** Connections on their way to be answered. */
  readonly #pending = new Set<RequestSocket>();
  readonly #conns = new Set<WebSocketConn>();
  /** Connections that are being answered or served. */
  #running = 0;
  #onIdle: (() => void) | null = null;
  #ending = false;
  #stopped: Promise<void> | null = null;
  readonly #dropped: Promise<void>;
  #onDropped!: () => void;
  readonly #onAbort = (): void => void this.shutdown();

  /** Made by `serve`. */
  constructor(runtime: Runtime, listener: Listener, options: ServeOptions) {
    this.#runtime = runtime;
    this.#listener = listener;
    this.#options = options;
    this.#handler = new RequestHandler(runtime, options, {
      isEnding: () => this.#ending,
      onAccepted: (from, accepted) => this.#onAccepted(from, accepted),
      onAnswered: (from) => this.#onAnswered(from),
      report: (error, info) => this.#report(error, info),
    });
    this.#dropped = new Promise((resolve) => this.#onDropped = resolve);
    this.finished = this.#run();
    options.signal?.addEventListener("abort", this.#onAbort);
    if (options.signal?.aborted) this.#onAbort();
  }

  /** Where it listens. */
  get addr(): Addr {
    return this.#listener.addr;
  }

  /** The WebSockets that are open. */
  get conns(): ReadonlySet<WebSocketConn> {
    for (const conn of this.#conns) if (conn.state === "closed") this.#conns.delete(conn);
    return this.#conns;
  }

  /**
   * Stops accepting, closes every WebSocket with 1001, and resolves when all is done, the callbacks too.
   *
   * Handshakes and plain requests that are not answered yet are dropped.
   *
   * @throws {RangeError} when the code must not be sent or the reason is too long
   */
  async shutdown(options: ShutdownOptions = {}): Promise<void> {
    const { signal, code = CloseCode.GoingAway, reason = "" } = options;
    checkClose(code, reason);
    this.#stop();
    for (const conn of this.#conns) void conn.close(code, reason);
    const drop = () => this.close();
    signal?.addEventListener("abort", drop, { once: true });
    if (signal?.aborted) drop();
    await this.finished;
    signal?.removeEventListener("abort", drop);
  }

  /** Stops accepting and drops every connection. `finished` does not wait for callbacks any more. */
  close(): void {
    this.#stop();
    const closed = [...this.#conns].map((conn) => conn.closed);
    for (const conn of this.#conns) conn.closeNow();
    void Promise.all(closed).then(this.#onDropped);
  }

  /** Shuts down as {@linkcode Server.shutdown} does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  #stop(): void {
    this.#ending = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    for (const from of this.#pending) from.drop();
    this.#stopped ??= this.#listener.close().catch(() => {
      // It is no longer used, whatever its state.
    });
  }

  async #run(): Promise<void> {
    await this.#accept();
    await this.#stopped;
    await Promise.race([this.#settled(), this.#dropped]);
  }

  async #settled(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
  }

  /** Accepts until the listener is closed. */
  async #accept(): Promise<void> {
    const listener = this.#listener;
    if (listener instanceof SocketListener) {
      const serve = (socket: StreamSocket) =>
        this.#serve({ socket, chunks: null, ended: false, error: null }, null);
      return await SocketListener.serve(listener, serve);
    }
    for (let pause = FIRST_RETRY; !this.#ending;) {
      try {
        this.#serveConn(await listener.accept());
        pause = FIRST_RETRY;
      } catch (error) {
        if (error instanceof ClosedError) return;
        // One connection could not be accepted, for want of descriptors, say. The listener goes on.
        await this.#sleep(pause);
        pause = Math.min(pause * 2, LAST_RETRY);
      }
    }
  }

  #sleep(milliseconds: number): Promise<void> {
    const { timers } = this.#runtime;
    return new Promise((resolve) => timers.set(new Alarm(resolve), timers.now() + milliseconds));
  }

  #serveConn(conn: Conn): void {
    try {
      this.#serve(takeOver(conn), conn);
    } catch {
      // It was closed, or is in somebody else's hands.
      conn.closeNow();
    }
  }

  /** Answers one connection. */
  #serve(detached: DetachedSocket, below: Conn | null): void {
    // It may have been on its way from the listener.
    if (this.#ending) return detached.socket.reset();
    this.#running++;
    const from = this.#handler.expect(detached, below);
    this.#pending.add(from);
    from.start(detached, this.#handler.timeout);
  }

  #onAnswered(from: RequestSocket): void {
    this.#pending.delete(from);
    this.#onServed();
  }

  /** Runs the application on a WebSocket. */
  #onAccepted(from: RequestSocket, { ws, request }: Accepted): void {
    this.#pending.delete(from);
    this.#conns.add(ws);
    // It may have begun to end while this one was being answered.
    if (this.#ending) void ws.close(CloseCode.GoingAway);
    try {
      const running = this.#options.websocket(ws, request);
      // Not an asynchronous function, which would hold some hundred bytes more for as long as the connection lasts.
      if (isThenable(running)) running.then(() => this.#onDone(ws), (error) => this.#onFailed(ws, error));
      else this.#onDone(ws);
    } catch (error) {
      this.#onFailed(ws, error);
    }
  }

  /** The application is done. */
  #onDone(ws: WebSocketConn, code: CloseCode = CloseCode.NormalClosure): void {
    void ws.close(code).then(() => {
      this.#conns.delete(ws);
      this.#onServed();
    });
  }

  #onFailed(ws: WebSocketConn, error: unknown): void {
    if (!isPeersDoing(error)) this.#report(error, ws);
    this.#onDone(ws, CloseCode.InternalError);
  }

  #onServed(): void {
    if (--this.#running === 0) this.#onIdle?.();
  }

  /** A callback threw, or returned what cannot be sent. */
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

/** How a connection ended is no error of the application. */
function isPeersDoing(error: unknown): boolean {
  return error instanceof CloseError || error instanceof ProtocolError || error instanceof MessageTooBigError;
}
