import type { Addr } from "../src/net/addr.ts";
import type { NetError } from "../src/net/errors.ts";
import type { StreamHandler } from "../src/net/stream_socket.ts";
import type { Ends } from "./ends.ts";
import { netError } from "./net_errors.ts";

/**
 * Base of the adapters' stream sockets: addresses, handler, and the report of the close, which each handler gets once. A
 * subclass calls the rest of the handler by itself. `handler`, `leaving` and `closed` are plain fields, as each chunk and
 * each write reads them.
 */
export abstract class AdapterSocket {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  /** The handler given to the last call of `start`. */
  protected handler: StreamHandler | null = null;
  /** Whether `close` or `reset` was called: only `onClose` may follow, and without an error. */
  protected leaving = false;
  /** Whether the runtime's socket is gone. */
  protected closed = false;
  #error: unknown = null;
  /** The last handler whose `onClose` was called. */
  #informed: StreamHandler | null = null;

  constructor({ localAddr, remoteAddr }: Ends) {
    this.localAddr = localAddr;
    this.remoteAddr = remoteAddr;
  }

  /** Whether an error was noted. */
  protected get broken(): boolean {
    return this.#error !== null;
  }

  /** Notes the error that broke the socket: the runtime's, or the handler's. Only the first counts; `null` is not one. */
  protected noteError(error: unknown): void {
    this.#error ??= error;
  }

  /** Maps a noted error to the error that `onClose` gets. */
  protected errorOf(error: unknown): NetError {
    return netError(error, "read", this.remoteAddr.network, this.remoteAddr);
  }

  /** Calls the current handler's `onClose`, unless that handler has been called already. */
  protected reportClose(): void {
    const handler = this.handler;
    if (handler === null || handler === this.#informed) return;
    this.#informed = handler;
    const error = this.leaving || this.#error === null ? null : this.errorOf(this.#error);
    try {
      handler.onClose(error);
    } catch {
      // A throw breaks the handler's socket, and that socket is gone already.
    }
  }

  /** Reports the close in a microtask, for callers inside `start`, `close` or `reset`, where no call may be made. */
  protected reportCloseLater(): void {
    queueMicrotask(() => this.reportClose());
  }
}
