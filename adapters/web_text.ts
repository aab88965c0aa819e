import type { TextCodec } from "../src/bytes/text.ts";
import { decodeUtf8, encodeUtf8, encodeUtf8Into } from "../src/bytes/utf8_text.ts";

/** Text codec over `TextEncoder` and `TextDecoder`, which every runtime has. */
export const webText: TextCodec = {
  decode: (bytes, start, end) => decodeUtf8(bytes.subarray(start, end)),
  encode: encodeUtf8,
  encodeInto: (text, into, offset) => encodeUtf8Into(text, into.subarray(offset)),
};
