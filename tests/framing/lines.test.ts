import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FrameError, FrameFormatError, type FrameTooLongError } from "../../src/framing/codec.ts";
import { LinesCodec, type LinesOptions } from "../../src/framing/lines.ts";
import { ByteBuffer } from "../../src/bytes/byte_buffer.ts";
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

/** The wire gives these lines and errors, in each way of cutting it up. */
function decodes(wire: string | Uint8Array, expected: unknown[], options?: LinesOptions): void {
  const bytes = typeof wire === "string" ? bytesOf(wire) : wire;
  decodeEachWay(() => new LinesCodec(options), bytes, ({ items }, name) => {
    assert.deepEqual(readable(items), expected, name);
  });
}

const tooLong = (limit: number, at: number): string =>
  `FrameTooLongError: Cannot decode the line at byte ${at}: it is longer than ${limit} bytes`;
const notUtf8 = (at: number): string =>
  `FrameFormatError: Cannot decode the line at byte ${at}: it is not UTF-8`;

describe("decode", () => {
  it("ends a line at LF and at CR LF", () => {
    decodes("a\nb\r\n\n\r\nc\n", ["a", "b", "", "", "c"]);
  });

  it("keeps every other CR", () => {
    decodes("a\rb\n\rc\r\r\n\r\r\n", ["a\rb", "\rc\r", "\r"]);
  });

  it("takes a last line that the stream ends", () => {
    decodes("a\nb", ["a", "b"]);
    decodes("a\nb\r", ["a", "b"]);
    decodes("a\n\r", ["a"]);
    decodes("", []);
  });

  it("reads UTF-8, cut anywhere", () => {
    decodes("né€😀\n\u{10FFFF}\r\n\uFEFFbom\nü", ["né€😀", "\u{10FFFF}", "\uFEFFbom", "ü"]);
  });

  it("reads many lines in one chunk, of ASCII and not, short and long", () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `${i}`.padEnd(i % 97, i % 500 < 250 ? "x" : "ß"));
    lines[700] = "y".repeat(10_000);
    const wire = bytesOf(lines.join("\n") + "\n");
    for (const size of [wire.length, 65536, 20_000, 5000, 4096, 1448, 1000, 7]) {
      assert.deepEqual(decodeAll(new LinesCodec(), cutUp(wire, [size])).items, lines, `chunks of ${size}`);
    }
  });

  it("wants more before a newline comes, and takes no more than one line", () => {
    const codec = new LinesCodec();
    const src = new ByteBuffer();
    src.append(bytesOf("ab"));
    assert.equal(codec.decode(src), undefined);
    src.append(bytesOf("c\nd\ne\n"));
    assert.equal(codec.decode(src), "abc");
    assert.equal(src.length, 4);
    assert.equal(codec.decode(src), "d");
    assert.equal(src.length, 2);
  });

  it("goes on where another reader of the buffer left it", () => {
    const codec = new LinesCodec();
    const src = new ByteBuffer();
    src.append(bytesOf("a\nbb\nccc\ndd\n"));
    assert.equal(codec.decode(src), "a");
    src.skip(1);
    assert.equal(codec.decode(src), "b");
    src.append(bytesOf("eeee"));
    assert.equal(codec.decode(src), "ccc");
    assert.equal(codec.decode(src), "dd");
    assert.equal(codec.decode(src), undefined);
    src.skip(4);
    src.append(bytesOf("f\n"));
    assert.equal(codec.decode(src), "f");
  });

  it("gives all lines at once, and no line of a run that another reader has left", () => {
    const codec = new LinesCodec();
    const src = new ByteBuffer();
    const each = (): string[] => {
      const lines: string[] = [];
      codec.decodeEach(src, (line) => lines.push(line));
      return lines;
    };
    src.append(bytesOf("a\nb\r\n\nc"));
    assert.deepEqual(each(), ["a", "b", ""]);
    assert.equal(src.length, 1);
    src.append(bytesOf("\nd\ne\nf\ng\n"));
    assert.equal(codec.decode(src), "c");
    src.skip(2);
    assert.deepEqual(each(), ["e", "f", "g"]);
    assert.deepEqual(each(), []);
    src.append(bytesOf("h\ni\n"));
    assert.equal(codec.decode(src), "h");
    src.skip(2);
    src.append(Uint8Array.of(0x6a, 10, 0xff, 10));
    const given: string[] = [];
    assert.throws(() => codec.decodeEach(src, (line) => given.push(line)), {
      name: "FrameFormatError",
      offset: 22,
    });
    assert.deepEqual(given, ["j"]);
  });

  it("never mixes two streams that were given one codec by mistake", () => {
    const codec = new LinesCodec();
    const [a, b] = [new ByteBuffer(), new ByteBuffer()];
    a.append(bytesOf("a1\na2\na3\na4\n"));
    b.append(bytesOf("b1\nb2\nb3\nb4\n"));
    const lines = [a, b, a, b, b, a].map((src) => codec.decode(src));
    assert.deepEqual(lines, ["a1", "b1", "a2", "b2", "b3", "a3"]);
  });
});

