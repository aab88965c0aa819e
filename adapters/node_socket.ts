import type { Socket } from "node:net";
import type { StreamHandler, StreamSocket } from "../src/net/stream_socket.ts";
import { AdapterSocket } from "./adapter_socket.ts";
import type { Ends } from "./ends.ts";

const NOTHING = new Uint8Array(0);

/** Property of a `node:net` socket that leads to its `NodeSocket`. */
const owner = Symbol("owner");

interface OwnedSocket extends Socket {
  [owner]: NodeSocket;
}

/** A stream socket over a connected socket of `node:net`. */
export class NodeSocket extends AdapterSocket implements StreamSocket {
  readonly #socket: Socket;
  /** Whether an end that comes from now on is none. */
  protected falseEnd = false;

  constructor(socket: Socket, ends: Ends) {
    super(ends);
    this.#socket = socket;
    (socket as OwnedSocket)[owner] = this;
    // From the beginning, because an `error` event without a listener ends the process.
    socket.on("error", NodeSocket.#hearError);
    socket.on("close", NodeSocket.#hearClose);
  }

  // Listeners, called with the socket for `this`. Closures for each socket would be a good part of an idle one's memory.

  static #hearError(this: Socket, error: unknown): void {
    (this as OwnedSocket)[owner].noteError(error);
  }

  static #hearClose(this: Socket): void {
    (this as OwnedSocket)[owner].#onClose();
  }

  static #hearData(this: Socket, { buffer, byteOffset, length }: Uint8Array): void {
    // A plain view: the `slice` of a `Buffer` does not copy.
    (this as OwnedSocket)[owner].#onData(new Uint8Array(buffer, byteOffset, length));
  }

  static #hearEnd(this: Socket): void {
    (this as OwnedSocket)[owner].#onEnd();
  }

  /** Also right once the socket was released to `node:tls`. */
  get isSilent(): boolean {
    return this.#socket.bytesRead === 0;
  }

  start(handler: StreamHandler): void {
    const first = this.handler === null;
    this.handler = handler;
    if (this.closed) return this.reportCloseLater();
    if (!first) return;
    this.#socket.on("data", NodeSocket.#hearData);
    this.#socket.on("end", NodeSocket.#hearEnd);
    this.#socket.resume();
  }

  #onData(chunk: Uint8Array): void {
    if (this.leaving) return;
    try {
      this.handler!.onData(chunk, false);
    } catch (error) {
      this.#fail(error);
    }
  }

  #onEnd(): void {
    if (this.leaving || this.falseEnd) return;
    try {
      this.handler!.onEnd();
    } catch (error) {
      this.#fail(error);
    }
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    socket.write(bytes);
    if (socket.writableLength === 0) return true;
    socket.write(NOTHING, (error) => this.onTaken(error));
    return false;
  }

  /**
   * Gives away the socket of `node:net`, for a part of Node that drives such a socket itself. Bytes that come before that
   * part reads wait in the kernel.
   *
   * @returns `null` when this socket was started or is closed
   */
  release(): Socket | null {
    if (this.handler !== null || this.closed) return null;
    return this.#socket;
  }

  /** Callback of a write that the kernel did not take at once. */
  protected onTaken(error: Error | null | undefined): void {
    if (error || this.leaving || this.closed) return;
    try {
      this.handler?.onDrain();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The handler threw. */
  #fail(error: unknown): void {
    this.noteError(error);
    this.drop();
  }

  closeWrite(): void {
    this.#socket.end();
  }

  close(): void {
    this.leaving = true;
    this.#socket.destroySoon();
  }

  reset(): void {
    this.leaving = true;
    this.drop();
  }

  /** Ends the connection at once: by a reset, where `node:net` can send one now. */
  protected drop(): void {
    const { writableEnded, writableFinished } = this.#socket;
    const isUnix = this.remoteAddr.network === "unix";
    if (isUnix || writableEnded && !writableFinished) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  setNoDelay(on: boolean): void {
    this.#socket.setNoDelay(on);
  }

  setKeepAlive(on: boolean, idleMs: number): void {
    this.#socket.setKeepAlive(on, idleMs);
  }

  ref(): void {
    // On a destroyed socket `node:net` waits for a `connect` that never comes.
    if (!this.#socket.destroyed) this.#socket.ref();
  }

  unref(): void {
    if (!this.#socket.destroyed) this.#socket.unref();
  }

  #onClose(): void {
    this.closed = true;
    this.reportClose();
  }
}
