import type { Duplex } from "node:stream";
import type { Server, TLSSocket } from "node:tls";
import { Deferred } from "../src/net/deferred.ts";
import { NetError, TlsError } from "../src/net/errors.ts";
import type { StreamSocket } from "../src/net/stream_socket.ts";
import type { TlsConnectionState, TlsSocket } from "../src/net/tls.ts";
import { SocketStream } from "./socket_stream.ts";
import { tlsCode, tlsError } from "./tls_errors.ts";
import { NodeTlsSocket } from "./tls_socket.ts";

/** One handshake, from the stream to the socket under TLS. */
export class Handshake {
  readonly #socket: StreamSocket;
  readonly #stream: Duplex;
  readonly #signal: AbortSignal | null;
  #tls: TLSSocket | null = null;
  readonly #deferred = new Deferred<TlsSocket>();
  /** Whether the promise is settled. */
  #done = false;
  readonly #onAbort = (): void => this.#fail(this.#signal!.reason);
  readonly #onError = (error: unknown): void => this.#fail(this.#mapped(error));
  /** Fails in the next turn: an event with the cause may follow in this one. */
  readonly #onClose = (): void =>
    void setImmediate(() => this.#fail(this.#failure(this.#alerted ? "ETLS" : "ECONNRESET")));

  constructor(socket: StreamSocket, stream: Duplex, signal: AbortSignal | null) {
    this.#socket = socket;
    this.#stream = stream;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
    // An `error` event without a listener ends the process.
    stream.on("error", this.#onError).once("close", this.#onClose).once("end", this.#onClose);
    if (signal?.aborted) queueMicrotask(this.#onAbort);
  }

  /**
   * Waits for the event by which the socket is secure.
   *
   * @param verify returns the code of what is wrong with the peer's certificate, `null` for nothing
   */
  until(tls: TLSSocket, event: "secure" | "secureConnect", verify: () => string | null): Promise<TlsSocket> {
    this.#tls = tls;
    tls.on("error", this.#onError).once("close", this.#onClose).once("end", this.#onClose);
    // The end of the stream reaches only a socket that is read.
    tls.resume();
    tls.once(event, () => this.#succeed(tls, verify));
    return this.#deferred.promise;
  }

  /** Waits until the server has verified the client. */
  untilAccepted(
    server: Server,
    verify: (tls: TLSSocket) => string | null,
  ): Promise<TlsSocket> {
    // A server that refuses a certificate ends the connection; the socket has the cause.
    server.on("tlsClientError", (error, { authorizationError }) => {
      const code = tlsCode(authorizationError);
      this.#fail(code === null ? this.#mapped(error) : this.#failure(code, authorizationError));
    });
    server.on("secureConnection", (tls) => {
      this.#tls = tls;
      tls.on("error", this.#onError);
      this.#succeed(tls, () => verify(tls));
    });
    return this.#deferred.promise;
  }

  #succeed(tls: TLSSocket, verify: () => string | null): void {
    if (this.#done) return;
    try {
      const fault = verify();
      if (fault !== null) throw this.#failure(fault, tls.authorizationError);
      if (this.#stream instanceof SocketStream) this.#stream.settle();
      const socket = new NodeTlsSocket(tls, this.#stream, this.#socket, connectionState(tls));
      this.#end();
      this.#deferred.resolve(socket);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#done) return;
    this.#end();
    this.#tls?.destroy();
    this.#stream.destroy();
    this.#deferred.reject(error);
  }

  #end(): void {
    this.#done = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  #mapped(error: unknown): NetError {
    if (error instanceof TlsError) return error;
    const { network } = this.#socket.remoteAddr;
    const mapped = tlsError(error, "handshake", network, this.#socket.remoteAddr);
    return mapped.code === "ECONNRESET" && this.#alerted ? this.#failure("ETLS", error) : mapped;
  }

  #failure(code: string, cause?: unknown): NetError {
    const { remoteAddr } = this.#socket;
    const init = { op: "handshake", network: remoteAddr.network, addr: remoteAddr, code, cause } as const;
    return code === "ECONNRESET" ? new NetError(init) : new TlsError(init);
  }

  /** Whether the peer ended the handshake with an alert, which Deno does not pass on. */
  get #alerted(): boolean {
    return this.#stream instanceof SocketStream && this.#stream.alerted;
  }
}

function connectionState(tls: TLSSocket): TlsConnectionState {
  const { servername } = tls as { servername?: unknown };
  return {
    version: tls.getProtocol() ?? "",
    negotiatedProtocol: tls.alpnProtocol || null,
    serverName: typeof servername === "string" && servername !== "" ? servername : null,
    peerCertificate: certificateOf(tls) as Uint8Array<ArrayBuffer> | null,
  };
}

/** The certificate that the peer showed, DER; `null` for none. */
export function certificateOf(tls: TLSSocket): Uint8Array | null {
  const { raw } = (tls.getPeerCertificate() ?? {}) as { raw?: Uint8Array };
  return raw === undefined ? null : new Uint8Array(raw);
}
