/** Chunks that are smaller than this are copied together, so that a drizzle of bytes does not cost an object each. */
const SMALL_CHUNK = 512;

/** The smallest and the largest segment that chunks are copied together in. */
const MIN_SEGMENT = 256;
const MAX_SEGMENT = 65536;

/** A buffer of which little is left is kept when it is no larger than this. */
const SMALL_BUFFER = 2048;

/**
 * Where `reserve` finds room. All buffers share it, since a small array of its own costs several times what fills it.
 * No part of a slab is given out twice.
 */
const SLAB = 32768;
let slab = new Uint8Array(0);
let slabUsed = 0;

/** Where bytes are put together that are looked at only once. */
const SCRATCH = 4096;
let scratch: Uint8Array | null = null;

/** Bytes that are copied one by one sooner than all together. */
const SHORT = 128;

/** A stretch of the buffer: `bytes[start, end)`. */
interface Segment {
  readonly bytes: Uint8Array;
  start: number;
  end: number;
  /** Made here: there may be room behind `end`. */
  readonly own: boolean;
}

/**
 * Bytes that go in at one end and out at the other: what has come of a stream and was not decoded yet, or what was
 * encoded and has not left.
 *
 * Chunks are kept as they come, and taken as views where an item lies in one piece; only what lies across chunks, and
 * what is too small to be kept by itself, is copied. So the cost per byte is constant however the stream was cut, and
 * the memory held is a small multiple of `length`. It has no limit of its own: its user has.
 */
export class ByteBuffer {
  readonly #segments: Segment[] = [];
  #length = 0;
  #position = 0;

  /** Bytes that wait. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that were taken or skipped so far: where in the stream the first byte lies. */
  get position(): number {
    return this.#position;
  }

  /** Adds a chunk, which belongs to the buffer from now on. */
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

  /** Room for `size` bytes behind the last one. What is written there at once becomes part of the buffer by `commit`. */
  reserve(size: number): Uint8Array {
    if (slab.length - slabUsed < size) {
      slab = new Uint8Array(Math.max(SLAB, size));
      slabUsed = 0;
    }
    return slab.subarray(slabUsed, slabUsed + size);
  }

  /** Adds the first `n` bytes of what was reserved just now. */
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

  /** Where `byte` is found first, at `from` or behind it; -1 when it is not there. */
  indexOf(byte: number, from = 0): number {
    const segments = this.#segments;
    let index = 0;
    let base = 0;
    if (2 * from > this.#length) {
      // Whoever searches what is new looks near the end: the way there must not get longer with each chunk.
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
   * A view of the bytes from `offset` on, as many as lie in one piece: none only at the end. They stay in the buffer.
   * Whoever looks at each byte once asks for piece after piece.
   */
  pieceAt(offset: number): Uint8Array {
    if (!(offset >= 0 && offset <= this.#length)) throw this.#outOfRange("look at byte", offset);
    const segments = this.#segments;
    let index = 0;
    let base = 0;
    if (2 * offset > this.#length) {
      // From the end, as in `indexOf`.
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

  /** A view of the first bytes, as many as lie in one piece, at most `max`. They stay in the buffer. */
  head(max: number): Uint8Array {
    const first = this.#segments[0];
    if (first === undefined) return new Uint8Array(0);
    return first.bytes.subarray(first.start, Math.min(first.end, first.start + max));
  }

  /**
   * The first bytes up to the last `byte` among the first `max`, of which the first `from` hold none; `null` when there is
   * none. They stay in the buffer. It is a view that holds until the next call of anybody, for what lies in several pieces
   * is copied to where all buffers copy it: then it is 4 KiB at the most.
   */
  headUpToLast(byte: number, max: number, from: number): Uint8Array | null {
    const first = this.#segments[0];
    if (first === undefined) return null;
    const { bytes, start } = first;
    const found = lastIndexIn(first, byte, from, max);
    if (found >= 0) return bytes.subarray(start, found + 1);
    return this.#segments.length === 1 ? null : this.#gatherUpToLast(byte, Math.min(max, SCRATCH), from);
  }

  /** The first `n` bytes, which stay in the buffer: a view where they lie in one piece, else a copy. */
  view(n: number): Uint8Array {
    if (!(n >= 0 && n <= this.#length)) throw this.#outOfRange("take", n);
    const first = this.#segments[0];
    return first === undefined || n <= sizeOf(first) ? viewOf(first, n) : this.#gather(n);
  }

  /** Removes the first `n` bytes and returns them, as `view` does. They are the caller's. */
  take(n: number): Uint8Array {
    const taken = this.view(n);
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

  /** Lets go of a large chunk of which little is left, by copying that. For before a wait that may be long. */
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
    // As large as all that waits: it doubles, so there are few segments, and at most half of it is empty.
    const size = Math.max(chunk.length, MIN_SEGMENT, Math.min(this.#length, MAX_SEGMENT));
    const bytes = new Uint8Array(size);
    bytes.set(chunk);
    this.#segments.push({ bytes, start: 0, end: chunk.length, own: true });
  }

  /** The same when `byte` is not in the first segment. */
  #gatherUpToLast(byte: number, max: number, from: number): Uint8Array | null {
    const segments = this.#segments;
    // How many segments start below `max`, and what lies in front of the last of them.
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
      // A short one is copied before a view of it would be made.
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

/** Whether a chunk is worth an object of its own, and does not keep a much larger buffer alive. */
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

/** Where `byte` is in the segment's array, at `from` or behind it; -1 when it is not there. */
function indexIn(segment: Segment, byte: number, from: number): number {
  const { bytes, end } = segment;
  if (from >= end) return -1;
  if (end === bytes.length) return bytes.indexOf(byte, from);
  // What lies behind the end may be much, and is none of ours.
  const found = bytes.subarray(from, end).indexOf(byte);
  return found < 0 ? -1 : from + found;
}

/** Where `byte` is last in the segment's array, among its first `max` bytes but not its first `from`; -1 when it is not there. */
function lastIndexIn(segment: Segment, byte: number, from: number, max: number): number {
  const { bytes, start } = segment;
  const low = start + Math.max(0, from);
  // A loop, because it is not far as a rule, and a view to search costs more.
  for (let at = Math.min(segment.end, start + max) - 1; at >= low; at--) {
    if (bytes[at] === byte) return at;
  }
  return -1;
}
