/** Bytes in one large buffer of the pool: the most that is gathered for one write. A message of 64 KiB fits with its head. */
export const POOL_BUFFER_SIZE = 66560;

/** Bytes in one small buffer: what most connections send in a turn. */
export const SMALL_BUFFER_SIZE = 4096;

/** Bytes kept of each size for the next user; more are left to the garbage collector. */
const MAX_KEPT_BYTES = 4 << 20;

/**
 * Buffers for output that is being gathered. A connection holds one only from its first frame of a turn until the
 * runtime has taken it, so an idle connection holds none. Of two sizes, because where the runtime takes a while to say
 * so, as many are out as connections are busy: large ones would then be made, and cleared, for a few bytes each
 * (`bench/run.ts`, one message in flight on Deno).
 */
export class BufferPool {
  readonly #small: Uint8Array[] = [];
  readonly #large: Uint8Array[] = [];

  /** A buffer for so many bytes, of which a large one holds the most, with anything in it. */
  take(bytes: number): Uint8Array {
    if (bytes <= SMALL_BUFFER_SIZE) return this.#small.pop() ?? new Uint8Array(SMALL_BUFFER_SIZE);
    return this.#large.pop() ?? new Uint8Array(POOL_BUFFER_SIZE);
  }

  /** Gives a buffer back. Nobody may look at it afterwards. */
  give(buffer: Uint8Array): void {
    const free = buffer.length === SMALL_BUFFER_SIZE ? this.#small : this.#large;
    if (free.length * buffer.length < MAX_KEPT_BYTES) free.push(buffer);
  }
}
