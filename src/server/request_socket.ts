import { concat } from "../bytes/concat.ts";
import { takeOver } from "../net/conn_socket.ts";
import type { Addr } from "../net/addr.ts";
import type { Conn } from "../net/conn.ts";
import type { Runtime } from "../net/runtime.ts";
import type { DetachedSocket } from "../net/socket_conn.ts";
import type { StreamHandler, StreamSocket } from "../net/stream_socket.ts";
import type { TimerEntry, TimerQueue } from "../net/timer_queue.ts";
import type { NetError } from "../net/errors.ts";
import type { DebugTrace } from "../websocket/debug.ts";
import { connectionStateOf, isTlsConn } from "../net/tls.ts";
import { connOver } from "../net/tls_conn.ts";
import { HttpHeadError, type RequestHead, RequestHeadReader } from "../http/head.ts";

/** The socket of an accepted handshake, of which a WebSocket is made. */
export interface TakenSocket {
  readonly detached: DetachedSocket;
  /** The connection that the socket was taken from; `null` if no `Conn` was made for it. */
  readonly netConn: Conn | null;
}

/** The handler of a socket's request. */
export interface RequestSocketOwner {
  /** The request's head is complete; `rest` is the bytes that came after it. */
  onRequest(from: RequestSocket, head: RequestHead, rest: Uint8Array): void;
  /** The client sent something other than a valid request. */
  onBadRequest(from: RequestSocket, error: HttpHeadError): void;
  /** The timeout passed before the head was complete. */
  onLate(from: RequestSocket): void;
  /** The socket is gone. */
  onGone(from: RequestSocket): void;
}

/**
 * A socket on which a request is expected. The head is read from the socket itself, and a `Conn` is made only for an
 * answer other than an immediate WebSocket: a `Conn` and the promises of its reads took a third of a handshake's time.
 */
export class RequestSocket implements StreamHandler, TimerEntry {
  time = -1;
  index = -1;
  /** The trace of the connection, where the application debugs. */
  readonly trace: DebugTrace | null;
  readonly #owner: RequestSocketOwner;
  readonly #socket: StreamSocket;
  readonly #timers: TimerQueue;
  /** The connection that the socket was taken from, if any. */
  readonly #below: Conn | null;
  /** Reader of the head; `null` once the head is complete, or nothing more is expected. */
  #reader: RequestHeadReader | null;
  #ended = false;
  #conn: Conn | null = null;

  /**
   * @param below the connection that `detached` was taken from; `null` for a socket of a listener
   * @param trace where the application debugs
   */
  constructor(
    owner: RequestSocketOwner,
    runtime: Runtime,
    { socket }: DetachedSocket,
    below: Conn | null,
    trace: DebugTrace | null = null,
  ) {
    this.trace = trace;
    this.#owner = owner;
    this.#socket = socket;
    this.#timers = runtime.timers;
    this.#reader = new RequestHeadReader(null, runtime.adapter.text);
    this.#below = below;
  }

  /**
   * Starts reading.
   *
   * @param timeout bound of the time until the head is complete, milliseconds
   */
  start({ chunks, ended }: DetachedSocket, timeout: number): void {
    this.#timers.set(this, this.#timers.now() + timeout);
    this.#socket.start(this);
    this.#ended = ended;
    const early: Uint8Array[] = [];
    for (let chunk = chunks?.shift(); chunk !== undefined; chunk = chunks?.shift()) early.push(chunk);
    if (early.length > 0) this.onData(concat(early), false);
    if (ended && this.#reader !== null) this.onEnd();
  }

  get localAddr(): Addr {
    return this.#socket.localAddr;
  }

  get remoteAddr(): Addr {
    return this.#socket.remoteAddr;
  }

  /** Whether the connection is under TLS. */
  get secure(): boolean {
    return this.#below === null ? connectionStateOf(this.#socket) !== null : isTlsConn(this.#below);
  }

  /** The `Conn` over the socket, made at first use; it reads from then on. For answers that take time. */
  get conn(): Conn {
    if (this.#conn === null) {
      const conn = connOver(this.#socket, this.#timers, null);
      if (this.#ended) conn.onEnd();
      this.#conn = conn;
    }
    return this.#conn;
  }

  /** Releases the socket to a WebSocket, which must start it in the same turn. */
  take(): TakenSocket {
    if (this.#conn !== null) return { detached: takeOver(this.#conn), netConn: this.#below ?? this.#conn };
    const detached = { socket: this.#socket, chunks: null, ended: this.#ended, error: null };
    return { detached, netConn: this.#below };
  }

  /** Drops the connection at once. */
  drop(): void {
    if (this.#conn !== null) this.#conn.closeNow();
    else this.#socket.reset();
  }

  onData(chunk: Uint8Array, lent: boolean): void {
    const reader = this.#reader;
    if (reader === null) return;
    try {
      const head = reader.receive(chunk);
      if (head === undefined) return;
      this.#stopReading();
      const { rest } = reader;
      this.#owner.onRequest(this, head, lent && rest.length > 0 ? new Uint8Array(rest) : rest);
    } catch (error) {
      if (!(error instanceof HttpHeadError)) throw error;
      this.#stopReading();
      this.#owner.onBadRequest(this, error);
    }
  }

  onEnd(): void {
    this.#ended = true;
    if (this.#reader === null) return;
    this.trace?.endedEarly(null);
    this.#stopReading();
    this.#socket.close();
  }

  onDrain(): void {}

  /** Reports the socket's end; called only until another handler has taken the socket over. */
  onClose(error: NetError | null): void {
    if (this.#reader !== null) this.trace?.endedEarly(error);
    this.#stopReading();
    this.#owner.onGone(this);
  }

  /** Reports that the timeout has passed. */
  ring(): void {
    this.#stopReading();
    this.#owner.onLate(this);
  }

  #stopReading(): void {
    this.#reader = null;
    this.#timers.clear(this);
  }
}
