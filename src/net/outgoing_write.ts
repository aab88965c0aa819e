import { BufferPool } from "../bytes/buffer_pool.ts";

/** Bytes of the caller's array that the runtime gets at once, at most: what follows can still be held back. */
const MAX_PIECE = 262144;
/** Bytes of a copied piece, at most. */
const MAX_COPIED_PIECE = 65536;

/** Buffers of the copied pieces of all connections. */
const buffers = new BufferPool();

/**
 * One write on its way to the runtime, in pieces. The caller's array is the caller's again when the call is over, which
 * may be before the bytes have left: where that can happen, the runtime gets copies.
 */
export class OutgoingWrite {
  /** Bytes to send. */
  readonly length: number;
  readonly #bytes: Uint8Array;
  /** Whether the call may be given up, by a deadline or a signal: pieces are copied from now on. */
  copied: boolean;
  /** Bytes that the runtime has got. */
  #sent = 0;
  /** The buffer of the piece that is out, if it was copied. */
  #copy: Uint8Array | null = null;
  /** Whether a piece is out, which the runtime has not accepted. */
  #out = false;

  constructor(bytes: Uint8Array, copied: boolean) {
    this.#bytes = bytes;
    this.length = bytes.length;
    this.copied = copied;
  }

  /** Whether the runtime has got all bytes. */
  get done(): boolean {
    return this.#sent === this.length;
  }

  /** Whether the runtime may be reading the caller's array. */
  get isLent(): boolean {
    return this.#out && this.#copy === null;
  }

  /** The next piece. One is out at a time, until `release`. */
  next(): Uint8Array {
    const bytes = this.#bytes;
    const start = this.#sent;
    const count = Math.min(this.length - start, this.copied ? MAX_COPIED_PIECE : MAX_PIECE);
    this.#sent += count;
    this.#out = true;
    // The owner transferred the buffer away: zeros take the place of what was to be sent.
    if (bytes.length !== this.length) return new Uint8Array(count);
    if (!this.copied) return count === bytes.length ? bytes : bytes.subarray(start, start + count);
    const copy = this.#copy = buffers.take(count);
    copy.set(count === bytes.length ? bytes : bytes.subarray(start, start + count));
    return copy.subarray(0, count);
  }

  /** The runtime has accepted the piece. */
  release(): void {
    this.#out = false;
    if (this.#copy !== null) buffers.give(this.#copy);
    this.#copy = null;
  }
}
