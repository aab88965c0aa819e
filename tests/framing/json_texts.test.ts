import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteBuffer } from "../../src/bytes/byte_buffer.ts";
import { JsonTextsCodec, type JsonTextsOptions } from "../../src/framing/json_texts.ts";
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

/** The wire gives these values and errors, and this many bytes are left if that is known, in each way of cutting it up. */
function decodes(
  wire: string | Uint8Array,
  expected: unknown[],
  left: number | null = 0,
  options: JsonTextsOptions = {},
): void {
  const bytes = typeof wire === "string" ? bytesOf(wire) : wire;
  decodeEachWay(() => new JsonTextsCodec(options), bytes, (decoded, name) => {
    assert.deepEqual(readable(decoded.items), expected, name);
    if (left !== null) assert.equal(decoded.left, left, name);
  });
}

const refused = (at: number, reason: string): string =>
  `FrameFormatError: Cannot decode the text at byte ${at}: ${reason}`;
const broken = (at: number, reason: string): string =>
  `FrameError: Cannot decode the text at byte ${at}: ${reason}`;

describe("decode", () => {
  it("reads objects, arrays and strings with nothing between them", () => {
    decodes('{"a":1}{"b":[{}]}[1,[2]][]{}"x""""é€😀"{}', [
      { a: 1 },
      { b: [{}] },
      [1, [2]],
      [],
      {},
      "x",
      "",
      "é€😀",
      {},
    ]);
  });

  it("allows white space between them and in them", () => {
    decodes(' \t\r\n{ "a" :\n1 } \n\n [\t] \r', [{ a: 1 }, []]);
    decodes("  \n", []);
  });

  it("brackets and quotes in strings are text", () => {
    decodes('{"}{":"]["}["\\"}","\\\\"]"\\\\""{\\""', [{ "}{": "][" }, ['"}', "\\"], "\\", '{"']);
  });

  it("ends a number, true and false where white space comes or the stream ends", () => {
    decodes("1 -2.5e+3\ntrue\tfalse\r0", [1, -2500, true, false, 0]);
    decodes('12 {"a":1}"x"7 {}', [12, { a: 1 }, "x", 7, {}]);
    const feeder = new Feeder(new JsonTextsCodec());
    feeder.feed(bytesOf("12"));
    assert.deepEqual(feeder.outcomes, []);
    feeder.feed(bytesOf("3\n"));
    assert.deepEqual(feeder.outcomes, [123]);
  });

  it("gives a value as soon as its last byte has come", () => {
    const feeder = new Feeder(new JsonTextsCodec());
    feeder.feed(bytesOf('{"a":1'));
    assert.deepEqual(feeder.outcomes, []);
    feeder.feed(bytesOf("}"));
    assert.deepEqual(feeder.outcomes, [{ a: 1 }]);
  });

  it("leaves a truncated text", () => {
    for (const rest of ['{"a":', '"ab', "tru", "[1,", "-", '{"a":"}']) {
      decodes("{}" + rest, [{}], rest.length);
    }
  });

  it("a text that is no JSON fails, and the next one is read", () => {
    decodes('{"a" 1}{}[1,]"\t"nul 01 2 ', [
      refused(0, "it is not valid JSON"),
      {},
      refused(9, "it is not valid JSON"),
      refused(13, "it is not valid JSON"),
      refused(16, "it is not valid JSON"),
      refused(20, "it is not valid JSON"),
      2,
    ]);
    decodes('["\0"]1 ', [refused(0, "it contains a NUL byte"), 1]);
    decodes(Uint8Array.of(0x22, 0xff, 0x22, 0x7b, 0x7d), [refused(0, "it is not UTF-8"), {}]);
  });

  it("refuses null, which is how the end is read", () => {
    decodes("null 1 null", [
      refused(0, "it is null, which means the end of the stream"),
      1,
      refused(7, "it is null, which means the end of the stream"),
    ]);
    decodes("[null]", [[null]]);
  });

  it("fails for good where nobody can say where a text starts or ends", () => {
    decodes("{}}{}", [{}, broken(2, "a JSON text cannot start with byte 125")], null);
    decodes("{},{}", [{}, broken(2, "a JSON text cannot start with byte 44")], null);
    decodes("\uFEFF{}", [broken(0, "a JSON text cannot start with byte 239")], null);
    decodes('[{"a":1]]', [broken(0, "its brackets do not match")], null);
    decodes("1{}", [broken(0, "no white space follows the number, true, false or null")], null);
    const codec = new JsonTextsCodec();
    const src = new ByteBuffer();
    src.append(bytesOf("?"));
    for (let i = 0; i < 3; i++) assert.throws(() => codec.decode(src), { name: "FrameError", offset: 0 });
  });

  it("goes on where another reader of the buffer left it, and never mixes two streams", () => {
    const codec = new JsonTextsCodec();
    const [one, two] = [new ByteBuffer(), new ByteBuffer()];
    one.append(bytesOf('[{"a'));
    assert.equal(codec.decode(one), undefined);
    one.skip(1);
    one.append(bytesOf('":1}[{"b'));
    assert.deepEqual(codec.decode(one), { a: 1 });
    assert.equal(codec.decode(one), undefined);
    two.append(bytesOf("{}"));
    assert.deepEqual(codec.decode(two), {});
    one.skip(1);
    one.append(bytesOf('":1}'));
    assert.deepEqual(codec.decode(one), { b: 1 });
  });
});

