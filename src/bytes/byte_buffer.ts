/** Chunks shorter than this, in bytes, are copied into a shared segment: many tiny chunks would cost an object each. */
const SMALL_CHUNK = 512;

/** Smallest and largest segment into which short chunks are copied, bytes. */
const MIN_SEGMENT = 256;
const MAX_SEGMENT = 65536;

/** Largest chunk that `compact` leaves alone, bytes, however little of it is unread. */
const SMALL_BUFFER = 2048;

/**
 * Memory for `reserve`, shared by all buffers because allocating a small array costs several times as much as filling
 * it. No part of a slab is handed out twice. `SLAB` is its size in bytes.
 */
const SLAB = 32768;
let slab = new Uint8Array(0);
let slabUsed = 0;

/** Memory, shared by all buffers, in which `headUpToLast` joins segments; `SCRATCH` is its size in bytes. */
const SCRATCH = 4096;
let scratch: Uint8Array | null = null;

/** Up to this length, in bytes, a loop copies faster than `set` with a view. */
const SHORT = 128;

/** Part of the buffer's contents: `bytes[start, end)`. */
interface Segment {
  readonly bytes: Uint8Array;
  start: number;
  end: number;
  /** Whether this class allocated `bytes`, so that more may be written behind `end`. */
  readonly own: boolean;
}

/**
 * A queue of bytes: input that has arrived and is not decoded yet, or output that is encoded and not sent yet.
 *
 * Chunks are kept without a copy, and an item that lies within one chunk is taken as a view of it. Only items that span
 * chunks, and chunks too small to be kept by themselves, are copied. So the cost per byte is constant, however the
 * stream is cut, and the memory held is a small multiple of `length`. The buffer has no size limit; its user must have
 * one.
 */
export class ByteBuffer {
  readonly #segments: Segment[] = [];
  #length = 0;
  #position = 0;

  /** Number of bytes in the buffer. */
  get length(): number {
    return this.#length;
  }

  /** Number of bytes taken or skipped so far: the offset in the stream of the buffer's first byte. */
  get position(): number {
    return this.#position;
  }

  /** Appends a chunk, without a copy where it is long enough. The caller must not change the chunk afterwards. */
  append(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const last = this.#segments.at(-1);
    if (last === undefined || deservesSegment(chunk)) {
      this.#segments.push({ bytes: chunk, start: 0, end: chunk.length, own: false });
    } else {
      this.#copyIn(chunk, last);
    }
    this.#length += chunk.length;
  }

  /**
   * Room for `size` bytes, to be written at once and then appended by {@linkcode ByteBuffer.commit}. The room is valid
   * until the next `reserve`, of any buffer.
   */
  reserve(size: number): Uint8Array {
    if (slab.length - slabUsed < size) {
      slab = new Uint8Array(Math.max(SLAB, size));
      slabUsed = 0;
    }
    return slab.subarray(slabUsed, slabUsed + size);
  }

  /** Appends the first `n` bytes of the room that `reserve` returned last. */
  commit(n: number): void {
    const end = slabUsed + n;
    if (!(n >= 0 && end <= slab.length)) throw this.#outOfRange("commit", n);
    if (n === 0) return;
    const last = this.#segments.at(-1);
    if (last?.bytes === slab && last.end === slabUsed) last.end = end;
    else this.#segments.push({ bytes: slab, start: slabUsed, end, own: false });
    slabUsed = end;
    this.#length += n;
  }

  /** Offset of the first `byte` at or after offset `from`; -1 when there is none. */
  indexOf(byte: number, from = 0): number {
    const segments = this.#segments;
    let index = 0;
    let base = 0;
    if (2 * from > this.#length) {
      // A search that goes on in new bytes starts near the end: walking from the front would take longer with each
      // chunk.
      index = segments.length;
      base = this.#length;
      while (index > 0 && base > from) base -= sizeOf(segments[--index]!);
    }
    for (; index < segments.length; index++) {
      const segment = segments[index]!;
      const found = indexIn(segment, byte, segment.start + Math.max(0, from - base));
      if (found >= 0) return base + found - segment.start;
      base += sizeOf(segment);
    }
    return -1;
  }

