import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteBuffer } from "../../src/bytes/byte_buffer.ts";
import { LengthDelimitedCodec, type LengthDelimitedOptions } from "../../src/framing/length_delimited.ts";
import { bounded, decodeAll, decodeEachWay, encodeAll, fc, Feeder, readable } from "./feed.ts";

/** The wire gives these frames and errors, in each way of cutting it up. */
function decodes(wire: number[], expected: unknown[], options?: LengthDelimitedOptions): void {
  decodeEachWay(() => new LengthDelimitedCodec(options), Uint8Array.from(wire), ({ items }, name) => {
    const shown = readable(items).map((item) => item instanceof Uint8Array ? [...item] : item);
    assert.deepEqual(shown, expected, name);
  });
}

function encodes(frames: number[][], wire: number[], options?: LengthDelimitedOptions): void {
  const bytes = encodeAll(new LengthDelimitedCodec(options), frames.map((frame) => Uint8Array.from(frame)));
  assert.deepEqual([...bytes], wire);
}

/** Both ways. */
function carries(frames: number[][], wire: number[], options?: LengthDelimitedOptions): void {
  decodes(wire, frames, options);
  encodes(frames, wire, options);
}

const tooLong = (limit: number, at: number): string =>
  `FrameTooLongError: Cannot decode the frame at byte ${at}: it is longer than ${limit} bytes`;

describe("the header", () => {
  it("is four bytes, the highest first", () => {
    carries([[1, 2], [], [3]], [0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 3]);
  });

  it("is one to eight bytes, either end first", () => {
    for (const lengthFieldLength of [1, 2, 3, 4, 5, 6, 7, 8] as const) {
      const zeros = new Array<number>(lengthFieldLength - 1).fill(0);
      carries([[7, 8], [9]], [...zeros, 2, 7, 8, ...zeros, 1, 9], { lengthFieldLength });
      carries([[7, 8]], [2, ...zeros, 7, 8], { lengthFieldLength, littleEndian: true });
    }
  });

  it("is a varint", () => {
    const long = new Array<number>(300).fill(5);
    carries([[1], [], long], [1, 1, 0, 0xac, 0x02, ...long], { lengthFieldLength: "varint" });
  });

  it("is a varint that is longer than it need be, up to ten bytes", () => {
    const options: LengthDelimitedOptions = { lengthFieldLength: "varint" };
    decodes([0x81, 0x80, 0, 7, 1, 8], [[7], [8]], options);
    decodes([0x81, ...new Array<number>(8).fill(0x80), 0, 7], [[7]], options);
    decodes([1, 7, 0x81, ...new Array<number>(9).fill(0x80), 0, 7], [
      [7],
      "FrameError: Cannot decode the frame at byte 2: its length is a varint of more than 10 bytes",
    ], options);
  });

  it("has bytes in front of the length, which are dropped, and written as zeros", () => {
    const options: LengthDelimitedOptions = { lengthFieldLength: 2, lengthFieldOffset: 2 };
    decodes([9, 9, 0, 1, 5, 8, 8, 0, 0], [[5], []], options);
    encodes([[5], []], [0, 0, 0, 1, 5, 0, 0, 0, 0], options);
    const dst = new ByteBuffer();
    dst.reserve(8).fill(9);
    new LengthDelimitedCodec(options).encode(Uint8Array.of(5), dst);
    assert.deepEqual([...dst.take(dst.length)], [0, 0, 0, 1, 5]);
  });

  it("counts more or less than the payload", () => {
    // A length that counts itself, and one that leaves out a checksum of two bytes.
    carries([[1, 2], []], [4, 0, 1, 2, 2, 0], {
      lengthFieldLength: 2,
      lengthAdjustment: -2,
      littleEndian: true,
    });
    carries([[1, 0xaa, 0xbb], [0xaa, 0xbb]], [1, 1, 0xaa, 0xbb, 0, 0xaa, 0xbb], {
      lengthFieldLength: 1,
      lengthAdjustment: 2,
    });
  });

  it("is a part of the item with keepHeader", () => {
    const options: LengthDelimitedOptions = { lengthFieldLength: 1, lengthFieldOffset: 1, keepHeader: true };
    carries([[9, 2, 5, 6], [8, 0]], [9, 2, 5, 6, 8, 0], options);
    carries([[1, 7], [0x80, 0]], [1, 7, 0x80, 0], { lengthFieldLength: "varint", keepHeader: true });
  });
});

describe("maxLength", () => {
  it("counts the payload, and one past it fails at the header, for good", () => {
    decodes([2, 1, 2, 3], [[1, 2], tooLong(2, 3)], { lengthFieldLength: 1, maxLength: 2 });
    const options = { lengthFieldLength: 1, lengthAdjustment: 1, maxLength: 2 } as const;
    decodes([1, 1, 2, 2], [[1, 2], tooLong(2, 3)], options);
  });

  it("is 1 MiB", () => {
    const feeder = new Feeder(new LengthDelimitedCodec());
    feeder.feed(Uint8Array.of(0, 16, 0, 0));
    assert.deepEqual(feeder.outcomes, []);
    assert.deepEqual(readable(decodeAll(new LengthDelimitedCodec(), [Uint8Array.of(0, 16, 0, 1)]).items), [
      tooLong(1 << 20, 0),
    ]);
  });

  it("fails the same way at every call", () => {
    const codec = new LengthDelimitedCodec({ lengthFieldLength: 1, maxLength: 2 });
    const src = new ByteBuffer();
    src.append(Uint8Array.of(9, 1));
    for (let i = 0; i < 3; i++) assert.throws(() => codec.decode(src), { limit: 2, offset: 0 });
  });
});

