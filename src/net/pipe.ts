import { type Addr, PIPE_ADDR } from "./addr.ts";
import type { Conn } from "./conn.ts";
import { NetError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import { SocketConn } from "./socket_conn.ts";
import type { StreamHandler, StreamSocket } from "./stream_socket.ts";

/** Creates the two ends of an in-memory connection. See `pipe` in entries/net.ts. Go: `net.Pipe`, with a buffer. */
export function pipeOn(runtime: Runtime): [Conn, Conn] {
  const [a, b] = socketPair();
  return [new SocketConn(a, runtime.timers), new SocketConn(b, runtime.timers)];
}

/** Creates two connected in-memory sockets. */
export function socketPair(): [StreamSocket, StreamSocket] {
  const a = new PipeSocket();
  const b = new PipeSocket();
  a.join(b);
  b.join(a);
  return [a, b];
}

/** Upper bound of one delivery, bytes, so that a reader that pauses holds little. */
const PIECE = 65536;

/**
 * One end of an in-memory connection. Bytes are copied once, from the writer's array into one that the reader owns.
 * There is no other buffer: bytes that the reader is not ready for stay in the writer's array, and the write ends once
 * they are copied.
 */
class PipeSocket implements StreamSocket {
  readonly localAddr: Addr = PIPE_ADDR;
  readonly remoteAddr: Addr = PIPE_ADDR;
  #peer!: PipeSocket;
  #handler: StreamHandler | null = null;
  #paused = false;
  /** The array given to `write`, until the peer has taken all of it; bytes before `#taken` were taken. */
  #outgoing: Uint8Array | null = null;
  #taken = 0;
  #writeEnded = false;
  #endDelivered = false;
  #closed = false;
  #closeError: NetError | null = null;
  /** The handler whose `onClose` was called last. */
  #told: StreamHandler | null = null;
  #scheduled = false;

  join(peer: PipeSocket): void {
    this.#peer = peer;
  }

  start(handler: StreamHandler): void {
    this.#handler = handler;
    this.#peer.#schedule();
    if (this.#closed) queueMicrotask(() => this.#reportClose());
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#peer.#schedule();
  }

  write(bytes: Uint8Array): boolean {
    this.#outgoing = bytes;
    this.#taken = 0;
    this.#schedule();
    return false;
  }

  takeBack(): boolean {
    // Not `slice`, which returns a view when the array is a Node `Buffer`.
    this.#outgoing &&= new Uint8Array(this.#outgoing.subarray(this.#taken));
    this.#taken = 0;
    return true;
  }

  closeWrite(): void {
    this.#writeEnded = true;
    this.#schedule();
  }

  close(): void {
    this.#writeEnded = true;
    this.#schedule();
    this.#finish(null);
    // As with a kernel's socket, a peer that goes on writing after this fails.
    this.#peer.#schedule();
  }

  reset(): void {
    this.#finish(null);
    this.#peer.#break("ECONNRESET");
  }

  setNoDelay(): void {}

  setKeepAlive(): void {}

  /** Does nothing: an in-memory connection never keeps the process alive. */
  ref(): void {}

  unref(): void {}

  /** Delivers in a microtask, so that no handler is called from inside one of its own calls. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const peer = this.#peer;
    if (this.#outgoing !== null && peer.#closed) return this.#break("EPIPE");
    if (peer.#handler === null || peer.#closed || peer.#paused) return;
    if (this.#outgoing !== null) {
      // Not `slice`, which returns a view when the array is a Node `Buffer`.
      const piece = new Uint8Array(this.#outgoing.subarray(this.#taken, this.#taken + PIECE));
      this.#taken += piece.length;
      const drained = this.#taken === this.#outgoing.length;
      if (drained) this.#outgoing = null;
      peer.#tell(() => peer.#handler!.onData(piece, false));
      if (drained && !this.#closed) this.#tell(() => this.#handler?.onDrain());
      if (!drained || this.#writeEnded) this.#schedule();
    } else if (this.#writeEnded && !this.#endDelivered) {
      this.#endDelivered = true;
      peer.#tell(() => peer.#handler!.onEnd());
    }
  }

  #tell(call: () => void): void {
    try {
      call();
    } catch (cause) {
      this.#finish(new NetError({ op: "read", network: "pipe", code: "EIO", cause }));
      this.#peer.#break("ECONNRESET");
    }
  }

  #break(code: string): void {
    this.#finish(new NetError({ op: code === "EPIPE" ? "write" : "read", network: "pipe", code }));
  }

  #finish(error: NetError | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeError = error;
    this.#outgoing = null;
    queueMicrotask(() => this.#reportClose());
  }

  #reportClose(): void {
    const handler = this.#handler;
    if (handler === null || handler === this.#told) return;
    this.#told = handler;
    try {
      handler.onClose(this.#closeError);
    } catch {
      // The handler threw, but the socket is closed already.
    }
  }
}
