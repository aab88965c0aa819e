import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { concat } from "../src/bytes/concat.ts";
import type { NetError } from "../src/net/errors.ts";
import type { StreamHandler, StreamSocket } from "../src/net/stream_socket.ts";

/** First byte of a TLS record that holds an alert. */
const ALERT = 21;

const NOTHING = new Uint8Array(0);

/**
 * A stream socket as a stream of Node, for `node:tls`, which takes nothing else. There is no buffer beyond a stream's own:
 * a full one pauses the socket, and a write ends when the socket has taken it.
 */
export class SocketStream extends Duplex implements StreamHandler {
  readonly socket: StreamSocket;
  /** Whether the peer sent an alert in the clear (RFC 8446, 6), as happens only during a handshake. */
  alerted = false;
  /** Whether the handshake is under way: a side that gives up then may still write an alert. */
  #shaking = true;
  /** Whether `abandon` was called. */
  #dropped = false;
  /** Callback of the write that the socket has not taken yet. */
  #taken: ((error?: Error | null) => void) | null = null;
  /** Chunks that came while nothing is delivered, an entry of `null` for the end; no array while chunks are delivered. */
  #held: (Uint8Array | null)[] | null;

  /**
   * Starts the socket in this turn, and delivers from the next turn on, when whatever uses the stream is ready.
   *
   * @param socket the stream's alone from now on
   * @param received chunks that came on the socket before
   */
  constructor(socket: StreamSocket, received: readonly Uint8Array[]) {
    super({ allowHalfOpen: true });
    this.socket = socket;
    this.#held = [...received];
    setImmediate(() => this.deliver());
    socket.start(this);
  }

  /** Notes that the handshake is done. */
  settle(): void {
    this.#shaking = false;
  }

  /** Stops delivering, and pauses the socket. */
  hold(): void {
    this.#held ??= [];
    this.socket.pause();
  }

  /** Delivers again, the held chunks first. */
  deliver(): void {
    const held = this.#held ?? [];
    this.#held = null;
    this.socket.resume();
    for (const chunk of held) chunk === null ? this.onEnd() : this.onData(chunk, false);
  }

  onData(chunk: Uint8Array, lent: boolean): void {
    if (lent) chunk = chunk.slice();
    if (this.#held !== null) return void this.#held.push(chunk);
    if (this.destroyed) return;
    if (chunk[0] === ALERT) this.alerted = true;
    const ready = this.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    if (!ready) this.socket.pause();
  }

  onEnd(): void {
    if (this.#held !== null) return void this.#held.push(null);
    if (!this.destroyed) this.push(null);
  }

  onDrain(): void {
    const taken = this.#taken;
    this.#taken = null;
    taken?.();
  }

  onClose(error: NetError | null): void {
    this.destroy(error ?? undefined);
  }

  /** Calls `taken` when the socket has taken all that was written. */
  whenTaken(taken: (error?: Error | null) => void): void {
    if (this.writableLength === 0 && !this.destroyed) taken();
    else this.write(NOTHING, taken);
  }

  override _read(): void {
    if (this.#held === null) this.socket.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, taken: (error?: Error | null) => void): void {
    if (chunk.length === 0 || this.socket.write(chunk)) taken();
    else this.#taken = taken;
  }

  /** Joins the writes of one turn into one. */
  override _writev(writes: { chunk: Uint8Array }[], taken: (error?: Error | null) => void): void {
    this._write(concat(writes.map(({ chunk }) => chunk)), "", taken);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.closeWrite();
    done();
  }

  /** Ends the stream at once; what was not written is lost. */
  abandon(): void {
    this.#dropped = true;
    super.destroy();
  }

  /**
   * Ends the stream: during a handshake in the next turn, because on Deno `node:tls` destroys a stream before it writes the
   * alert; afterwards once the socket has taken all, because on Bun `node:tls` destroys a stream right after the last write.
   */
  override destroy(error?: Error): this {
    if (this.#dropped || this.destroyed || error !== undefined) return super.destroy(error);
    if (this.#shaking) setImmediate(() => super.destroy());
    else this.whenTaken(() => super.destroy());
    return this;
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (error === null && !this.#dropped && this.writableLength === 0) this.socket.close();
    else this.socket.reset();
    done(error);
  }
}
