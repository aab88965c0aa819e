import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteBuffer } from "../../src/bytes/byte_buffer.ts";
import { FrameError, FrameFormatError } from "../../src/framing/codec.ts";
import { isDeeperThan } from "../../src/framing/json_depth.ts";
import { JsonLinesCodec, type JsonLinesOptions } from "../../src/framing/json_lines.ts";
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

/** The wire gives these values and errors, in each way of cutting it up. */
function decodes(wire: string | Uint8Array, expected: unknown[], options?: JsonLinesOptions): void {
  const bytes = typeof wire === "string" ? bytesOf(wire) : wire;
  decodeEachWay(() => new JsonLinesCodec(options), bytes, ({ items }, name) => {
    assert.deepEqual(readable(items), expected, name);
  });
}

const refused = (at: number, reason: string): string =>
  `FrameFormatError: Cannot decode the line at byte ${at}: ${reason}`;
const noJson = (at: number): string => refused(at, "it is not valid JSON");

describe("decode", () => {
  it("reads a value a line", () => {
    decodes('{"a":1}\n[1,2]\r\n"é€😀"\n1.5e3\ntrue\nfalse\n', [{ a: 1 }, [1, 2], "é€😀", 1500, true, false]);
  });

  it("allows white space, and skips blank lines", () => {
    decodes('\n  {"a" : 1}\t\r\n \t \n\r\n\n 2 \n\n', [{ a: 1 }, 2]);
  });

  it("takes a last line that the stream ends", () => {
    decodes('1\n{"a":2}', [1, { a: 2 }]);
    decodes("1\n  ", [1]);
    decodes("1\r", [1]);
  });

  it("leaves a last line that is no JSON: it was truncated", () => {
    for (const rest of ['{"a":', '"ab', "tru", "[1,", '{"a":1}\0']) {
      const { items, left } = decodeAll(new JsonLinesCodec(), [bytesOf("1\n" + rest)]);
      assert.deepEqual(items, [1]);
      assert.equal(left, rest.length);
    }
  });

  it("a bad line fails, and the next one is read", () => {
    decodes('1\n{"a":\n2\nnope\n\n3\n{}{}\n4\n', [1, noJson(2), 2, noJson(10), 3, noJson(18), 4]);
    decodes("1\n'a'\nNaN\n2\n", [1, noJson(2), noJson(6), 2]);
    decodes("\uFEFF1\n\u00a0\n2\n", [noJson(0), noJson(5), 2]);
  });

  it("says what the runtime says of it in the cause", () => {
    const [error] = decodeAll(new JsonLinesCodec(), [bytesOf("nope\n")]).items as FrameFormatError[];
    assert.ok(error instanceof FrameFormatError && error instanceof FrameError);
    assert.ok(error.cause instanceof SyntaxError);
    assert.equal(error.offset, 0);
  });

  it("says so when a line holds a NUL byte", () => {
    const nul = (at: number): string => refused(at, "it contains a NUL byte");
    decodes('{"a":1}\0\n"a\0b"\n\0\n1\n', [nul(0), nul(9), nul(15), 1]);
    decodes('"\\u0000"\n', ["\0"]);
  });

  it("what is not UTF-8 fails, and the next line is read", () => {
    decodes(Uint8Array.of(0x22, 0xff, 0x22, 10, 0x31, 10), [refused(0, "it is not UTF-8"), 1]);
  });

  it("refuses null, which is how the end is read", () => {
    decodes("1\nnull\n null \n2\nnull", [
      1,
      refused(2, "it is null, which means the end of the stream"),
      refused(7, "it is null, which means the end of the stream"),
      2,
      refused(16, "it is null, which means the end of the stream"),
    ]);
    decodes("[null]\n", [[null]]);
  });

  it("a key __proto__ is a property like any other", () => {
    const wire =
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"a":[{"__proto__":1}]}\n';
    const [value] = decodeAll(new JsonLinesCodec<Record<string, unknown>>(), [bytesOf(wire)]).items;
    assert.ok(value !== undefined && !(value instanceof Error));
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.deepEqual(Object.keys(value), ["__proto__", "constructor", "a"]);
    assert.equal("polluted" in value, false);
    assert.equal("polluted" in {}, false);
    assert.deepEqual(Object.keys((value["a"] as object[])[0]!), ["__proto__"]);
  });

  it("a `then` does not make a value a promise", async () => {
    const [value] = decodeAll(new JsonLinesCodec(), [bytesOf('{"then":1}\n')]).items;
    assert.deepEqual(await value, { then: 1 });
  });
});

