import type { TextCodec } from "../src/bytes/text.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The web's codecs, which every runtime has. */
export const webText: TextCodec = {
  decode(bytes, start, end) {
    try {
      return decoder.decode(bytes.subarray(start, end));
    } catch {
      return null;
    }
  },
  encode: (text) => encoder.encode(text),
  encodeInto: (text, into, offset) => encoder.encodeInto(text, into.subarray(offset)).written,
};
