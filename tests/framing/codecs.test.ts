/** Properties of every codec, and attacks. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  DelimiterCodec,
  FixedLengthCodec,
  JsonLinesCodec,
  JsonTextsCodec,
  LengthDelimitedCodec,
  LinesCodec,
  mapCodec,
} from "../../mod.ts";
import { ByteBuffer } from "../../src/bytes/byte_buffer.ts";
import type { Codec } from "../../src/framing/codec.ts";
import { FrameError, FrameFormatError, FrameTooLongError } from "../../src/framing/codec.ts";
import {
  bounded,
  bytesOf,
  cuts,
  cutUp,
  decodeAll,
  decodeEachWay,
  encodeAll,
  fc,
  Feeder,
  readable,
} from "./feed.ts";

const MAX = 24;

interface Kind {
  name: string;
  make(): Codec<unknown>;
  /** Items that it can write. */
  item: fc.Arbitrary<unknown>;
  /** What makes noise look like its wire. */
  noise: string[];
  /** The most bytes that may wait. */
  held: number;
}

const line = fc.string({ unit: "binary", maxLength: 8 })
  .map((text) => text.replaceAll("\n", " ").replace(/\r$/, ""))
  .filter((text) => bytesOf(text).length <= MAX);
const json = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown)
  .filter((value) => value !== null && bytesOf(JSON.stringify(value)).length <= MAX);
const bytes = (length: { minLength?: number; maxLength: number }): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array(length);
const jsonNoise = ['{"a":', "}", "[[[", "]", "null", '"\\', '"', "\0", "12", " ", "\n", "tru", "{}"];

const kinds: Kind[] = [
  {
    name: "LinesCodec",
    make: () => new LinesCodec({ maxLength: MAX }),
    item: line,
    noise: ["\n", "\r\n", "é", "abc"],
    held: MAX + 1,
  },
  {
    name: "LinesCodec that skips",
    make: () => new LinesCodec({ maxLength: MAX, onTooLong: "skip" }),
    item: line,
    noise: ["\n", "\r\n", "é", "abc", "a\nb\nc\n", "x".repeat(MAX)],
    held: MAX + 1,
  },
  {
    name: "DelimiterCodec of one byte",
    make: () => new DelimiterCodec("\0", { maxLength: MAX }),
    item: bytes({ maxLength: MAX }).map((item) => item.map((byte) => byte || 1)),
    noise: ["\0", "abc"],
    held: MAX,
  },
  {
    name: "DelimiterCodec of several",
    make: () => new DelimiterCodec(["--", "-->", "\r\n"], { maxLength: MAX, atEnd: "item" }),
    item: bytes({ maxLength: MAX }).map((item) =>
      item.map((byte) => byte === 0x2d || byte === 13 ? 1 : byte)
    ),
    noise: ["-", "--", ">", "\r", "\n", "ab"],
    held: MAX + 3,
  },
  ...([1, 2, 3, 8, "varint"] as const).map((lengthFieldLength): Kind => ({
    name: `LengthDelimitedCodec of ${lengthFieldLength}`,
    make: () => new LengthDelimitedCodec({ lengthFieldLength, maxLength: MAX }),
    item: bytes({ maxLength: MAX }),
    noise: ["\0", "\0\0\0\x01", "\x01", "\x05", "\x18"],
    held: MAX + 10,
  })),
  {
    name: "LengthDelimitedCodec with all options",
    make: () =>
      new LengthDelimitedCodec({
        lengthFieldLength: 2,
        lengthFieldOffset: 3,
        lengthAdjustment: -5,
        littleEndian: true,
        maxLength: MAX,
      }),
    item: bytes({ maxLength: MAX }),
    noise: ["abc", "\0\0\0", "\x05\0", "\x09\0"],
    held: MAX + 5,
  },
  {
    name: "LengthDelimitedCodec with its header",
    make: () => new LengthDelimitedCodec({ lengthFieldLength: 1, keepHeader: true, maxLength: MAX }),
    item: bytes({ maxLength: MAX }).map((item) => Uint8Array.of(item.length, ...item)),
    noise: ["\0", "\x01", "\x05", "\x18"],
    held: MAX + 1,
  },
  {
    name: "FixedLengthCodec",
    make: () => new FixedLengthCodec(5),
    item: bytes({ minLength: 5, maxLength: 5 }),
    noise: [],
    held: 4,
  },
  {
    name: "JsonLinesCodec",
    make: () => new JsonLinesCodec({ maxLength: MAX, maxDepth: 4 }),
    item: json,
    noise: jsonNoise,
    held: MAX + 1,
  },
  {
    name: "JsonTextsCodec",
    make: () => new JsonTextsCodec({ maxLength: MAX, maxDepth: 4 }),
    item: json,
    noise: jsonNoise,
    held: MAX,
  },
  {
    name: "mapCodec",
    make: () =>
      mapCodec(new LinesCodec({ maxLength: MAX }), {
        decode: (text: string) => ({ text: Array.from(text).reverse().join("") }),
        encode: (item: unknown) => Array.from((item as { text: string }).text).reverse().join(""),
      }),
    item: line.filter((text) => !text.startsWith("\r")).map((text) => ({ text })),
    noise: ["\n", "\r\n", "é"],
    held: MAX + 1,
  },
];

