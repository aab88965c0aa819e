import { Buffer } from "node:buffer";
import type { TextCodec } from "../src/bytes/text.ts";
import { bufferText } from "./buffer_text.ts";
import { isAscii, maskMemory } from "./mask_memory.ts";
import { webText } from "./web_text.ts";

const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
};

/** To so many bytes, `Buffer` is the faster one, whatever the text. */
const SHORT = 64;

/** A loop beats the call of an operation for so many characters. */
const LOOP_ENCODE = 32;

/**
 * What is fastest on Deno, by `bench/text.ts`: for a short text 90 ns instead of 160, for 1 KiB of ASCII 160 instead of 230, as
 * it need not be checked again.
 */
export const denoText: TextCodec = {
  decode(bytes, start, end) {
    if (end - start <= SHORT) return bufferText.decode(bytes, start, end);
    if (bytes === maskMemory?.bytes && isAscii(start, end)) return latin1Slice.call(bytes, start, end);
    return webText.decode(bytes, start, end);
  },
  encode: webText.encode,
  encodeInto(text, into, offset) {
    if (text.length > LOOP_ENCODE || !writeAscii(text, into, offset)) {
      return webText.encodeInto(text, into, offset);
    }
    return text.length;
  },
};

/** Writes a text of ASCII; `false`, with some of it written, when it is another one. */
function writeAscii(text: string, into: Uint8Array, offset: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return false;
    into[offset + i] = code;
  }
  return true;
}