describe("limits", () => {
  const tooLong = (limit: number, at: number): string =>
    `FrameTooLongError: Cannot decode the text at byte ${at}: it is longer than ${limit} bytes`;

  it("maxLength counts the text alone", () => {
    decodes('   "123456"    123456789', ["123456", tooLong(8, 15)], null, { maxLength: 8 });
    decodes("12345678 [1,2,3,4]", [12345678, tooLong(8, 9)], null, { maxLength: 8 });
  });

  it("maxLength is 64 KiB", () => {
    const value = "x".repeat(65534);
    assert.deepEqual(decodeAll(new JsonTextsCodec(), [bytesOf(`"${value}"`)]).items, [value]);
    const feeder = new Feeder(new JsonTextsCodec());
    feeder.feed(bytesOf(`"${value}x`));
    assert.equal(feeder.outcomes.length, 0);
    feeder.feed(bytesOf("x"));
    assert.deepEqual(readable(feeder.outcomes), [tooLong(65536, 0)]);
  });

  it("maxDepth is 64, and the bracket that passes it fails for good", () => {
    const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
    const wire = bytesOf(nested(64) + "[".repeat(65));
    assert.deepEqual(readable(decodeAll(new JsonTextsCodec(), [wire]).items), [
      JSON.parse(nested(64)),
      broken(128, "it is nested deeper than 64"),
    ]);
    decodes('[{"a":1}][{"a":[', [[{ a: 1 }], broken(9, "it is nested deeper than 2")], null, { maxDepth: 2 });
  });

  it("must be positive integers", () => {
    for (const limit of [0, -1, 1.5, NaN]) {
      assert.throws(() => new JsonTextsCodec({ maxLength: limit }), RangeError);
      assert.throws(() => new JsonTextsCodec({ maxDepth: limit }), RangeError);
    }
  });
});

describe("encode", () => {
  it("writes texts, with white space only where a text does not end by itself", () => {
    const wire = encodeAll(new JsonTextsCodec(), [{ a: 1 }, [1, "\n"], "x", 5, true, {}]);
    assert.equal(new TextDecoder().decode(wire), '{"a":1}[1,"\\n"]"x"5\ntrue\n{}');
  });

  it("refuses what has no JSON, what is null, too deep or too long, and appends nothing then", () => {
    const dst = new ByteBuffer();
    const codec = new JsonTextsCodec({ maxDepth: 2, maxLength: 8 });
    for (const value of [undefined, () => 1, 1n, null, [[[]]]]) {
      assert.throws(() => codec.encode(value, dst), { name: "FrameFormatError", offset: null });
    }
    assert.throws(() => codec.encode("1234567", dst), { name: "FrameTooLongError", limit: 8 });
    assert.equal(dst.length, 0);
  });
});

describe("properties", () => {
  it("any values in any JSON, cut up in any way, come back", () => {
    const value = fc.jsonValue({ maxDepth: 5, stringUnit: "binary" })
      .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
      .filter((value) => value !== null);
    const space = fc.constantFrom(undefined, "\t", 2);
    fc.assert(
      fc.property(fc.array(fc.tuple(value, space), { maxLength: 12 }), cuts, (values, sizes) => {
        const texts = values.map(([value, space]) => {
          const text = JSON.stringify(value, null, space);
          return typeof value === "object" || typeof value === "string" ? text : text + " ";
        });
        const { items } = decodeAll(new JsonTextsCodec(), cutUp(bytesOf(texts.join("")), sizes));
        assert.deepEqual(items, values.map(([value]) => value));
      }),
      { ...bounded, numRuns: 300 },
    );
  });
});
