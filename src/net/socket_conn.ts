import { showFields } from "../bytes/inspection.ts";
import type { Addr } from "./addr.ts";
import { checkBytes } from "./check_bytes.ts";
import { ChunkQueue } from "./chunk_queue.ts";
import type { TcpConn, WaitOptions } from "./conn.ts";
import { type Deadline, deadlineTime, DeadlineTimer } from "./deadline.ts";
import { ClosedError, DeadlineExceededError, NetError, type NetOp } from "./errors.ts";
import { handled, rejected } from "./handled.ts";
import { OutgoingWrite } from "./outgoing_write.ts";
import type { AcceptedOptions, StreamHandler, StreamSocket } from "./stream_socket.ts";
import { Alarm, type TimerQueue } from "./timer_queue.ts";
import { WaitQueue } from "./wait_queue.ts";
import { readableOf, writableOf } from "./web_streams.ts";

/** Number of unread bytes from which on the socket is paused; the rest stays in the kernel, and then at the peer. */
const READ_AHEAD = 65536;
/**
 * Number of unread chunks from which on the socket is paused: a chunk of one byte holds about a hundred bytes of
 * memory, and a peer may send every byte by itself.
 */
const READ_AHEAD_CHUNKS = 256;

/** Upper bound of the time for which `close` waits until queued bytes are sent, milliseconds. */
const CLOSE_TIMEOUT = 10_000;

/** Default idle time of TCP keep-alive, milliseconds, as in Go. */
const KEEP_ALIVE_IDLE = 15_000;

/**
 * A socket detached from its `Conn`, with the bytes already received. Start the socket in the same turn of the event
 * loop: until then received bytes still go into `chunks`, and the end of the stream is not reported.
 */
export interface DetachedSocket {
  readonly socket: StreamSocket;
  /** Received bytes that were not read; `null` for none. */
  readonly chunks: ChunkQueue | null;
  /** Whether the peer has already sent the end of its stream. */
  readonly ended: boolean;
  /** The error by which the socket has already broken; `null` for none. */
  readonly error: NetError | null;
}

/** A waiting write; `null` for the end of the stream. */
type PendingWrite = OutgoingWrite | null;

/** Initial options of a TCP connection. */
export interface TcpOptions {
  /** Whether small writes are sent at once (TCP_NODELAY). Default: true. */
  noDelay?: boolean;
  /**
   * Idle time after which TCP keep-alive probes the peer, milliseconds, rounded up to whole seconds; `false` for no
   * keep-alive. Default: 15 000.
   */
  keepAlive?: number | false;
}

/** Sets the options of a TCP socket; does nothing for any other. */
export function askOptions(socket: StreamSocket, options: TcpOptions): void {
  if (socket.localAddr.network !== "tcp") return;
  const { noDelay, keepAliveIdle } = socketOptions(options);
  socket.setNoDelay(noDelay);
  socket.setKeepAlive(keepAliveIdle > 0, keepAliveIdle || KEEP_ALIVE_IDLE);
}

/** The options with every default in place. */
export function socketOptions({ noDelay = true, keepAlive = KEEP_ALIVE_IDLE }: TcpOptions): AcceptedOptions {
  return { noDelay, keepAliveIdle: keepAlive === false ? 0 : wholeSeconds(keepAlive) };
}

/** The {@linkcode Conn} over a runtime's stream socket. */
export class SocketConn implements TcpConn, StreamHandler {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  readonly #socket: StreamSocket;
  readonly #timers: TimerQueue;

  readonly #chunks = new ChunkQueue();
  readonly #reads = new WaitQueue<number | Uint8Array | null, Uint8Array | null>();
  #readDeadline: DeadlineTimer | null = null;
  #paused = false;
  #ended = false;

  readonly #writes = new WaitQueue<number, PendingWrite>();
  #writeDeadline: DeadlineTimer | null = null;
  /** The write whose bytes the runtime holds: the first in the queue, unless its call was aborted or expired. */
  #inFlight: OutgoingWrite | null = null;
  /** Settles when the end of the stream was sent; `null` until `closeWrite` is called. */
  #writeEnd: Promise<void> | null = null;
  /** The error with which later writes fail, once the stream has a hole or an end. */
  #writeError: Error | null = null;

  #state: "open" | "closing" | "closed" | "detached" = "open";
  /** The error that broke the connection; reads fail with it. */
  #error: NetError | null = null;
  /** Whether the runtime has closed the socket. */
  #gone = false;
  #closed: Promise<void> | null = null;
  #onClosed: (() => void) | null = null;
  #closeAlarm: Alarm | null = null;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;

