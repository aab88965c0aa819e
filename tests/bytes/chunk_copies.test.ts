import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { ChunkCopies, OWN_FROM } from "../../src/bytes/chunk_copies.ts";
import { headerSize } from "../../src/protocol/frame_header.ts";
import { Random } from "./random.ts";

function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));
}

describe("ChunkCopies", () => {
  for (const maxCheapArray of [0, 64]) {
    for (const lent of [true, false]) {
      it(`keeps any part, whatever becomes of a ${lent ? "lent" : "kept"} chunk; arrays to ${maxCheapArray}`, () => {
        const random = new Random(7);
        const copies = new ChunkCopies(maxCheapArray);
        for (let i = 0; i < 300; i++) {
          const original = counting(random.below(40_000));
          const chunk = original.slice();
          copies.begin(chunk.length);
          const kept: [Uint8Array, number][] = [];
          for (let at = 0; at < chunk.length;) {
            // As frames do: a head of ten bytes, then the payload.
            const start = Math.min(chunk.length, at + 10);
            const end = Math.min(chunk.length, start + random.below(random.below(10) === 0 ? 40_000 : 200));
            kept.push([copies.keep(chunk, start, end, lent, 10), start]);
            at = end;
          }
          if (lent) chunk.fill(0xee);
          for (const [part, start] of kept) {
            assert.equal(part.byteOffset % 8, 0);
            assert.deepEqual(part, original.subarray(start, start + part.length));
          }
        }
      });
    }
  }

  it("puts the short parts of a chunk into one buffer", () => {
    const copies = new ChunkCopies(0);
    const chunk = counting(500);
    copies.begin(chunk.length);
    const [a, b] = [copies.keep(chunk, 0, 20, true), copies.keep(chunk, 30, 100, true)];
    assert.equal(a.buffer, b.buffer);
  });

  it("goes on in the buffer of the chunk before", () => {
    const copies = new ChunkCopies(0);
    const next = () => {
      copies.begin(200);
      return copies.keep(counting(200), 0, 200, true);
    };
    const [first, second, third] = [next(), next(), next()];
    assert.deepEqual([first.byteLength, second.byteLength, third.byteLength], [200, 200, 200]);
    // The first may be the last of its connection: room for others is made when there are others.
    assert.deepEqual([first.buffer.byteLength, second.buffer.byteLength], [200, 1024]);
    assert.equal(second.buffer, third.buffer);
    assert.deepEqual([second, third], [counting(200), counting(200)]);
  });

  it("a part alone in its chunk has a buffer no longer than that, wherever the chunk was moved to", () => {
    const copies = new ChunkCopies(0);
    const memory = counting(5000);
    copies.begin(26);
    assert.equal(copies.keep(memory, 1006, 1026, true).buffer.byteLength, 26);
  });

  it("a short part keeps 1 KiB at the most where it is the first, and never more than 8 KiB", () => {
    const copies = new ChunkCopies(0);
    const chunk = counting(200_000);
    copies.begin(chunk.length);
    assert.equal(copies.keep(chunk, 0, 10, true).buffer.byteLength, 1024);
    for (let at = 0; at < 200_000; at += 100) {
      assert.ok(copies.keep(chunk, at, at + 100, true).buffer.byteLength <= 8192);
    }
  });

  it("keeps a long part of a chunk that is not lent where it lies, moved to a multiple of eight", () => {
    const copies = new ChunkCopies(64);
    const chunk = counting(10_000);
    const expected = chunk.slice(13, 9000);
    copies.begin(chunk.length);
    const part = copies.keep(chunk, 13, 9000, false, 10);
    assert.equal(part.buffer, chunk.buffer);
    assert.equal(part.byteOffset, 8);
    assert.deepEqual(part, expected);
  });

  it("copies it where the bytes in front are somebody's, or the chunk is far longer", () => {
    const copies = new ChunkCopies(64);
    const chunk = counting(100_000);
    copies.begin(chunk.length);
    assert.notEqual(copies.keep(chunk, 13, 90_000, false, 4).buffer, chunk.buffer);
    assert.notEqual(copies.keep(chunk, 16, 5000, false, 10).buffer, chunk.buffer);
  });

  for (const maxCheapArray of [0, 64, 4096]) {
    it(`writes in front of no part below OWN_FROM, and else into room alone; arrays to ${maxCheapArray}`, () => {
      const copies = new ChunkCopies(maxCheapArray);
      for (const size of [1, 33, 65, OWN_FROM - 1, OWN_FROM, OWN_FROM + 1]) {
        for (let start = 10; start < 18; start++) {
          const original = counting(start + size);
          for (let room = 0; room <= 10; room++) {
            const chunk = original.slice();
            copies.begin(chunk.length);
            const part = copies.keep(chunk, start, start + size, false, room);
            const front = size < OWN_FROM ? start : start - room;
            const context = `${size} bytes at ${start}, room ${room}`;
            assert.deepEqual(chunk.subarray(0, front), original.subarray(0, front), context);
            assert.deepEqual(part, original.subarray(start), context);
          }
        }
      }
    });
  }

  it("has OWN_FROM where frame headers are as long as the room that a receiver names: 4 bytes, 10 from 64 KiB on", () => {
    assert.ok(headerSize(OWN_FROM, false) >= 4);
    assert.equal(headerSize(65535, false), 4);
    assert.ok(headerSize(65536, false) >= 10);
  });

  // Of a `Buffer`, `slice` is a view.
  for (const maxCheapArray of [0, 64, 4096]) {
    it(`keeps nothing of a lent Buffer but copies, arrays of their own; arrays to ${maxCheapArray}`, () => {
      const copies = new ChunkCopies(maxCheapArray);
      for (const length of [1, 32, 33, 64, 65, 4095, 4096, 4097, 20_000]) {
        const original = counting(length + 30);
        const chunk = Buffer.concat([Buffer.from("before"), original]).subarray(6);
        copies.begin(chunk.length);
        const part = copies.keep(chunk, 13, 13 + length, true, 10);
        chunk.fill(0xee);
        assert.equal(part.constructor, Uint8Array);
        assert.notEqual(part.buffer, chunk.buffer);
        assert.deepEqual(part, original.slice(13, 13 + length));
      }
    });
  }

  it("keeps a long part of a Buffer that is not lent as a plain array, where it lies or as a copy", () => {
    const copies = new ChunkCopies(64);
    for (const room of [0, 10]) {
      const original = counting(9000);
      const chunk = Buffer.from(original.slice().buffer);
      copies.begin(chunk.length);
      const part = copies.keep(chunk, 13, 8000, false, room);
      assert.equal(part.constructor, Uint8Array);
      assert.equal(part.buffer === chunk.buffer, room > 0);
      if (room === 0) chunk.fill(0xee);
      assert.deepEqual(part, original.slice(13, 8000));
    }
  });
});
