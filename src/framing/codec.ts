/**
 * Codecs, which turn a stream of bytes into items and back, in the shape of tokio's, and their errors:
 *
 * ```text
 * Error
 * └── FrameError             the codec cannot read the stream from `offset` on
 *     ├── FrameTooLongError  an item is longer than the codec's limit
 *     └── FrameFormatError   an item is not in the codec's format; it is consumed, and the next one can be read
 * ```
 */

import type { ByteBuffer } from "../bytes/byte_buffer.ts";

/** Reads items from the front of a buffer. One decoder serves one stream. */
export interface Decoder<T> {
  /**
   * Removes the next item from `src` and returns it; `undefined` when more bytes are needed. An item must be neither
   * `undefined` nor `null`.
   *
   * An error it throws rejects the read. The decoder must either have removed the bad item's bytes, so that the next
   * call goes on behind them, or throw the same error at every later call.
   */
  decode(src: ByteBuffer): T | undefined;
  /**
   * Removes all complete items and calls `give`, which never throws, with each: for decoders that are faster at this
   * than one item at a time. Used by `DecoderStream`. Errors are as with `decode`, after the items before the bad one
   * were given.
   */
  decodeEach?(src: ByteBuffer, give: (item: T) => void): void;
  /**
   * Removes and returns the item that the end of the stream completes. Called at the end of the stream, once `decode`
   * finds no more items. Bytes that it leaves in `src` are a truncated item.
   */
  decodeEof?(src: ByteBuffer): T | undefined;
  /**
   * Number of bytes that the truncated item in `src` lacks; `undefined` when that cannot be known. Called at the end of
   * the stream, for `UnexpectedEofError`.
   */
  missing?(src: ByteBuffer): number | undefined;
}

/** Writes items as bytes. */
export interface Encoder<T> {
  /** Appends the bytes of `item` to `dst`, or throws and appends nothing. */
  encode(item: T, dst: ByteBuffer): void;
}

/** A decoder and an encoder: reads items of type `In`, writes items of type `Out`. */
export interface Codec<In, Out = In> extends Decoder<In>, Encoder<Out> {}

/**
 * The codec refused an item. An error that is neither a {@linkcode FrameTooLongError} nor a
 * {@linkcode FrameFormatError} means that the stream cannot be read any further.
 */
export class FrameError extends Error {
  /** The name of the class. */
  override readonly name: string = "FrameError";
  /** Offset of the item in the stream, bytes; `null` when the item was to be written. */
  readonly offset: number | null;

  /**
   * Creates an error.
   *
   * @param message what failed
   * @param offset offset of the item in the stream, bytes; `null` when writing
   * @param cause the underlying error
   */
  constructor(message: string, offset: number | null, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.offset = offset;
  }
}

/** An item is longer than the codec's limit. Thrown as soon as that is known, before all of the item has arrived. */
export class FrameTooLongError extends FrameError {
  /** Always `"FrameTooLongError"`. */
  override readonly name = "FrameTooLongError";
  /** The codec's limit in bytes. */
  readonly limit: number;

  /**
   * Creates an error.
   *
   * @param what name of the item, such as `"line"`
   * @param limit the codec's limit, bytes
   * @param offset offset of the item in the stream, bytes; `null` when writing
   */
  constructor(what: string, limit: number, offset: number | null) {
    super(`Cannot ${describe(what, offset)}: it is longer than ${limit} bytes`, offset);
    this.limit = limit;
  }
}

/** An item is not in the codec's format. When reading, the item has been consumed, and the next one can be read. */
export class FrameFormatError extends FrameError {
  /** Always `"FrameFormatError"`. */
  override readonly name = "FrameFormatError";

  /**
   * Creates an error.
   *
   * @param what name of the item, such as `"line"`
   * @param reason what is wrong with the item
   * @param offset offset of the item in the stream, bytes; `null` when writing
   * @param cause the underlying error
   */
  constructor(what: string, reason: string, offset: number | null, cause?: unknown) {
    super(`Cannot ${describe(what, offset)}: ${reason}`, offset, cause);
  }
}

/** The error for an item whose end cannot be found, so that the rest of the stream is unreadable too. */
export function brokenStream(what: string, reason: string, offset: number): FrameError {
  return new FrameError(`Cannot ${describe(what, offset)}: ${reason}`, offset);
}

function describe(what: string, offset: number | null): string {
  return offset === null ? `encode the ${what}` : `decode the ${what} at byte ${offset}`;
}

/**
 * Checks a limit and returns it.
 *
 * @throws {RangeError} when it is not a positive safe integer
 */
export function checkLimit(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`Cannot make the codec: ${name} is ${value}, not a positive integer`);
}
