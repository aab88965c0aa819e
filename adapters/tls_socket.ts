import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { NetError } from "../src/net/errors.ts";
import type { StreamHandler, StreamSocket } from "../src/net/stream_socket.ts";
import type { TlsConnectionState, TlsSocket } from "../src/net/tls.ts";
import { NodeSocket } from "./node_socket.ts";
import { SocketStream } from "./socket_stream.ts";
import { tlsError } from "./tls_errors.ts";

/** A socket of `node:tls`, whose handshake is done. */
export class NodeTlsSocket extends NodeSocket implements TlsSocket {
  readonly connectionState: TlsConnectionState;
  readonly #tls: TLSSocket;
  readonly #below: StreamSocket;
  readonly #stream: SocketStream | null;

  /** It was made over `stream`, which is `below` or stands for it. */
  constructor(tls: TLSSocket, stream: Duplex, below: StreamSocket, connectionState: TlsConnectionState) {
    super(tls, below);
    this.#tls = tls;
    this.#below = below;
    this.#stream = stream instanceof SocketStream ? stream : null;
    // On Node an alert after the handshake is told as an error that ends nothing.
    tls.on("error", () => tls.destroy());
    // Until somebody starts it, what comes stays below.
    this.pause();
    this.connectionState = connectionState;
  }

  override start(handler: StreamHandler): void {
    super.start(handler);
    this.#stream?.deliver();
  }

  override release(): null {
    return null;
  }

  /** How much of it waits tells nothing of what the socket below has taken; on Deno the callback does not either. */
  override write(bytes: Uint8Array): boolean {
    this.#tls.write(bytes, (error) => {
      // Node 20 calls back without an error for what was lost with the connection. That it closed is told by itself.
      if (this.#tls.destroyed) return;
      if (error || this.#stream === null) this.onTaken(error);
      else this.#stream.whenTaken((error) => this.onTaken(error));
    });
    return false;
  }

  /** The stream is held up too: on Deno `node:tls` reads on without end, and forgets an end that comes meanwhile. */
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
