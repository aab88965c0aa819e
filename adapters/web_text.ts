import type { TextCodec } from "../src/bytes/text.ts";

/** Four times as fast on Deno as the strict one. What is invalid it replaces by U+FFFD, and that is looked for. */
const loose = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The web's codecs, which every runtime has. */
export const webText: TextCodec = {
  decode(bytes, start, end) {
    const view = bytes.subarray(start, end);
    const text = loose.decode(view);
    if (!text.includes("\uFFFD")) return text;
    try {
      return strict.decode(view);
    } catch {
      return null;
    }
  },
  encode: (text) => encoder.encode(text),
  encodeInto: (text, into, offset) => encoder.encodeInto(text, into.subarray(offset)).written,
};
