import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bufferText } from "../../adapters/buffer_text.ts";
import { denoText } from "../../adapters/deno_text.ts";
import { maskMemory } from "../../adapters/mask_memory.ts";
import { webText } from "../../adapters/web_text.ts";
import type { TextCodec } from "../../src/bytes/text.ts";
import { Random } from "../bytes/random.ts";
import { hex, toHex, utf8 } from "../protocol/wire.ts";

/** Codecs to test. Deno's `Buffer` decodes like the other codecs, but does not encode like them. */
const codecs: Record<string, TextCodec> = { webText, denoText, bufferText };

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function expected(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

/** Wherever the bytes may lie: by themselves, and where they are unmasked. */
function places(bytes: Uint8Array): Record<string, readonly [Uint8Array, number]> {
  const own = new Uint8Array(bytes.length + 9).fill(0x80);
  own.set(bytes, 5);
  const memory = maskMemory!.bytes;
  memory.fill(0x80, 0, bytes.length + 9);
  memory.set(bytes, 5);
  return { "by themselves": [own, 5], "in the memory for masking": [memory, 5] };
}

function check(bytes: Uint8Array): void {
  const text = expected(bytes);
  for (const [where, [memory, start]] of Object.entries(places(bytes))) {
    for (const [name, codec] of Object.entries(codecs)) {
      const decoded = codec.decode(memory, start, start + bytes.length);
      assert.equal(decoded, text, `${name}, ${where}: ${toHex(bytes)}`);
    }
  }
}

describe("the runtimes' text codecs", () => {
  const cases: Record<string, Uint8Array> = {
    "nothing": utf8(""),
    "a byte order mark is kept": utf8("\ufeffabc"),
    "U+FFFD itself": utf8("a\ufffdb"),
    "two, three and four bytes": utf8("é漢😀"),
    "a byte alone": hex("80"),
    "cut": hex("e6bc"),
    "a surrogate": hex("eda080"),
    "overlong": hex("c080"),
    "above U+10FFFF": hex("f4908080"),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    it(`decode, by itself and at the ends and in the middle of a longer one: ${name}`, () => {
      for (const around of [0, 1, 15, 16, 60, 64, 200, 1024]) {
        const ascii = utf8("x".repeat(around));
        for (const [before, after] of [[ascii, ascii], [ascii, utf8("")], [utf8(""), ascii]]) {
          check(Uint8Array.of(...before!, ...bytes, ...after!));
        }
      }
    });
  }

  it("decode anything as the strict decoder of the web does", () => {
    const random = new Random(11);
    for (let round = 0; round < 3000; round++) {
      const bytes = utf8(random.text(random.below(100)));
      if (bytes.length > 0 && round % 2 === 0) bytes[random.below(bytes.length)] = random.below(256);
      check(bytes);
    }
  });
});