  /** The byte at `offset`. */
  peek(offset: number): number {
    if (!(offset >= 0 && offset < this.#length)) throw this.#outOfRange("peek at byte", offset);
    for (const segment of this.#segments) {
      if (offset < sizeOf(segment)) return segment.bytes[segment.start + offset]!;
      offset -= sizeOf(segment);
    }
    return -1;
  }

  /**
   * A view of the bytes from `offset` to the end of the chunk that holds it; empty only when `offset` is `length`. The
   * bytes stay in the buffer. To look at every byte once, ask for one piece after the other.
   */
  pieceAt(offset: number): Uint8Array {
    if (!(offset >= 0 && offset <= this.#length)) throw this.#outOfRange("look at byte", offset);
    const segments = this.#segments;
    let index = 0;
    let base = 0;
    if (2 * offset > this.#length) {
      // Search from the end, as in `indexOf`.
      index = segments.length;
      base = this.#length;
      while (base > offset) base -= sizeOf(segments[--index]!);
    }
    while (index < segments.length && base + sizeOf(segments[index]!) <= offset) {
      base += sizeOf(segments[index++]!);
    }
    const segment = segments[index];
    if (segment === undefined) return new Uint8Array(0);
    return segment.bytes.subarray(segment.start + offset - base, segment.end);
  }

  /** A view of the first bytes of the first chunk, at most `max`. They stay in the buffer. */
  head(max: number): Uint8Array {
    const first = this.#segments[0];
    if (first === undefined) return new Uint8Array(0);
    return first.bytes.subarray(first.start, Math.min(first.end, first.start + max));
  }

  /**
   * The first bytes up to and including the last `byte` within the first `max` bytes; `null` when there is none. The
   * bytes stay in the buffer.
   *
   * The result is a view, valid until the next call of this method on any buffer: bytes that span chunks are copied
   * into memory shared by all buffers, and are at most 4 KiB.
   *
   * @param from number of leading bytes known not to hold `byte`
   */
  headUpToLast(byte: number, max: number, from: number): Uint8Array | null {
    const first = this.#segments[0];
    if (first === undefined) return null;
    const { bytes, start } = first;
    const found = lastIndexIn(first, byte, from, max);
    if (found >= 0) return bytes.subarray(start, found + 1);
    return this.#segments.length === 1 ? null : this.#gatherUpToLast(byte, Math.min(max, SCRATCH), from);
  }

  /** The first `n` bytes, which stay in the buffer: a view where they lie in one chunk, otherwise a copy. */
  view(n: number): Uint8Array {
    if (!(n >= 0 && n <= this.#length)) throw this.#outOfRange("take", n);
    const first = this.#segments[0];
    return first === undefined || n <= sizeOf(first) ? viewOf(first, n) : this.#gather(n);
  }

  /**
   * Removes the first `n` bytes and returns them, as `view` does. The caller owns them. The type holds for bytes that
   * were received: only a chunk over a `SharedArrayBuffer` that was appended here gives one back.
   */
  take(n: number): Uint8Array<ArrayBuffer> {
    const taken = this.view(n) as Uint8Array<ArrayBuffer>;
    this.skip(n);
    return taken;
  }

  /** Removes the first `n` bytes. */
  skip(n: number): void {
    if (!(n >= 0 && n <= this.#length)) throw this.#outOfRange("skip", n);
    this.#position += n;
    this.#length -= n;
    const first = this.#segments[0];
    if (first !== undefined && n < sizeOf(first)) first.start += n;
    else this.#skipSegments(n);
  }

  #skipSegments(n: number): void {
    const segments = this.#segments;
    if (this.#length === 0) {
      segments.length = 0;
      return;
    }
    let gone = 0;
    while (n >= sizeOf(segments[gone]!)) n -= sizeOf(segments[gone++]!);
    segments[gone]!.start += n;
    if (gone === 1) segments.shift();
    else if (gone > 1) segments.splice(0, gone);
  }

  /**
   * Releases a large first chunk of which little is unread, by copying the rest. Meant for the start of a long wait.
   */
  compact(): void {
    const first = this.#segments[0];
    if (first === undefined) return;
    const size = first.bytes.buffer.byteLength;
    if (size <= SMALL_BUFFER || 4 * sizeOf(first) >= size) return;
    const bytes = new Uint8Array(first.bytes.subarray(first.start, first.end));
    this.#segments[0] = { bytes, start: 0, end: bytes.length, own: true };
  }

  #copyIn(chunk: Uint8Array, last: Segment): void {
    if (last.own && last.bytes.length - last.end >= chunk.length) {
      last.bytes.set(chunk, last.end);
      last.end += chunk.length;
      return;
    }
    // As large as the buffer's contents: segments double, so there are few of them and at most half of one is empty.
    const size = Math.max(chunk.length, MIN_SEGMENT, Math.min(this.#length, MAX_SEGMENT));
    const bytes = new Uint8Array(size);
    bytes.set(chunk);
    this.#segments.push({ bytes, start: 0, end: chunk.length, own: true });
  }

  /** {@linkcode ByteBuffer.headUpToLast} when the first segment does not hold `byte`. */
  #gatherUpToLast(byte: number, max: number, from: number): Uint8Array | null {
    const segments = this.#segments;
    // `count` segments start below `max`; `base` is the number of bytes before the segment at `count`.
    let count = 0;
    let base = 0;
    while (count < segments.length && base < max) base += sizeOf(segments[count++]!);
    while (--count > 0 && base > from) {
      const segment = segments[count]!;
      base -= sizeOf(segment);
      const found = lastIndexIn(segment, byte, from - base, max - base);
      if (found >= 0) return this.#copyToScratch(base + found + 1 - segment.start);
    }
    return null;
  }

  #copyToScratch(n: number): Uint8Array {
    scratch ??= new Uint8Array(SCRATCH);
    let filled = 0;
    for (const { bytes, start, end } of this.#segments) {
      const stop = Math.min(end, start + n - filled);
      // Creating a view of a short segment takes longer than copying it byte by byte.
      if (stop - start > SHORT) {
        scratch.set(start === 0 && stop === bytes.length ? bytes : bytes.subarray(start, stop), filled);
        filled += stop - start;
      } else for (let at = start; at < stop; at++) scratch[filled++] = bytes[at]!;
      if (filled === n) break;
    }
    return scratch.subarray(0, n);
  }

  #gather(n: number): Uint8Array {
    const bytes = new Uint8Array(n);
    let filled = 0;
    for (const segment of this.#segments) {
      const part = viewOf(segment, Math.min(sizeOf(segment), n - filled));
      bytes.set(part, filled);
      filled += part.length;
      if (filled === n) break;
    }
    return bytes;
  }

  #outOfRange(action: string, n: number): RangeError {
    return new RangeError(`Cannot ${action} ${n}: the buffer holds ${this.#length} bytes`);
  }
}

/** Whether a chunk is long enough to be kept by itself, and is most of the memory that it keeps alive. */
function deservesSegment(chunk: Uint8Array): boolean {
  return chunk.length >= SMALL_CHUNK && 2 * chunk.length >= chunk.buffer.byteLength;
}

function sizeOf(segment: Segment): number {
  return segment.end - segment.start;
}

function viewOf(segment: Segment | undefined, n: number): Uint8Array {
  if (segment === undefined) return new Uint8Array(0);
  const { bytes, start } = segment;
  return start === 0 && n === bytes.length ? bytes : bytes.subarray(start, start + n);
}

/** Index in `segment.bytes` of the first `byte` at or after index `from`; -1 when there is none. */
function indexIn(segment: Segment, byte: number, from: number): number {
  const { bytes, end } = segment;
  if (from >= end) return -1;
  if (end === bytes.length) return bytes.indexOf(byte, from);
  // A search of the whole array could run far beyond the segment's end.
  const found = bytes.subarray(from, end).indexOf(byte);
  return found < 0 ? -1 : from + found;
}

/** Index in `segment.bytes` of the last `byte` among the segment's bytes `[from, max)`; -1 when there is none. */
function lastIndexIn(segment: Segment, byte: number, from: number, max: number): number {
  const { bytes, start } = segment;
  const low = start + Math.max(0, from);
  // A loop: the byte is usually near the end, and creating a view to search in costs more.
  for (let at = Math.min(segment.end, start + max) - 1; at >= low; at--) {
    if (bytes[at] === byte) return at;
  }
  return -1;
}