describe("what is not UTF-8", () => {
  const cases: [string, number[]][] = [
    ["a lone continuation", [0x80]],
    ["an overlong form", [0xc0, 0xaf]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["beyond U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
    ["cut off by the newline", [0xe2, 0x82]],
    ["FF", [0xff]],
  ];
  for (const [name, bytes] of cases) {
    it(`${name} fails, and the next line is read`, () => {
      decodes(Uint8Array.of(0x61, 10, 0x62, ...bytes, 10, 0x63, 10, 0x64, 10), ["a", notUtf8(2), "c", "d"]);
    });
  }

  it("is not a U+FFFD that the peer sent", () => {
    decodes(Uint8Array.of(0xef, 0xbf, 0xbd, 10, 0xef, 0xbf, 10, 0x61, 10), ["\ufffd", notUtf8(4), "a"]);
  });

  it("fails once for each line", () => {
    decodes(Uint8Array.of(0xff, 10, 0xfe, 10, 0x61, 10), [notUtf8(0), notUtf8(2), "a"]);
  });

  it("at the end of the stream is a truncated line", () => {
    const { items, left } = decodeAll(new LinesCodec(), [Uint8Array.of(0x61, 10, 0x62, 0xe2, 0x82)]);
    assert.deepEqual(items, ["a"]);
    assert.equal(left, 3);
  });

  it("says where and why", () => {
    const src = new ByteBuffer();
    src.append(Uint8Array.of(0xff, 10));
    assert.throws(() => new LinesCodec().decode(src), (error) => {
      assert.ok(error instanceof FrameFormatError && error instanceof FrameError);
      assert.equal(error.offset, 0);
      assert.equal(error.name, "FrameFormatError");
      return true;
    });
  });
});

describe("maxLength", () => {
  const options = { maxLength: 5 };

  it("counts bytes without the newline", () => {
    decodes("12345\n12345\r\n123€\n", ["12345", "12345", tooLong(5, 13)], options);
    decodes("12345\n12€\n12345", ["12345", "12€", "12345"], options);
    decodes("12345\r\n123456\r\n", ["12345", tooLong(5, 7)], options);
    decodes("1234\r5\n", [tooLong(5, 0)], options);
    decodes("12345\rx\n", [tooLong(5, 0)], options);
    decodes("12345\r", ["12345"], options);
  });

  it("is 64 KiB", () => {
    const line = "x".repeat(65536);
    assert.deepEqual(decodeAll(new LinesCodec(), [bytesOf(line + "\n")]).items, [line]);
    assert.deepEqual(readable(decodeAll(new LinesCodec(), [bytesOf(line + "x\n")]).items), [
      tooLong(65536, 0),
    ]);
  });

  it("fails as soon as it is known, without the rest of the line", () => {
    const feeder = new Feeder(new LinesCodec(options));
    for (let i = 0; i < 5; i++) feeder.feed(bytesOf("x"));
    assert.deepEqual(feeder.outcomes, []);
    feeder.feed(bytesOf("x"));
    assert.deepEqual(readable(feeder.outcomes), [tooLong(5, 0)]);
    assert.equal((feeder.outcomes[0] as unknown as FrameTooLongError).limit, 5);
  });

  it("gives what comes before, and fails the same way at every call", () => {
    const codec = new LinesCodec(options);
    const src = new ByteBuffer();
    src.append(bytesOf("ok\n123456\nok\n"));
    assert.equal(codec.decode(src), "ok");
    for (let i = 0; i < 3; i++) {
      assert.throws(() => codec.decode(src), { name: "FrameTooLongError", offset: 3, limit: 5 });
    }
  });

  it("holds a gigabyte without a newline off", () => {
    const feeder = new Feeder(new LinesCodec());
    const chunk = new Uint8Array(65536).fill(0x78);
    for (let i = 0; i < 16384; i++) feeder.feed(chunk);
    assert.equal(feeder.outcomes.length, 1);
    assert.ok(feeder.src.length <= 131072);
  });

  it("must be a positive integer", () => {
    for (const maxLength of [0, -1, 1.5, NaN, Infinity]) {
      assert.throws(() => new LinesCodec({ maxLength }), RangeError);
    }
    assert.throws(() => new LinesCodec({ onTooLong: "ignore" as "skip" }), TypeError);
  });
});

describe('onTooLong: "skip"', () => {
  const options: LinesOptions = { maxLength: 3, onTooLong: "skip" };

  it("fails once and goes on with the next line", () => {
    decodes("abc\nabcd\nabc\n", ["abc", tooLong(3, 4), "abc"], options);
    decodes("abcdefghijkl\r\nx\nabcdefgh\ny", [tooLong(3, 0), "x", tooLong(3, 16), "y"], options);
    decodes("abcd\nabcde\nabcdef\n\n", [tooLong(3, 0), tooLong(3, 5), tooLong(3, 11), ""], options);
    decodes("€€\nü\n€€\nü\n", [tooLong(3, 0), "ü", tooLong(3, 10), "ü"], options);
  });

  it("keeps nothing of a line that ends with the stream", () => {
    decodes("a\nabcdefgh", ["a", tooLong(3, 2)], options);
    assert.equal(decodeAll(new LinesCodec(options), [bytesOf("a\nabcdefgh")]).left, 0);
  });

  it("drops a long line as it comes", () => {
    const feeder = new Feeder(new LinesCodec({ onTooLong: "skip" }));
    const chunk = new Uint8Array(65536).fill(0x78);
    for (let i = 0; i < 1000; i++) feeder.feed(chunk);
    feeder.feed(bytesOf("\nnext\n"));
    assert.deepEqual(readable(feeder.outcomes), [tooLong(65536, 0), "next"]);
    assert.ok(feeder.mostHeld <= 65536);
  });

  it("reads a chunk of nothing but too long lines in linear time", { timeout: 10_000 }, () => {
    const { items } = decodeAll(new LinesCodec({ maxLength: 1, onTooLong: "skip" }), [
      bytesOf("y\nz\n" + "xx\n".repeat(50_000)),
    ]);
    assert.equal(items.length, 50_002);
  });
});

describe("encode", () => {
  it("appends the line and LF", () => {
    const text = new TextDecoder().decode(encodeAll(new LinesCodec(), ["a", "", "é€😀", "b\rc"]));
    assert.equal(text, "a\n\né€😀\nb\rc\n");
  });

  it("writes lines of every length", () => {
    const lines = [1, 100, 2047, 2048, 2049, 4096, 60_000].flatMap((
      length,
    ) => ["x".repeat(length), "é".repeat(length / 2)]);
    assert.deepEqual(decodeAll(new LinesCodec(), [encodeAll(new LinesCodec(), lines)]).items, lines);
  });

  it("refuses what would not come back as one line, and appends nothing then", () => {
    const dst = new ByteBuffer();
    for (const line of ["a\nb", "\n", "a\r", "\r"]) {
      assert.throws(() => new LinesCodec().encode(line, dst), {
        name: "FrameFormatError",
        message: "Cannot encode the line: it contains an LF, or ends with a CR",
        offset: null,
      });
    }
    assert.equal(dst.length, 0);
  });

  it("checks maxLength in bytes, and appends nothing when it is passed", () => {
    const codec = new LinesCodec({ maxLength: 6 });
    assert.equal(encodeAll(codec, ["123456", "€€"]).length, 14);
    const dst = new ByteBuffer();
    for (const line of ["1234567", "€€1", "😀ab\u0080"]) {
      assert.throws(() => codec.encode(line, dst), {
        name: "FrameTooLongError",
        message: "Cannot encode the line: it is longer than 6 bytes",
        limit: 6,
      });
    }
    assert.equal(dst.length, 0);
  });

  it("checks maxLength of long lines too", () => {
    const codec = new LinesCodec({ maxLength: 5000 });
    assert.equal(encodeAll(codec, ["é".repeat(2500)]).length, 5001);
    assert.throws(() => encodeAll(codec, ["é".repeat(2500) + "x"]), {
      name: "FrameTooLongError",
      limit: 5000,
    });
  });

  it("writes a lone surrogate as U+FFFD", () => {
    assert.deepEqual(decodeAll(new LinesCodec(), [encodeAll(new LinesCodec(), ["a\ud800b"])]).items, [
      "a\ufffdb",
    ]);
  });
});

describe("properties", () => {
  const line = fc.string({ unit: "binary", maxLength: 60 })
    .map((text) => text.replaceAll("\n", " ").replace(/\r$/, ""));

  it("any lines, cut up in any way, come back", () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 40 }), cuts, (lines, sizes) => {
        const chunks = cutUp(encodeAll(new LinesCodec(), lines), sizes);
        assert.deepEqual(decodeAll(new LinesCodec(), chunks).items, lines);
      }),
      bounded,
    );
  });

  const wire = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.constantFrom("\n", "\r\n", "\r", "abc\n", "é\n", "x".repeat(15), "y".repeat(16) + "\r\n").map(
        bytesOf,
      ),
    ),
    { maxLength: 30 },
  ).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

  /** The same, said another way: over the whole wire at once. */
  function model(wire: Uint8Array, max: number): unknown[] {
    const outcomes: unknown[] = [];
    for (let at = 0; at < wire.length;) {
      const newline = wire.indexOf(10, at);
      const end = newline < 0 ? wire.length : newline;
      const text = wire.subarray(at, end > at && wire[end - 1] === 13 ? end - 1 : end);
      const decoded = text.length > max ? tooLong(max, at) : utf8(text) ?? notUtf8(at);
      if (newline >= 0 || decoded !== "" && decoded !== notUtf8(at)) outcomes.push(decoded);
      at = end + 1;
    }
    return outcomes;
  }

  function utf8(bytes: Uint8Array): string | null {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return null;
    }
  }

  it("any bytes, cut up in any way, give lines or errors, and no more than the limit waits", () => {
    const maxLength = 16;
    fc.assert(
      fc.property(wire, cuts, (wire, sizes) => {
        const codec = new LinesCodec({ maxLength, onTooLong: "skip" });
        const { items, mostHeld } = decodeAll(codec, cutUp(wire, sizes));
        assert.deepEqual(readable(items), model(wire, maxLength));
        assert.ok(mostHeld <= maxLength + 1, `${mostHeld} bytes wait`);
      }),
      { ...bounded, numRuns: 500 },
    );
  });

  it("without skip it is the same up to the first line that is too long", () => {
    fc.assert(
      fc.property(wire, cuts, (wire, sizes) => {
        const expected = model(wire, 16);
        const stop = expected.findIndex((outcome) => `${outcome}`.startsWith("FrameTooLongError"));
        const { items } = decodeAll(new LinesCodec({ maxLength: 16 }), cutUp(wire, sizes));
        assert.deepEqual(readable(items), stop < 0 ? expected : expected.slice(0, stop + 1));
      }),
      bounded,
    );
  });
});
