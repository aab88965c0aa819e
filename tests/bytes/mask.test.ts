import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { applyMask, rotateKey } from "../../src/bytes/mask.ts";
import { Random } from "./random.ts";
import { hex, KEY, KEY_NUMBER, masked, toHex } from "../protocol/wire.ts";

/** The key's four bytes in hexadecimal, the lowest first. */
const keyHex = (key: number) => toHex(Uint8Array.of(key, key >> 8, key >> 16, key >> 24));

describe("RFC 6455, 5.3: client-to-server masking", () => {
  it("applyMask() makes and undoes the example of 5.7", () => {
    const bytes = hex("48656c6c6f");
    applyMask(bytes, 0, 5, KEY_NUMBER);
    assert.equal(toHex(bytes), "7f9f4d5158");
    applyMask(bytes, 0, 5, KEY_NUMBER);
    assert.equal(toHex(bytes), "48656c6c6f");
  });

  it("applyMask() agrees with the RFC's loop at each length to 300 and each alignment", () => {
    const payload = Uint8Array.from({ length: 300 }, (_, i) => (i * 7) & 255);
    for (let length = 0; length <= 300; length++) {
      const expected = masked(payload.subarray(0, length));
      for (let offset = 0; offset < 8; offset++) {
        const buffer = new Uint8Array(320).fill(0xee);
        buffer.set(payload.subarray(0, length), 5 + offset);
        // The view begins at an odd address, too.
        applyMask(buffer.subarray(5), offset, offset + length, KEY_NUMBER);
        assert.deepEqual(
          buffer.subarray(5 + offset, 5 + offset + length),
          expected,
          `${length} at ${offset}`,
        );
        const outside = [...buffer.subarray(0, 5 + offset), ...buffer.subarray(5 + offset + length)];
        assert.ok(outside.every((byte) => byte === 0xee), `${length} at ${offset}: bytes outside changed`);
      }
    }
  });

  it("applyMask() takes any key, positive or negative", () => {
    const random = new Random(1);
    const keys = [0, -1, 0xffffffff, 0x80000000, -0x80000000, 0xff, 0xff000000, 1 << 24, 0x00ff00ff];
    for (const key of [...keys, ...Array.from({ length: 50 }, () => random.uint32())]) {
      for (const length of [3, 63, 64, 65, 130]) {
        const payload = random.bytes(length);
        const bytes = payload.slice();
        applyMask(bytes, 0, length, key);
        assert.deepEqual(bytes, masked(payload, keyHex(key)), `${key}, ${length}`);
      }
    }
  });

  it("rotateKey() carries on in the next piece, wherever the payload was cut", () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = new Random(seed);
      const payload = random.bytes(random.below(600));
      const key = random.uint32();
      const bytes = payload.slice();
      let at = 0;
      let turned = key;
      for (const { length } of random.cut(payload, random.pick([1, 3, 70, 200]))) {
        applyMask(bytes, at, at + length, turned);
        turned = rotateKey(turned, length);
        at += length;
      }
      assert.deepEqual(bytes, masked(payload, keyHex(key)), `seed ${seed}`);
    }
  });

  it("masks memory that has grown or shrunk since, and many buffers in turn", () => {
    const memory = new ArrayBuffer(100, { maxByteLength: 1000 });
    const check = (bytes: Uint8Array) => {
      bytes.fill(7);
      applyMask(bytes, 3, bytes.length, KEY_NUMBER);
      assert.deepEqual(bytes.slice(3), masked(new Uint8Array(bytes.length - 3).fill(7), KEY));
      assert.deepEqual([...bytes.subarray(0, 3)], [7, 7, 7]);
    };
    for (const size of [100, 1000, 300, 90]) {
      memory.resize(size);
      check(new Uint8Array(memory));
    }
    for (let length = 64; length < 200; length++) check(new Uint8Array(length));
  });

  it("rotateKey() turns by the count modulo four", () => {
    const turned = ["37fa213d", "fa213d37", "213d37fa", "3d37fa21"];
    assert.equal(keyHex(KEY_NUMBER), KEY);
    for (const count of [0, 1, 2, 3, 4, 5, 65535, 65536, 2 ** 31 + 1, 2 ** 32 + 2, 2 ** 40 + 3]) {
      assert.equal(keyHex(rotateKey(KEY_NUMBER, count)), turned[count % 4], String(count));
    }
  });
});
