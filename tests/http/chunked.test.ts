import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ChunkedDecoder, encodeChunk, LAST_CHUNK } from "../../src/http/chunked.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (parts: Uint8Array[]): string => parts.map((part) => new TextDecoder().decode(part)).join("");

/** Decodes a body in the given pieces; returns its data and the decoder's state at the end. */
function decode(pieces: Uint8Array[]): { data: string; end: "complete" | "invalid" | "more" } {
  const decoder = new ChunkedDecoder();
  const data = text(pieces.flatMap((piece) => decoder.receive(piece)));
  return { data, end: decoder.complete ? "complete" : decoder.invalid ? "invalid" : "more" };
}

describe("RFC 9112, 7.1: chunked transfer coding", () => {
  const body = 'a;name="value"\r\n0123456789\r\n0F \r\nabcdefghijklmno\r\n000\r\nTrailer: x\r\n\r\n';

  it("decodes chunks with extensions, leading zeros and a trailer", () => {
    assert.deepEqual(decode([bytes(body)]), { data: "0123456789abcdefghijklmno", end: "complete" });
  });

  it("decodes a body byte by byte, and split at each offset", () => {
    const whole = bytes(body);
    const single = Array.from(whole, (_, i) => whole.subarray(i, i + 1));
    assert.deepEqual(decode(single), { data: "0123456789abcdefghijklmno", end: "complete" });
    for (let i = 0; i <= whole.length; i++) {
      const { data, end } = decode([whole.subarray(0, i), whole.subarray(i)]);
      assert.deepEqual([data, end], ["0123456789abcdefghijklmno", "complete"], `split at ${i}`);
    }
  });

  it("decodes what encodeChunk() and LAST_CHUNK encode", () => {
    const parts = [bytes("one"), bytes("two")];
    const coded = [...encodeChunk(parts, 6), ...encodeChunk([bytes("x".repeat(300))], 300), LAST_CHUNK];
    assert.deepEqual(decode(coded), { data: "onetwo" + "x".repeat(300), end: "complete" });
  });

  it("encodes nothing for no bytes, as an empty chunk would end the body", () => {
    assert.deepEqual(encodeChunk([], 0), []);
  });

  it("decodes nothing behind the end", () => {
    assert.deepEqual(decode([bytes("0\r\n\r\n5\r\nafter\r\n")]), { data: "", end: "complete" });
  });

  const invalid: Record<string, string> = {
    "no size": "\r\n",
    "a size that is no number": "x\r\n",
    "a negative size": "-1\r\n",
    "a size with 0x": "0x5\r\n",
    "a size past 2^52": "ffffffffffffff\r\n",
    "a line that ends without CR": "5\nhello",
    "data longer than its size": "5\r\nhello!\r\n",
    "a line that never ends": "1;" + "x".repeat(5_000),
    "a trailer that never ends": "0\r\n" + ("a: " + "x".repeat(1_000) + "\r\n").repeat(20),
  };
  for (const [name, coded] of Object.entries(invalid)) {
    it(`refuses ${name}`, () => {
      assert.equal(decode([bytes(coded)]).end, "invalid");
      const single = Array.from(bytes(coded), (byte) => Uint8Array.of(byte));
      assert.equal(decode(single).end, "invalid");
    });
  }
});
