import type { Addr } from "./addr.ts";
import type { StreamHandler, StreamSocket } from "./stream_socket.ts";
import { connectionStateOf, type TlsConnectionState, type TlsSocket } from "./tls.ts";

/** Wraps a socket, under TLS or not, so that `onGone` is called once when it is closed. */
export function countedSocket(socket: StreamSocket, onGone: () => void): StreamSocket {
  const state = connectionStateOf(socket);
  return state === null ? new CountedSocket(socket, onGone) : new CountedTlsSocket(socket, onGone, state);
}

/**
 * A socket that calls `onGone` once when it is closed. Used only where connections are counted, to save the
 * indirection.
 */
class CountedSocket implements StreamSocket {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  readonly #socket: StreamSocket;
  #onGone: (() => void) | null;
  #started = false;

  constructor(socket: StreamSocket, onGone: () => void) {
    this.#socket = socket;
    this.#onGone = onGone;
    this.localAddr = socket.localAddr;
    this.remoteAddr = socket.remoteAddr;
  }

  get readsPastFailure(): boolean {
    return this.#socket.readsPastFailure ?? false;
  }

  start(handler: StreamHandler): void {
    this.#started = true;
    this.#socket.start({
      copiesLong: handler.copiesLong ?? false,
      onData: (chunk, lent) => handler.onData(chunk, lent),
      onEnd: () => handler.onEnd(),
      onDrain: () => handler.onDrain(),
      onClose: (error) => {
        this.#tell();
        handler.onClose(error);
      },
    });
  }

  #tell(): void {
    const onGone = this.#onGone;
    this.#onGone = null;
    onGone?.();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.write(bytes);
  }

  takeBack(): boolean {
    return this.#socket.takeBack?.() ?? false;
  }

  closeWrite(): void {
    this.#socket.closeWrite();
  }

  close(): void {
    this.#socket.close();
    if (!this.#started) this.#tell();
  }

  reset(): void {
    this.#socket.reset();
    // The close of a socket that was never started is not reported.
    if (!this.#started) this.#tell();
  }

  setNoDelay(on: boolean): void {
    this.#socket.setNoDelay(on);
  }

  setKeepAlive(on: boolean, idleMs: number): void {
    this.#socket.setKeepAlive(on, idleMs);
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }
}

class CountedTlsSocket extends CountedSocket implements TlsSocket {
  readonly connectionState: TlsConnectionState;

  constructor(socket: StreamSocket, onGone: () => void, connectionState: TlsConnectionState) {
    super(socket, onGone);
    this.connectionState = connectionState;
  }
}