  /**
   * @param options set on the socket; `null` when they have been set before
   * @param detached whether a protocol drives the socket already, so that the connection behaves as closed
   */
  constructor(socket: StreamSocket, timers: TimerQueue, options: TcpOptions | null = {}, detached = false) {
    this.#socket = socket;
    this.#timers = timers;
    this.localAddr = socket.localAddr;
    this.remoteAddr = socket.remoteAddr;
    if (options !== null) askOptions(socket, options);
    if (detached) this.#state = "detached";
    else socket.start(this);
  }

  /** Whether the object is a connection of this class itself, and not a wrapper that inherits from one. */
  static is(conn: object): conn is SocketConn {
    return #socket in conn;
  }

  /**
   * Detaches the socket from a connection, for a protocol that drives it itself. The connection then behaves as closed.
   */
  static detach(conn: SocketConn): DetachedSocket {
    conn.#checkOpen("read");
    if (conn.#reads.size > 0 || conn.#writes.size > 0 || conn.#inFlight !== null) {
      throw new TypeError("Cannot take over the connection: a call is waiting on it");
    }
    if (conn.#writeEnd !== null || (conn.#writeError !== null && !conn.#gone)) {
      throw new TypeError("Cannot take over the connection: it can no longer be written to");
    }
    conn.#state = "detached";
    conn.#stopDeadlines();
    // The deadlines were for a handshake; a connection that may last long need not keep their timers.
    conn.#readDeadline = null;
    conn.#writeDeadline = null;
    if (conn.#paused) conn.#socket.resume();
    return { socket: conn.#socket, chunks: conn.#chunks, ended: conn.#ended, error: conn.#error };
  }

  // ── Reading ──

  read(p: Uint8Array, options?: WaitOptions): Promise<number | null> {
    try {
      return this.#read(checkBytes("read", "p", p), options) as Promise<number | null>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  readChunk(options?: WaitOptions): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#read(null, options) as Promise<Uint8Array<ArrayBuffer> | null>;
  }

  async #read(p: Uint8Array | null, options?: WaitOptions): Promise<number | Uint8Array | null> {
    this.#checkOpen("read");
    options?.signal?.throwIfAborted();
    if (this.#readDeadline?.expired) throw this.#expired("read");
    if (p?.length === 0) return 0;
    if (this.#reads.size === 0) {
      const ready = this.#takeReady(p);
      if (ready !== undefined) return ready;
    }
    const result = this.#reads.wait(p, options?.signal);
    this.#readDeadline?.startWait();
    return result;
  }

  /** The result of a read that need not wait; `undefined` when it must. */
  #takeReady(p: Uint8Array | null): number | Uint8Array | null | undefined {
    if (this.#chunks.bytes > 0) {
      const taken = p === null ? this.#chunks.shift()! : this.#chunks.copyInto(p);
      if (this.#paused && !this.#isFull()) {
        this.#paused = false;
        this.#socket.resume();
      }
      return taken;
    }
    if (this.#error !== null) throw this.#error;
    return this.#ended ? null : undefined;
  }

  /** Whether the unread bytes or chunks reach the bound at which the socket is paused. */
  #isFull(): boolean {
    return this.#chunks.bytes >= READ_AHEAD || this.#chunks.count >= READ_AHEAD_CHUNKS;
  }

  onData(chunk: Uint8Array, lent: boolean): void {
    if (this.#state === "closing") return;
    // `slice` copies, because chunks are never Node `Buffer`s.
    this.#chunks.push(lent ? chunk.slice() : chunk);
    this.#serveReads();
    if (!this.#paused && this.#isFull()) {
      this.#paused = true;
      this.#socket.pause();
    }
  }

  onEnd(): void {
    this.#ended = true;
    this.#serveReads();
  }

  #serveReads(): void {
    while (this.#reads.size > 0) {
      try {
        const ready = this.#takeReady(this.#reads.first!);
        if (ready === undefined) return;
        this.#reads.resolveFirst(ready);
      } catch (error) {
        this.#reads.rejectFirst(error);
      }
    }
    this.#readDeadline?.endWait();
  }

  // ── Writing ──

  write(p: Uint8Array, options?: WaitOptions): Promise<number> {
    try {
      return this.#write(checkBytes("write", "p", p), options?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  closeWrite(): Promise<void> {
    if (this.#state !== "open") return rejected(new ClosedError("write", this.#network, this.remoteAddr));
    return this.#writeEnd ??= handled(this.#sendEnd());
  }

  async #sendEnd(): Promise<void> {
    try {
      await this.#write(null);
    } catch (error) {
      // The end was not sent: with a later deadline, `closeWrite` may be called again.
      this.#writeEnd = null;
      throw error;
    }
  }

  #write(bytes: Uint8Array | null, signal?: AbortSignal): Promise<number> {
    try {
      return this.#startWrite(bytes, signal);
    } catch (error) {
      return rejected(error);
    }
  }

  #startWrite(bytes: Uint8Array | null, signal: AbortSignal | undefined): Promise<number> {
    this.#checkOpen("write");
    this.#checkWritable();
    signal?.throwIfAborted();
    if (this.#writeDeadline?.expired) throw this.#expired("write");
    if (bytes?.length === 0) return Promise.resolve(0);
    const write = bytes === null ? null : new OutgoingWrite(bytes, signal !== undefined);
    if (this.#inFlight === null && this.#send(write)) return Promise.resolve(write?.length ?? 0);
    const result = this.#writes.wait(write, signal, (aborted) => {
      // A write that only waited in the queue is simply dropped. One that the runtime has begun leaves a hole.
      if (aborted !== null && aborted === this.#inFlight) this.#breakWrites(this.#holeError(signal!.reason));
    });
    this.#writeDeadline?.startWait();
    return handled(result);
  }

  /** Passes a write to the runtime; `false` when the runtime has not accepted all of it yet. */
  #send(write: PendingWrite): boolean {
    if (write === null) {
      this.#socket.closeWrite();
      return true;
    }
    // A deadline may end this call, too.
    if (this.#writeDeadline !== null) write.copied = true;
    while (!write.done) {
      if (!this.#socket.write(write.next())) {
        this.#inFlight = write;
        return false;
      }
      write.release();
    }
    return true;
  }

  onDrain(): void {
    this.#inFlight?.release();
    this.#inFlight = null;
    // The first goes on with its next piece. One that was given up is not there any more: its rest is not sent.
    for (let next = this.#writes.first; next !== undefined; next = this.#writes.first) {
      if (!this.#send(next)) return;
      this.#writes.resolveFirst(next?.length ?? 0);
    }
    this.#writeDeadline?.endWait();
    if (this.#state === "closing") this.#socket.close();
  }

  /** Fails all waiting and later writes. */
  #breakWrites(error: Error): void {
    this.#writeError ??= error;
    this.#writes.rejectAll(error);
    this.#writeDeadline?.endWait();
  }

  #checkWritable(): void {
    if (this.#writeError !== null) throw this.#writeError;
    if (this.#error !== null) throw this.#error;
    if (this.#writeEnd !== null) {
      throw new NetError({ op: "write", network: this.#network, addr: this.remoteAddr, code: "EPIPE" });
    }
  }

  /** The error of writes after an aborted one; the aborted call itself rejects with the signal's reason. */
  #holeError(cause: unknown): NetError {
    const init = {
      op: "write",
      network: this.#network,
      addr: this.remoteAddr,
      code: "EPIPE",
      cause,
    } as const;
    return new NetError(init, "an earlier write was aborted after a part of it may have been sent");
  }

  // ── Web streams ──

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= readableOf(this);
  }

  get writable(): WritableStream<Uint8Array> {
    return this.#writable ??= writableOf(this);
  }

  // ── Deadlines ──

  setDeadline(t: Deadline): void {
    this.setReadDeadline(t);
    this.setWriteDeadline(t);
  }

  setReadDeadline(t: Deadline): void {
    if (this.#readDeadline === null) {
      if (deadlineTime(t) === Infinity) return;
      this.#readDeadline = new DeadlineTimer(
        this.#timers,
        () => this.#reads.rejectAll(this.#expired("read")),
      );
      if (this.#reads.size > 0) this.#readDeadline.startWait();
    }
    this.#readDeadline.set(t);
  }

  setWriteDeadline(t: Deadline): void {
    if (this.#writeDeadline === null) {
      if (deadlineTime(t) === Infinity) return;
      this.#writeDeadline = new DeadlineTimer(this.#timers, () => this.#expireWrites());
      if (this.#inFlight !== null) this.#writeDeadline.startWait();
    }
    this.#writeDeadline.set(t);
    if (this.#inFlight !== null && this.#writeDeadline.time !== Infinity) this.#inFlight.copied = true;
  }

  #expireWrites(): void {
    if (this.#state === "closing") return this.closeNow();
    const error = this.#expired("write");
    if (this.#inFlight === null) return this.#writes.rejectAll(error);
    const isLost = this.#inFlight.isLent && this.#socket.takeBack?.() !== true;
    this.#breakWrites(error);
    // The deadline was set when the runtime had the array already: what the caller writes into it must not be sent.
    if (isLost) this.#socket.reset();
  }

  #expired(op: NetOp): DeadlineExceededError {
    return new DeadlineExceededError(op, this.#network, this.remoteAddr);
  }

  // ── Closing ──

  close(): Promise<void> {
    if (this.#closed !== null) return this.#closed;
    this.#closed = new Promise((resolve) => this.#onClosed = resolve);
    // After `closeNow`, `onClose` resolves the promise.
    if (this.#state === "closing") return this.#closed;
    if (this.#state === "detached") this.#onClosed!();
    else if (this.#gone) this.#endClose(null);
    else this.#startClose();
    return this.#closed;
  }

  #startClose(): void {
    this.#state = "closing";
    this.#failReads();
    if (this.#inFlight === null) return this.#socket.close();
    // Some peers do not read while they write: received bytes are accepted, and dropped.
    if (this.#paused) this.#socket.resume();
    this.#writeDeadline?.startWait();
    this.#closeAlarm = new Alarm(() => this.closeNow());
    this.#timers.set(this.#closeAlarm, this.#timers.now() + CLOSE_TIMEOUT);
  }

  closeNow(): void {
    if (this.#state === "closed" || this.#state === "detached") return;
    if (this.#gone) return this.#endClose(null);
    this.#state = "closing";
    this.#failReads();
    this.#breakWrites(new ClosedError("write", this.#network, this.remoteAddr));
    this.#socket.reset();
  }

  onClose(error: NetError | null): void {
    this.#gone = true;
    if (this.#state === "open") this.#onBroken(error);
    else if (this.#state !== "detached") this.#endClose(error);
  }

  #endClose(error: NetError | null): void {
    this.#state = "closed";
    this.#failReads();
    this.#breakWrites(
      error === null ? new ClosedError("write", this.#network, this.remoteAddr) : seenBy("write", error),
    );
    this.#stopDeadlines();
    this.#onClosed?.();
  }

  /** The socket closed although this side did not close it: unread bytes can still be read, then reads fail. */
  #onBroken(error: NetError | null): void {
    const code = this.#ended ? "EPIPE" : "ECONNRESET";
    error ??= new NetError({
      op: this.#ended ? "write" : "read",
      network: this.#network,
      addr: this.remoteAddr,
      code,
    });
    this.#breakWrites(seenBy("write", error));
    if (!this.#ended) this.#error = seenBy("read", error);
    this.#serveReads();
  }

  /** Fails all reads: `close` does so at once, while queued bytes are still being sent. */
  #failReads(): void {
    this.#chunks.clear();
    this.#reads.rejectAll(new ClosedError("read", this.#network, this.remoteAddr));
    this.#readDeadline?.stop();
  }

  #stopDeadlines(): void {
    this.#readDeadline?.stop();
    this.#writeDeadline?.stop();
    if (this.#closeAlarm !== null) this.#timers.clear(this.#closeAlarm);
  }

  #checkOpen(op: NetOp): void {
    if (this.#state !== "open") throw new ClosedError(op, this.#network, this.remoteAddr);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ── The socket below ──

  ref(): void {
    if (this.#hasSocket) this.#socket.ref();
  }

  unref(): void {
    if (this.#hasSocket) this.#socket.unref();
  }

  setNoDelay(on = true): void {
    if (this.#hasSocket && this.#network === "tcp") this.#socket.setNoDelay(on);
  }

  setKeepAlive(on = true, idleMs: number = KEEP_ALIVE_IDLE): void {
    if (this.#hasSocket && this.#network === "tcp") this.#socket.setKeepAlive(on, wholeSeconds(idleMs));
  }

  /** Whether the socket's options may be set, which is also so when it was detached. */
  get #hasSocket(): boolean {
    return this.#state === "open" || this.#state === "detached";
  }

  get #network(): string {
    return this.remoteAddr.network;
  }
}

/** Rounds up to whole seconds: runtimes round down, and read 0 as the system's default. */
function wholeSeconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000) * 1000;
}

/** The error that broke the socket, with the operation that fails because of it. */
function seenBy(op: NetOp, error: NetError): NetError {
  // An error of a subclass, such as `TlsError`, is more specific and stays as it is.
  if (error.op === op || error.constructor !== NetError) return error;
  const { network, addr, code, cause } = error;
  return new NetError({ op, network, addr, code, cause });
}

showFields(
  SocketConn,
  ({ localAddr, remoteAddr }) => ({ local: String(localAddr), remote: String(remoteAddr) }),
);
