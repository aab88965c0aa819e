import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { acceptKey, isHandshakeKey } from "../../src/protocol/accept_key.ts";

describe("RFC 6455, 4.2.2, item 5.4: Sec-WebSocket-Accept", () => {
  it("acceptKey() answers the RFC's example (1.3)", () => {
    assert.equal(acceptKey("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  });

  it("acceptKey() answers another pair from the wire", () => {
    assert.equal(acceptKey("duR0pUQxNgBJsRQKj2Jxsw=="), "a1y2oy1zvgHsVyHMx+hZ1AYrEHI=");
  });

  it("acceptKey() agrees with the runtime's own SHA-1", () => {
    for (let i = 0; i < 50; i++) {
      const key = randomBytes(16).toString("base64");
      const expected = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest(
        "base64",
      );
      assert.equal(acceptKey(key), expected, key);
    }
  });
});

describe("RFC 6455, 4.2.1, item 5: Sec-WebSocket-Key", () => {
  it("isHandshakeKey() asks for exactly 16 bytes in base64", () => {
    for (let length = 0; length < 40; length++) {
      assert.equal(isHandshakeKey(randomBytes(length).toString("base64")), length === 16, `length ${length}`);
    }
    for (
      const key of ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ= ", "dGhl-HNhbXBsZSBub25jZQ=="]
    ) {
      assert.equal(isHandshakeKey(key), false, key);
    }
  });
});
