import { POOL_BUFFER_SIZE } from "../bytes/buffer_pool.ts";
import { encodeLatin1, writeLatin1 } from "../bytes/latin1.ts";
import { applyMask } from "../bytes/mask.ts";
import type { TextCodec } from "../bytes/text.ts";
import {
  FIN,
  headerSize,
  MAX_CONTROL_PAYLOAD,
  MAX_HEADER_SIZE,
  type Opcode,
  writeHeader,
} from "./frame_header.ts";
import { MIN_BORROWED_BYTES, type OutputQueue } from "./output_queue.ts";

/**
 * Bytes of a borrowed payload that are copied behind its header, at most, so that the header is not a write of its own,
 * nor a short beginning with it.
 */
export const MAX_COPIED_WITH_HEADER = 16384;

/** Bytes of one frame's payload, at most; a longer payload is cut, so that a control frame waits for one frame only. */
export const MAX_FRAGMENT = 262144;

/** Parameters of a {@linkcode FrameWriter}. */
export interface FrameWriterOptions {
  /** Draws an unpredictable masking key (RFC 6455, 10.3), for a client; `null` for a server, which does not mask. */
  nextKey: (() => number) | null;
  /** Text to bytes. */
  text: TextCodec;
}

/** Encodes frames into an {@linkcode OutputQueue}, RFC 6455, 5. */
export class FrameWriter {
  readonly #queue: OutputQueue;
  readonly #nextKey: (() => number) | null;
  readonly #text: TextCodec;

  /** Makes a writer that fills `queue`. */
  constructor(queue: OutputQueue, options: FrameWriterOptions) {
    this.#queue = queue;
    this.#nextKey = options.nextKey;
    this.#text = options.text;
  }

  /** Writes what comes before the first frame: the answer to a handshake, of one byte a character. */
  writeHead(text: string): void {
    const queue = this.#queue;
    if (text.length > POOL_BUFFER_SIZE) return queue.append(encodeLatin1(text));
    const buffer = queue.reserve(text.length);
    writeLatin1(text, buffer, queue.used);
    queue.commit(queue.used + text.length);
  }

  /**
   * Writes text: one frame, or several where the text is long.
   *
   * @param first the first byte of the frame: FIN, reserved bits and opcode
   */
  writeText(text: string, first: number): void {
    const queue = this.#queue;
    // UTF-8 takes at most three bytes a code unit.
    const most = text.length * 3;
    if (queue.used + most + MAX_HEADER_SIZE > POOL_BUFFER_SIZE) return this.#writeMeasured(text, first);
    const buffer = queue.reserve(most + MAX_HEADER_SIZE);
    const { used } = queue;
    const key = this.#nextKey === null ? null : this.#nextKey();
    // The header's size depends on the length, which is known after encoding. Most text is ASCII: guess one byte each.
    const guess = used + headerSize(text.length, key !== null);
    const length = this.#text.encodeInto(text, buffer, guess);
    const start = used + headerSize(length, key !== null);
    if (start !== guess) buffer.copyWithin(start, guess, guess + length);
    writeHeader(buffer, used, first, length, key);
    if (key !== null) applyMask(buffer, start, start + length, key);
    queue.commit(start + length);
  }

  /**
   * Writes bytes: one frame, or several where they are many, of which the others continue the first. A server sends a
   * payload of more than 64 KiB from the caller's array, which must stay as it is until the socket has accepted it.
   *
   * @param first the first byte of the first frame: FIN, reserved bits and opcode
   */
  writeBytes(payload: Uint8Array, first: number): void {
    if (payload.length < MIN_BORROWED_BYTES) return this.#writeSmall(payload, first);
    // Masking changes the bytes. Not `slice`: that of Node's Buffer is a view of the same bytes.
    this.#writeLarge(this.#nextKey === null && isStable(payload) ? payload : new Uint8Array(payload), first);
  }

  /**
   * Writes a control frame, which overtakes data that waits.
   *
   * @param inOrder whether the frame keeps its place behind the data instead: a close frame is the last of all
   * @throws {RangeError} when the payload is longer than 125 bytes
   */
  writeControl(opcode: Opcode, payload: Uint8Array, inOrder = false): void {
    if (payload.length > MAX_CONTROL_PAYLOAD) {
      throw new RangeError(
        `Cannot send: a control frame takes ${MAX_CONTROL_PAYLOAD} bytes, not ${payload.length}`,
      );
    }
    if (inOrder || this.#queue.joinsNextPiece()) return this.#writeSmall(payload, FIN | opcode);
    const key = this.#nextKey === null ? null : this.#nextKey();
    const frame = new Uint8Array(headerSize(payload.length, key !== null) + payload.length);
    const start = writeHeader(frame, 0, FIN | opcode, payload.length, key);
    frame.set(payload, start);
    if (key !== null) applyMask(frame, start, frame.length, key);
    this.#queue.appendUrgent(frame);
  }

  /** Text that might not fit into the buffer: encoding comes first, to know the length. */
  #writeMeasured(text: string, first: number): void {
    const payload = this.#text.encode(text);
    if (payload.length < MIN_BORROWED_BYTES) this.#writeSmall(payload, first);
    else this.#writeLarge(payload, first);
  }

  /** Writes a payload that needs no mask, or is this writer's own and is masked in place. */
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
    const queue = this.#queue;
    const key = this.#nextKey === null ? null : this.#nextKey();
    if (key !== null) applyMask(payload, 0, payload.length, key);
    const copied = Math.min(payload.length, MAX_COPIED_WITH_HEADER);
    const buffer = queue.reserve(MAX_HEADER_SIZE + copied);
    const start = writeHeader(buffer, queue.used, first, payload.length, key);
    buffer.set(payload.subarray(0, copied), start);
    queue.commit(start + copied);
    if (copied < payload.length) queue.append(payload.subarray(copied), true);
  }

  #writeSmall(payload: Uint8Array, first: number): void {
    const queue = this.#queue;
    const { length } = payload;
    const buffer = queue.reserve(length + MAX_HEADER_SIZE);
    const key = this.#nextKey === null ? null : this.#nextKey();
    const start = writeHeader(buffer, queue.used, first, length, key);
    copyInto(buffer, start, payload);
    if (key !== null) applyMask(buffer, start, start + length, key);
    queue.commit(start + length);
  }
}

/** Whether bytes can be sent later from where they lie: not every socket takes memory that is shared or resizable. */
function isStable({ buffer }: Uint8Array): boolean {
  return buffer instanceof ArrayBuffer && !buffer.resizable;
}

/** Copies a payload. A loop beats the call of `set` up to 32 bytes. */
function copyInto(into: Uint8Array, at: number, bytes: Uint8Array): void {
  if (bytes.length > 32) return into.set(bytes, at);
  for (let i = 0; i < bytes.length; i++) into[at + i] = bytes[i]!;
}
