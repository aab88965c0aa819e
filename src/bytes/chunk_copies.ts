/** Alignment of kept parts in their buffer, bytes: any typed array can be made over a part. */
const ALIGNMENT = 8;

/** Bytes of the first buffer that the short copies of a chunk share; each further one is twice as long, up to `LAST_SHARED`. */
const FIRST_SHARED = 1024;
const LAST_SHARED = 8192;

/**
 * Length in bytes from which a part has a buffer to itself, or is kept where it lies. Shorter parts are copied and never
 * moved, so that `room` is read, and the bytes in front of a part are written, only from this length on.
 */
export const OWN_FROM = 4096;

/** A part is kept where it lies only in a buffer of up to this many times its length: keeping a little must not keep a lot. */
const MAX_KEPT_RATIO = 8;

/** Upper bound, in bytes, of copies that a loop makes faster than a call. */
const LOOP_COPY = 32;

/** Buffer for the next short copies of a connection. */
export interface CopySpace {
  readonly bytes: Uint8Array;
  /** Bytes taken, from the start. */
  used: number;
}

/** A connection, as the owner of its copies. */
export interface CopyOwner {
  /** Made by the first copy that needs one; may be set to `null` at any time, so that an idle connection holds none. */
  copySpace: CopySpace | null;
}

/**
 * Keeps parts of chunks. Those of one connection lie side by side in a buffer, also of several chunks: a buffer of its own
 * would cost V8 400–900 ns a message where it is not in its heap, a view of one costs 30 (`bench/connection.ts`). Never do
 * parts of two connections lie in one buffer, as whoever looks at `buffer` instead of its bytes would see them.
 */
export class ChunkCopies {
  readonly #maxCheapArray: number;
  #owner: CopyOwner | null = null;
  #chunkSize = 0;
  #nextSize = FIRST_SHARED;

  /**
   * @param maxCheapArray bytes: up to this length `new Uint8Array(n)` costs less than a view of an existing buffer, because
   * the engine has such an array in its own heap
   */
  constructor(maxCheapArray: number) {
    this.#maxCheapArray = maxCheapArray;
  }

  /** Begins a chunk of `owner`, `size` bytes long. Parts kept until the next call belong to that chunk. */
  begin(owner: CopyOwner, size: number): void {
    this.#owner = owner;
    this.#chunkSize = size;
    this.#nextSize = FIRST_SHARED;
  }

  /**
   * Returns the bytes of `chunk[start, end)` in an array that may be kept: a copy, or the chunk's own bytes.
   *
   * @param lent whether the chunk's memory is used again after this turn
   * @param room bytes directly before `start` that may be overwritten, an upper bound. Counts only for parts of `OWN_FROM`
   * bytes and more: in front of shorter ones nothing is ever written, whatever `room` says
   */
  keep(chunk: Uint8Array, start: number, end: number, lent: boolean, room = 0): Uint8Array {
    const size = end - start;
    if (size <= this.#maxCheapArray) return copyOf(chunk, start, size);
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
    let space = this.#owner!.copySpace;
    if (space === null || space.used + size > space.bytes.length) {
      space = this.#newSpace(size);
    }
    const { bytes, used } = space;
    space.used = (used + size + ALIGNMENT - 1) & -ALIGNMENT;
    if (size > LOOP_COPY) bytes.set(chunk.subarray(start, end), used);
    else for (let i = 0; i < size; i++) bytes[used + i] = chunk[start + i]!;
    return new Uint8Array(bytes.buffer, used, size);
  }

  /** Makes space for `size` bytes at least. A connection's first, which may stay its last, is no longer than the chunk. */
  #newSpace(size: number): CopySpace {
    const owner = this.#owner!;
    const room = owner.copySpace === null ? Math.min(this.#chunkSize, this.#nextSize) : this.#nextSize;
    this.#nextSize = Math.min(this.#nextSize * 2, LAST_SHARED);
    return owner.copySpace = { bytes: new Uint8Array(Math.max(size, room)), used: 0 };
  }
}

function copyOf(chunk: Uint8Array, start: number, size: number): Uint8Array {
  if (size > LOOP_COPY) return sliceOf(chunk, start, size);
  const copy = new Uint8Array(size);
  for (let i = 0; i < size; i++) copy[i] = chunk[start + i]!;
  return copy;
}

/** Bytes of the chunk where they lie, after a move of `gap` bytes towards the front that aligns them. */
function alignedView(chunk: Uint8Array, start: number, end: number, gap: number): Uint8Array {
  if (gap > 0) chunk.copyWithin(start - gap, start, end);
  return new Uint8Array(chunk.buffer, chunk.byteOffset + start - gap, end - start);
}

function sliceOf(chunk: Uint8Array, start: number, size: number): Uint8Array {
  if (chunk.constructor === Uint8Array) return chunk.slice(start, start + size);
  // A plain view first: a subclass has a `slice` of its own, which need not copy.
  return new Uint8Array(chunk.buffer, chunk.byteOffset + start, size).slice();
}
