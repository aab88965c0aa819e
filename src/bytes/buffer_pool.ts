/** Size of a large buffer, bytes: the most that is gathered for one write. A message of 64 KiB fits with its header. */
export const POOL_BUFFER_SIZE = 66560;

/** Size of a small buffer, bytes: enough for what most connections send in a turn of the event loop. */
export const SMALL_BUFFER_SIZE = 4096;

/** Upper bound of the free buffers kept of each size, bytes; further ones are left to the garbage collector. */
const MAX_KEPT_BYTES = 4 << 20;

/**
 * Buffers in which output is gathered. A connection holds one from its first frame of a turn until the runtime has
 * accepted the bytes; an idle connection holds none. There are two sizes because on a runtime that accepts writes late,
 * every busy connection holds a buffer: with large ones alone, each would be allocated and zeroed for a few bytes
 * (`bench/run.ts`, one message in flight on Deno).
 */
export class BufferPool {
  readonly #small: Uint8Array[] = [];
  readonly #large: Uint8Array[] = [];

  /** A buffer for `bytes` bytes, at most {@linkcode POOL_BUFFER_SIZE}. Its contents are arbitrary. */
  take(bytes: number): Uint8Array {
    if (bytes <= SMALL_BUFFER_SIZE) return this.#small.pop() ?? new Uint8Array(SMALL_BUFFER_SIZE);
    return this.#large.pop() ?? new Uint8Array(POOL_BUFFER_SIZE);
  }

  /** Returns a buffer to the pool. The caller must not use it afterwards. */
  give(buffer: Uint8Array): void {
    const free = buffer.length === SMALL_BUFFER_SIZE ? this.#small : this.#large;
    if (free.length * buffer.length < MAX_KEPT_BYTES) free.push(buffer);
  }
}
