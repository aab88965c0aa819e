import type { Addr } from "./addr.ts";
import type { Conn } from "./conn.ts";
import { NetError, type NetOp } from "./errors.ts";
import { type DetachedSocket, SocketConn } from "./socket_conn.ts";
import type { StreamHandler, StreamSocket } from "./stream_socket.ts";

/**
 * Takes a connection over for a protocol. A `SocketConn` gives up its socket; any other is driven by its own methods.
 */
export function takeOver(conn: Conn): DetachedSocket {
  if (SocketConn.is(conn)) return SocketConn.detach(conn);
  // The protocol above has deadlines of its own.
  conn.setDeadline(null);
  return { socket: new ConnSocket(conn), chunks: null, ended: false, error: null };
}

/** A stream socket over a {@linkcode Conn} that this library did not create. */
class ConnSocket implements StreamSocket {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  readonly #conn: Conn;
  #handler: StreamHandler | null = null;
  #reading = false;
  #paused = false;
  #ended = false;
  /** Whether `close` or `reset` was called. */
  #leaving = false;
  #closed = false;

  constructor(conn: Conn) {
    this.#conn = conn;
    this.localAddr = conn.localAddr;
    this.remoteAddr = conn.remoteAddr;
  }

  start(handler: StreamHandler): void {
    this.#handler = handler;
    // Deferred, because the connection may have bytes at once and `onData` must not be called from inside `start`.
    queueMicrotask(() => void this.#read());
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    void this.#read();
  }

  async #read(): Promise<void> {
    if (this.#reading || this.#handler === null) return;
    this.#reading = true;
    try {
      while (!this.#paused && !this.#ended && !this.#leaving) {
        const chunk = await this.#conn.readChunk();
        if (this.#leaving) return;
        this.#ended = chunk === null;
        if (chunk === null) this.#handler.onEnd();
        else this.#handler.onData(chunk, false);
      }
    } catch (error) {
      this.#break("read", error);
    } finally {
      this.#reading = false;
    }
  }

  write(bytes: Uint8Array): boolean {
    void this.#write(bytes);
    return false;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#conn.write(bytes);
      if (!this.#leaving) this.#handler?.onDrain();
    } catch (error) {
      this.#break("write", error);
    }
  }

  closeWrite(): void {
    void this.#call(() => this.#conn.closeWrite());
  }

  close(): void {
    this.#leaving = true;
    void this.#call(async () => {
      await this.#conn.close();
      this.#finish(null);
    });
  }

  reset(): void {
    this.#leaving = true;
    void this.#call(async () => {
      this.#conn.closeNow();
      await null;
      this.#finish(null);
    });
  }

  async #call(end: () => Promise<void>): Promise<void> {
    try {
      await end();
    } catch (error) {
      this.#break("close", error);
    }
  }

  /** Does nothing: options of a foreign connection are set by its creator. */
  setNoDelay(): void {}

  setKeepAlive(): void {}

  ref(): void {
    this.#conn.ref();
  }

  unref(): void {
    this.#conn.unref();
  }

  /**
   * Ends the socket when the connection broke or the handler threw. While this side closes, only errors of `close`
   * count.
   */
  #break(op: NetOp, error: unknown): void {
    if (this.#closed || this.#leaving && op !== "close") return;
    this.#leaving = true;
    const { network } = this.remoteAddr;
    this.#finish(
      error instanceof NetError ? error : new NetError({ op, network, code: "EIO", cause: error }),
    );
    void this.#call(async () => this.#conn.closeNow());
  }

  #finish(error: NetError | null): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#handler?.onClose(error);
    } catch {
      // The handler threw, but the socket is closed already.
    }
  }
}
