import { NetError } from "../src/net/errors.ts";
import type { StreamHandler, StreamSocket } from "../src/net/stream_socket.ts";
import { AdapterSocket } from "./adapter_socket.ts";
import type { Ends } from "./ends.ts";

/** The part of Bun's TCP socket that is used here, declared so that every type checker can read this file. */
export interface BunTcpSocket {
  data: BunSocket;
  // `undefined` once the peer has reset the connection.
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  write(bytes: Uint8Array, offset: number, length: number): number;
  pause(): void;
  resume(): void;
  shutdown(): void;
  end(): void;
  terminate(): void;
  setNoDelay(on: boolean): boolean;
  setKeepAlive(on: boolean, idleMs: number): boolean;
  ref(): void;
  unref(): void;
  reload(options: { readonly socket: BunSocketHandler }): void;
}

/** Callbacks of Bun's TCP sockets. */
export interface BunSocketHandler {
  readonly binaryType: "uint8array";
  open?(socket: BunTcpSocket): void;
  data(socket: BunTcpSocket, chunk: Uint8Array): void;
  drain(socket: BunTcpSocket): void;
  end(socket: BunTcpSocket): void;
  close(socket: BunTcpSocket, error?: Error): void;
  error(socket: BunTcpSocket, error: Error): void;
}

/** The one handler object of all sockets: `socket.data` leads to the `BunSocket`, and is missing when `open` failed. */
export const socketHandler: BunSocketHandler = {
  // Plain arrays: the `slice` of a `Buffer` does not copy.
  binaryType: "uint8array",
  data: (socket, chunk) => socket.data?.onData(chunk),
  drain: (socket) => socket.data?.onDrain(),
  end: (socket) => socket.data?.onEnd(),
  close: (socket, error) => socket.data?.onClose(error ?? null),
  error: (socket, error) => socket.data?.onThrow(error),
};

/**
 * Bytes from which a chunk is lent and its memory freed at once. Saves a tenth of what an echo of 1 KiB, 64 KiB or 1 MiB
 * costs, with 32, 4 and 2 in flight (`bench/run.ts`).
 */
const LENT_FROM = 32768;

/** A stream socket over a connected socket of Bun. */
export class BunSocket extends AdapterSocket implements StreamSocket {
  readonly #socket: BunTcpSocket;
  /** Chunks that came before `start`. */
  #early: Uint8Array[] | null = null;
  /** Whether a microtask is queued that tells the handler of everything that came before `start`. */
  #catchingUp = false;
  #paused = false;
  #ended = false;
  /** Bun turns TCP_NODELAY on itself, on both sides. */
  #noDelay = true;
  /** The last write, while the kernel has not taken all of it: bytes from `#restStart` on are left. */
  #rest: Uint8Array | null = null;
  #restStart = 0;

  constructor(socket: BunTcpSocket, ends: Ends) {
    super(ends);
    this.#socket = socket;
    socket.data = this;
  }

  /** Pauses a socket that has no handler yet. */
  pauseUntilStarted(): void {
    if (this.handler === null && !this.closed) this.pause();
  }

  get readsPastFailure(): boolean {
    return true;
  }

  start(handler: StreamHandler): void {
    const first = this.handler === null;
    this.handler = handler;
    if (!first) return this.closed ? this.reportCloseLater() : undefined;
    // In a microtask, because the caller of `start` is not ready for calls yet.
    this.#catchingUp = this.#early !== null || this.#ended || this.closed;
    if (this.#catchingUp) queueMicrotask(() => this.#catchUp());
    if (this.#paused) this.resume();
  }

  #catchUp(): void {
    const early = this.#early ?? [];
    this.#early = null;
    this.#catchingUp = false;
    try {
      for (const chunk of early) this.onData(chunk);
      if (this.#ended) this.#reportEnd();
    } catch (error) {
      this.onThrow(error);
    }
    if (this.closed) this.reportClose();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  write(bytes: Uint8Array): boolean {
    const taken = this.#socket.write(bytes, 0, bytes.length);
    if (taken === bytes.length) return true;
    this.#rest = bytes;
    this.#restStart = 0;
    this.#onTaken(taken);
    return false;
  }

  takeBack(): boolean {
    // Not `slice`, which returns a view when the array is a Node `Buffer`.
    this.#rest &&= new Uint8Array(this.#rest.subarray(this.#restStart));
    this.#restStart = 0;
    return true;
  }

  closeWrite(): void {
    this.#socket.shutdown();
  }

  close(): void {
    this.leaving = true;
    this.#socket.shutdown();
    this.#socket.end();
  }

  reset(): void {
    this.leaving = true;
    this.#socket.terminate();
  }

  setNoDelay(on: boolean): void {
    if (on === this.#noDelay) return;
    this.#noDelay = on;
    this.#socket.setNoDelay(on);
  }

  setKeepAlive(on: boolean, idleMs: number): void {
    this.#socket.setKeepAlive(on, idleMs);
  }

  ref(): void {
    if (!this.closed) this.#socket.ref();
  }

  unref(): void {
    if (!this.closed) this.#socket.unref();
  }

  // ── From Bun ──

  onData(chunk: Uint8Array): void {
    if (this.leaving) return;
    if (this.handler !== null && !this.#catchingUp) {
      const lent = chunk.length >= LENT_FROM && this.handler.copiesLong === true;
      this.handler.onData(chunk, lent);
      if (lent) free(chunk);
    } else (this.#early ??= []).push(chunk);
  }

  onDrain(): void {
    const rest = this.#rest;
    if (rest === null || this.leaving) return;
    const length = rest.length - this.#restStart;
    const taken = this.#socket.write(rest, this.#restStart, length);
    if (taken < length) return this.#onTaken(taken);
    this.#rest = null;
    this.handler?.onDrain();
  }

  /** @param taken bytes, fewer than were given; or -1 when the connection is broken, and `close` is going to come */
  #onTaken(taken: number): void {
    if (taken >= 0) this.#restStart += taken;
    else if (!this.closed && !this.broken) this.noteError(this.#brokenPipe());
  }

  #brokenPipe(): NetError {
    const { remoteAddr } = this;
    return new NetError({ op: "write", network: remoteAddr.network, addr: remoteAddr, code: "EPIPE" });
  }

  onEnd(): void {
    if (this.#ended || this.leaving || this.broken) return;
    this.#ended = true;
    if (!this.#catchingUp) this.#reportEnd();
  }

  #reportEnd(): void {
    if (!this.leaving) this.handler?.onEnd();
  }

  /** The handler threw. */
  onThrow(error: unknown): void {
    this.noteError(error);
    this.#socket.terminate();
  }

  onClose(error: Error | null): void {
    this.closed = true;
    this.noteError(error);
    this.#rest = null;
    try {
      if (!this.broken) this.onEnd();
    } catch (thrown) {
      this.noteError(thrown);
    }
    if (!this.#catchingUp) this.reportClose();
  }
}

/** Frees a chunk's memory now, for the next chunk to use, instead of when the collector comes to it. */
function free({ buffer }: Uint8Array): void {
  (buffer as unknown as { transfer?(length: number): void }).transfer?.(0);
}
