import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteBuffer } from "../../src/bytes/byte_buffer.ts";
import { type Delimiter, DelimiterCodec, type DelimiterOptions } from "../../src/framing/delimiter.ts";
import { bounded, bytesOf, cuts, cutUp, decodeAll, decodeEachWay, encodeAll, fc, Feeder } from "./feed.ts";

type Delimiters = Delimiter | readonly Delimiter[];

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Items as text, errors as their messages. */
function shown(outcomes: readonly unknown[]): string[] {
  return outcomes.map((item) => item instanceof Uint8Array ? textOf(item) : `${item}`);
}

/** The wire gives these items and errors, and this many bytes are left if that is known, in each way of cutting it up. */
function decodes(
  delimiters: Delimiters,
  wire: string,
  expected: string[],
  left: number | null = 0,
  options: DelimiterOptions = {},
): void {
  decodeEachWay(() => new DelimiterCodec(delimiters, options), bytesOf(wire), (decoded, name) => {
    assert.deepEqual(shown(decoded.items), expected, name);
    if (left !== null) assert.equal(decoded.left, left, name);
  });
}

const tooLong = (limit: number, at: number): string =>
  `FrameTooLongError: Cannot decode the item at byte ${at}: it is longer than ${limit} bytes`;

describe("decode", () => {
  it("ends an item at its delimiter, of one byte or many", () => {
    decodes("\0", "a\0\0bc\0", ["a", "", "bc"]);
    decodes("--boundary--", "a--boundary----boundary--b-boundary----boundary--", ["a", "", "b-boundary--"]);
    decodes(Uint8Array.of(0x2c), "1,2,", ["1", "2"]);
  });

  it("goes on within what looked like a delimiter", () => {
    decodes("aab", "aaabaab", ["a", ""]);
    decodes("abab", "abacababab", ["abac"], 2);
    decodes("||", "a|b|||||", ["a|b", ""], 1);
  });

  it("of several the one that starts first counts, of those that start together the longest", () => {
    decodes([";", ","], "a,b;c;", ["a", "b", "c"]);
    decodes(["\r", "\r\n", "\n"], "a\r\nb\rc\nd\r\r\n", ["a", "b", "c", "d", ""]);
    decodes(["c", "abcd"], "xabcdabc", ["x", "ab"]);
    decodes(["ab", "abcabd"], "abcabcabd", ["", "c"]);
  });

  it("waits where a longer delimiter may come, and takes the shorter one at the end", () => {
    const feeder = new Feeder(new DelimiterCodec(["\r", "\r\n"]));
    feeder.feed(bytesOf("a\r"));
    assert.deepEqual(feeder.outcomes, []);
    feeder.feed(bytesOf("\nb\r"));
    feeder.end();
    assert.deepEqual(shown(feeder.outcomes), ["a", "b"]);
  });

  it("leaves a last item without a delimiter, which is truncated, unless it is told otherwise", () => {
    decodes("||", "a||b|", ["a"], 2);
    decodes("||", "a||b|", ["a", "b|"], 0, { atEnd: "item" });
    decodes("||", "a||", ["a"], 0, { atEnd: "item" });
    decodes("||", "", []);
  });

  it("goes on where another reader of the buffer left it, and never mixes two streams", () => {
    const codec = new DelimiterCodec("||");
    const [one, two] = [new ByteBuffer(), new ByteBuffer()];
    one.append(bytesOf("ab|"));
    two.append(bytesOf("|c||"));
    assert.equal(codec.decode(one), undefined);
    assert.equal(textOf(codec.decode(two)!), "|c");
    one.skip(1);
    one.append(bytesOf("|d||"));
    assert.equal(textOf(codec.decode(one)!), "b");
    assert.equal(textOf(codec.decode(one)!), "d");
  });
});

describe("maxLength", () => {
  it("counts bytes without the delimiter, and one past it fails for good", () => {
    decodes("||", "1234||12345||1||", ["1234", tooLong(4, 6)], null, { maxLength: 4 });
    decodes("||", "1234|", [], 5, { maxLength: 4 });
    decodes("||", "1234|5||", [tooLong(4, 0)], null, { maxLength: 4 });
    // An earlier delimiter may come yet.
    decodes(["c", "abcd"], "abcdx", [""], 1, { maxLength: 1 });
  });

  it("holds for the last item too", () => {
    decodes("||", "123|", ["123|"], 0, { maxLength: 4, atEnd: "item" });
    decodes("||", "1234|", [tooLong(4, 0)], null, { maxLength: 4, atEnd: "item" });
    decodes(["c", "abcd"], "xabc", [tooLong(2, 0)], null, { maxLength: 2 });
  });

  it("is 64 KiB, and fails as soon as it is known", () => {
    const feeder = new Feeder(new DelimiterCodec("||"));
    feeder.feed(new Uint8Array(65536));
    feeder.feed(bytesOf("|"));
    assert.deepEqual(feeder.outcomes, []);
    feeder.feed(bytesOf("x"));
    assert.deepEqual(shown(feeder.outcomes), [tooLong(65536, 0)]);
  });

  it("fails the same way at every call", () => {
    const codec = new DelimiterCodec("|", { maxLength: 2 });
    const src = new ByteBuffer();
    src.append(bytesOf("123|"));
    for (let i = 0; i < 3; i++) assert.throws(() => codec.decode(src), { limit: 2, offset: 0 });
  });
});

