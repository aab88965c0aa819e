import type { Addr } from "./addr.ts";
import { ChunkQueue } from "./chunk_queue.ts";
import type { Conn } from "./conn.ts";
import { NetError } from "./errors.ts";
import { type DetachedSocket, SocketConn } from "./socket_conn.ts";
import type { StreamHandler, StreamSocket } from "./stream_socket.ts";

/** Takes a connection over, to drive it from below: ours by its socket, any other through its own calls. */
export function takeOver(conn: Conn): DetachedSocket {
  if (conn instanceof SocketConn) return SocketConn.detach(conn);
  return { socket: new ConnSocket(conn), chunks: new ChunkQueue(), ended: false, error: null };
}

/** A {@linkcode Conn} that somebody else made, as a stream socket. */
class ConnSocket implements StreamSocket {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  readonly #conn: Conn;
  #handler: StreamHandler | null = null;
  #reading = false;
  #paused = false;
  #ended = false;
  #closed = false;

  constructor(conn: Conn) {
    this.#conn = conn;
    this.localAddr = conn.localAddr;
    this.remoteAddr = conn.remoteAddr;
  }

  start(handler: StreamHandler): void {
    this.#handler = handler;
    void this.#read();
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
      while (!this.#paused && !this.#ended && !this.#closed) {
        const chunk = await this.#conn.readChunk();
        if (this.#closed) return;
        if (chunk === null) {
          this.#ended = true;
          this.#handler.onEnd();
        } else {
          this.#handler.onData(chunk);
        }
      }
    } catch (error) {
      this.#break("read", error);
    } finally {
      this.#reading = false;
    }
  }

  write(bytes: Uint8Array): boolean {
    this.#conn.write(bytes).then(
      () => this.#closed || this.#handler?.onDrain(),
      (error) => this.#break("write", error),
    );
    return false;
  }

  closeWrite(): void {
    this.#conn.closeWrite().catch((error) => this.#break("write", error));
  }

  close(): void {
    this.#conn.close().then(() => this.#finish(null), (error) => this.#break("close", error));
  }

  reset(): void {
    this.#conn.closeNow();
    queueMicrotask(() => this.#finish(null));
  }

  /** Up to whoever made the connection. */
  setNoDelay(): void {}

  setKeepAlive(): void {}

  #break(op: "read" | "write" | "close", error: unknown): void {
    if (this.#closed) return;
    this.#conn.closeNow();
    const { network } = this.remoteAddr;
    this.#finish(
      error instanceof NetError ? error : new NetError({ op, network, code: "EIO", cause: error }),
    );
  }

  #finish(error: NetError | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handler?.onClose(error);
  }
}
