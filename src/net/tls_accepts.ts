import type { AddressLimit } from "./address_limit.ts";
import { Attempt } from "./attempt.ts";
import { NetError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import type { AcceptHandler, StreamSocket } from "./stream_socket.ts";
import type { TlsContext } from "./tls.ts";

/** A server's options of handshakes. */
export interface TlsAcceptOptions {
  /** Upper bound of a handshake's duration, milliseconds. */
  readonly handshakeTimeout: number;
  /** Upper bound of the handshakes at once, each of which takes memory before the peer has proved anything. */
  readonly maxHandshakes: number;
  /** Bounds the connections of each address; `null` for no bound. */
  readonly addressLimit: AddressLimit | null;
  /** Called with the error of each failed handshake. */
  readonly onHandshakeError: ((error: NetError) => void) | undefined;
}

/** What names a handshake in errors. */
type HandshakeOf = { op: "handshake"; network: "tcp"; addr: StreamSocket["remoteAddr"] };

/**
 * The stage between a runtime's listening socket and a TLS listener: passes sockets on once their handshake is done.
 */
export class TlsAccepts implements AcceptHandler {
  readonly #runtime: Runtime;
  readonly #context: TlsContext;
  readonly #options: TlsAcceptOptions;
  readonly #handler: AcceptHandler;
  /** The handshakes under way, the oldest first. */
  readonly #attempts = new Map<Attempt, StreamSocket>();
  #closed = false;

  constructor(runtime: Runtime, context: TlsContext, options: TlsAcceptOptions, handler: AcceptHandler) {
    this.#runtime = runtime;
    this.#context = context;
    this.#options = options;
    this.#handler = handler;
  }

  onAccept(socket: StreamSocket): void {
    const { addressLimit, maxHandshakes } = this.#options;
    if (this.#closed || addressLimit?.enter(socket.remoteAddr) === false) return socket.reset();
    if (this.#attempts.size >= maxHandshakes) this.#dropOldest();
    void this.#handshake(socket);
  }

  onError(error: NetError): void {
    this.#handler.onError(error);
  }

  /** Drops the connections whose handshakes are not done. */
  close(): void {
    this.#closed = true;
    for (const attempt of this.#attempts.keys()) attempt.abort(null);
  }

  /**
   * Drops the oldest connection that has sent nothing, or, when all have sent something, the oldest of all: a peer that
   * holds connections without a handshake keeps no other peer out.
   */
  #dropOldest(): void {
    let [oldest] = this.#attempts;
    for (const entry of this.#attempts) {
      if (!entry[1].isSilent) continue;
      oldest = entry;
      break;
    }
    const [attempt, socket] = oldest!;
    this.#attempts.delete(attempt);
    const reason = "dropped in favour of a newer connection, because maxHandshakes are under way";
    attempt.abort(new NetError({ ...handshakeOf(socket), code: "ECONNABORTED" }, reason));
  }

  async #handshake(socket: StreamSocket): Promise<void> {
    const { handshakeTimeout, addressLimit } = this.#options;
    const { remoteAddr } = socket;
    const attempt = new Attempt(this.#runtime.timers, handshakeOf(socket), { timeout: handshakeTimeout });
    this.#attempts.set(attempt, socket);
    try {
      const { signal } = attempt;
      const tls = await this.#context.handshake({ socket, received: [], serverName: "", signal });
      this.#handler.onAccept(addressLimit?.held(tls, remoteAddr) ?? tls);
    } catch (error) {
      addressLimit?.leave(remoteAddr);
      if (error instanceof NetError) this.#report(error);
    } finally {
      this.#attempts.delete(attempt);
      attempt.end();
    }
  }

  #report(error: NetError): void {
    try {
      this.#options.onHandshakeError?.(error);
    } catch {
      // A report that fails must not end the process, as it would from here.
    }
  }
}

function handshakeOf(socket: StreamSocket): HandshakeOf {
  return { op: "handshake", network: "tcp", addr: socket.remoteAddr };
}
