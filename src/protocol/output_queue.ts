import { type BufferPool, POOL_BUFFER_SIZE } from "../bytes/buffer_pool.ts";
import { MAX_CONTROL_PAYLOAD, MAX_HEADER_SIZE } from "./frame_header.ts";
import { UrgentFrames } from "./urgent_frames.ts";

/**
 * Bytes from which on a payload is sent from the caller's array instead of being copied. Copying 64 KiB costs 2 µs, the
 * write that is saved 3 to 5 (`bench/connection.ts`, and the echo of 64 KiB in `bench/run.ts`).
 */
export const MIN_BORROWED_BYTES = 65537;

/**
 * Bytes handed to the socket at once, at most: small enough to see that a large payload makes progress. A peer that takes
 * a piece now and then is slow, not dead.
 */
export const MAX_PIECE_BYTES = 262144;

/** Destination of bytes: a socket, or an object in its place. */
export interface ByteSink {
  /** Takes bytes; `false` when the sink is busy with them, until the queue's `release` is called. */
  write(bytes: Uint8Array): boolean;
}

/** A run of bytes in the queue. */
interface Segment {
  readonly bytes: Uint8Array;
  /** Bytes queued. `bytes.length` differs once the owner has transferred the buffer away. */
  readonly length: number;
  /** The pool's buffer to give back afterwards; `null` for an array that is not the pool's. */
  readonly pooled: Uint8Array | null;
  /** Whether the segment ends with the end of a frame, so that a control frame may follow. */
  readonly endsFrame: boolean;
  /** Whether the segment holds control frames that overtake data. */
  readonly urgent: boolean;
  /** Whether the array belongs to a caller, who may write into it once the call is over. */
  readonly borrowed: boolean;
}

/** Stands for an array until the first element comes: an idle connection has no array. */
const NONE: never[] = [];

/**
 * The bytes of one connection on their way to the socket: the frames of a turn side by side in one pooled buffer, large
 * payloads where they lie, and control frames, which overtake data at the next border between frames.
 *
 * `take` hands out the next piece, and `release` reports that the socket accepted the piece; one piece is out at a time.
 */
export class OutputQueue {
  readonly #buffers: BufferPool;
  /** The buffer being filled; `null` while nothing was written since the last one was full or taken. */
  #buffer: Uint8Array | null = null;
  /** Bytes filled in `#buffer`. */
  #used = 0;
  /** Full buffers and borrowed payloads, in order. */
  #segments: Segment[] = NONE;
  /** Control frames that wait to overtake data; made by the first that finds data waiting. */
  #urgent: UrgentFrames | null = null;
  /**
   * Whether urgent control frames may leave before queued data: only where a frame has ended, not before the answer to
   * the handshake has left, and not while the buffer holds an earlier control frame.
   */
  #mayOvertake = false;

  // The segment in flight: [0, accepted) was accepted by the socket, [accepted, handed) is with the socket, the rest waits.
  #inFlight: Segment | null = null;
  #accepted = 0;
  #handed = 0;

  /** Bytes written and not accepted. */
  #bytes = 0;
  /** Bytes of these that belong to urgent control frames. */
  #urgentBytes = 0;
  /** Bytes accepted since the beginning, with and without urgent control frames. */
  #acceptedBytes = 0;
  #acceptedInOrder = 0;

  /** Makes an empty queue, which holds no buffer. */
  constructor(buffers: BufferPool) {
    this.#buffers = buffers;
  }

  // ── Counters ──

  /** Bytes written that the socket has not accepted. */
  get bufferedBytes(): number {
    return this.#bytes;
  }

  /** Whether bytes wait that `take` has not handed out. */
  get pending(): boolean {
    return this.#bytes > this.#handed - this.#accepted;
  }

  /** Whether a piece is out: the socket has not accepted what `take` handed out last. */
  get busy(): boolean {
    return this.#handed > this.#accepted;
  }

  /** Bytes accepted by the socket since the beginning: what a keep-alive takes for progress. */
  get acceptedBytes(): number {
    return this.#acceptedBytes;
  }

  /** Bytes accepted since the beginning, without control frames that overtook: what a waiting write is measured by. */
  get acceptedInOrder(): number {
    return this.#acceptedInOrder;
  }

