import { concat } from "../bytes/concat.ts";
import { type BufferPool, POOL_BUFFER_SIZE } from "../bytes/buffer_pool.ts";
import { encodeLatin1, writeLatin1 } from "../bytes/latin1.ts";
import type { TextCodec } from "../bytes/text.ts";
import {
  FIN,
  headerSize,
  MAX_CONTROL_PAYLOAD,
  MAX_HEADER_SIZE,
  Opcode,
  writeHeader,
} from "./frame_header.ts";
import { applyMask } from "../bytes/mask.ts";

/**
 * From here on a payload is not copied into the outgoing buffer but sent from where it lies. Copying 64 KiB costs 2 µs, the
 * write that it saves 3 to 5 (`bench/connection.ts`, and the echo of 64 KiB in `bench/run.ts`).
 */
export const COPY_BELOW = 65537;

/** So much of a large payload is copied behind its head all the same, which is too little for a write of its own. */
export const WITH_HEAD = 16384;

/** Longer payloads are cut into frames of so many bytes, so that a control frame waits for one of them at the most. */
export const MAX_FRAGMENT = 262144;

/** How many control frames may wait for a border before answers to pings are left out. */
const MAX_URGENT = 64;

/** What a writer needs. */
export interface FrameWriterOptions {
  /** Draws a masking key that nobody can guess (10.3), for a client; `null` for a server, which does not mask. */
  nextKey: (() => number) | null;
  /** Where the buffer that is filled comes from. */
  buffers: BufferPool;
  /** Text to bytes. */
  text: TextCodec;
}

/** In the place of an array until there is something to put in: an idle connection has none. */
const NONE: never[] = [];

/** A run of outgoing bytes. */
interface Segment {
  readonly bytes: Uint8Array;
  /** How many they were when they were written. */
  readonly length: number;
  /** The pool's buffer that it lies in, to give back. */
  readonly pooled: Uint8Array | null;
  /** Whether a frame ends where it ends, so that a control frame may follow it. */
  readonly endsFrame: boolean;
  /** Whether it is of control frames that went before the rest. */
  readonly urgent: boolean;
}

/**
 * Puts outgoing frames into one buffer until somebody takes it, so that the frames of a turn leave in one write.
 * Control frames that are written while data waits overtake it at the next border between frames.
 */
export class FrameWriter {
  readonly #nextKey: (() => number) | null;
  readonly #buffers: BufferPool;
  readonly #text: TextCodec;

  /** The buffer being filled. */
  #buffer: Uint8Array | null = null;
  #used = 0;
  /** What is full, in order. */
  #segments: Segment[] = NONE;
  /** Control frames that wait for the next border. */
  #urgent: Uint8Array[] = NONE;
  /** What was handed out last. */
  #taken: Segment | null = null;
  /**
   * Whether what is urgent may go before the rest: a frame ended where the last release ended, and the next run has
   * no control frame itself. It may not at first: the first run may be the answer to the handshake.
   */
  #mayOvertake = false;
  /** Bytes in all of these. */
  #bytes = 0;
  /** How many of them are of control frames that go before the rest. */
  #urgentBytes = 0;

  /** Holds no buffer before something is written. */
  constructor(options: FrameWriterOptions) {
    this.#nextKey = options.nextKey;
    this.#buffers = options.buffers;
    this.#text = options.text;
  }

  /** Bytes that were written and are not released yet. */
  get bufferedBytes(): number {
    return this.#bytes;
  }

  /** The same without the control frames that go before the rest. */
  get orderedBytes(): number {
    return this.#bytes - this.#urgentBytes;
  }

  /** Whether something waits that `take` was not called for. */
  get pending(): boolean {
    return this.#used > 0 || this.#segments.length > 0 || this.#urgent.length > 0;
  }