for (const { name, make, item, noise, held } of kinds) {
  describe(name, () => {
    it("any items, cut up in any way, come back", () => {
      fc.assert(
        fc.property(fc.array(item, { maxLength: 20 }), cuts, (items, sizes) => {
          const wire = encodeAll(make(), items);
          const { items: decoded, left } = decodeAll(make(), cutUp(wire, sizes));
          assert.deepEqual(decoded, items);
          assert.equal(left, 0);
        }),
        bounded,
      );
    });

    it("some items come back at every split offset", () => {
      fc.assert(
        fc.property(fc.array(item, { minLength: 1, maxLength: 5 }), (items) => {
          decodeEachWay(make, encodeAll(make(), items), (decoded, way) => {
            assert.deepEqual(decoded.items, items, way);
          });
        }),
        { ...bounded, numRuns: 20 },
      );
    });

    it("any bytes give items or documented errors, the same ones however they are cut, and little waits", () => {
      const part = fc.oneof(
        fc.uint8Array({ maxLength: 12 }),
        fc.constantFrom(...noise, "x").map(bytesOf),
      );
      fc.assert(
        fc.property(fc.array(part, { maxLength: 30 }), cuts, (parts, sizes) => {
          const wire = Uint8Array.from(parts.flatMap((part) => [...part]));
          const decoded = decodeAll(make(), cutUp(wire, sizes));
          const whole = decodeAll(make(), [wire]);
          assert.deepEqual(readable(decoded.items), readable(whole.items));
          assert.ok(decoded.mostHeld <= held, `${decoded.mostHeld} bytes wait`);
          for (const item of decoded.items) {
            assert.ok(item !== null && item !== undefined);
            if (item instanceof FrameError) assert.ok(item.offset !== null && item.offset <= wire.length);
          }
        }),
        { ...bounded, numRuns: 500 },
      );
    });

    it("decodeEach() gives what decode() gives, up to the same error", () => {
      const part = fc.oneof(fc.uint8Array({ maxLength: 12 }), fc.constantFrom(...noise, "x").map(bytesOf));
      fc.assert(
        fc.property(fc.array(part, { maxLength: 30 }), cuts, (parts, sizes) => {
          const one = make();
          const each = make();
          if (each.decodeEach === undefined) return;
          const wire = Uint8Array.from(parts.flatMap((part) => [...part]));
          const feeder = new Feeder(one);
          const given: unknown[] = [];
          const src = new ByteBuffer();
          for (const chunk of cutUp(wire, sizes)) {
            feeder.feed(chunk.slice());
            src.append(chunk);
            for (let failed = true; failed;) {
              failed = false;
              try {
                each.decodeEach(src, (item) => given.push(item));
              } catch (error) {
                assert.ok(error instanceof FrameError);
                given.push(error);
                failed = src.position !== error.offset;
              }
            }
            assert.deepEqual(readable(given as FrameError[]), readable(feeder.outcomes));
            if (feeder.stuck) return;
            assert.equal(src.position, feeder.src.position);
          }
        }),
        { ...bounded, numRuns: 500 },
      );
    });

    it("a truncated item is an item of its own, left over or refused, never a wrong count", () => {
      fc.assert(
        fc.property(fc.array(item, { minLength: 1, maxLength: 4 }), fc.nat(), (items, random) => {
          const wire = encodeAll(make(), items);
          const cut = wire.length === 0 ? 0 : random % wire.length;
          const codec = make();
          const feeder = new Feeder(codec);
          feeder.feed(wire.slice(0, cut));
          const missing = feeder.src.length > 0 ? codec.missing?.(feeder.src) : undefined;
          const before = feeder.outcomes.length;
          assert.deepEqual(feeder.outcomes, items.slice(0, before));
          if (missing === undefined) return;
          assert.ok(missing > 0);
          feeder.feed(wire.slice(cut, cut + missing));
          assert.deepEqual(feeder.outcomes, items.slice(0, before + 1));
          assert.equal(feeder.src.length, 0);
        }),
        bounded,
      );
    });
  });
}

