import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PayloadAssembler } from "../../src/bytes/payload_assembler.ts";
import { Random } from "./random.ts";

interface Piece {
  readonly bytes: Uint8Array;
  readonly announced: number;
}

/** Result of gathering. */
interface Outcome {
  readonly bytes: Uint8Array;
  /** Bytes that were copied because the buffer grew. */
  readonly moved: number;
}

const MIB = 1 << 20;
const KIB_256 = 1 << 18;

/** Gathers the pieces, each in the middle of a larger chunk, and holds the bounds at each step. */
function gather(pieces: Iterable<Piece>, limit: number): Outcome {
  const gathered = new PayloadAssembler();
  let moved = 0;
  let came = 0;
  for (const { bytes, announced } of pieces) {
    const before = gathered.bytes();
    const chunk = new Uint8Array(bytes.length + 10).fill(0xee);
    chunk.set(bytes, 3);
    gathered.add(chunk, 3, 3 + bytes.length, announced, limit);
    chunk.fill(0xdd);
    came += bytes.length;
    const { buffer, length } = gathered.bytes();
    if (buffer !== before.buffer) moved += before.length;
    assert.equal(length, came);
    assert.equal(gathered.length, came);
    assert.ok(buffer.byteLength <= came * 4, `${buffer.byteLength} bytes held for ${came}`);
    assert.ok(
      buffer.byteLength <= Math.max(announced, limit),
      `${buffer.byteLength} bytes held beyond ${limit}`,
    );
  }
  return { bytes: gathered.bytes(), moved };
}

/** One frame that comes in pieces of `size`. */
function* frame(length: number, size: number): IterableIterator<Piece> {
  for (let at = 0; at < length; at += size) {
    const bytes = Uint8Array.from({ length: Math.min(size, length - at) }, (_, i) => (at + i) % 251);
    yield { bytes, announced: length };
  }
}

/** Whole frames of `size`, so that no more is ever announced than what came. */
function* fragments(length: number, size: number): IterableIterator<Piece> {
  let announced = 0;
  for (const { bytes } of frame(length, size)) {
    announced += bytes.length;
    yield { bytes, announced };
  }
}

describe("PayloadAssembler", () => {
  it("puts the pieces together, however they are cut", () => {
    const whole = Uint8Array.from({ length: 3000 }, (_, i) => i % 251);
    for (const make of [frame, fragments]) {
      for (const size of [1, 2, 3, 125, 1000, 1500, 2999, 3000]) {
        assert.deepEqual(gather(make(3000, size), MIB).bytes, whole, `${make.name} of ${size}`);
      }
    }
  });

  it("is empty at first, and takes empty pieces", () => {
    const gathered = new PayloadAssembler();
    assert.equal(gathered.bytes().length, 0);
    gathered.add(new Uint8Array(10), 5, 5, 0, MIB);
    assert.equal(gathered.length, 0);
    assert.deepEqual(
      gather([{ bytes: Uint8Array.of(1), announced: 1 }, ...frame(0, 1)], MIB).bytes,
      Uint8Array.of(1),
    );
  });

  it("a length that is only announced costs nothing", () => {
    const gathered = new PayloadAssembler();
    gathered.add(Uint8Array.of(1), 0, 1, 2 ** 40, 2 ** 50);
    assert.ok(gathered.bytes().buffer.byteLength <= 4);
  });

  it("copies a constant per byte: 4/3 for a frame, 2 for fragments", () => {
    for (const size of [1, 10, 100, 1460, 65536]) {
      const { moved: ofFrame } = gather(frame(KIB_256, size), MIB);
      assert.ok(ofFrame <= KIB_256 * 4 / 3, `a frame by ${size}: ${ofFrame} bytes moved`);
      const { moved: ofFragments } = gather(fragments(KIB_256, size), MIB);
      assert.ok(ofFragments <= KIB_256 * 2, `fragments of ${size}: ${ofFragments} bytes moved`);
    }
  });

  it("the buffer of a frame that is complete is as long as the frame", () => {
    for (
      const [length, size] of [[65536, 1460], [65536, 10_000], [65536, 65536], [100_000, 70_000], [7, 1]]
    ) {
      const { bytes } = gather(frame(length!, size!), 16 * MIB);
      assert.equal(bytes.buffer.byteLength, length, `${length} by ${size}`);
    }
  });

  it("never grows beyond the limit, even when it was lowered", () => {
    const { bytes } = gather(fragments(1000, 10), 1000);
    assert.ok(bytes.buffer.byteLength <= 1000);
    const lowered = new PayloadAssembler();
    for (let i = 0; i < 100; i++) lowered.add(new Uint8Array(10), 0, 10, (i + 1) * 10, 5);
    assert.equal(lowered.length, 1000);
    assert.equal(lowered.bytes().buffer.byteLength, 1000);
  });

  it("takes whatever mix of frames comes", () => {
    for (let seed = 0; seed < 100; seed++) {
      const random = new Random(seed);
      const whole = random.bytes(random.below(20_000));
      const mixed: Piece[] = [];
      let announced = 0;
      let at = 0;
      for (const bytes of random.cut(whole, random.pick([3, 100, 5000]))) {
        at += bytes.length;
        // Now and then a new frame announces more.
        if (announced < at) {
          announced = random.oneIn(2) ? at : Math.min(whole.length, at + random.below(9000));
        }
        mixed.push({ bytes, announced });
      }
      assert.deepEqual(gather(mixed, MIB).bytes, whole, `seed ${seed}`);
    }
  });
});
