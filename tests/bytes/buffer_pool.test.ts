import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BufferPool, POOL_BUFFER_SIZE, SMALL_BUFFER_SIZE } from "../../src/bytes/buffer_pool.ts";

for (const size of [SMALL_BUFFER_SIZE, POOL_BUFFER_SIZE]) {
  describe(`BufferPool: buffers of ${size} bytes`, () => {
    it("take() gives a buffer of the size, nobody else's", () => {
      const pool = new BufferPool();
      const buffers = Array.from({ length: 100 }, () => pool.take(size));
      assert.equal(new Set(buffers).size, 100);
      assert.equal(new Set(buffers.map((buffer) => buffer.buffer)).size, 100);
      for (const buffer of buffers) assert.equal(buffer.length, size);
    });

    it("take() gives what was given back, once", () => {
      const pool = new BufferPool();
      const [first, second] = [pool.take(size), pool.take(size)];
      pool.give(first);
      pool.give(second);
      const again = [pool.take(size), pool.take(size), pool.take(size)];
      assert.ok(again.includes(first) && again.includes(second));
      assert.equal(new Set(again).size, 3);
    });

    it("give() keeps no more than 4 MiB", () => {
      const pool = new BufferPool();
      const given = new Set(Array.from({ length: 2000 }, () => pool.take(size)));
      for (const buffer of given) pool.give(buffer);
      const again = Array.from({ length: 2000 }, () => pool.take(size));
      assert.equal(again.filter((buffer) => given.has(buffer)).length, Math.ceil((4 << 20) / size));
    });

    it("pools share nothing", () => {
      const pool = new BufferPool();
      const buffer = pool.take(size);
      pool.give(buffer);
      assert.notEqual(new BufferPool().take(size), buffer);
    });
  });
}

describe("BufferPool", () => {
  it("take() gives the smallest size that will do", () => {
    const pool = new BufferPool();
    for (const bytes of [0, 1, SMALL_BUFFER_SIZE]) {
      assert.equal(pool.take(bytes).length, SMALL_BUFFER_SIZE);
    }
    for (const bytes of [SMALL_BUFFER_SIZE + 1, POOL_BUFFER_SIZE]) {
      assert.equal(pool.take(bytes).length, POOL_BUFFER_SIZE);
    }
  });

  it("a small buffer that was given back is not given for a large one", () => {
    const pool = new BufferPool();
    pool.give(pool.take(1));
    assert.equal(pool.take(POOL_BUFFER_SIZE).length, POOL_BUFFER_SIZE);
  });
});
