import { concat } from "../bytes/concat.ts";
import { takeOver } from "../net/conn_socket.ts";
import type { Addr } from "../net/addr.ts";
import type { Conn } from "../net/conn.ts";
import type { Runtime } from "../net/runtime.ts";
import type { DetachedSocket } from "../net/socket_conn.ts";
import type { StreamHandler, StreamSocket } from "../net/stream_socket.ts";
import type { Ringing, TimerQueue } from "../net/timer_queue.ts";
import type { NetError } from "../net/errors.ts";
import type { DebugTrace } from "../websocket/debug.ts";
import { connectionStateOf, isTlsConn } from "../net/tls.ts";
import { connOver } from "../net/tls_conn.ts";
import { HttpHeadError, type RequestHead, RequestHeadReader } from "../http/head.ts";

/** What a WebSocket is made of. */
export interface TakenSocket {
  readonly detached: DetachedSocket;
  /** The connection that it was; `null` when none was made so far. */
  readonly netConn: Conn | null;
}

/** Who answers what comes. */
export interface RequestSocketOwner {
  /** The request is here; `rest` are bytes that came with it and do not belong to it. */
  onRequest(from: RequestSocket, head: RequestHead, rest: Uint8Array): void;
  /** What came is no request. */
  onBadRequest(from: RequestSocket, error: HttpHeadError): void;
  /** It did not come in time. */
  onLate(from: RequestSocket): void;
  /** The peer has left before it was complete. */
  onGone(from: RequestSocket): void;
}

/**
 * A socket on which a request is expected. Its head is read at the socket itself: a `Conn` is only made for what is not
 * answered with a WebSocket at once. It, with the promises of its reads, was a third of a handshake.
 */
export class RequestSocket implements StreamHandler, Ringing {
  time = -1;
  index = -1;
  /** The trace of the connection, where the application debugs. */
  readonly trace: DebugTrace | null;
  readonly #owner: RequestSocketOwner;
  readonly #socket: StreamSocket;
  readonly #timers: TimerQueue;
  /** Somebody else's connection below. */
  readonly #below: Conn | null;
  /** Until the head is complete. */
  #reader: RequestHeadReader | null;
  #ended = false;
  #conn: Conn | null = null;

  /** @param below what `detached` was taken from, if it was a connection */
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
   * Begins to read.
   *
   * @param timeout milliseconds for the whole head
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

  /** Whether TLS is below. */
  get secure(): boolean {
    return this.#below === null ? connectionStateOf(this.#socket) !== null : isTlsConn(this.#below);
  }

  /** The connection, which reads from now on: for an answer that takes its time. */
  get conn(): Conn {
    if (this.#conn === null) {
      const conn = connOver(this.#socket, this.#timers, null);
      if (this.#ended) conn.onEnd();
      this.#conn = conn;
    }
    return this.#conn;
  }

  /** Gives the socket to a WebSocket, which starts it in the same turn. */
  take(): TakenSocket {
    if (this.#conn !== null) return { detached: takeOver(this.#conn), netConn: this.#below ?? this.#conn };
    const detached = { socket: this.#socket, chunks: null, ended: this.#ended, error: null };
    return { detached, netConn: this.#below };
  }

  /** Drops it at once. */
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

  /** Whoever has taken it over hears of its end instead. */
  onClose(error: NetError | null): void {
    if (this.#reader !== null) this.trace?.endedEarly(error);
    this.#stopReading();
    this.#owner.onGone(this);
  }

  /** The time is over. */
  ring(): void {
    this.#stopReading();
    this.#owner.onLate(this);
  }

  #stopReading(): void {
    this.#reader = null;
    this.#timers.clear(this);
  }
}
