import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { rawDeflate } from "../../adapters/zlib.ts";
import { currentAdapter } from "../../adapters/runtime.ts";
import type { Deflater, Inflater } from "../../src/bytes/raw_deflate.ts";
import { assertBytes, holdProcess, limit, randomNumbers } from "../net/support.ts";
import { readBlocks } from "./deflate_blocks.ts";

const MIB = 1 << 20;
const windows = [8, 9, 10, 11, 12, 13, 14, 15];
const levels = [0, 1, 6, 9];
const hello = new TextEncoder().encode("Hello");
/** "Hello" in a block marked as the last, and the empty block that a flush adds. */
const finalHello = Uint8Array.of(0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff);
const flushed = { finishFlush: constants.Z_SYNC_FLUSH };

function usable(): NonNullable<typeof rawDeflate> {
  assert.ok(rawDeflate !== null, "there is no compression");
  return rawDeflate;
}

function random(length: number): Uint8Array {
  const next = randomNumbers(length + 1);
  return Uint8Array.from({ length }, () => next(256));
}

/** Words that come again, near and far. */
function text(length: number): Uint8Array {
  const next = randomNumbers(length + 2);
  const words = Array.from({ length: 500 }, () => next(1 << 30).toString(36) + " ");
  let result = "";
  while (result.length < length) result += words[next(next(500) + 1)];
  return new TextEncoder().encode(result.slice(0, length));
}

const kinds = { random, text, zeros: (length: number) => new Uint8Array(length) };

function compress(deflater: Deflater, input: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  deflater.deflate(input, (bytes, length) => pieces.push(bytes.slice(0, length)) > 0);
  return join(pieces);
}

