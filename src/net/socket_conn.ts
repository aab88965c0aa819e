import type { Addr } from "./addr.ts";
import { ChunkQueue } from "./chunk_queue.ts";
import type { TcpConn, WaitOptions } from "./conn.ts";
import { type Deadline, deadlineTime, DeadlineTimer } from "./deadline.ts";
import { ClosedError, DeadlineExceededError, NetError, type NetOp } from "./errors.ts";
import type { AcceptedOptions, StreamHandler, StreamSocket } from "./stream_socket.ts";
import { Alarm, type TimerQueue } from "./timer_queue.ts";
import { WaitQueue } from "./wait_queue.ts";
import { readableOf, writableOf } from "./web_streams.ts";

/** Bytes that are read ahead of the application; then the kernel holds the rest, and then the peer. */
const READ_AHEAD = 65536;
/** And chunks: one of a byte holds some hundred bytes of memory, and a peer may send each byte by itself. */
const READ_AHEAD_CHUNKS = 256;

/** How long `close` waits for queued bytes to leave when there is no write deadline, milliseconds. */
const CLOSE_TIMEOUT = 10_000;

/** TCP keep-alive's idle time from the start, milliseconds, as in Go. */
const KEEP_ALIVE_IDLE = 15_000;

/**
 * A stream socket and what came on it, in the hands of somebody who knows what to do with both. Start the socket in the
 * same turn: until then, what comes still goes into `chunks`, and an end is not told.
 */
export interface DetachedSocket {
  readonly socket: StreamSocket;
  /** What came and was not read; `null` for nothing. */
  readonly chunks: ChunkQueue | null;
  /** The peer has already sent the end of its stream. */
  readonly ended: boolean;
  /** The socket has already broken. */
  readonly error: NetError | null;
}

/** A write that waits. `bytes` is `null` for the end of the stream. */
interface PendingWrite {
  readonly bytes: Uint8Array | null;
}

/** How a TCP connection begins. */
export interface TcpOptions {
  /** Whether small writes leave at once (TCP_NODELAY). Default: true. */
  noDelay?: boolean;
  /**
   * Milliseconds without traffic after which the peer is asked whether it still lives; the system counts in seconds.
   * `false`: it is not asked. Default: 15 000.
   */
  keepAlive?: number | false;
}