describe("maxDepth", () => {
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  const tooDeep = (at: number, max = 64): string => refused(at, `it is nested deeper than ${max}`);

  it("is 64, and one more fails, and the next line is read", () => {
    const [at, past] = [nested(64), nested(65)];
    assert.deepEqual(readable(decodeAll(new JsonLinesCodec(), [bytesOf(`${at}\n${past}\n1\n`)]).items), [
      JSON.parse(at),
      tooDeep(129),
      1,
    ]);
  });

  it("counts arrays and objects, not brackets in strings", () => {
    const options = { maxDepth: 3 };
    decodes('{"a":[{}]}\n[[[1]],[[2]]]\n', [{ a: [{}] }, [[[1]], [[2]]]], options);
    decodes('{"a":[{"b":{}}]}\n', [tooDeep(0, 3)], options);
    decodes('["[[[[{{{{\\"[[[[", "\\\\", []]\n', [['[[[[{{{{"[[[[', "\\", []]], options);
    decodes('["\\\\",[[["\\""]]]]\n', [tooDeep(0, 3)], options);
  });

  it("a hundred thousand deep costs no stack, not even unfinished or wrong", () => {
    for (const text of ["[".repeat(1e5), '{"a":'.repeat(1e5), nested(1e5), "[}".repeat(1e5) + "["]) {
      const options = { maxLength: 1e6, maxDepth: 64 };
      const { items, left } = decodeAll(new JsonLinesCodec(options), [bytesOf(text + "\n1\n")]);
      assert.equal(items.length, 2);
      assert.ok(items[0] instanceof FrameFormatError);
      assert.equal(items[1], 1);
      assert.equal(left, 0);
    }
  });

  it("holds for a last line without a newline", () => {
    decodes("1\n" + nested(4), [1, tooDeep(2, 3)], { maxDepth: 3 });
  });

  it("isDeeperThan() agrees with recursion", () => {
    const depthOf = (value: unknown): number =>
      typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 1, max: 6 }), (value, max) => {
        assert.equal(isDeeperThan(max, JSON.stringify(value)), depthOf(value) > max);
      }),
      bounded,
    );
  });

  it("isDeeperThan() finds the shortest texts that are", () => {
    for (let depth = 1; depth <= 70; depth++) {
      for (let arrays = 0; arrays <= depth; arrays++) {
        const objects = depth - arrays;
        const inside = objects === 0 ? "[]" : "{}";
        const [around, within] = objects === 0 ? [0, arrays - 1] : [objects - 1, arrays];
        const text = '{"":'.repeat(around) + "[".repeat(within) + inside + "]".repeat(within) +
          "}".repeat(around);
        assert.doesNotThrow(() => JSON.parse(text));
        assert.equal(isDeeperThan(depth - 1, text), true, text);
        assert.equal(isDeeperThan(depth, text), false, text);
        const reversed = "[".repeat(within) + '{"":'.repeat(around) + inside + "}".repeat(around) +
          "]".repeat(within);
        assert.equal(isDeeperThan(depth - 1, reversed), true, reversed);
      }
    }
  });

  it("must be a positive integer", () => {
    for (const maxDepth of [0, -1, 1.5, NaN]) {
      assert.throws(() => new JsonLinesCodec({ maxDepth }), RangeError);
    }
  });
});

