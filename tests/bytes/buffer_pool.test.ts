import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BufferPool, POOL_BUFFER_SIZE } from "../../src/bytes/buffer_pool.ts";

describe("BufferPool", () => {
  it("take() gives a buffer of the one size, nobody else's", () => {
    const pool = new BufferPool();
    const buffers = Array.from({ length: 100 }, () => pool.take());
    assert.equal(new Set(buffers).size, 100);
    assert.equal(new Set(buffers.map((buffer) => buffer.buffer)).size, 100);
    for (const buffer of buffers) assert.equal(buffer.length, POOL_BUFFER_SIZE);
  });

  it("take() gives what was given back, once", () => {
    const pool = new BufferPool();
    const [first, second] = [pool.take(), pool.take()];
    pool.give(first);
    pool.give(second);
    const again = [pool.take(), pool.take(), pool.take()];
    assert.ok(again.includes(first) && again.includes(second));
    assert.equal(new Set(again).size, 3);
  });

  it("give() keeps no more than 4 MiB", () => {
    const pool = new BufferPool();
    const given = new Set(Array.from({ length: 500 }, () => pool.take()));
    for (const buffer of given) pool.give(buffer);
    const kept = Array.from({ length: 500 }, () => pool.take()).filter((buffer) => given.has(buffer)).length;
    assert.equal(kept * POOL_BUFFER_SIZE, 4 << 20);
  });

  it("pools share nothing", () => {
    const pool = new BufferPool();
    const buffer = pool.take();
    pool.give(buffer);
    assert.notEqual(new BufferPool().take(), buffer);
  });
});
