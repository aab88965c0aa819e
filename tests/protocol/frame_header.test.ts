import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FIN, headerSize, MAX_HEADER_SIZE, Opcode, writeHeader } from "../../src/protocol/frame_header.ts";
import { KEY_NUMBER, toHex } from "./wire.ts";

function written(first: number, length: number, key: number | null): string {
  const into = new Uint8Array(30).fill(0xee);
  const end = writeHeader(into, 7, first, length, key);
  assert.equal(end - 7, headerSize(length, key !== null));
  const outside = [...into.subarray(0, 7), ...into.subarray(end)];
  assert.ok(outside.every((byte) => byte === 0xee));
  return toHex(into.subarray(7, end));
}

describe("RFC 6455, 5.2: the head of a frame", () => {
  const lengths: [length: number, plain: string, masked: string][] = [
    [0, "8200", "8280"],
    [1, "8201", "8281"],
    [125, "827d", "82fd"],
    [126, "827e007e", "82fe007e"],
    [255, "827e00ff", "82fe00ff"],
    [256, "827e0100", "82fe0100"],
    [65535, "827effff", "82feffff"],
    [65536, "827f0000000000010000", "82ff0000000000010000"],
    [2 ** 31, "827f0000000080000000", "82ff0000000080000000"],
    [2 ** 32 - 1, "827f00000000ffffffff", "82ff00000000ffffffff"],
    [2 ** 32, "827f0000000100000000", "82ff0000000100000000"],
    [2 ** 53 - 1, "827f001fffffffffffff", "82ff001fffffffffffff"],
  ];
  for (const [length, plain, masked] of lengths) {
    it(`writeHeader() writes a length of ${length} in the fewest bytes`, () => {
      assert.equal(written(FIN | Opcode.Binary, length, null), plain);
      assert.equal(written(FIN | Opcode.Binary, length, KEY_NUMBER), masked + "37fa213d");
    });
  }

  it("writeHeader() writes FIN, reserved bits and opcode as they are given", () => {
    for (let first = 0; first < 256; first++) {
      assert.equal(written(first, 5, null), toHex(Uint8Array.of(first, 5)));
    }
  });

  it("writeHeader() writes a key of any sign, its lowest byte first", () => {
    assert.equal(written(0x89, 0, -2), "8980feffffff");
    assert.equal(written(0x89, 0, 0xfffffffe), "8980feffffff");
    assert.equal(written(0x89, 0, 0), "898000000000");
  });

  it("no head is longer than MAX_HEADER_SIZE", () => {
    assert.equal(headerSize(Number.MAX_SAFE_INTEGER, true), MAX_HEADER_SIZE);
  });
});
