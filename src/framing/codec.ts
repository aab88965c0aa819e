/**
 * What turns a stream of bytes into items and back, in the shape of tokio's codecs, and what can go wrong with it:
 *
 * ```text
 * Error
 * └── FrameError             the stream holds what the codec cannot read, nor what follows; `offset` says where
 *     ├── FrameTooLongError  an item is longer than the codec's limit
 *     └── FrameFormatError   an item is not in the codec's format; it is consumed, and the next one can be read
 * ```
 */

import type { ByteBuffer } from "../bytes/byte_buffer.ts";

/** Reads items from the front of a buffer. One decoder serves one stream. */
export interface Decoder<T> {
  /**
   * Removes the next item from `src` and returns it; `undefined` when more bytes must come first. An item is neither
   * `undefined` nor `null`.
   *
   * What it throws is thrown to whoever reads. It has either removed the bytes of the bad item, so that the next call
   * goes on behind it, or it throws the same again at every call.
   */
  decode(src: ByteBuffer): T | undefined;
  /**
   * Removes all items that have come, and calls `give`, which never throws, with each: for decoders that do that faster
   * than one by one. Web streams ask for it. What it throws, at an item behind those it gave, is as with `decode`.
   */
  decodeEach?(src: ByteBuffer, give: (item: T) => void): void;
  /**
   * The same at the end of the stream, when `decode` finds no more: for items whose end the end of the stream is.
   * What it leaves in `src` is a truncated item.
   */
  decodeEof?(src: ByteBuffer): T | undefined;
  /**
   * How many bytes the truncated item in `src` lacks, or `undefined` when nobody can know. Asked at the end of the
   * stream, to say it in the error.
   */
  missing?(src: ByteBuffer): number | undefined;
}

/** Writes items as bytes. */
export interface Encoder<T> {
  /** Appends the bytes of `item` to `dst`, or throws and appends nothing. */
  encode(item: T, dst: ByteBuffer): void;
}

/** Both directions of a stream of items: reads `In`, writes `Out`. */
export interface Codec<In, Out = In> extends Decoder<In>, Encoder<Out> {}

/** An item that the codec refuses. If it is none of the classes below, it was read, and nothing behind it can be. */
export class FrameError extends Error {
  /** The name of the class. */
  override readonly name: string = "FrameError";
  /** Where the item starts, counted in bytes from the start of the stream; `null` when it was to be written. */
  readonly offset: number | null;

  /**
   * Makes one.
   *
   * @param message what failed
   * @param offset where in the stream, bytes; `null` when writing
   * @param cause the runtime's own error
   */
  constructor(message: string, offset: number | null, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.offset = offset;
  }
}

/** An item is longer than the codec's limit. It is thrown as soon as that is known, before the item is all there. */
export class FrameTooLongError extends FrameError {
  /** Always `"FrameTooLongError"`. */
  override readonly name = "FrameTooLongError";
  /** The codec's limit in bytes. */
  readonly limit: number;

  /**
   * Makes one.
   *
   * @param what the item
   * @param limit the bound it passes, bytes
   * @param offset where in the stream, bytes; `null` when writing
   */
  constructor(what: string, limit: number, offset: number | null) {
    super(`Cannot ${describe(what, offset)}: it is longer than ${limit} bytes`, offset);
    this.limit = limit;
  }
}

/** An item is not in the codec's format. When it was read, it is consumed, and the next one can be read. */
export class FrameFormatError extends FrameError {
  /** Always `"FrameFormatError"`. */
  override readonly name = "FrameFormatError";

  /**
   * Makes one.
   *
   * @param what the item
   * @param reason what is wrong with it
   * @param offset where in the stream, bytes; `null` when writing
   * @param cause the runtime's own error
   */
  constructor(what: string, reason: string, offset: number | null, cause?: unknown) {
    super(`Cannot ${describe(what, offset)}: ${reason}`, offset, cause);
  }
}

/** The error for what cannot be read, nor anything behind it: where the next item starts is not known. */
export function brokenStream(what: string, reason: string, offset: number): FrameError {
  return new FrameError(`Cannot ${describe(what, offset)}: ${reason}`, offset);
}

function describe(what: string, offset: number | null): string {
  return offset === null ? `encode the ${what}` : `decode the ${what} at byte ${offset}`;
}

/** Checks an option that limits something. */
export function checkLimit(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`Cannot make the codec: ${name} is ${value}, not a positive integer`);
}
