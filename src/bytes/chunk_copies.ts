/** Where what is kept begins: at a multiple of so many bytes of its buffer, so that any typed array can be made over it. */
const ALIGNMENT = 8;

/** Bytes of the first buffer that short copies share in a chunk; each further one is twice as long, up to the last. */
const FIRST_SHARED = 1024;
const LAST_SHARED = 8192;

/** From here on a copy has a buffer of its own. */
const OWN_FROM = 4096;

/** A part of a chunk that is more than so many times as long is copied, so that keeping a little does not keep a lot. */
const MAX_KEPT_RATIO = 8;

/** Bytes that a loop copies faster than a call. */
const LOOP_COPY = 32;

/** A buffer that short copies share. */
interface CopySpace {
  readonly bytes: Uint8Array;
  /** Bytes from the start that are copies. */
  used: number;
}

/**
 * Keeps parts of the chunks of one connection. Short ones lie side by side in a buffer, also those of several chunks: a buffer
 * of its own would cost V8 400–900 ns a message where it is not in its heap, a view of one costs 30 (`bench/connection.ts`).
 * Each connection has its own `ChunkCopies`: the application sees the whole `buffer` of what it gets, where nothing of another
 * connection may lie. An idle connection drops its own, and with it the buffer.
 */
export class ChunkCopies {
  /** Up to this many bytes, `new Uint8Array(n)` costs less than a view: the engine has such an array in its own heap. */
  readonly #cheapArray: number;
  /** Made by the first copy that needs it. */
  #space: CopySpace | null = null;
  #chunkSize = 0;
  #nextSize = FIRST_SHARED;

  /** @param cheapArray bytes of the longest array that the engine makes faster than a view */
  constructor(cheapArray: number) {
    this.#cheapArray = cheapArray;
  }

  /** To be called when a chunk comes, of `size` bytes. */
  begin(size: number): void {
    this.#chunkSize = size;
    this.#nextSize = FIRST_SHARED;
  }

  /**
   * `chunk[start, end)` to be kept.
   *
   * @param lent whether the chunk is somebody else's soon
   * @param room bytes before `start` that nobody needs any more
   */
  keep(chunk: Uint8Array, start: number, end: number, lent: boolean, room = 0): Uint8Array {
    const size = end - start;
    if (size <= this.#cheapArray) return copyOf(chunk, start, size);
    if (size < OWN_FROM) return this.#copyShared(chunk, start, end);
    if (!lent && size * MAX_KEPT_RATIO >= chunk.buffer.byteLength) {
      const gap = (chunk.byteOffset + start) % ALIGNMENT;
      if (gap <= room) return alignedView(chunk, start, end, gap);
    }
    // Not `slice`, for which V8 clears the memory first: a tenth of what 64 KiB cost.
    return new Uint8Array(chunk.subarray(start, end));
  }

  #copyShared(chunk: Uint8Array, start: number, end: number): Uint8Array {
    const size = end - start;
    let space = this.#space;
    if (space === null || space.used + size > space.bytes.length) {
      space = this.#newSpace(size);
    }
    const { bytes, used } = space;
    space.used = (used + size + ALIGNMENT - 1) & -ALIGNMENT;
    if (size > LOOP_COPY) bytes.set(chunk.subarray(start, end), used);
    else for (let i = 0; i < size; i++) bytes[used + i] = chunk[start + i]!;
    return new Uint8Array(bytes.buffer, used, size);
  }

  /** Has room for `size` bytes at least. The first, which may stay the last, has room for no more than the chunk. */
  #newSpace(size: number): CopySpace {
    const room = this.#space === null ? Math.min(this.#chunkSize, this.#nextSize) : this.#nextSize;
    this.#nextSize = Math.min(this.#nextSize * 2, LAST_SHARED);
    return this.#space = { bytes: new Uint8Array(Math.max(size, room)), used: 0 };
  }
}

function copyOf(chunk: Uint8Array, start: number, size: number): Uint8Array {
  if (size > LOOP_COPY) return sliceOf(chunk, start, size);
  const copy = new Uint8Array(size);
  for (let i = 0; i < size; i++) copy[i] = chunk[start + i]!;
  return copy;
}

/** The bytes where they lie, moved to the front by a few where they do not begin at a multiple. */
function alignedView(chunk: Uint8Array, start: number, end: number, gap: number): Uint8Array {
  if (gap > 0) chunk.copyWithin(start - gap, start, end);
  return new Uint8Array(chunk.buffer, chunk.byteOffset + start - gap, end - start);
}

function sliceOf(chunk: Uint8Array, start: number, size: number): Uint8Array {
  if (chunk.constructor === Uint8Array) return chunk.slice(start, start + size);
  // A plain view first: a subclass has a `slice` of its own, which need not copy.
  return new Uint8Array(chunk.buffer, chunk.byteOffset + start, size).slice();
}