describe("encode", () => {
  const encodes = (delimiters: Delimiters, items: string[], wire: string): void => {
    assert.equal(textOf(encodeAll(new DelimiterCodec(delimiters), items.map(bytesOf))), wire);
  };

  it("writes the first delimiter that is not how another starts", () => {
    encodes("||", ["a", "", "b"], "a||||b||");
    encodes([";", ","], ["a"], "a;");
    encodes(["\r", "\r\n"], ["a", ""], "a\r\n\r\n");
    encodes(["\n", "\n\n"], ["a", ""], "a\n\n\n\n");
  });

  it("refuses what would not come back as it is, and appends nothing then", () => {
    const dst = new ByteBuffer();
    const cases: [Delimiters, string][] = [
      ["||", "a||b"],
      ["||", "a|"],
      [[";", ","], "a,b"],
      ["aba", "xab"],
      [["b", "abc"], "xa"],
    ];
    for (const [delimiters, item] of cases) {
      assert.throws(() => new DelimiterCodec(delimiters).encode(bytesOf(item), dst), {
        name: "FrameFormatError",
        message: "Cannot encode the item: it contains a delimiter, or ends with the start of one",
        offset: null,
      });
    }
    assert.throws(() => new DelimiterCodec("|", { maxLength: 2 }).encode(bytesOf("123"), dst), {
      name: "FrameTooLongError",
      limit: 2,
    });
    assert.equal(dst.length, 0);
  });

  it("does not disturb what is being read", () => {
    const codec = new DelimiterCodec("||");
    const src = new ByteBuffer();
    src.append(bytesOf("a|"));
    assert.equal(codec.decode(src), undefined);
    encodeAll(codec, [bytesOf("xyz")]);
    src.append(bytesOf("|"));
    assert.equal(textOf(codec.decode(src)!), "a");
  });
});

describe("the constructor", () => {
  it("refuses what is no delimiter and no option", () => {
    for (const delimiters of ["", [], ["a", ""], new Uint8Array(0)]) {
      assert.throws(() => new DelimiterCodec(delimiters), TypeError);
    }
    assert.throws(() => new DelimiterCodec("x".repeat(4097)), RangeError);
    assert.throws(() => new DelimiterCodec("x", { maxLength: 0 }), RangeError);
    assert.throws(() => new DelimiterCodec("x", { atEnd: "drop" as "item" }), TypeError);
  });

  it("copies the delimiters", () => {
    const delimiter = bytesOf("|");
    const codec = new DelimiterCodec(delimiter);
    delimiter[0] = 0;
    assert.equal(textOf(encodeAll(codec, [bytesOf("a")])), "a|");
  });

  it("takes delimiters of all bytes there are", () => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    const codec = new DelimiterCodec([all, all.toReversed()]);
    const wire = Uint8Array.of(...all.subarray(0, 99), ...all, 7, ...all.toReversed());
    assert.deepEqual(decodeAll(codec, [wire]).items, [all.slice(0, 99), Uint8Array.of(7)]);
  });
});

describe("properties", () => {
  const ab = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 5 });

  /** The same, said another way: over the whole wire at once. */
  function model(wire: string, delimiters: string[]): string[] {
    const items: string[] = [];
    const longestFirst = delimiters.toSorted((a, b) => b.length - a.length);
    let start = 0;
    for (let at = 0; at < wire.length;) {
      const delimiter = longestFirst.find((one) => wire.startsWith(one, at));
      if (delimiter === undefined) {
        at++;
        continue;
      }
      items.push(wire.slice(start, at));
      start = at += delimiter.length;
    }
    return start < wire.length ? [...items, wire.slice(start)] : items;
  }

  it("any delimiters and any wire give what a plain search gives", () => {
    const wires = fc.array(ab, { maxLength: 20 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.array(ab, { minLength: 1, maxLength: 4 }), wires, cuts, (delimiters, wire, sizes) => {
        const codec = new DelimiterCodec(delimiters, { atEnd: "item" });
        const { items } = decodeAll(codec, cutUp(bytesOf(wire), sizes));
        assert.deepEqual(shown(items), model(wire, delimiters));
      }),
      { ...bounded, numRuns: 2000 },
    );
  });

  it("whatever is written without an error comes back", () => {
    fc.assert(
      fc.property(fc.array(ab, { minLength: 1, maxLength: 3 }), fc.array(ab), (delimiters, texts) => {
        const codec = new DelimiterCodec(delimiters);
        const dst = new ByteBuffer();
        const written: string[] = [];
        for (const text of texts) {
          try {
            codec.encode(bytesOf(text), dst);
            written.push(text);
          } catch {
            // Refused: it holds a delimiter.
          }
        }
        assert.deepEqual(shown(decodeAll(codec, [dst.take(dst.length)]).items), written);
      }),
      { ...bounded, numRuns: 1000 },
    );
  });
});
