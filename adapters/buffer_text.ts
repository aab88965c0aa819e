import { Buffer, isUtf8 } from "node:buffer";
import type { TextCodec } from "../src/bytes/text.ts";

const { utf8Slice, utf8Write } = Buffer.prototype as unknown as {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
  utf8Write(this: Uint8Array, text: string, offset: number): number;
};

/** Text codec over `Buffer`'s native calls, on Node and Bun, which take offsets: no view is made for each text. */
export const bufferText: TextCodec = {
  decode(bytes, start, end) {
    const text = utf8Slice.call(bytes, start, end);
    // Invalid bytes become U+FFFD. A valid text may contain that character, so such a text is checked once more.
    return text.includes("\uFFFD") && !isUtf8(bytes.subarray(start, end)) ? null : text;
  },
  encode: (text) => Buffer.from(text, "utf8"),
  encodeInto: (text, into, offset) => utf8Write.call(into, text, offset),
};