describe("what an attacker sends", () => {
  const megabyte = new Uint8Array(1 << 20).fill(0x78);

  /** Feeds a gigabyte, and returns the error that comes of it. */
  const gigabyte = (codec: Codec<unknown>): FrameError => {
    const feeder = new Feeder(codec);
    for (let i = 0; i < 1024; i++) feeder.feed(megabyte);
    assert.equal(feeder.outcomes.length, 1);
    assert.ok(feeder.src.length <= megabyte.length);
    return feeder.outcomes[0] as FrameError;
  };

  it("a length field that claims 2^32 - 1 fails at the header", () => {
    const feeder = new Feeder(new LengthDelimitedCodec());
    feeder.feed(Uint8Array.of(255, 255, 255, 255));
    assert.deepEqual(readable(feeder.outcomes), [
      "FrameTooLongError: Cannot decode the frame at byte 0: it is longer than 1048576 bytes",
    ]);
  });

  it("a length below the limit costs no memory before its bytes come", () => {
    const feeder = new Feeder(new LengthDelimitedCodec());
    feeder.feed(Uint8Array.of(0, 15, 255, 255));
    assert.deepEqual([feeder.outcomes.length, feeder.src.length], [0, 4]);
  });

  it("lengths from 2^53 on are refused, whatever the adjustment makes of them", () => {
    for (const lengthAdjustment of [0, -8, -Number.MAX_SAFE_INTEGER]) {
      for (const top of [0x20, 0x80, 0xff]) {
        const feeder = new Feeder(
          new LengthDelimitedCodec({
            lengthFieldLength: 8,
            lengthAdjustment,
            maxLength: Number.MAX_SAFE_INTEGER,
          }),
        );
        feeder.feed(Uint8Array.of(top === 0x20 ? 0 : top, top, 0, 0, 0, 0, 0, 1));
        assert.ok(feeder.outcomes[0] instanceof FrameTooLongError);
      }
    }
  });

  it("a negative adjusted length fails for good", () => {
    const feeder = new Feeder(new LengthDelimitedCodec({ lengthFieldLength: 1, lengthAdjustment: -2 }));
    feeder.feed(Uint8Array.of(2, 3, 7, 1, 2));
    assert.deepEqual(readable(feeder.outcomes), [
      new Uint8Array(0),
      Uint8Array.of(7),
      "FrameError: Cannot decode the frame at byte 3: its length is negative: -1",
    ]);
    assert.ok(feeder.stuck);
  });

  it("a varint that never ends fails at its tenth byte", () => {
    const feeder = new Feeder(new LengthDelimitedCodec({ lengthFieldLength: "varint" }));
    for (let i = 0; i < 9; i++) feeder.feed(Uint8Array.of(0x80));
    assert.deepEqual(feeder.outcomes, []);
    feeder.feed(Uint8Array.of(0x80));
    assert.deepEqual(readable(feeder.outcomes), [
      "FrameError: Cannot decode the frame at byte 0: its length is a varint of more than 10 bytes",
    ]);
  });

  it("a delimiter that is split across chunks is found", () => {
    const feeder = new Feeder(new DelimiterCodec("=====END====="));
    for (const chunk of ["a=====END====", "=b=====", "END", "====="]) feeder.feed(bytesOf(chunk));
    assert.deepEqual(feeder.outcomes, [bytesOf("a"), bytesOf("b")]);
  });

  it("a gigabyte without a newline, a delimiter or an end fails at the limit", () => {
    for (
      const codec of [
        new LinesCodec(),
        new JsonLinesCodec(),
        new DelimiterCodec(["\0", "\r\n"]),
        new JsonTextsCodec(),
      ]
    ) {
      assert.ok(gigabyte(codec) instanceof FrameTooLongError, codec.constructor.name);
    }
  });

  it("a gigabyte of white space is no text, and does not stay", () => {
    const feeder = new Feeder(new JsonTextsCodec());
    for (let i = 0; i < 1024; i++) feeder.feed(new Uint8Array(1 << 20).fill(0x20));
    feeder.feed(bytesOf("{}"));
    assert.deepEqual(feeder.outcomes, [{}]);
    assert.equal(feeder.mostHeld, 0);
  });

  it("JSON nested 10^5 deep costs no stack", () => {
    for (const deep of ["[".repeat(1e5), '{"a":'.repeat(1e5)]) {
      const lines = decodeAll(new JsonLinesCodec({ maxLength: 1e6 }), [bytesOf(deep + "\n1\n")]).items;
      assert.ok(lines[0] instanceof FrameFormatError);
      assert.equal(lines[1], 1);
      const texts = new Feeder(new JsonTextsCodec({ maxLength: 1e6 }));
      texts.feed(bytesOf(deep));
      assert.deepEqual(readable(texts.outcomes), [
        "FrameError: Cannot decode the text at byte 0: it is nested deeper than 64",
      ]);
    }
  });

  it("a key __proto__ pollutes nothing", () => {
    const wire = bytesOf('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}\n');
    for (const codec of [new JsonLinesCodec(), new JsonTextsCodec()]) {
      const [value] = decodeAll(codec, [wire]).items;
      assert.equal(Object.getPrototypeOf(value), Object.prototype);
      assert.deepEqual(Object.keys(value as object), ["__proto__", "constructor"]);
      assert.equal("polluted" in {}, false);
    }
  });

  it("a megabyte byte by byte takes linear time", () => {
    const limit = { maxLength: 1 << 21 };
    const text = JSON.stringify({
      text: "x\\".repeat(1 << 18),
      list: Array.from({ length: 1e5 }, (_, i) => i),
    });
    const bytes = bytesOf(text);
    const frame = encodeAll(new LengthDelimitedCodec(limit), [bytes]);
    const cases: [Codec<unknown>, Uint8Array, unknown][] = [
      [new JsonTextsCodec(limit), bytes, JSON.parse(text)],
      [new DelimiterCodec(["\0\0", "\0\x01"], limit), Uint8Array.of(...bytes.subarray(0, 1e5), 0, 0), null],
      [new LengthDelimitedCodec(limit), frame, bytes],
    ];
    for (const [codec, wire, expected] of cases) {
      const feeder = new Feeder(codec);
      for (let i = 0; i < wire.length; i++) feeder.feed(wire.slice(i, i + 1));
      assert.equal(feeder.outcomes.length, 1, codec.constructor.name);
      if (expected !== null) assert.deepEqual(feeder.outcomes[0], expected);
    }
  });
});