function decompress(inflater: Inflater, input: Uint8Array, start = 0, end = input.length): Uint8Array {
  const pieces: Uint8Array[] = [];
  const goesOn = inflater.inflate(
    input,
    start,
    end,
    (bytes, length) => pieces.push(bytes.slice(0, length)) > 0,
  );
  assert.equal(goesOn, true);
  return join(pieces);
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** A compressor and a decompressor for it, and both closed. */
function withPair(
  windowBits: number,
  level: number,
  use: (deflater: Deflater, inflater: Inflater) => void,
): void {
  const [deflater, inflater] = [usable().deflater(windowBits, level), usable().inflater(windowBits)];
  try {
    use(deflater, inflater);
  } finally {
    deflater.close();
    inflater.close();
  }
}

function assertFlushed(compressed: Uint8Array): void {
  assert.deepEqual([...compressed.subarray(-4)], [0, 0, 0xff, 0xff]);
}

function assertClosed(use: () => void): void {
  assert.throws(use, /closed/);
}

describe("rawDeflate", () => {
  holdProcess();

  it("is there, and the adapter has it", () => {
    assert.equal(currentAdapter().deflate, usable());
  });

  for (const windowBits of windows) {
    it(`comes back as it went, message after message, with a window of ${windowBits} bits`, limit, () => {
      for (const level of levels) {
        withPair(windowBits, level, (deflater, inflater) => {
          for (const make of Object.values(kinds)) {
            for (const size of [0, 1, 125, 0, 0, 1000, 65536, 65537, 1000]) {
              const input = make(size);
              const compressed = compress(deflater, input);
              assertFlushed(compressed);
              assertBytes(decompress(inflater, compressed), input);
            }
          }
        });
      }
    });

    it(`brings a megabyte through a window of ${windowBits} bits`, limit, () => {
      for (const make of Object.values(kinds)) {
        const input = make(MIB);
        for (const level of levels) {
          withPair(windowBits, level, (deflater, inflater) => {
            const compressed = compress(deflater, input);
            assertFlushed(compressed);
            assertBytes(decompress(inflater, compressed), input);
          });
        }
      }
    });

    it(`refers back no farther than 2 ** ${windowBits} bytes`, limit, () => {
      const messages = [
        text(3000),
        kinds.zeros(1000),
        text(3000),
        text(40_000),
        random(500),
        random(500),
        text(0),
      ];
      for (const level of levels) {
        withPair(windowBits, level, (deflater) => {
          const { text: read, farthest } = readBlocks(join(messages.map((it) => compress(deflater, it))));
          assertBytes(read, join(messages));
          assert.ok(farthest <= 1 << windowBits, `${farthest} bytes back at level ${level}`);
          if (level === 0) assert.equal(farthest, 0);
          else if (windowBits === 8) assert.equal(farthest, 1);
          else if (level > 1) assert.ok(farthest > 1 << (windowBits - 2), `only ${farthest} bytes back`);
        });
      }
    });
  }

  it("remembers the last message until it is reset", limit, () => {
    withPair(15, 6, (deflater, inflater) => {
      const message = random(1000);
      const sizes = [1, 2].map(() => {
        const compressed = compress(deflater, message);
        assertBytes(decompress(inflater, compressed), message);
        return compressed.length;
      });
      assert.ok(sizes[0]! > 1000 && sizes[1]! < 50, `${sizes}`);
      deflater.reset();
      const compressed = compress(deflater, message);
      assert.ok(compressed.length > 1000);
      inflater.reset();
      assertBytes(decompress(inflater, compressed), message);
      inflater.reset();
      const referring = compress(deflater, message);
      assert.throws(() => decompress(inflater, referring), Error);
    });
  });

  it("needs no memory of the peer's when it is reset before each message", limit, () => {
    for (const windowBits of windows) {
      withPair(windowBits, 6, (deflater, inflater) => {
        for (const size of [0, 1, 1000, 1000, 0, 65536, 7]) {
          deflater.reset();
          const compressed = compress(deflater, text(size));
          assertBytes(inflateRawSync(compressed, flushed), text(size));
          inflater.reset();
          assertBytes(decompress(inflater, compressed), text(size));
        }
      });
    }
  });

  it("gives an empty message as an empty block, each time", limit, () => {
    withPair(15, 6, (deflater, inflater) => {
      for (const input of [new Uint8Array(0), hello, new Uint8Array(0), new Uint8Array(0), hello]) {
        const compressed = compress(deflater, input);
        if (input.length === 0) assert.deepEqual([...compressed], [0, 0, 0, 0xff, 0xff]);
        assertBytes(decompress(inflater, compressed), input);
      }
    });
  });

  it("takes part of an array, and arrays that are part of a buffer", limit, () => {
    withPair(12, 6, (deflater, inflater) => {
      const input = text(5000);
      const compressed = compress(deflater, input.subarray(100, 4000));
      const around = new Uint8Array(compressed.length + 30).fill(0xff);
      around.set(compressed, 20);
      assertBytes(
        decompress(inflater, around.subarray(5), 15, 15 + compressed.length),
        input.subarray(100, 4000),
      );
    });
  });

  it("decompresses what comes in any pieces", limit, () => {
    const next = randomNumbers(7);
    withPair(15, 6, (deflater, inflater) => {
      for (const make of Object.values(kinds)) {
        for (const pieces of [1, 3, 100, 1000]) {
          const input = make(70_000);
          const compressed = compress(deflater, input);
          const output: Uint8Array[] = [];
          for (let at = 0; at < compressed.length;) {
            const end = Math.min(compressed.length, at + next(Math.ceil(2 * compressed.length / pieces) + 1));
            output.push(decompress(inflater, compressed, at, end));
            at = end;
          }
          assertBytes(join(output), input);
        }
      }
      const compressed = compress(deflater, text(5000));
      const bytes = Array.from(compressed, (_, at) => decompress(inflater, compressed, at, at + 1));
      assertBytes(join(bytes), text(5000));
    });
  });

  it("gives all that it knows, however full its output was", limit, () => {
    const inflater = usable().inflater(15);
    for (let size = 65536; size < 67_000; size += 50) {
      // One byte at its end stands for a thousand of these.
      const compressed = deflateRawSync(kinds.zeros(size));
      assertBytes(decompress(inflater, compressed), kinds.zeros(size));
      assertBytes(decompress(inflater, finalHello), hello);
    }
    inflater.close();
  });

  it("understands, and is understood by, zlib's own functions", limit, () => {
    for (const windowBits of windows) {
      for (const make of Object.values(kinds)) {
        for (const size of [1, 1000, 200_000]) {
          withPair(windowBits, 6, (deflater, inflater) => {
            const input = make(size);
            assertBytes(inflateRawSync(compress(deflater, input), flushed), input);
            const options = { ...flushed, windowBits: Math.max(9, windowBits) };
            assertBytes(decompress(inflater, deflateRawSync(input, options)), input);
          });
        }
      }
    }
  });

  it("goes on after a block that says it is the last", limit, () => {
    withPair(15, 6, (deflater, inflater) => {
      assertBytes(decompress(inflater, finalHello), hello);
      assertBytes(decompress(inflater, finalHello), hello);
      assertBytes(decompress(inflater, join([finalHello, finalHello])), join([hello, hello]));
      // Ends with its input.
      assertBytes(decompress(inflater, finalHello, 0, 7), hello);
      assertBytes(decompress(inflater, finalHello, 0, 7), hello);
      const message = random(3000);
      for (const input of [message, message]) {
        assertBytes(decompress(inflater, compress(deflater, input)), input);
      }
      assertBytes(decompress(inflater, finalHello), hello);
      deflater.reset();
      assertBytes(decompress(inflater, compress(deflater, message)), message);
      // The last bytes of these fill the shared output just so, or nearly.
      for (const size of [65535, 65536, 65537, 131072]) {
        const ended = join([deflateRawSync(text(size)), finalHello]);
        assertBytes(decompress(inflater, ended), join([text(size), hello]));
      }
      const empty = new Uint8Array(10_000).map((_, i) => i % 2 === 0 ? 3 : 0);
      assertBytes(decompress(inflater, join([empty, finalHello])), hello);
      for (let at = 0; at < finalHello.length; at++) {
        const pieces = [decompress(inflater, finalHello, 0, at), decompress(inflater, finalHello, at)];
        assertBytes(join(pieces), hello);
      }
    });
  });

  it("stops a bomb where the sink says", limit, () => {
    const bomb = deflateRawSync(new Uint8Array(50 * MIB), flushed);
    const inflater = usable().inflater(15);
    let total = 0;
    const goesOn = inflater.inflate(bomb, 0, bomb.length, (bytes, length) => {
      assert.ok(length <= bytes.length && bytes.length <= 65536);
      return (total += length) < MIB;
    });
    assert.equal(goesOn, false);
    assert.ok(total < MIB + 65536, `${total} bytes came`);
    // It has forgotten the rest of the bomb.
    assertBytes(decompress(inflater, deflateRawSync(text(1000), flushed)), text(1000));
    inflater.close();
  });

  it("stops a compressor, which then starts anew", limit, () => {
    withPair(15, 6, (deflater, inflater) => {
      let calls = 0;
      deflater.deflate(random(MIB), () => ++calls < 3);
      assert.equal(calls, 3);
      deflater.deflate(new Uint8Array(0), () => false);
      assertBytes(decompress(inflater, compress(deflater, text(5000))), text(5000));
    });
  });

  it("is as good as new when a sink has thrown", limit, () => {
    withPair(15, 6, (deflater, inflater) => {
      const thrown = new RangeError("enough");
      const sink = (): never => {
        throw thrown;
      };
      const large = deflateRawSync(random(MIB), flushed);
      for (let i = 0; i < 3; i++) {
        assert.throws(() => deflater.deflate(random(MIB), sink), thrown);
        assert.throws(() => deflater.deflate(new Uint8Array(0), sink), thrown);
        assert.throws(() => inflater.inflate(large, 0, large.length, sink), thrown);
        assertBytes(decompress(inflater, compress(deflater, text(5000))), text(5000));
      }
    });
  });

  it("lets a sink close what calls it", limit, () => {
    const [deflater, inflater] = [usable().deflater(15, 6), usable().inflater(15)];
    assertClosed(() =>
      deflater.deflate(random(MIB), () => {
        deflater.close();
        return true;
      })
    );
    const large = deflateRawSync(random(MIB), flushed);
    const goesOn = inflater.inflate(large, 0, large.length, () => {
      inflater.close();
      return false;
    });
    assert.equal(goesOn, false);
    assertClosed(() => inflater.reset());
  });
});

describe("rawDeflate, of what is not DEFLATE", () => {
  holdProcess();

  const valid = deflateRawSync(text(5000), flushed);
  const faults: Record<string, readonly [Uint8Array, RegExp]> = {
    "an unknown kind of block": [Uint8Array.of(0x06), /invalid block type/],
    "an unknown kind of block that is the last": [Uint8Array.of(0xff, 0xff), /invalid block type/],
    "a stored block whose length is wrong": [Uint8Array.of(0, 1, 0, 1, 0), /invalid stored block lengths/],
    "a reference to before the beginning": [Uint8Array.of(0x4b, 0x04, 0xc2), /invalid distance too far back/],
    "an unknown distance": [Uint8Array.of(0x4b, 0x04, 0x3e), /invalid distance code/],
    "an unknown length": [Uint8Array.of(0x1b, 0x03), /invalid literal\/length code/],
    "too many symbols": [Uint8Array.of(0xfc, 0xff, 0xff), /too many length or distance symbols/],
    "a code without an end": [new Uint8Array(40).fill(0x04, 0, 1), /missing end-of-block/],
    "a fault behind good data": [join([finalHello, finalHello, Uint8Array.of(0x06)]), /invalid block type/],
  };

  for (const [name, [input, message]] of Object.entries(faults)) {
    it(`throws at ${name}, and so ever after`, limit, () => {
      const inflater = usable().inflater(15);
      assert.throws(() => inflater.inflate(input, 0, input.length, () => true), (error) => {
        assert.ok(error instanceof Error);
        assert.match(error.message, message);
        return true;
      });
      for (let i = 0; i < 3; i++) {
        assertClosed(() => inflater.inflate(finalHello, 0, finalHello.length, () => true));
        assertClosed(() => inflater.reset());
      }
      inflater.close();
      inflater.close();
    });
  }

  it("tells no one else of it", limit, async () => {
    const told: unknown[] = [];
    const note = (error: unknown): void => void told.push(error);
    process.on("uncaughtException", note);
    process.on("unhandledRejection", note);
    for (const [input] of Object.values(faults)) {
      const inflater = usable().inflater(15);
      assert.throws(() => inflater.inflate(input, 0, input.length, () => true));
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off("uncaughtException", note);
    process.off("unhandledRejection", note);
    assert.deepEqual(told, []);
  });

  it("leaves the others alone", limit, () => {
    withPair(15, 6, (deflater, inflater) => {
      for (const [input] of Object.values(faults)) {
        const broken = usable().inflater(15);
        assert.throws(() => broken.inflate(input, 0, input.length, () => true));
        assertBytes(decompress(inflater, compress(deflater, text(1000))), text(1000));
        broken.close();
      }
    });
  });

  it("takes what is cut off for what has not come yet", limit, () => {
    const whole = text(5000);
    for (let cut = 0; cut < valid.length; cut += 37) {
      const inflater = usable().inflater(15);
      const first = decompress(inflater, valid, 0, cut);
      assert.ok(first.length <= whole.length);
      assertBytes(join([first, decompress(inflater, valid, cut)]), whole);
      inflater.close();
    }
  });

  it("throws, or gives something, whatever has been changed", limit, () => {
    const next = randomNumbers(3);
    let thrown = 0;
    for (let round = 0; round < 1000; round++) {
      const changed = valid.slice();
      for (let i = next(4); i >= 0; i--) changed[next(changed.length)]! ^= 1 << next(8);
      const inflater = usable().inflater(8 + next(8));
      let total = 0;
      try {
        inflater.inflate(changed, 0, changed.length, (_, length) => (total += length) < MIB);
      } catch (error) {
        thrown++;
        assert.ok(
          error instanceof Error && /invalid|too (far|many)|incorrect/.test(error.message),
          `${error}`,
        );
      }
      inflater.close();
    }
    assert.ok(thrown > 100, `only ${thrown}`);
  });
});

describe("rawDeflate, closed", () => {
  holdProcess();

  it("throws when it is used", limit, () => {
    const [deflater, inflater] = [usable().deflater(15, 6), usable().inflater(15)];
    for (let i = 0; i < 2; i++) {
      deflater.close();
      inflater.close();
      assertClosed(() => deflater.deflate(hello, () => true));
      assertClosed(() => deflater.reset());
      assertClosed(() => inflater.inflate(finalHello, 0, finalHello.length, () => true));
      assertClosed(() => inflater.reset());
    }
  });

  it("gives its memory back", limit, () => {
    // Kept, so that only `close` can give it back: without it these would hold 300 MiB or more.
    const closed: unknown[] = [];
    const use = (times: number): void => {
      for (let i = 0; i < times; i++) {
        withPair(15, 6, (deflater, inflater) => {
          decompress(inflater, compress(deflater, message));
          closed.push(deflater, inflater);
        });
      }
    };
    const message = text(2000);
    use(100);
    const before = process.memoryUsage().rss;
    use(2000);
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 150 * MIB, `${Math.round(grown / MIB)} MiB more`);
  });
});
