import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { NetError } from "../src/net/errors.ts";
import type { StreamHandler, StreamSocket } from "../src/net/stream_socket.ts";
import type { TlsConnectionState, TlsSocket } from "../src/net/tls.ts";
import { NodeSocket } from "./node_socket.ts";
import { SocketStream } from "./socket_stream.ts";
import { tlsCode, tlsError } from "./tls_errors.ts";

/** A stream socket over one of `node:tls` whose handshake is done. */
export class NodeTlsSocket extends NodeSocket implements TlsSocket {
  readonly connectionState: TlsConnectionState;
  readonly #tls: TLSSocket;
  readonly #below: StreamSocket;
  readonly #stream: SocketStream | null;

  /**
   * @param stream the stream that `tls` was made over: the socket of `node:net` in `below`, or a `SocketStream` over `below`
   * @param below the socket that carries TLS
   */
  constructor(tls: TLSSocket, stream: Duplex, below: StreamSocket, connectionState: TlsConnectionState) {
    super(tls, below);
    this.#tls = tls;
    this.#below = below;
    this.#stream = stream instanceof SocketStream ? stream : null;
    // On Node an alert after the handshake is an error event, and the socket stays open.
    tls.on("error", () => tls.destroy());
    // A server's socket that no `tls.Server` made has no other event for a broken record or an alert.
    tls.on("_tlsError", (error: Error) => this.#onTlsError(error));
    // Bytes that come before `start` wait in the socket below.
    this.pause();
    this.connectionState = connectionState;
  }

  /** TLS failed after the handshake: what was decrypted before is delivered, though the socket may be paused. */
  #onTlsError(error: Error): void {
    if (tlsCode((error as { code?: unknown }).code) === null) return;
    if (this.handler !== null && !this.leaving) this.#tls.read();
    // On Bun an end follows.
    this.falseEnd = true;
    this.#tls.destroy(error);
  }

  override start(handler: StreamHandler): void {
    super.start(handler);
    this.#stream?.deliver();
  }

  override release(): null {
    return null;
  }

  /**
   * Waits for the callback in any case: `writableLength` says nothing of what the socket below has taken. Over a
   * `SocketStream` the stream is waited for too, because on Deno the callback comes before the socket has taken anything.
   */
  override write(bytes: Uint8Array): boolean {
    this.#tls.write(bytes, (error) => {
      // Node 20 calls back without an error when the write was lost with the connection; `close` reports that.
      if (this.#tls.destroyed) return;
      if (error || this.#stream === null) this.onTaken(error);
      else this.#stream.whenTaken((error) => this.onTaken(error));
    });
    return false;
  }

  /** Holds the stream too: on Deno a paused socket of `node:tls` reads on without a bound, and loses an end that comes. */
  override pause(): void {
    super.pause();
    this.#stream?.hold();
  }

  override resume(): void {
    this.#stream?.deliver();
    super.resume();
  }

  override ref(): void {
    super.ref();
    this.#below.ref();
  }

  override unref(): void {
    super.unref();
    this.#below.unref();
  }

  protected override errorOf(error: unknown): NetError {
    return tlsError(error, "read", this.remoteAddr.network, this.remoteAddr);
  }

  protected override drop(): void {
    this.#stream?.abandon();
    this.#tls.destroy();
  }

  override setNoDelay(on: boolean): void {
    this.#below.setNoDelay(on);
  }

  override setKeepAlive(on: boolean, idleMs: number): void {
    this.#below.setKeepAlive(on, idleMs);
  }
}