  /** Bytes written since the beginning, without control frames that overtake. */
  get writtenInOrder(): number {
    return this.#acceptedInOrder + this.#bytes - this.#urgentBytes;
  }

  // ── Queueing ──

  /** Bytes filled in the buffer that {@linkcode OutputQueue.reserve} returns. */
  get used(): number {
    return this.#used;
  }

  /** The buffer, with room for `count` bytes after `used`; at most `POOL_BUFFER_SIZE`. Ended by `commit`. */
  reserve(count: number): Uint8Array {
    const buffer = this.#buffer;
    if (buffer !== null && this.#used + count <= buffer.length) return buffer;
    return this.#makeRoom(count);
  }

  /** Queues what was written into the buffer, up to the index `used`. */
  commit(used: number): void {
    this.#bytes += used - this.#used;
    this.#used = used;
  }

  /**
   * Queues an array without a copy. The array must stay as it is until the socket has accepted all of it.
   *
   * @param continuesFrame whether the frame begins in the buffer, so that nothing may come between
   * @param borrowed whether the array belongs to a caller, who may get it back early, by `copyBorrowed`
   */
  append(bytes: Uint8Array, continuesFrame = false, borrowed = true): void {
    this.#seal(!continuesFrame);
    this.#bytes += bytes.length;
    this.#push(bytes, null, true, borrowed);
  }

  /**
   * Queues whole frames that are encoded already and may be shared with other connections. Behind other data a small
   * array is copied; alone, as a broadcast mostly is, the array is sent from where it lies.
   *
   * @param sink given the frames at once, past the queue, where nothing waits before them. Saves a tenth of a broadcast on
   * Node with 16 in flight (`bench/run.ts`). Default: none
   */
  appendEncoded(frames: Uint8Array, sink: ByteSink | null = null): void {
    if (this.#bytes === 0 && sink !== null && frames.length <= MAX_PIECE_BYTES) {
      this.#writeThrough(frames, sink);
    } else if (frames.length < MIN_BORROWED_BYTES && (this.#used > 0 || this.#segments.length > 0)) {
      this.reserve(frames.length).set(frames, this.#used);
      this.commit(this.#used + frames.length);
    } else {
      this.append(frames, false, false);
    }
  }

  /**
   * Whether a control frame that is written into the buffer now leaves with the next piece anyway. Control frames that
   * come later must not overtake that one.
   */
  joinsNextPiece(): boolean {
    if (this.#inFlight !== null || this.#segments.length > 0 || this.#hasUrgent) return false;
    if (this.#used + MAX_HEADER_SIZE + MAX_CONTROL_PAYLOAD > POOL_BUFFER_SIZE) return false;
    this.#mayOvertake = false;
    return true;
  }

  /** Queues a control frame before all data that waits. */
  appendUrgent(frame: Uint8Array): void {
    this.#urgent ??= new UrgentFrames();
    const added = this.#urgent.push(frame);
    this.#bytes += added;
    this.#urgentBytes += added;
  }

  /**
   * Copies the arrays that were queued without a copy and have not left, as far as no piece of them is out.
   *
   * @returns whether the piece that is out lies in such an array: the socket reads it until it has accepted it
   */
  copyBorrowed(): boolean {
    this.#segments = this.#segments.map((segment) =>
      segment.borrowed ? { ...segment, bytes: copyOf(segment, 0), borrowed: false } : segment
    );
    const segment = this.#inFlight;
    if (segment === null || !segment.borrowed) return false;
    const rest = copyOf(segment, this.#handed);
    // The rest goes on as a segment of its own, so that what is out ends where the piece does.
    if (rest.length > 0) {
      this.#segments.unshift({ ...segment, bytes: rest, length: rest.length, borrowed: false });
      this.#inFlight = { ...segment, length: this.#handed, endsFrame: false };
    }
    if (this.busy) return true;
    this.#endFlight(this.#inFlight!);
    return false;
  }

  // ── Taking ──

  /** The next bytes for the socket, at most 256 KiB; `null` when nothing waits or a piece is out. */
  take(): Uint8Array | null {
    // A call from inside the write of the last piece gets nothing: the piece is out.
    if (this.#handed > this.#accepted) return null;
    const segment = this.#inFlight ??= this.#nextSegment();
    if (segment === null) return null;
    const { bytes, length } = segment;
    const start = this.#accepted;
    const end = this.#handed = Math.min(start + MAX_PIECE_BYTES, length);
    // The owner transferred the buffer away. The header has promised bytes, so zeros take their place.
    if (bytes.length !== length) return new Uint8Array(end - start);
    return end - start === length ? bytes : bytes.subarray(start, end);
  }

  /** The socket has accepted the piece that is out. Does nothing when none is. */
  release(): void {
    const segment = this.#inFlight;
    const count = this.#handed - this.#accepted;
    if (segment === null || count === 0) return;
    this.#bytes -= count;
    this.#acceptedBytes += count;
    if (segment.urgent) this.#urgentBytes -= count;
    else this.#acceptedInOrder += count;
    this.#accepted = this.#handed;
    if (this.#accepted === segment.length) this.#endFlight(segment);
  }

  /** Forgets everything but the piece that is out. The connection is over: a frame may be cut. */
  drop(): void {
    for (const { pooled } of this.#segments) if (pooled !== null) this.#buffers.give(pooled);
    if (this.#buffer !== null) this.#buffers.give(this.#buffer);
    this.#buffer = null;
    this.#used = 0;
    this.#segments = NONE;
    this.#urgent = null;
    const segment = this.#inFlight;
    this.#bytes = this.#handed - this.#accepted;
    this.#urgentBytes = segment !== null && segment.urgent ? this.#bytes : 0;
    if (segment === null) return;
    if (this.#bytes === 0) this.#endFlight(segment);
    else this.#inFlight = { ...segment, length: this.#handed };
  }

  /** Gives frames to the sink past the queue, which is empty; keeps track of them when the sink is busy with them. */
  #writeThrough(frames: Uint8Array, sink: ByteSink): void {
    const { length } = frames;
    if (sink.write(frames)) {
      this.#acceptedBytes += length;
      this.#acceptedInOrder += length;
      return;
    }
    this.#bytes += length;
    this.#inFlight = { bytes: frames, length, pooled: null, endsFrame: true, urgent: false, borrowed: false };
    this.#handed = length;
  }

  #nextSegment(): Segment | null {
    if (this.#hasUrgent && this.#mayOvertake) {
      const bytes = this.#urgent!.takeAll();
      return { bytes, length: bytes.length, pooled: null, endsFrame: true, urgent: true, borrowed: false };
    }
    if (this.#segments.length === 0) this.#seal(true);
    return this.#segments.shift() ?? null;
  }

  get #hasUrgent(): boolean {
    return this.#urgent !== null && this.#urgent.count > 0;
  }

  #endFlight(segment: Segment): void {
    this.#inFlight = null;
    this.#accepted = this.#handed = 0;
    if (segment.pooled !== null) this.#buffers.give(segment.pooled);
    this.#mayOvertake = segment.endsFrame;
  }

  #makeRoom(count: number): Uint8Array {
    if (this.#used + count > POOL_BUFFER_SIZE) this.#seal(true);
    const small = this.#buffer;
    const buffer = this.#buffers.take(this.#used + count);
    if (small !== null) {
      buffer.set(small.subarray(0, this.#used));
      this.#buffers.give(small);
    }
    return this.#buffer = buffer;
  }

  /**
   * Ends the buffer being filled; the next write begins a new one.
   *
   * @param endsFrame whether the last frame in the buffer is whole
   */
  #seal(endsFrame: boolean): void {
    const buffer = this.#buffer;
    if (buffer === null) return;
    this.#buffer = null;
    if (this.#used === 0) return this.#buffers.give(buffer);
    this.#push(buffer.subarray(0, this.#used), buffer, endsFrame, false);
    this.#used = 0;
  }

  #push(bytes: Uint8Array, pooled: Uint8Array | null, endsFrame: boolean, borrowed: boolean): void {
    if (this.#segments === NONE) this.#segments = [];
    this.#segments.push({ bytes, length: bytes.length, pooled, endsFrame, urgent: false, borrowed });
  }
}

/** A copy of a segment's bytes from an index on; zeros where the owner has transferred the buffer away. */
function copyOf({ bytes, length }: Segment, start: number): Uint8Array {
  return bytes.length === length ? new Uint8Array(bytes.subarray(start)) : new Uint8Array(length - start);
}
