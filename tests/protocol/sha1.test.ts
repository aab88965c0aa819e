import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { sha1, SHA1_LENGTH } from "../../src/protocol/sha1.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("FIPS 180-4, 6.1: SHA-1", () => {
  it("sha1() gives the published digests", () => {
    assert.equal(hex(sha1(Buffer.from(""))), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert.equal(hex(sha1(Buffer.from("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert.equal(
      hex(sha1(Buffer.from("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
      "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
    );
  });

  it("sha1() agrees with the runtime's own for each length up to 200", () => {
    const bytes = Uint8Array.from({ length: 200 }, (_, i) => i * 181 + 7 & 0xff);
    for (let length = 0; length <= 200; length++) {
      const message = bytes.subarray(0, length);
      assert.equal(hex(sha1(message)), createHash("sha1").update(message).digest("hex"), `length ${length}`);
    }
  });

  it("sha1() reads only its view of a larger buffer and leaves it as it was", () => {
    const bytes = new Uint8Array(100).fill(0x61);
    const message = bytes.subarray(10, 70);
    assert.equal(hex(sha1(message)), createHash("sha1").update("a".repeat(60)).digest("hex"));
    assert.ok(bytes.every((byte) => byte === 0x61));
  });

  it("sha1() gives a digest of its own at each call", () => {
    const first = sha1(Buffer.from("a"));
    sha1(Buffer.from("b"));
    assert.equal(first.length, SHA1_LENGTH);
    assert.equal(hex(first), createHash("sha1").update("a").digest("hex"));
  });
});
