/** Alignment of kept bytes in their buffer, bytes, so that the application can lay any typed array over them. */
const ALIGNMENT = 8;

/**
 * Sizes of the buffers that short copies share, bytes. The first buffer for a chunk has at most FIRST_SHARED; each
 * further one is twice as long, up to LAST_SHARED.
 */
const FIRST_SHARED = 1024;
const LAST_SHARED = 8192;

/**
 * Length in bytes from which a part has a buffer to itself, or is kept where it lies. Shorter parts are copied and never
 * moved, so that `room` is read, and the bytes in front of a part are written, only from this length on.
 */
export const OWN_FROM = 4096;

/** A part is copied when its chunk's buffer is more than this many times as long: a view would keep all of it alive. */
const MAX_KEPT_RATIO = 8;

/** Up to this length, in bytes, a loop copies faster than `set` or `slice`. */
const LOOP_COPY = 32;

/** A buffer that short copies share. */
interface CopySpace {
  readonly bytes: Uint8Array<ArrayBuffer>;
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
  readonly #maxCheapArray: number;
  /** The buffer that short copies share now; made by the first of them. */
  #space: CopySpace | null = null;
  #chunkSize = 0;
  #nextSize = FIRST_SHARED;

  /** @param maxCheapArray bytes of the longest array that the engine makes faster than a view */
  constructor(maxCheapArray: number) {
    this.#maxCheapArray = maxCheapArray;
  }

  /** To be called when a chunk comes, of `size` bytes. */
  begin(size: number): void {
    this.#chunkSize = size;
    this.#nextSize = FIRST_SHARED;
  }

  /**
   * `chunk[start, end)`, as an array that may be kept: a copy, or a view of a chunk that is not lent.
   *
   * @param lent whether the chunk's memory is reused after this call, so that the part must be copied
   * @param room bytes directly before `start` that may be overwritten to align the part, an upper bound. Counts only for
   * parts of `OWN_FROM` bytes and more: in front of shorter ones nothing is ever written, whatever `room` says
   */
  keep(chunk: Uint8Array, start: number, end: number, lent: boolean, room = 0): Uint8Array<ArrayBuffer> {
    const size = end - start;
    if (size <= this.#maxCheapArray) return copyOf(chunk, start, size);
    if (size < OWN_FROM) return this.#copyShared(chunk, start, end);
    if (!lent && size * MAX_KEPT_RATIO >= chunk.buffer.byteLength) {
      const gap = (chunk.byteOffset + start) % ALIGNMENT;
      if (gap <= room) return alignedView(chunk, start, end, gap);
    }
    // Not `slice`: V8 zeroes the memory first, which is a tenth of the cost at 64 KiB.
    return new Uint8Array(chunk.subarray(start, end));
  }

  #copyShared(chunk: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
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

  /** A new buffer for copies, `size` bytes or more. The first may stay the last: it is at most as long as the chunk. */
  #newSpace(size: number): CopySpace {
    const room = this.#space === null ? Math.min(this.#chunkSize, this.#nextSize) : this.#nextSize;
    this.#nextSize = Math.min(this.#nextSize * 2, LAST_SHARED);
    return this.#space = { bytes: new Uint8Array(Math.max(size, room)), used: 0 };
  }
}

function copyOf(chunk: Uint8Array, start: number, size: number): Uint8Array<ArrayBuffer> {
  if (size > LOOP_COPY) return sliceOf(chunk, start, size);
  const copy = new Uint8Array(size);
  for (let i = 0; i < size; i++) copy[i] = chunk[start + i]!;
  return copy;
}

/** A view of the bytes where they lie, moved `gap` bytes to the front so that they are aligned. */
function alignedView(chunk: Uint8Array, start: number, end: number, gap: number): Uint8Array<ArrayBuffer> {
  if (gap > 0) chunk.copyWithin(start - gap, start, end);
  return new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset + start - gap, end - start);
}

function sliceOf(chunk: Uint8Array, start: number, size: number): Uint8Array<ArrayBuffer> {
  if (chunk.constructor === Uint8Array) return chunk.slice(start, start + size);
  // A plain view first: a subclass may have a `slice` that does not copy, as Node's Buffer has.
  return new Uint8Array(chunk.buffer, chunk.byteOffset + start, size).slice();
}
