/** How codecs append what they encode, with the fewest arrays: one of its own costs more than what fills it. */

import type { ByteBuffer } from "../bytes/byte_buffer.ts";
import { FrameTooLongError } from "./codec.ts";
import { encodeUtf8, encodeUtf8Into } from "../bytes/utf8_text.ts";

/** Code units of a text for which room is reserved, three bytes for each. */
const SHORT_TEXT = 2048;

/** Bytes that are copied rather than kept as a piece of their own. */
const SHORT_BYTES = 1024;

const LF = 0x0a;

/**
 * Appends a text as UTF-8.
 *
 * @param what what to call it in the error
 * @param end what follows it: an LF, or nothing
 * @throws {FrameTooLongError} when it is longer than `maxLength` bytes without its end; nothing is appended then
 */
export function appendText(
  what: string,
  text: string,
  end: "\n" | "",
  dst: ByteBuffer,
  maxLength: number,
): void {
  // No text has fewer bytes than code units: a huge one need not be encoded to be refused.
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

/** Appends bytes, which must stay as they are until they have left. */
export function appendBytes(bytes: Uint8Array, dst: ByteBuffer): void {
  if (bytes.length > SHORT_BYTES) return dst.append(bytes);
  dst.reserve(bytes.length).set(bytes);
  dst.commit(bytes.length);
}
