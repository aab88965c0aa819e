import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Flushable, Turn } from "../../src/net/turn.ts";
import { limit } from "./support.ts";
import { VirtualClock } from "./virtual_clock.ts";

describe("Turn", () => {
  it("flushes everybody at the end of the turn, in order, with one callback", limit, () => {
    const clock = new VirtualClock();
    const turn = new Turn(clock);
    const flushed: number[] = [];
    for (let i = 0; i < 5; i++) turn.add({ flush: () => void flushed.push(i) });
    assert.deepEqual(flushed, []);
    assert.equal(clock.endTurn(), 1);
    assert.deepEqual(flushed, [0, 1, 2, 3, 4]);
    assert.equal(clock.endTurn(), 0);
  });

  it("leaves what is added while flushing to the next turn", limit, () => {
    const clock = new VirtualClock();
    const turn = new Turn(clock);
    let flushes = 0;
    const again: Flushable = {
      flush() {
        if (++flushes < 4) turn.add(again);
      },
    };
    turn.add(again);
    for (let expected = 1; expected <= 4; expected++) {
      assert.equal(clock.endTurn(), 1);
      assert.equal(flushes, expected);
    }
    assert.equal(clock.endTurn(), 0);
  });

  it("goes on in the next turn after a flush that threw", limit, () => {
    const clock = new VirtualClock();
    const turn = new Turn(clock);
    let flushes = 0;
    turn.add({
      flush() {
        throw new Error("from flush");
      },
    });
    assert.throws(() => clock.endTurn(), /from flush/);
    turn.add({ flush: () => void flushes++ });
    assert.equal(clock.endTurn(), 1);
    assert.equal(flushes, 1);
  });
});
