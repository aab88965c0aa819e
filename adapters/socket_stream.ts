import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { concat } from "../src/bytes/concat.ts";
import type { NetError } from "../src/net/errors.ts";
import type { StreamHandler, StreamSocket } from "../src/net/stream_socket.ts";

/** The type of a record that holds an alert. */
const ALERT = 21;

const NOTHING = new Uint8Array(0);

/**
 * Any stream socket as a stream of Node, for what takes nothing else. It has no buffer of its own beyond what a stream
 * must have: a full one pauses the socket, and a write ends when the socket has taken it.
 */
export class SocketStream extends Duplex implements StreamHandler {
  readonly socket: StreamSocket;
  /** The peer sent an alert in the clear (RFC 8446, 6), which only handshakes do. */
  alerted = false;
  /** Until the handshake is done, who gives up still says why. */
  #shaking = true;
  #dropped = false;
  #taken: ((error?: Error | null) => void) | null = null;
  /** What came while nothing is delivered; `null` for the end. */
  #held: (Uint8Array | null)[] | null;

  /**
   * Starts the socket in this turn, and delivers from the next one on: what is built upon the stream may not be ready
   * to hear of it before.
   *
   * @param socket not to be used by anybody else any more
   * @param received what came on it before
   */
  constructor(socket: StreamSocket, received: readonly Uint8Array[]) {
    super({ allowHalfOpen: true });
    this.socket = socket;
    this.#held = [...received];
    setImmediate(() => this.deliver());
    socket.start(this);
  }

  /** The handshake is done. */
  settle(): void {
    this.#shaking = false;
  }

  /** Delivers nothing from now on, and reads nothing ahead. */
  hold(): void {
    this.#held ??= [];
    this.socket.pause();
  }

  /** Delivers again, first what came meanwhile. */
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

  /** Calls back when the socket has taken all that was written. */
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

  /** What was written in one turn leaves in one write. */
  override _writev(writes: { chunk: Uint8Array }[], taken: (error?: Error | null) => void): void {
    this._write(concat(writes.map(({ chunk }) => chunk)), "", taken);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.closeWrite();
    done();
  }

  /** Ends it at once, with what it has not written. */
  abandon(): void {
    this.#dropped = true;
    super.destroy();
  }

  /**
   * On Deno an alert is written only after the stream was told to go, and Bun tells a stream to go when it has given all
   * to it.
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
