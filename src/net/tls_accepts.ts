import { Attempt } from "./attempt.ts";
import { NetError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import type { AcceptHandler, StreamSocket } from "./stream_socket.ts";
import type { TlsContext } from "./tls.ts";

/** Handshakes at once; more are dropped, because each takes memory before anybody is known to be there. */
const MAX_HANDSHAKES = 1024;

/** What a server says of handshakes. */
export interface TlsAcceptOptions {
  /** Milliseconds. */
  readonly handshakeTimeout: number;
  /** Told of each handshake that failed. */
  readonly onHandshakeError: ((error: NetError) => void) | undefined;
}

/** Stands between a runtime's listening socket and a listener: passes a socket on once its handshake is done. */
export class TlsAccepts implements AcceptHandler {
  readonly #runtime: Runtime;
  readonly #context: TlsContext;
  readonly #options: TlsAcceptOptions;
  readonly #handler: AcceptHandler;
  readonly #attempts = new Set<Attempt>();
  #closed = false;

  constructor(runtime: Runtime, context: TlsContext, options: TlsAcceptOptions, handler: AcceptHandler) {
    this.#runtime = runtime;
    this.#context = context;
    this.#options = options;
    this.#handler = handler;
  }

  onAccept(socket: StreamSocket): void {
    if (this.#closed || this.#attempts.size >= MAX_HANDSHAKES) socket.reset();
    else void this.#handshake(socket);
  }

  onError(error: NetError): void {
    this.#handler.onError(error);
  }

  /** Drops the connections whose handshakes are not done. */
  close(): void {
    this.#closed = true;
    for (const attempt of this.#attempts) attempt.abort(null);
  }

  async #handshake(socket: StreamSocket): Promise<void> {
    const what = { op: "handshake", network: "tcp", addr: socket.remoteAddr } as const;
    const attempt = new Attempt(this.#runtime.timers, what, { timeout: this.#options.handshakeTimeout });
    this.#attempts.add(attempt);
    try {
      const { signal } = attempt;
      this.#handler.onAccept(
        await this.#context.handshake({ socket, received: [], serverName: "", signal }),
      );
    } catch (error) {
      if (error instanceof NetError) this.#options.onHandshakeError?.(error);
    } finally {
      this.#attempts.delete(attempt);
      attempt.end();
    }
  }
}
