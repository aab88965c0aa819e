/** The contracts of streams: {@linkcode Conn} and {@linkcode Listener}, in the shape of Go's package net. */

import type { Addr } from "./addr.ts";
import type { Deadline } from "./deadline.ts";

/** Something to read bytes from. Go: `io.Reader`. */
export interface Reader {
  /** Fills what it can of `p` and resolves to how many bytes, at least one; `null` at the end of the stream. */
  read(p: Uint8Array): Promise<number | null>;
}

/** Something to write bytes to. Go: `io.Writer`. */
export interface Writer {
  /** Writes all of `p` or fails. `p` must stay as it is until the promise settles. */
  write(p: Uint8Array): Promise<number>;
}

/** What every waiting call takes. */
export interface WaitOptions {
  /**
   * Rejects the call with the signal's reason. The connection lives on, and no byte is lost; but when a part of an
   * aborted write may have left, the stream has a hole: later writes fail, reads go on.
   */
  signal?: AbortSignal;
}

/**
 * A connection: bytes both ways, in order. Go: `net.Conn`.
 *
 * Its calls may be made at the same time from anywhere; reads are served in order of calling, writes leave in order
 * of calling. A call fails with {@linkcode DeadlineExceededError} when its direction's deadline passes, with
 * {@linkcode ClosedError} after `close`, with {@linkcode NetError} when the connection breaks.
 */
export interface Conn extends Reader, Writer, AsyncDisposable {
  /** This end. */
  readonly localAddr: Addr;
  /** The other end. */
  readonly remoteAddr: Addr;
  /**
   * The bytes that come, as a web stream, made when first asked for. It reads a chunk when somebody wants one, and none
   * ahead. Cancelling it stops that, no more: nothing is lost, the connection stays open and can still be read.
   */
  readonly readable: ReadableStream<Uint8Array>;
  /**
   * A web stream to write to, made when first asked for. A write ends when the runtime has taken it; closing the stream
   * is `closeWrite`, aborting it `closeNow`.
   */
  readonly writable: WritableStream<Uint8Array>;
  /** Fills what it can of `p`; `null` at the end of the stream. */
  read(p: Uint8Array, options?: WaitOptions): Promise<number | null>;
  /** The next bytes as they came, without a copy; they are the caller's. `null` at the end of the stream. */
  readChunk(options?: WaitOptions): Promise<Uint8Array | null>;
  /** Resolves to `p.length` when the runtime has taken all of it. */
  write(p: Uint8Array, options?: WaitOptions): Promise<number>;
  /** Half-close: sends what is queued, then the end of the stream. Reads go on. Go: `TCPConn.CloseWrite`. */
  closeWrite(): Promise<void>;
  /**
   * Sends what is queued, up to the write deadline, then closes. A second call waits for the first. Pending reads fail at
   * once; pending writes resolve as they leave, and fail if they cannot.
   */
  close(): Promise<void>;
  /** Drops the connection at once, with what is queued; the peer sees a reset where the runtime can send one. */
  closeNow(): void;
  /** Both deadlines at once. Go: `Conn.SetDeadline`. */
  setDeadline(t: Deadline): void;
  /** When pending and later reads fail. Moving it makes the connection readable again. `null`: never. */
  setReadDeadline(t: Deadline): void;
  /**
   * When pending and later writes fail. After a write that expired when a part of it was taken, later writes fail
   * the same way, because the stream has a hole; reads go on.
   */
  setWriteDeadline(t: Deadline): void;
  /** Lets the open connection keep the process alive, as it does from the start. Does nothing after `close`. */
  ref(): void;
  /** Lets the process end though the connection is open; a call that waits on it then never settles. */
  unref(): void;
}

/** A TCP connection. Go: `net.TCPConn`. */
export interface TcpConn extends Conn {
  /** Sends small writes at once (TCP_NODELAY). On from the start. */
  setNoDelay(on?: boolean): void;
  /** TCP keep-alive. On from the start, with 15 seconds; the idle time is rounded up to whole ones. */
  setKeepAlive(on?: boolean, idleMs?: number): void;
}

/** Accepts connections. Go: `net.Listener`. */
export interface Listener<C extends Conn = Conn> extends AsyncIterable<C>, AsyncDisposable {
  /** Where it listens. */
  readonly addr: Addr;
  /** The next connection. Rejects with `ClosedError` after `close`; `for await` ends then. */
  accept(options?: WaitOptions): Promise<C>;
  /** When pending and later `accept` calls fail. */
  setDeadline(t: Deadline): void;
  /** Lets the listener keep the process alive, as it does from the start. Does nothing after `close`. */
  ref(): void;
  /** Lets the process end though the listener is open. What it accepts keeps the process alive on its own account. */
  unref(): void;
  /** Stops listening. Connections that nobody accepted are dropped, accepted ones stay. */
  close(): Promise<void>;
}
