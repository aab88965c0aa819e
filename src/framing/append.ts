/** Appending of encoded items with as few arrays as possible: allocating a small array costs more than filling it. */

import { uint8ArrayOf } from "../bytes/any_realm.ts";
import type { ByteBuffer } from "../bytes/byte_buffer.ts";
import { described } from "../bytes/described.ts";
import { FrameTooLongError } from "./codec.ts";
import { encodeUtf8, encodeUtf8Into } from "../bytes/utf8_text.ts";

/** Longest text, in code units, for which room is reserved in the buffer: three bytes for each code unit. */
const SHORT_TEXT = 2048;

/** Longest item, in bytes, that is copied into the buffer; longer ones are appended without a copy. */
const SHORT_BYTES = 1024;

const LF = 0x0a;

/**
 * Appends a text as UTF-8.
 *
 * @param what name of the item in an error message
 * @param end terminator to append after the text
 * @param maxLength upper bound of the text without its terminator, bytes
 * @throws {FrameTooLongError} when the text is longer than `maxLength`; nothing is appended
 */
export function appendText(
  what: string,
  text: string,
  end: "\n" | "",
  dst: ByteBuffer,
  maxLength: number,
): void {
  // A text has at least as many bytes as code units: a huge one can be refused without being encoded.
  if (text.length > maxLength) throw new FrameTooLongError(what, maxLength, null);
  if (text.length <= SHORT_TEXT) return appendShortText(what, text, end, dst, maxLength);
  const bytes = encodeUtf8(text + end);
  if (bytes.length - end.length > maxLength) throw new FrameTooLongError(what, maxLength, null);
  dst.append(bytes);
}

function appendShortText(
  what: string,
  text: string,
  end: "\n" | "",
  dst: ByteBuffer,
  maxLength: number,
): void {
  const room = dst.reserve(3 * text.length + end.length);
  const length = encodeUtf8Into(text, room);
  if (length > maxLength) throw new FrameTooLongError(what, maxLength, null);
  if (end !== "") room[length] = LF;
  dst.commit(length + end.length);
}

/** Appends bytes, which the caller must not change until they have been sent. */
export function appendBytes(bytes: Uint8Array, dst: ByteBuffer): void {
  if (bytes.length > SHORT_BYTES) return dst.append(bytes);
  dst.reserve(bytes.length).set(bytes);
  dst.commit(bytes.length);
}

/** @throws {TypeError} when the item is no `Uint8Array` */
export function checkItem(item: unknown): Uint8Array {
  const bytes = uint8ArrayOf(item);
  if (bytes !== null) return bytes;
  throw new TypeError(`Cannot encode the item: it is ${described(item)}, not a Uint8Array`);
}
