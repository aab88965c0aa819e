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
   * A view of the first bytes up to the last `byte` among them, as `head` would give them; `null` when it is not there.
   * They stay in the buffer.
   */
  headUpToLast(byte: number, max: number): Uint8Array | null {
    const first = this.#segments[0];
    if (first === undefined) return null;
    const { bytes, start } = first;
    // A loop, because it is not far as a rule, and a view to search costs more.
    for (let end = Math.min(first.end, start + max); end > start; end--) {
      if (bytes[end - 1] === byte) return bytes.subarray(start, end);
    }
    return null;
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
    if (gone > 0) segments.splice(0, gone);
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