describe("encode", () => {
  const refuses = (frame: number[], error: object, options: LengthDelimitedOptions): void => {
    const dst = new ByteBuffer();
    assert.throws(() => new LengthDelimitedCodec(options).encode(Uint8Array.from(frame), dst), error);
    assert.equal(dst.length, 0);
  };

  it("refuses a payload that is too long, also for the length", () => {
    const past = { name: "FrameTooLongError", offset: null };
    refuses([1, 2, 3], { ...past, limit: 2 }, { maxLength: 2 });
    refuses(new Array<number>(256).fill(0), { ...past, limit: 255 }, { lengthFieldLength: 1 });
    refuses(new Array<number>(252).fill(0), { ...past, limit: 251 }, {
      lengthFieldLength: 1,
      lengthAdjustment: -4,
    });
    refuses([3, 1, 2, 3], { ...past, limit: 2 }, { lengthFieldLength: 1, keepHeader: true, maxLength: 2 });
  });

  it("refuses a payload that is shorter than the length leaves out", () => {
    refuses([1], { message: "Cannot encode the frame: it is shorter than 2 bytes" }, { lengthAdjustment: 2 });
  });

  it("refuses a frame whose header is wrong", () => {
    const options: LengthDelimitedOptions = { lengthFieldLength: 1, keepHeader: true };
    const message = "Cannot encode the frame: the length in its header is not that of the frame";
    for (const frame of [[], [1], [1, 2, 3]]) refuses(frame, { name: "FrameFormatError", message }, options);
    refuses([1], { message: "Cannot encode the frame: its header is not valid" }, {
      ...options,
      lengthAdjustment: -2,
    });
  });

  it("writes payloads of every size", () => {
    const frames = [0, 1, 1023, 1024, 1025, 70_000].map((size) => new Uint8Array(size).fill(size));
    const codec = new LengthDelimitedCodec();
    assert.deepEqual(decodeAll(codec, [encodeAll(codec, frames)]).items, frames);
  });
});

describe("missing", () => {
  it("is known from when the header is there", () => {
    const codec = new LengthDelimitedCodec({ lengthFieldLength: 2 });
    const src = new ByteBuffer();
    src.append(Uint8Array.of(0));
    assert.equal(codec.missing(src), undefined);
    src.append(Uint8Array.of(3));
    assert.equal(codec.missing(src), 3);
    src.append(Uint8Array.of(1, 2));
    assert.equal(codec.missing(src), 1);
  });
});

describe("the constructor", () => {
  it("refuses a header that cannot be", () => {
    const wrong: object[] = [
      { lengthFieldLength: 0 },
      { lengthFieldLength: 9 },
      { lengthFieldLength: 1.5 },
      { lengthFieldLength: "leb128" },
      { lengthFieldOffset: -1 },
      { lengthFieldOffset: 0.5 },
      { lengthAdjustment: NaN },
      { lengthAdjustment: 2 ** 53 },
      { maxLength: 0 },
      { maxLength: Infinity },
    ];
    for (const options of wrong) {
      assert.throws(() => new LengthDelimitedCodec(options), RangeError, JSON.stringify(options));
    }
  });
});

describe("properties", () => {
  it("any length is read as bigints read it", () => {
    const size = fc.integer({ min: 1, max: 8 }) as fc.Arbitrary<1 | 2 | 3 | 4 | 5 | 6 | 7 | 8>;
    const field = fc.uint8Array({ minLength: 8, maxLength: 8 });
    const maxLength = Number.MAX_SAFE_INTEGER;
    fc.assert(
      fc.property(
        size,
        field,
        fc.boolean(),
        fc.boolean(),
        (lengthFieldLength, field, littleEndian, small) => {
          if (small) field.fill(0, littleEndian ? 6 : 0, littleEndian ? 8 : 2);
          const bytes = littleEndian
            ? field.slice(0, lengthFieldLength).toReversed()
            : field.slice(0, lengthFieldLength);
          const length = bytes.reduce((value, byte) => value * 256n + BigInt(byte), 0n);
          const codec = new LengthDelimitedCodec({ lengthFieldLength, littleEndian, maxLength });
          const src = new ByteBuffer();
          src.append(field.slice(0, lengthFieldLength));
          if (length > BigInt(maxLength)) {
            assert.throws(() => codec.decode(src), {
              name: "FrameTooLongError",
            });
          } else assert.equal(codec.missing(src), Number(length));
        },
      ),
      { ...bounded, numRuns: 1000 },
    );
  });

  it("any varint is read as bigints read it", () => {
    const maxLength = Number.MAX_SAFE_INTEGER;
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: (1n << 70n) - 1n }),
        fc.integer({ min: 0, max: 60 }),
        (any, shift) => {
          const length = any >> BigInt(shift);
          const field: number[] = [];
          for (let rest = length; field.length === 0 || rest > 0n; rest >>= 7n) {
            field.push(Number(rest & 127n) + (rest > 127n ? 128 : 0));
          }
          const codec = new LengthDelimitedCodec({ lengthFieldLength: "varint", maxLength });
          const src = new ByteBuffer();
          src.append(Uint8Array.from(field));
          if (length > BigInt(maxLength)) {
            assert.throws(() => codec.decode(src), {
              name: "FrameTooLongError",
            });
          } else assert.equal(codec.missing(src), Number(length));
        },
      ),
      { ...bounded, numRuns: 1000 },
    );
  });
});
