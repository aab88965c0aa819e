import { Attempt } from "./attempt.ts";
import { NetError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import type { AcceptHandler, StreamSocket } from "./stream_socket.ts";
import type { TlsContext } from "./tls.ts";

/**
 * Upper bound of the handshakes at once. Further connections are dropped, because a handshake takes memory before the
 * peer has proved anything.
 */
const MAX_HANDSHAKES = 1024;

/** A server's options of handshakes. */
export interface TlsAcceptOptions {
  /** Upper bound of a handshake's duration, milliseconds. */
  readonly handshakeTimeout: number;
  /** Called with the error of each failed handshake. */
  readonly onHandshakeError: ((error: NetError) => void) | undefined;
}

/**
 * The stage between a runtime's listening socket and a TLS listener: passes sockets on once their handshake is done.
 */
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
