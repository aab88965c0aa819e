/** Bytes in one buffer of the pool. */
export const POOL_BUFFER_SIZE = 65536;

/** Buffers kept for the next user; more are left to the garbage collector. */
const MAX_KEPT = 64;

/**
 * Buffers of one size for output that is being gathered. A connection holds one only from its first frame of a turn
 * until the runtime has taken it, so an idle connection holds none.
 */
export class BufferPool {
  readonly #free: Uint8Array[] = [];

  /** A buffer with anything in it. */
  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(POOL_BUFFER_SIZE);
  }

  /** Gives a buffer back. Nobody may look at it afterwards. */
  give(buffer: Uint8Array): void {
    if (this.#free.length < MAX_KEPT) this.#free.push(buffer);
  }
}
