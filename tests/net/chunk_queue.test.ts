import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ChunkQueue } from "../../src/net/chunk_queue.ts";
import { assertBytes, limit, pattern, randomNumbers } from "./support.ts";

function filled(...chunks: number[][]): ChunkQueue {
  const queue = new ChunkQueue();
  for (const chunk of chunks) queue.push(Uint8Array.from(chunk));
  return queue;
}

describe("ChunkQueue", () => {
  it("is empty at first", limit, () => {
    const queue = new ChunkQueue();
    assert.equal(queue.bytes, 0);
    assert.equal(queue.shift(), undefined);
    assert.equal(queue.copyInto(new Uint8Array(4)), 0);
  });

  it("gives chunks back as they came, not copied", limit, () => {
    const queue = new ChunkQueue();
    const chunk = Uint8Array.of(1, 2, 3);
    queue.push(chunk);
    assert.equal(queue.bytes, 3);
    assert.equal(queue.shift(), chunk);
    assert.equal(queue.bytes, 0);
  });

  it("copies across chunks and keeps what is left", limit, () => {
    const queue = filled([1, 2, 3], [4], [5, 6]);
    const p = new Uint8Array(5);
    assert.equal(queue.copyInto(p), 5);
    assert.deepEqual([...p], [1, 2, 3, 4, 5]);
    assert.equal(queue.bytes, 1);
    assert.deepEqual([...queue.shift()!], [6]);
    assert.equal(queue.shift(), undefined);
  });

  it("fills a part of a buffer that is larger", limit, () => {
    const queue = filled([1, 2], [3]);
    const p = new Uint8Array(8).fill(9);
    assert.equal(queue.copyInto(p), 3);
    assert.deepEqual([...p], [1, 2, 3, 9, 9, 9, 9, 9]);
  });

  it("copies nothing into an empty buffer", limit, () => {
    const queue = filled([1]);
    assert.equal(queue.copyInto(new Uint8Array(0)), 0);
    assert.equal(queue.bytes, 1);
  });

  it("holds no empty chunk, which would read as nothing at all", limit, () => {
    const queue = filled([], [1], []);
    assert.deepEqual([...queue.shift()!], [1]);
    assert.equal(queue.shift(), undefined);
  });

  it("can be cleared and used again", limit, () => {
    const queue = filled([1], [2]);
    queue.shift();
    queue.clear();
    assert.equal(queue.bytes, 0);
    queue.push(Uint8Array.of(3));
    assert.deepEqual([...queue.shift()!], [3]);
  });

  it("keeps bytes in order over random operations, also when it never runs empty", limit, () => {
    const queue = new ChunkQueue();
    const random = randomNumbers(3);
    let pushed = 0;
    let taken = 0;
    for (let step = 0; step < 20_000; step++) {
      const choice = random(4);
      if (pushed - taken < 200 || choice < 2) {
        const size = random(20);
        queue.push(pattern(pushed, pushed + size));
        pushed += size;
      } else if (choice === 2) {
        const chunk = queue.shift()!;
        assertBytes(chunk, pattern(taken, taken + chunk.length), taken);
        taken += chunk.length;
      } else {
        const p = new Uint8Array(random(30));
        assert.equal(queue.copyInto(p), p.length);
        assertBytes(p, pattern(taken, taken + p.length), taken);
        taken += p.length;
      }
      assert.equal(queue.bytes, pushed - taken);
    }
  });

  it("lets go of what was taken, though it never runs empty", limit, async () => {
    const collect = (globalThis as { gc?: () => void }).gc ??
      (globalThis as { Bun?: { gc(sync: boolean): void } }).Bun?.gc;
    const queue = new ChunkQueue();
    const taken: WeakRef<Uint8Array>[] = [];
    queue.push(new Uint8Array(1));
    for (let i = 0; i < 60; i++) {
      queue.push(new Uint8Array(1000));
      taken.push(new WeakRef(queue.shift()!));
    }
    if (collect === undefined) return;
    await new Promise((resolve) => setTimeout(resolve));
    collect(true as never);
    const alive = taken.filter((chunk) => chunk.deref() !== undefined).length;
    assert.ok(alive < 30, `${alive} of 60 chunks are still held`);
    assert.equal(queue.bytes, 1000);
  });
});