  /** Writes what comes before the first frame: the answer to a handshake, of one byte a character. */
  writeHead(text: string): void {
    if (text.length > POOL_BUFFER_SIZE) return this.writeEncoded(encodeLatin1(text));
    const buffer = this.#reserve(text.length);
    writeLatin1(text, buffer, this.#used);
    this.#advance(this.#used + text.length);
  }

  /** Writes text: one frame, or several where it is long. */
  writeText(text: string, first: number): void {
    // UTF-8 takes three bytes a code unit at the most.
    const most = text.length * 3;
    if (this.#used + most + MAX_HEADER_SIZE > POOL_BUFFER_SIZE) return this.#writeMeasured(text, first);
    const buffer = this.#reserve(most + MAX_HEADER_SIZE);
    const key = this.#nextKey === null ? null : this.#nextKey();
    // The head's size depends on the length, which is known after encoding. Most text is ASCII: guess that it is.
    const guess = this.#used + headerSize(text.length, key !== null);
    const length = this.#text.encodeInto(text, buffer, guess);
    const start = this.#used + headerSize(length, key !== null);
    if (start !== guess) buffer.copyWithin(start, guess, guess + length);
    writeHeader(buffer, this.#used, first, length, key);
    if (key !== null) applyMask(buffer, start, start + length, key);
    this.#advance(start + length);
  }

  /**
   * Writes bytes: one frame, or several where they are many, of which the others continue the first. A large payload
   * is sent from where it lies: leave it alone until it is released.
   */
  writeBytes(payload: Uint8Array, first: number): void {
    if (payload.length < COPY_BELOW) return this.#writeSmall(payload, first);
    // Masking changes the bytes. Not `slice`: that of Node's Buffer is a view of the same bytes.
    this.#writeLarge(this.#nextKey === null && isStable(payload) ? payload : new Uint8Array(payload), first);
  }

  /**
   * Writes a control frame. It goes before data that waits to be taken, unless `inOrder`: a close frame is the last
   * of all, and comes after what was sent before it.
   *
   * @throws {RangeError} when the payload is longer than 125 bytes
   */
  writeControl(opcode: Opcode, payload: Uint8Array, inOrder = false): void {
    if (payload.length > MAX_CONTROL_PAYLOAD) {
      throw new RangeError(
        `Cannot send: a control frame takes ${MAX_CONTROL_PAYLOAD} bytes, not ${payload.length}`,
      );
    }
    if (inOrder) return this.#writeSmall(payload, FIN | opcode);
    if (this.#isNextRun()) {
      this.#writeSmall(payload, FIN | opcode);
      this.#mayOvertake = false;
      return;
    }
    const key = this.#nextKey === null ? null : this.#nextKey();
    const bytes = new Uint8Array(headerSize(payload.length, key !== null) + payload.length);
    const start = writeHeader(bytes, 0, FIN | opcode, payload.length, key);
    bytes.set(payload, start);
    if (key !== null) applyMask(bytes, start, bytes.length, key);
    if (opcode === Opcode.Pong) this.#dropLatePong();
    if (this.#urgent === NONE) this.#urgent = [];
    this.#urgent.push(bytes);
    this.#bytes += bytes.length;
    this.#urgentBytes += bytes.length;
  }

  /**
   * Writes frames that are encoded already. They may be shared, and are not changed. Those that come alone, as a
   * broadcast's do, are not copied; what follows them in the same turn is gathered.
   */
  writeEncoded(frames: Uint8Array): void {
    if (frames.length < COPY_BELOW && (this.#used > 0 || this.#segments.length > 0)) {
      this.#reserve(frames.length).set(frames, this.#used);
      return this.#advance(this.#used + frames.length);
    }
    this.#seal(true);
    this.#push(frames, null, true);
  }

  /** The next bytes for the socket, or `null`. They are to be released before more are taken. */
  take(): Uint8Array | null {
    // Called from inside the write of what was taken before: its turn comes later.
    if (this.#taken !== null) return null;
    if (this.#urgent.length > 0 && this.#mayOvertake) return this.#takeUrgent();
    if (this.#segments.length === 0) this.#seal(true);
    const segment = this.#segments.shift();
    if (segment === undefined) return null;
    this.#taken = segment;
    // A buffer that its owner gave away meanwhile is empty. The head has promised bytes, so that zeros have to do.
    return segment.bytes.length === segment.length ? segment.bytes : new Uint8Array(segment.length);
  }

  /** Encoded frames are with the socket already, as if they had been written and taken; to be released. Nothing waits. */
  holdTaken(frames: Uint8Array): void {
    this.#bytes += frames.length;
    this.#taken = { bytes: frames, length: frames.length, pooled: null, endsFrame: true, urgent: false };
  }

  /** Whether what `take` gave went before the rest. */
  get takenUrgent(): boolean {
    return this.#taken !== null && this.#taken.urgent;
  }

  /** The socket is done with what `take` gave. */
  release(): void {
    const taken = this.#taken;
    if (taken === null) return;
    this.#bytes -= taken.length;
    if (taken.urgent) this.#urgentBytes -= taken.length;
    if (taken.pooled !== null) this.#buffers.give(taken.pooled);
    this.#taken = null;
    this.#mayOvertake = taken.endsFrame;
  }

  /** Forgets everything that was not taken. The connection is over: frames may have been cut. */
  drop(): void {
    for (const segment of this.#segments) {
      if (segment.pooled !== null) this.#buffers.give(segment.pooled);
    }
    if (this.#buffer !== null) this.#buffers.give(this.#buffer);
    this.#buffer = null;
    this.#used = 0;
    this.#segments = NONE;
    this.#urgent = NONE;
    this.#bytes = this.#taken?.length ?? 0;
    this.#urgentBytes = this.#taken?.urgent ? this.#bytes : 0;
  }

  /** Whether a control frame in the buffer leaves with the next run: then it need not overtake anything. */
  #isNextRun(): boolean {
    if (this.#segments.length > 0 || this.#urgent.length > 0 || this.#taken !== null) return false;
    return this.#used + MAX_HEADER_SIZE + MAX_CONTROL_PAYLOAD <= POOL_BUFFER_SIZE;
  }

  /** All control frames that wait, in one run. */
  #takeUrgent(): Uint8Array {
    const bytes = concat(this.#urgent);
    this.#urgent = NONE;
    this.#taken = { bytes, length: bytes.length, pooled: null, endsFrame: true, urgent: true };
    return bytes;
  }

  /**
   * 5.5.3: of the pings whose pongs are not sent yet, the last one's answer will do. Otherwise a peer that pings and
   * does not read would fill the memory.
   */
  #dropLatePong(): void {
    const last = this.#urgent.at(-1);
    if (this.#urgent.length < MAX_URGENT || last![0] !== (FIN | Opcode.Pong)) return;
    this.#urgent.pop();
    this.#bytes -= last!.length;
    this.#urgentBytes -= last!.length;
  }

  /** Text that might not fit: how long it is is found out first. */
  #writeMeasured(text: string, first: number): void {
    const payload = this.#text.encode(text);
    if (payload.length < COPY_BELOW) this.#writeSmall(payload, first);
    else this.#writeLarge(payload, first);
  }

  /** Sends from where the payload lies, masked in place: it is ours, or needs no mask. */
  #writeLarge(payload: Uint8Array, first: number): void {
    let at = 0;
    // 5.4: the first fragment says what the message is, the last one that it ends.
    for (; payload.length - at > MAX_FRAGMENT; at += MAX_FRAGMENT) {
      this.#writeLargeFrame(payload.subarray(at, at + MAX_FRAGMENT), first & ~FIN);
      first &= FIN;
    }
    this.#writeLargeFrame(at === 0 ? payload : payload.subarray(at), first);
  }

  #writeLargeFrame(payload: Uint8Array, first: number): void {
    const key = this.#nextKey === null ? null : this.#nextKey();
    if (key !== null) applyMask(payload, 0, payload.length, key);
    const copied = Math.min(payload.length, WITH_HEAD);
    const buffer = this.#reserve(MAX_HEADER_SIZE + copied);
    const start = writeHeader(buffer, this.#used, first, payload.length, key);
    buffer.set(payload.subarray(0, copied), start);
    this.#advance(start + copied);
    if (copied === payload.length) return;
    this.#seal(false);
    this.#push(payload.subarray(copied), null, true);
  }

  #writeSmall(payload: Uint8Array, first: number): void {
    const length = payload.length;
    const buffer = this.#reserve(length + MAX_HEADER_SIZE);
    const key = this.#nextKey === null ? null : this.#nextKey();
    const start = writeHeader(buffer, this.#used, first, length, key);
    copyInto(buffer, start, payload);
    if (key !== null) applyMask(buffer, start, start + length, key);
    this.#advance(start + length);
  }

  /** The buffer, with room for `count` bytes, which one large buffer always has. */
  #reserve(count: number): Uint8Array {
    const buffer = this.#buffer;
    if (buffer !== null && this.#used + count <= buffer.length) return buffer;
    return this.#makeRoom(count);
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

  #advance(used: number): void {
    this.#bytes += used - this.#used;
    this.#used = used;
  }

  /**
   * Ends the buffer being filled; the next frame begins a new one.
   *
   * @param endsFrame whether its last frame is whole
   */
  #seal(endsFrame: boolean): void {
    const buffer = this.#buffer;
    if (buffer === null) return;
    this.#buffer = null;
    if (this.#used === 0) return this.#buffers.give(buffer);
    this.#push(buffer.subarray(0, this.#used), buffer, endsFrame);
    this.#used = 0;
  }

  #push(bytes: Uint8Array, pooled: Uint8Array | null, endsFrame: boolean): void {
    // What lies in a buffer of the pool was counted when it was written.
    if (pooled === null) this.#bytes += bytes.length;
    if (this.#segments === NONE) this.#segments = [];
    this.#segments.push({ bytes, length: bytes.length, pooled, endsFrame, urgent: false });
  }
}

/** Whether the bytes can be sent from later: memory that is shared or changes its size is not for every socket. */
function isStable({ buffer }: Uint8Array): boolean {
  return buffer instanceof ArrayBuffer && !buffer.resizable;
}

/** A loop beats the call that `set` makes for a few bytes. */
function copyInto(into: Uint8Array, at: number, bytes: Uint8Array): void {
  if (bytes.length > 32) return into.set(bytes, at);
  for (let i = 0; i < bytes.length; i++) into[at + i] = bytes[i]!;
}