describe("maxLength", () => {
  const tooLong = (at: number): string =>
    `FrameTooLongError: Cannot decode the line at byte ${at}: it is longer than 8 bytes`;

  it("at the limit a line is read, one past it fails for good", () => {
    decodes('"123456"\n"1234567"\n1\n', ["123456", tooLong(9)], { maxLength: 8 });
  });

  it('with onTooLong: "skip" reading goes on', () => {
    decodes('"1234567"\n1\n', [tooLong(0), 1], { maxLength: 8, onTooLong: "skip" });
  });

  it("is 64 KiB", () => {
    const value = "x".repeat(65534);
    assert.deepEqual(decodeAll(new JsonLinesCodec(), [encodeAll(new JsonLinesCodec(), [value])]).items, [
      value,
    ]);
    const feeder = new Feeder(new JsonLinesCodec());
    feeder.feed(bytesOf('"' + value + "xx"));
    assert.equal(feeder.outcomes.length, 1);
    assert.equal(feeder.stuck, true);
  });
});

describe("encode", () => {
  const refuses = (value: unknown, error: object, options?: JsonLinesOptions): void => {
    const dst = new ByteBuffer();
    assert.throws(() => new JsonLinesCodec(options).encode(value, dst), error);
    assert.equal(dst.length, 0);
  };

  it("writes a value a line", () => {
    const values = [{ a: [1, "é\n\0"] }, "x", 1, true, [undefined, null], { toJSON: () => 7 }];
    const wire = new TextDecoder().decode(encodeAll(new JsonLinesCodec(), values));
    assert.equal(wire, '{"a":[1,"é\\n\\u0000"]}\n"x"\n1\ntrue\n[null,null]\n7\n');
  });

  it("refuses what has no JSON", () => {
    const loop: unknown[] = [];
    loop.push(loop);
    for (const value of [undefined, () => 1, Symbol("s"), 1n, loop, { toJSON: () => undefined }]) {
      refuses(value, {
        name: "FrameFormatError",
        message: "Cannot encode the line: the value cannot be represented as JSON",
      });
    }
    refuses({
      toJSON() {
        throw new Error("no");
      },
    }, { name: "FrameFormatError", cause: new Error("no") });
  });

  it("refuses null, and what JSON makes null", () => {
    for (const value of [null, NaN, Infinity]) {
      refuses(value, {
        name: "FrameFormatError",
        message: "Cannot encode the line: it is null, which means the end of the stream",
      });
    }
  });

  it("checks the limits", () => {
    assert.equal(encodeAll(new JsonLinesCodec({ maxLength: 8 }), ["123456", "€€"]).length, 18);
    refuses("1234567", { name: "FrameTooLongError", limit: 8 }, { maxLength: 8 });
    refuses("€€1", { name: "FrameTooLongError", limit: 8 }, { maxLength: 8 });
    assert.equal(encodeAll(new JsonLinesCodec({ maxDepth: 2 }), [[[]]]).length, 5);
    refuses([[[]]], {
      name: "FrameFormatError",
      message: "Cannot encode the line: it is nested deeper than 2",
    }, {
      maxDepth: 2,
    });
  });
});

describe("properties", () => {
  const value = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown)
    .filter((value) => value !== null);

  it("any values, cut up in any way, come back", () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 20 }), cuts, (values, sizes) => {
        const chunks = cutUp(encodeAll(new JsonLinesCodec(), values), sizes);
        assert.deepEqual(decodeAll(new JsonLinesCodec(), chunks).items, values);
      }),
      bounded,
    );
  });

  it("any bytes, cut up in any way, give values or errors, and no more than the limit waits", () => {
    const part = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.constantFrom("\n", "\r\n", '{"a":', "}\n", "[[[", "]]]\n", "null\n", '"\\', "\0", "12\n").map(
        bytesOf,
      ),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), cuts, (parts, sizes) => {
        const options = { maxLength: 16, maxDepth: 2, onTooLong: "skip" } as const;
        const wire = Uint8Array.from(parts.flatMap((part) => [...part]));
        const { items, mostHeld } = decodeAll(new JsonLinesCodec(options), cutUp(wire, sizes));
        assert.deepEqual(readable(items), readable(decodeAll(new JsonLinesCodec(options), [wire]).items));
        assert.ok(mostHeld <= 17, `${mostHeld} bytes wait`);
        assert.ok(items.every((item) => item !== null && item !== undefined));
      }),
      { ...bounded, numRuns: 500 },
    );
  });
});
