import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Flushable, FlushQueue } from "../../src/net/flush_queue.ts";
import { limit } from "./support.ts";
import { VirtualClock } from "./virtual_clock.ts";

describe("FlushQueue", () => {
  it("flushes everybody at the end of the turn, in order, with one callback", limit, () => {
    const clock = new VirtualClock();
    const queue = new FlushQueue(clock);
    const flushed: number[] = [];
    for (let i = 0; i < 5; i++) queue.add({ flush: () => void flushed.push(i) });
    assert.deepEqual(flushed, []);
    assert.equal(clock.endTurn(), 1);
    assert.deepEqual(flushed, [0, 1, 2, 3, 4]);
    assert.equal(clock.endTurn(), 0);
  });

  it("leaves what is added while flushing to the next turn", limit, () => {
    const clock = new VirtualClock();
    const queue = new FlushQueue(clock);
    let flushes = 0;
    const again: Flushable = {
      flush() {
        if (++flushes < 4) queue.add(again);
      },
    };
    queue.add(again);
    for (let expected = 1; expected <= 4; expected++) {
      assert.equal(clock.endTurn(), 1);
      assert.equal(flushes, expected);
    }
    assert.equal(clock.endTurn(), 0);
  });

  it("goes on in the next turn after a flush that threw", limit, () => {
    const clock = new VirtualClock();
    const queue = new FlushQueue(clock);
    let flushes = 0;
    queue.add({
      flush() {
        throw new Error("from flush");
      },
    });
    assert.throws(() => clock.endTurn(), /from flush/);
    queue.add({ flush: () => void flushes++ });
    assert.equal(clock.endTurn(), 1);
    assert.equal(flushes, 1);
  });
});
