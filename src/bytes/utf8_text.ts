/**
 * UTF-8 for codecs, by `TextDecoder` and `TextEncoder`: the fastest portable way, since a loop over the bytes is slower
 * from about 16 bytes on, in every runtime. Both are declared here because the core is compiled without the DOM's
 * types.
 */

declare class TextDecoder {
  constructor(label: "utf-8", options: { fatal: boolean; ignoreBOM: true });
  decode(bytes: Uint8Array): string;
}

declare class TextEncoder {
  encode(text: string): Uint8Array;
  encodeInto(text: string, into: Uint8Array): { written: number };
}

// `ignoreBOM` keeps a byte order mark. Without `stream`, a decoder keeps no state between calls.
const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Decodes `bytes`; `null` when they are not UTF-8. A byte order mark is kept. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  // Malformed bytes become U+FFFD. Searching for it is cheap, while strict decoding is four times slower on one
  // runtime.
  const text = decoder.decode(bytes);
  return text.includes("\ufffd") ? decodeStrictly(bytes) : text;
}

/** Decodes bytes that are malformed or encode U+FFFD itself. */
function decodeStrictly(bytes: Uint8Array): string | null {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return null;
  }
}

/** The UTF-8 bytes of `text`; a lone surrogate becomes U+FFFD, as everywhere on the web. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/**
 * Writes the UTF-8 bytes of `text` to the start of `into`, and returns their number. `into` must have room for three
 * bytes for each code unit.
 */
export function encodeUtf8Into(text: string, into: Uint8Array): number {
  return encoder.encodeInto(text, into).written;
}