/** Asks a socket for its options. */
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
  /** The write that the runtime is busy with: the first in the queue, unless it was given up. */
  #inFlight: PendingWrite | null = null;
  /** The end of the stream, once it is queued. */
  #writeEnd: Promise<void> | null = null;
  /** Why no write can follow, once the stream has a hole or an end. */
  #writeError: Error | null = null;

  #state: "open" | "closing" | "closed" | "detached" = "open";
  /** What broke the connection. */
  #error: NetError | null = null;
  /** The runtime has let go of the socket. */
  #gone = false;
  #closed: Promise<void> | null = null;
  #onClosed: (() => void) | null = null;
  #closeAlarm: Alarm | null = null;
  #readable: ReadableStream<Uint8Array> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;

  /**
   * @param options asked of the socket; `null` for one of which they were asked before
   * @param detached whether somebody else drives the socket already, so that the connection acts as closed
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

  /** Takes the socket out of a connection, for a protocol that drives it itself. The connection acts as closed. */
  static detach(conn: SocketConn): DetachedSocket {
    conn.#checkOpen("read");
    if (conn.#reads.size > 0 || conn.#writes.size > 0 || conn.#inFlight !== null) {
      throw new TypeError("Cannot take over the connection: a call is waiting on it");
    }
    if (conn.#writeEnd !== null || (conn.#writeError !== null && !conn.#gone)) {
      throw new TypeError("Cannot take over the connection: it can no more be written to");
    }
    conn.#state = "detached";
    conn.#stopDeadlines();
    // They were for a handshake, and the connection may last.
    conn.#readDeadline = null;
    conn.#writeDeadline = null;
    if (conn.#paused) conn.#socket.resume();
    return { socket: conn.#socket, chunks: conn.#chunks, ended: conn.#ended, error: conn.#error };
  }

  // ── Reading ──

  read(p: Uint8Array, options?: WaitOptions): Promise<number | null> {
    if (!(p instanceof Uint8Array)) {
      return Promise.reject(new TypeError("Cannot read: p is not a Uint8Array"));
    }
    return this.#read(p, options) as Promise<number | null>;
  }

  readChunk(options?: WaitOptions): Promise<Uint8Array | null> {
    return this.#read(null, options) as Promise<Uint8Array | null>;
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

  /** What can be read without waiting, or `undefined`. */
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

  /** Whether enough was read ahead. */
  #isFull(): boolean {
    return this.#chunks.bytes >= READ_AHEAD || this.#chunks.count >= READ_AHEAD_CHUNKS;
  }

  onData(chunk: Uint8Array, lent: boolean): void {
    if (this.#state === "closing") return;
    // A plain `slice`, which copies: chunks are no `Buffer`s.
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
    if (!(p instanceof Uint8Array)) {
      return Promise.reject(new TypeError("Cannot write: p is not a Uint8Array"));
    }
    return this.#write(p, options?.signal);
  }

  async closeWrite(): Promise<void> {
    this.#checkOpen("write");
    await (this.#writeEnd ??= this.#sendEnd());
  }

  async #sendEnd(): Promise<void> {
    try {
      await this.#write(null);
    } catch (error) {
      // It did not leave the queue: with a later deadline it may be sent again.
      this.#writeEnd = null;
      throw error;
    }
  }

  async #write(bytes: Uint8Array | null, signal?: AbortSignal): Promise<number> {
    this.#checkOpen("write");
    this.#checkWritable();
    signal?.throwIfAborted();
    if (this.#writeDeadline?.expired) throw this.#expired("write");
    if (bytes?.length === 0) return 0;
    const write: PendingWrite = { bytes };
    if (this.#inFlight === null && this.#send(write)) return sizeOf(write);
    const result = this.#writes.wait(write, signal, (aborted) => {
      // What waited its turn leaves no trace. What the runtime has begun leaves a hole.
      if (aborted === this.#inFlight) this.#breakWrites(this.#holeError(signal!.reason));
    });
    this.#writeDeadline?.startWait();
    return result;
  }

  /** Gives one write to the runtime; `false` when the runtime is still busy with it. */
  #send(write: PendingWrite): boolean {
    if (write.bytes === null) {
      this.#socket.closeWrite();
    } else if (!this.#socket.write(write.bytes)) {
      this.#inFlight = write;
      return false;
    }
    return true;
  }

  onDrain(): void {
    if (this.#inFlight !== null && this.#writes.first === this.#inFlight) {
      this.#writes.resolveFirst(sizeOf(this.#inFlight));
    }
    this.#inFlight = null;
    for (let next = this.#writes.first; next !== undefined; next = this.#writes.first) {
      if (!this.#send(next)) return;
      this.#writes.resolveFirst(sizeOf(next));
    }
    this.#writeDeadline?.endWait();
    if (this.#state === "closing") this.#socket.close();
  }

  /** No write can follow one of which only a part may have left. */
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

  /** The signal's reason is the aborted call's; others are told what it did to them. */
  #holeError(cause: unknown): NetError {
    const init = {
      op: "write",
      network: this.#network,
      addr: this.remoteAddr,
      code: "EPIPE",
      cause,
    } as const;
    return new NetError(init, "an earlier write was aborted on its way");
  }

  // ── Web streams ──

  get readable(): ReadableStream<Uint8Array> {
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
  }

  #expireWrites(): void {
    if (this.#state === "closing") return this.closeNow();
    const error = this.#expired("write");
    if (this.#inFlight !== null) this.#breakWrites(error);
    else this.#writes.rejectAll(error);
  }

  #expired(op: NetOp): DeadlineExceededError {
    return new DeadlineExceededError(op, this.#network, this.remoteAddr);
  }

  // ── Closing ──

  close(): Promise<void> {
    if (this.#closed !== null) return this.#closed;
    this.#closed = new Promise((resolve) => this.#onClosed = resolve);
    // What `closeNow` began, `onClose` ends.
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
    // A peer may have to be heard before it reads: what comes is let in, and dropped.
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

  /** The socket went though nobody closed it here: what came before is still read, then comes the error. */
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

  /** Reads fail as soon as `close` is called, though bytes still leave. */
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

  /** Also when it was taken over. */
  get #hasSocket(): boolean {
    return this.#state === "open" || this.#state === "detached";
  }

  get #network(): string {
    return this.remoteAddr.network;
  }
}

/** Runtimes round down, and take none for the system's own. */
function wholeSeconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000) * 1000;
}

/** What broke the socket, as the calls that fail by it are told. */
function seenBy(op: NetOp, error: NetError): NetError {
  // One of a class of its own says more than a call can.
  if (error.op === op || error.constructor !== NetError) return error;
  const { network, addr, code, cause } = error;
  return new NetError({ op, network, addr, code, cause });
}

function sizeOf(write: PendingWrite): number {
  return write.bytes?.length ?? 0;
}
