import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { base64ByteLength, encodeBase64 } from "../../src/bytes/base64.ts";

describe("RFC 4648, 4: encoding", () => {
  it("encodeBase64() gives the RFC's test vectors (10)", () => {
    const vectors = [
      "",
      "",
      "f",
      "Zg==",
      "fo",
      "Zm8=",
      "foo",
      "Zm9v",
      "foob",
      "Zm9vYg==",
      "fooba",
      "Zm9vYmE=",
    ];
    for (let i = 0; i < vectors.length; i += 2) {
      assert.equal(encodeBase64(Buffer.from(vectors[i] ?? "")), vectors[i + 1]);
    }
  });

  it("encodeBase64() agrees with the runtime's own for every byte and length", () => {
    const bytes = Uint8Array.from({ length: 256 + 2 }, (_, i) => i * 167 & 0xff);
    for (let length = 0; length <= bytes.length; length++) {
      assert.equal(
        encodeBase64(bytes.subarray(0, length)),
        Buffer.from(bytes.subarray(0, length)).toString("base64"),
      );
    }
  });
});

describe("RFC 4648, 3: what is base64", () => {
  it("base64ByteLength() gives the decoded length", () => {
    for (let length = 0; length < 70; length++) {
      assert.equal(base64ByteLength(Buffer.alloc(length, 0xfb).toString("base64")), length);
    }
  });

  it("base64ByteLength() lets the bits after the last byte be anything (3.5)", () => {
    assert.equal(base64ByteLength("AAAAAAAAAAAAAAAAAAAAAB=="), 16);
    assert.equal(base64ByteLength("AAAAAAAAAAAAAAAAAAAAAA=="), 16);
  });

  it("base64ByteLength() refuses missing, excess and misplaced padding", () => {
    for (const text of ["A", "AA", "AAA", "A===", "====", "=", "AA=A", "=AAA", "AAAA=", "AAAA====", "A=AA"]) {
      assert.equal(base64ByteLength(text), null, text);
    }
  });

  it("base64ByteLength() refuses other characters, those of base64url included", () => {
    for (const char of ["-", "_", " ", "\n", "\0", "@", "[", "`", "{", ":", ",", "é", "Ａ", "="]) {
      assert.equal(base64ByteLength(`A${char}AA`), null, JSON.stringify(char));
    }
  });
});
