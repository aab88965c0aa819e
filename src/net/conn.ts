/** Interfaces of stream sockets, {@linkcode Conn} and {@linkcode Listener}, in the shape of Go's package net. */

import type { Addr } from "./addr.ts";
import type { Deadline } from "./deadline.ts";

/** A source of bytes. Go: `io.Reader`. */
export interface Reader {
  /** Reads bytes into `p` and resolves to their number, at least one; `null` at the end of the stream. */
  read(p: Uint8Array): Promise<number | null>;
}

/** A sink of bytes. Go: `io.Writer`. */
export interface Writer {
  /** Writes all of `p`, or fails, and resolves to `p.length`. `p` must not be changed until the promise settles. */
  write(p: Uint8Array): Promise<number>;
}

/** Options of every call that may wait. */
export interface WaitOptions {
  /**
   * Rejects the call with the signal's reason. The connection stays open, and no received byte is lost. When a part of
   * an aborted write may have been sent, the stream has a hole: later writes fail, reads go on.
   */
  signal?: AbortSignal;
}

/**
 * A connection: a stream of bytes in each direction. Go: `net.Conn`.
 *
 * Calls may overlap: reads are served, and writes are sent, in the order of the calls. A call fails with
 * {@linkcode DeadlineExceededError} when its direction's deadline passes, with {@linkcode ClosedError} after `close`,
 * with {@linkcode NetError} when the connection breaks.
 */
export interface Conn extends Reader, Writer, AsyncDisposable {
  /** Address of this end. */
  readonly localAddr: Addr;
  /** Address of the other end. */
  readonly remoteAddr: Addr;
  /**
   * The received bytes as a web stream, created on first access. A chunk is read when one is wanted, and none in
   * advance. Cancelling only stops that reading: no byte is lost, and the connection stays open and can still be read.
   */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * A web stream to write to, created on first access. A write ends when the runtime has accepted its bytes. Closing
   * the stream calls `closeWrite`, aborting it calls `closeNow`.
   */
  readonly writable: WritableStream<Uint8Array>;
  /** Reads bytes into `p` and resolves to their number, at least one; `null` at the end of the stream. */
  read(p: Uint8Array, options?: WaitOptions): Promise<number | null>;
  /** The next received bytes, without a copy; the caller owns them. `null` at the end of the stream. */
  readChunk(options?: WaitOptions): Promise<Uint8Array<ArrayBuffer> | null>;
  /**
   * Writes all of `p`. Resolves to `p.length` when the runtime has accepted the bytes; `p` must not be changed before.
   */
  write(p: Uint8Array, options?: WaitOptions): Promise<number>;
  /** Half-closes: sends the queued bytes, then the end of the stream. Reads go on. Go: `TCPConn.CloseWrite`. */
  closeWrite(): Promise<void>;
  /**
   * Sends the queued bytes, for at most 10 seconds and no longer than the write deadline allows, then closes. A second
   * call waits for the first. Pending reads fail at once; pending writes resolve once they are sent, and fail if they
   * cannot be.
   */
  close(): Promise<void>;
  /** Drops the connection and all queued bytes at once. The peer sees a reset where the runtime can send one. */
  closeNow(): void;
  /** Sets both deadlines. Go: `Conn.SetDeadline`. */
  setDeadline(t: Deadline): void;
  /**
   * Sets the time at which pending and later reads fail; `null` for never. Moving it makes the connection readable
   * again.
   */
  setReadDeadline(t: Deadline): void;
  /**
   * Sets the time at which pending and later writes fail; `null` for never. When a write expires after a part of it was
   * accepted, the stream has a hole: later writes fail with the same error, reads go on.
   */
  setWriteDeadline(t: Deadline): void;
  /** Makes the open connection keep the process alive, which is the default. Does nothing after `close`. */
  ref(): void;
  /** Lets the process exit although the connection is open; calls that wait on it then never settle. */
  unref(): void;
}

/** A TCP connection. Go: `net.TCPConn`. */
export interface TcpConn extends Conn {
  /** Whether small writes are sent at once (TCP_NODELAY). Default: on. */
  setNoDelay(on?: boolean): void;
  /**
   * Whether TCP keep-alive probes an idle peer. Default: on.
   *
   * @param idleMs idle time before the first probe, milliseconds, rounded up to whole seconds. Default: 15 000
   */
  setKeepAlive(on?: boolean, idleMs?: number): void;
}

/**
 * Accepts connections. Go: `net.Listener`. The second type is that of its address: a listener on `"tcp"` has a
 * {@linkcode TcpAddr}, with a port.
 */
export interface Listener<C extends Conn = Conn, A extends Addr = Addr>
  extends AsyncIterable<C>, AsyncDisposable {
  /** The address on which it listens. */
  readonly addr: A;
  /** Resolves to the next connection. After `close` it rejects with `ClosedError`, and `for await` ends. */
  accept(options?: WaitOptions): Promise<C>;
  /** Sets the time at which pending and later `accept` calls fail; `null` for never. */
  setDeadline(t: Deadline): void;
  /** Makes the open listener keep the process alive, which is the default. Does nothing after `close`. */
  ref(): void;
  /** Lets the process exit although the listener is open. Accepted connections keep the process alive independently. */
  unref(): void;
  /** Stops listening. Connections not yet accepted are dropped; accepted ones stay open. */
  close(): Promise<void>;
}
