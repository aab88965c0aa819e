import { showFields } from "../bytes/inspection.ts";
import type { Addr } from "../net/addr.ts";
import type { Conn, Listener } from "../net/conn.ts";
import { takeOver } from "../net/conn_socket.ts";
import { ClosedError, NetError } from "../net/errors.ts";
import type { Runtime } from "../net/runtime.ts";
import type { DetachedSocket } from "../net/socket_conn.ts";
import { SocketListener } from "../net/socket_listener.ts";
import type { StreamSocket } from "../net/stream_socket.ts";
import { isThenable, reportRejection } from "../net/thenable.ts";
import { Alarm } from "../net/timer_queue.ts";
import { CloseCode } from "../protocol/close_code.ts";
import { checkClose } from "../websocket/check_close.ts";
import {
  type Accepted,
  type ConnInfo,
  RequestHandler,
  type RequestHandlerOptions,
} from "./request_handler.ts";
import type { RequestSocket } from "./request_socket.ts";
import { takesArgument } from "./takes_request.ts";
import { isOwnEnd, type WebSocketConn } from "../websocket/web_socket_conn.ts";

export type { ConnInfo, UpgradeResult } from "./request_handler.ts";

/** Options of a server. */
export interface ServeOptions extends RequestHandlerOptions {
  /**
   * Called for each accepted WebSocket. A result that is a promise closes the connection when it settles: with 1000, or
   * with 1011 when it rejects. Any other result leaves the connection open until one side closes it.
   */
  websocket: (conn: WebSocketConn, request: Request) => void | Promise<void>;
  /**
   * Called with the error of a callback, or of a response that cannot be sent. The error that tells the end of the
   * callback's own connection is not reported.
   * Default: `console.error`.
   */
  onError?: (error: unknown, info: ConnInfo) => void;
  /** Shuts the server down when it aborts. */
  signal?: AbortSignal;
}

/** Options of {@linkcode Server.shutdown}. */
export interface ShutdownOptions {
  /** Ends the wait when it aborts, as {@linkcode Server.close}: drops the connections that are left. */
  signal?: AbortSignal;
  /** Code of the close frames. Default: 1001, going away. */
  code?: number;
  /** Reason in the close frames, at most 123 bytes of UTF-8. Default: none. */
  reason?: string;
}

/** Pause before accepting again after a first failure, milliseconds. Doubles with each further failure, as in Go. */
const FIRST_PAUSE = 5;
/** Bound of that pause, milliseconds. */
const MAX_PAUSE = 1_000;

/** Listeners that have a server. */
const served = new WeakSet<Listener>();

/**
 * A server of WebSockets and plain requests. Go: `http.Server`. The type is that of its address: a server on `"tcp"` has
 * a `TcpAddr`, with a port.
 */
export class Server<A extends Addr = Addr> implements AsyncDisposable {
  /** Resolves when the listener and every connection are closed and every callback has settled; never rejects. */
  readonly finished: Promise<void>;
  readonly #runtime: Runtime;
  readonly #listener: Listener<Conn, A>;
  readonly #options: ServeOptions;
  readonly #handler: RequestHandler;
  /** Connections whose request is not answered yet. */
  readonly #pending = new Set<RequestSocket>();
  readonly #conns = new Set<WebSocketConn>();
  /** Number of connections that are being answered or served. */
  #running = 0;
  #onIdle: (() => void) | null = null;
  #ending = false;
  #stopped: Promise<void> | null = null;
  readonly #dropped: Promise<void>;
  #onDropped!: () => void;
  readonly #onAbort = (): void => void this.shutdown();

