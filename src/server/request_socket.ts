import { concat } from "../bytes/concat.ts";
import { takeOver } from "../net/conn_socket.ts";
import type { Addr } from "../net/addr.ts";
import type { Conn } from "../net/conn.ts";
import type { Runtime } from "../net/runtime.ts";
import type { DetachedSocket } from "../net/socket_conn.ts";
import type { StreamHandler, StreamSocket } from "../net/stream_socket.ts";
import type { TimerEntry, TimerQueue } from "../net/timer_queue.ts";
import { ChunkQueue } from "../net/chunk_queue.ts";
import { NetError } from "../net/errors.ts";
import type { DebugTrace } from "../websocket/debug.ts";
import { connectionStateOf, isTlsConn } from "../net/tls.ts";
import { connOver } from "../net/tls_conn.ts";
import { type HeadLimits, HttpHeadError, type RequestHead, RequestHeadReader } from "../http/head.ts";
import { ClientSignal } from "./client_signal.ts";

/** Bytes that may come while a callback takes its time; beyond, the client is not read. */
const READ_AHEAD = 65_536;
/** Number of chunks that may, as a chunk of one byte holds about a hundred bytes of memory. */
const READ_AHEAD_CHUNKS = 256;

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
  /** The timeout passed before the head was complete, or before the answer to a handshake. */
  onLate(from: RequestSocket): void;
  /** The socket is gone, and no answer is waited for. */
  onGone(from: RequestSocket): void;
}

/**
 * A socket on which a request is expected. The head is read from the socket itself, and a `Conn` is made only for an
 * answer other than a WebSocket: a `Conn` and the promises of its reads took a third of a handshake's time.
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
  /** The signal of the request. */
  readonly client: ClientSignal = new ClientSignal();
  /** Whether the timeout passed while an answer was waited for; then the request has been answered. */
  late = false;
  /** Time at which the opening handshake must be complete. */
  #deadline = Infinity;
  /** Whether the answer is waited for. */
  #waiting = false;
  /** What came meanwhile. */
  #early: ChunkQueue | null = null;
  #paused = false;
  #ended = false;
  /** Why the socket is gone; `null` while it is not. */
  #gone: NetError | null = null;
  #conn: Conn | null = null;

  /**
   * @param below the connection that `detached` was taken from; `null` for a socket of a listener
   * @param trace where the application debugs
   * @param limits bounds of the head; `null` for the defaults
   */
  constructor(
    owner: RequestSocketOwner,
    runtime: Runtime,
    { socket }: DetachedSocket,
    below: Conn | null,
    trace: DebugTrace | null = null,
    limits: HeadLimits | null = null,
  ) {
    this.trace = trace;
    this.#owner = owner;
    this.#socket = socket;
    this.#timers = runtime.timers;
    this.#reader = new RequestHeadReader(limits, runtime.adapter.text);
    this.#below = below;
  }

  /**
   * Starts reading.
   *
   * @param timeout bound of the time until the head is complete, milliseconds
   */
  start({ chunks, ended }: DetachedSocket, timeout: number): void {
    this.#deadline = this.#timers.now() + timeout;
    this.#timers.set(this, this.#deadline);
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

  /**
   * Waits for an answer that takes its time: keeps what comes, up to a bound, and sees the client leave.
   *
   * @param timed whether the answer completes the opening handshake, so that it must come before the timeout
   */
  wait(timed: boolean): void {
    this.#waiting = true;
    if (timed) this.#timers.set(this, this.#deadline);
  }

  /** The `Conn` over the socket, made at first use; it reads from then on. For answers other than a WebSocket. */
  get conn(): Conn {
    if (this.#conn === null) {
      const { chunks, ended, error } = this.#release();
      const conn = connOver(this.#socket, this.#timers, null);
      for (let chunk = chunks?.shift(); chunk !== undefined; chunk = chunks?.shift()) {
        conn.onData(chunk, false);
      }
      if (ended) conn.onEnd();
      if (error !== null) conn.onClose(error);
      this.#conn = conn;
    }
    return this.#conn;
  }

  /** Releases the socket to a WebSocket, which must start it in the same turn. */
  take(): TakenSocket {
    if (this.#conn !== null) return { detached: takeOver(this.#conn), netConn: this.#below ?? this.#conn };
    return { detached: this.#release(), netConn: this.#below };
  }

  /** The socket, and what came while the answer was waited for. */
  #release(): DetachedSocket {
    this.#stopReading();
    this.#waiting = false;
    if (this.#paused && this.#gone === null) this.#socket.resume();
    return { socket: this.#socket, chunks: this.#early, ended: this.#ended, error: this.#gone };
  }

  /** Drops the connection at once. */
  drop(): void {
    this.client.abort();
    if (this.#conn !== null) this.#conn.closeNow();
    else this.#socket.reset();
  }

  onData(chunk: Uint8Array, lent: boolean): void {
    const reader = this.#reader;
    if (this.#waiting) return this.#keep(chunk, lent);
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

  #keep(chunk: Uint8Array, lent: boolean): void {
    const early = this.#early ??= new ChunkQueue();
    early.push(lent ? chunk.slice() : chunk);
    if (this.#paused || early.bytes < READ_AHEAD && early.count < READ_AHEAD_CHUNKS) return;
    this.#paused = true;
    this.#socket.pause();
  }

  onEnd(): void {
    this.#ended = true;
    if (this.#waiting) this.client.abort();
    if (this.#reader === null) return;
    this.trace?.endedEarly(null);
    this.#stopReading();
    this.#socket.close();
  }

  onDrain(): void {}

  /** Reports the socket's end; called only until another handler has taken the socket over. */
  onClose(error: NetError | null): void {
    if (this.#waiting) {
      const { network } = this.remoteAddr;
      this.#gone = error ?? new NetError({ op: "read", network, addr: this.remoteAddr, code: "ECONNRESET" });
      this.client.abort();
      return;
    }
    if (this.#reader !== null) this.trace?.endedEarly(error);
    this.#stopReading();
    this.#owner.onGone(this);
  }

  /** Reports that the timeout has passed. */
  ring(): void {
    this.late = this.#waiting;
    if (this.late) this.client.abort("The handshake was not answered in time");
    this.#stopReading();
    this.#owner.onLate(this);
  }

  #stopReading(): void {
    this.#reader = null;
    this.#timers.clear(this);
  }
}
