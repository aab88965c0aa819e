import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteBuffer } from "../../src/bytes/byte_buffer.ts";
import { FrameError, type FrameFormatError } from "../../src/framing/codec.ts";
import { FixedLengthCodec } from "../../src/framing/fixed_length.ts";
import { LinesCodec } from "../../src/framing/lines.ts";
import { mapCodec } from "../../src/framing/map_codec.ts";
import { bytesOf, decodeAll, decodeEachWay, encodeAll, readable } from "./feed.ts";

function toNumber(line: string): number {
  const value = Number(line);
  if (Number.isNaN(value)) throw new TypeError(`${line} is no number`);
  return value;
}

const numbers = () => mapCodec(new LinesCodec(), { decode: toNumber, encode: (value: number) => `${value}` });

describe("mapCodec", () => {
  it("maps items both ways, also the last one", () => {
    decodeEachWay(
      numbers,
      bytesOf("1\n22\n3"),
      ({ items }, name) => assert.deepEqual(items, [1, 22, 3], name),
    );
    assert.deepEqual(encodeAll(numbers(), [1, 22]), bytesOf("1\n22\n"));
  });

  it("what a mapping throws refuses that item, says where it was, and the next one is read", () => {
    const { items } = decodeAll(numbers(), [bytesOf("1\nx\n2\ny")]);
    assert.deepEqual(readable(items), [
      1,
      "FrameFormatError: Cannot decode the item at byte 2: x is no number",
      2,
      "FrameFormatError: Cannot decode the item at byte 6: y is no number",
    ]);
    assert.ok((items[1] as FrameFormatError).cause instanceof TypeError);
  });

  it("what a mapping throws refuses what was to be written", () => {
    const dst = new ByteBuffer();
    const codec = mapCodec(new LinesCodec(), {
      decode: (line) => line,
      encode: (line: string) => refuse(line),
    });
    assert.throws(() => codec.encode("x", dst), {
      name: "FrameFormatError",
      message: "Cannot encode the item: x",
    });
    assert.equal(dst.length, 0);
  });

  it("leaves the codec's own errors alone", () => {
    const error = new FrameError("mine", 7);
    const codec = mapCodec(new LinesCodec(), { decode: () => refuse(error), encode: () => "a\nb" });
    assert.deepEqual(decodeAll(codec, [bytesOf("a\n")]).items, [error]);
    assert.throws(() => encodeAll(codec, [1]), {
      message: "Cannot encode the line: it contains an LF, or ends with a CR",
    });
  });

  it("refuses an item that becomes none", () => {
    for (const none of [undefined, null]) {
      const codec = mapCodec(new LinesCodec(), { decode: () => none, encode: () => "" });
      assert.deepEqual(readable(decodeAll(codec, [bytesOf("a\n")]).items), [
        `FrameFormatError: Cannot decode the item at byte 0: the mapping must not return ${none}`,
      ]);
    }
  });

  it("knows what is missing if the codec does", () => {
    const bytes = mapCodec(new FixedLengthCodec(4), {
      decode: (item) => item,
      encode: (item: Uint8Array) => item,
    });
    const src = new ByteBuffer();
    src.append(bytesOf("a"));
    assert.equal(bytes.missing?.(src), 3);
    assert.equal(bytes.decodeEof?.(src), undefined);
    assert.equal(numbers().missing?.(src), undefined);
  });

  it("maps what was mapped", () => {
    const codec = mapCodec(numbers(), {
      decode: (value) => ({ value }),
      encode: (item: { value: number }) => item.value,
    });
    assert.deepEqual(decodeAll(codec, [encodeAll(codec, [{ value: 4 }])]).items, [{ value: 4 }]);
  });
});

function refuse(what: unknown): never {
  throw what;
}