  /** Called by `serve`. */
  constructor(runtime: Runtime, listener: Listener<Conn, A>, options: ServeOptions) {
    if (served.has(listener)) throw new TypeError("Cannot serve: the listener has a server already");
    this.#runtime = runtime;
    this.#listener = listener;
    this.#options = options;
    this.#handler = new RequestHandler(runtime, options, {
      takesRequest: takesArgument(options.websocket, 1),
      isEnding: () => this.#ending,
      onAccepted: (from, accepted) => this.#onAccepted(from, accepted),
      onAnswered: (from) => this.#onAnswered(from),
      report: (error, info) => this.#report(error, info),
    }, listener.addr);
    // Only now, as an option that is refused leaves the listener free.
    served.add(listener);
    this.#dropped = new Promise((resolve) => this.#onDropped = resolve);
    this.finished = this.#run();
    options.signal?.addEventListener("abort", this.#onAbort);
    if (options.signal?.aborted) this.#onAbort();
  }

  /** Address of the listener. */
  get addr(): A {
    return this.#listener.addr;
  }

  /** The WebSockets that are not closed yet. */
  get conns(): ReadonlySet<WebSocketConn> {
    for (const conn of this.#conns) if (conn.state === "closed") this.#conns.delete(conn);
    return this.#conns;
  }

  /**
   * Stops accepting, closes every WebSocket, with 1001 by default, and resolves when all connections are closed and all
   * callbacks have settled. Connections whose request is not answered yet are dropped.
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

  /** Stops accepting and drops every connection. From then on `finished` does not wait for callbacks. */
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
      // A listener that fails to close is not used any more either.
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

  /** Accepts connections until the listener is closed. */
  async #accept(): Promise<void> {
    const listener = this.#listener;
    if (listener instanceof SocketListener) {
      const serve = (socket: StreamSocket) =>
        this.#serve({ socket, chunks: null, ended: false, error: null }, null);
      return await SocketListener.serve(listener, serve);
    }
    for (let pause = FIRST_PAUSE; !this.#ending;) {
      try {
        this.#serveConn(await listener.accept());
        pause = FIRST_PAUSE;
      } catch (error) {
        if (error instanceof ClosedError) return;
        // A connection could not be accepted, for example because no descriptor is free. The listener stays open.
        await this.#sleep(pause);
        pause = Math.min(pause * 2, MAX_PAUSE);
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
    } catch (cause) {
      // A connection that is closed already, or that another object uses, is the listener's business.
      if (!(cause instanceof NetError)) {
        const message = "Cannot serve a connection of the listener: it is in use, or its methods fail";
        this.#report(new TypeError(message, { cause }), conn);
      }
      try {
        conn.closeNow();
      } catch {
        // The methods of the connection fail, which was reported.
      }
    }
  }

  /** Expects a request on the socket. */
  #serve(detached: DetachedSocket, below: Conn | null): void {
    // The listener may have accepted the socket before it was closed.
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

  /** Calls the application for a WebSocket. */
  #onAccepted(from: RequestSocket, { ws, request }: Accepted): void {
    this.#pending.delete(from);
    this.#conns.add(ws);
    // The shutdown may have begun while this handshake was answered.
    if (this.#ending) void ws.close(CloseCode.GoingAway);
    try {
      const running = this.#options.websocket(ws, request);
      // Callbacks instead of `await`: an async function would hold some hundred bytes while the connection lasts.
      if (isThenable(running)) running.then(() => this.#onDone(ws), (error) => this.#onFailed(ws, error));
      else void ws.closed.then(() => this.#onClosed(ws));
    } catch (error) {
      this.#onFailed(ws, error);
    }
  }

  /** Closes a WebSocket whose callback has settled. */
  #onDone(ws: WebSocketConn, code: CloseCode = CloseCode.NormalClosure): void {
    void ws.close(code).then(() => this.#onClosed(ws));
  }

  #onClosed(ws: WebSocketConn): void {
    this.#conns.delete(ws);
    this.#onServed();
  }

  #onFailed(ws: WebSocketConn, error: unknown): void {
    // The end of this connection is not a fault of the application; that of another one may be.
    if (!isOwnEnd(ws, error)) this.#report(error, ws);
    this.#onDone(ws, CloseCode.InternalError);
  }

  #onServed(): void {
    if (--this.#running === 0) this.#onIdle?.();
  }

  /** Reports the error of a callback, or of a response that cannot be sent. */
  #report(error: unknown, info: ConnInfo): void {
    const { onError } = this.#options;
    if (onError === undefined) return console.error(error);
    try {
      const result: unknown = onError(error, info);
      reportRejection(result, (second) => console.error(second));
    } catch (second) {
      console.error(second);
    }
  }
}

showFields(Server, ({ addr, conns }) => ({ addr: String(addr), conns: conns.size }));
