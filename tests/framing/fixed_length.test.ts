import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteBuffer } from "../../src/bytes/byte_buffer.ts";
import { FixedLengthCodec } from "../../src/framing/fixed_length.ts";
import { bytesOf, decodeAll, decodeEachWay, encodeAll } from "./feed.ts";

describe("FixedLengthCodec", () => {
  it("cuts a stream into items of its length", () => {
    decodeEachWay(() => new FixedLengthCodec(3), bytesOf("abcdef"), ({ items }, name) => {
      assert.deepEqual(items, [bytesOf("abc"), bytesOf("def")], name);
    });
  });

  it("leaves a truncated item, and says what is missing of it", () => {
    const { items, left } = decodeAll(new FixedLengthCodec(3), [bytesOf("abcd")]);
    assert.deepEqual([items, left], [[bytesOf("abc")], 1]);
    const src = new ByteBuffer();
    src.append(bytesOf("d"));
    assert.equal(new FixedLengthCodec(3).missing(src), 2);
  });

  it("writes items of its length, and refuses others", () => {
    const codec = new FixedLengthCodec(2);
    assert.deepEqual(encodeAll(codec, [bytesOf("ab"), bytesOf("cd")]), bytesOf("abcd"));
    for (const item of ["", "a", "abc"]) {
      assert.throws(() => encodeAll(codec, [bytesOf(item)]), {
        name: "FrameFormatError",
        message: `Cannot encode the item: it is ${item.length} bytes, not 2`,
      });
    }
  });

  it("must have a length", () => {
    for (const length of [0, -1, 1.5, NaN, Infinity]) {
      assert.throws(() => new FixedLengthCodec(length), RangeError);
    }
  });
});
