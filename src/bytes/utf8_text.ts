/**
 * UTF-8 for codecs: the two web standards that every runtime has, which are the fastest portable way (a loop over the
 * bytes is slower from some 16 bytes on, everywhere). Declared here because the core is compiled without the DOM.
 */

declare class TextDecoder {
  constructor(label: "utf-8", options: { fatal: boolean; ignoreBOM: true });
  decode(bytes: Uint8Array): string;
}

declare class TextEncoder {
  encode(text: string): Uint8Array;
  encodeInto(text: string, into: Uint8Array): { written: number };
}

// Without `ignoreBOM` a byte order mark would vanish; with `stream` unset no state is left behind.
const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The text of all of `bytes`, or `null` when they are not UTF-8. A byte order mark is kept. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  // What is wrong becomes U+FFFD. To look for that is cheap, while strict decoding is four times slower on one runtime.
  const text = decoder.decode(bytes);
  return text.includes("\ufffd") ? decodeStrictly(bytes) : text;
}

/** For a text that may hold U+FFFD, or may not be one. */
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

/** Writes the UTF-8 bytes of `text` to the start of `into`, and returns how many. There is room for three a code unit. */
export function encodeUtf8Into(text: string, into: Uint8Array): number {
  return encoder.encodeInto(text, into).written;
}
