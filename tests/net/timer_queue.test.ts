import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Alarm, TimerQueue } from "../../src/net/timer_queue.ts";
import { limit, randomNumbers } from "./support.ts";
import { VirtualClock } from "./virtual_clock.ts";

interface Bench {
  clock: VirtualClock;
  timers: TimerQueue;
  rung: string[];
  /** An alarm that adds its name to `rung`. */
  alarm(name: string): Alarm;
}

function bench(): Bench {
  const clock = new VirtualClock();
  const rung: string[] = [];
  const alarm = (name: string) => new Alarm(() => void rung.push(name));
  return { clock, timers: new TimerQueue(clock), rung, alarm };
}

describe("TimerQueue", () => {
  it("rings in order of time, each at its time", limit, () => {
    const { clock, timers, rung, alarm } = bench();
    const start = clock.now();
    for (const delay of [30, 10, 50, 20, 40]) timers.set(alarm(`${delay}`), start + delay);
    assert.equal(timers.size, 5);
    clock.advance(9);
    assert.deepEqual(rung, []);
    clock.advance(1);
    assert.deepEqual(rung, ["10"]);
    clock.advance(40);
    assert.deepEqual(rung, ["10", "20", "30", "40", "50"]);
    assert.equal(timers.size, 0);
    assert.equal(clock.timers.size, 0);
  });

  it("moves an alarm earlier and later", limit, () => {
    const { clock, timers, rung, alarm } = bench();
    const start = clock.now();
    const [a, b] = [alarm("a"), alarm("b")];
    timers.set(a, start + 100);
    timers.set(b, start + 50);
    timers.set(a, start + 10);
    timers.set(b, start + 80);
    assert.equal(timers.size, 2);
    clock.advance(10);
    assert.deepEqual(rung, ["a"]);
    clock.advance(69);
    assert.deepEqual(rung, ["a"]);
    clock.advance(1);
    assert.deepEqual(rung, ["a", "b"]);
  });

  it("clears an alarm, once or twice, and sets it again", limit, () => {
    const { clock, timers, rung, alarm } = bench();
    const a = alarm("a");
    timers.set(a, clock.now() + 10);
    timers.clear(a);
    timers.clear(a);
    assert.deepEqual([a.index, a.time, timers.size], [-1, -1, 0]);
    clock.advance(20);
    assert.deepEqual(rung, []);
    timers.set(a, clock.now() + 10);
    clock.advance(10);
    assert.deepEqual(rung, ["a"]);
  });

  it("lets an alarm set itself, and others, from its ring", limit, () => {
    const { clock, timers, rung, alarm } = bench();
    const other = alarm("other");
    let times = 0;
    const again: Alarm = new Alarm(() => {
      rung.push("again");
      if (++times < 3) timers.set(again, clock.now() + 10);
      else timers.set(other, clock.now() + 5);
    });
    timers.set(again, clock.now() + 10);
    clock.advance(30);
    assert.deepEqual(rung, ["again", "again", "again"]);
    clock.advance(5);
    assert.deepEqual(rung, ["again", "again", "again", "other"]);
  });

  it("lets a ring clear an alarm that is due as well", limit, () => {
    const { clock, timers, rung, alarm } = bench();
    const victim = alarm("victim");
    timers.set(new Alarm(() => timers.clear(victim)), clock.now() + 5);
    timers.set(victim, clock.now() + 6);
    clock.time += 9;
    clock.advance(0);
    assert.equal(timers.size, 0);
    assert.deepEqual(rung, []);
  });

  it("does not hang on an alarm that sets itself to a time that has passed", limit, () => {
    const { clock, timers } = bench();
    let rings = 0;
    const stuck: Alarm = new Alarm(() => {
      rings++;
      timers.set(stuck, clock.now() - 5);
    });
    timers.set(stuck, clock.now() + 1);
    clock.advance(10);
    assert.equal(rings, 10);
  });

  it("lets input in before it rings, when the process stood still", limit, () => {
    const { clock, timers, rung, alarm } = bench();
    timers.set(alarm("a"), clock.now() + 5);
    timers.set(alarm("b"), clock.now() + 80);
    // The clock goes on, and nothing else.
    clock.time += 100;
    clock.advance(0);
    let turns = 0;
    for (; rung.length === 0; turns++) {
      // What is set meanwhile waits, too.
      timers.set(alarm(`set in turn ${turns}`), clock.now() + 1);
      assert.equal(clock.timers.size, 0);
      assert.equal(clock.endTurn(), 1);
    }
    assert.ok(turns >= 3 && turns <= 16, `${turns} turns`);
    assert.deepEqual(rung, ["a", "b"]);
    assert.equal(clock.timers.size, 1);
    clock.advance(1);
    assert.equal(rung.length, 2 + turns);
  });

  it("lets input in once more when the process stands still again meanwhile", limit, () => {
    const { clock, timers, rung, alarm } = bench();
    timers.set(alarm("a"), clock.now() + 5);
    timers.set(alarm("b"), clock.now() + 150);
    clock.time += 100;
    clock.advance(0);
    clock.endTurn();
    // Input of `b` may come now, which is not due yet.
    clock.time += 100;
    while (rung.length === 0) clock.endTurn();
    assert.deepEqual(rung, ["a"]);
    clock.advance(1);
    assert.deepEqual(rung, ["a"]);
    for (let turns = 0; turns < 3; turns++) clock.endTurn();
    clock.time += 100;
    clock.endTurn();
    assert.deepEqual(rung, ["a", "b"]);
  });

  it("lets few turns pass where they take long", limit, () => {
    const { clock, timers, rung, alarm } = bench();
    timers.set(alarm("a"), clock.now() + 5);
    clock.time += 100;
    clock.advance(0);
    let turns = 0;
    for (; rung.length === 0; turns++) {
      clock.time += 1000;
      clock.endTurn();
    }
    assert.equal(turns, 3);
  });

  it("rings at once when a time is set that has passed, however long ago", limit, () => {
    const { clock, timers, rung, alarm } = bench();
    timers.set(alarm("past"), clock.now() - 1_000_000_000);
    clock.advance(9);
    assert.deepEqual(rung, ["past"]);
  });

  it("does not hang when the clock is put back under it", limit, () => {
    const { clock, timers } = bench();
    const due = clock.now() + 100;
    let rings = 0;
    // As a deadline does: what rings too early is set again for the same time.
    const early: Alarm = new Alarm(() => {
      if (rings++ === 0) clock.time -= 1000;
      if (clock.now() < due) timers.set(early, due);
    });
    timers.set(early, due);
    clock.advance(100);
    assert.equal(rings, 2);
    assert.equal(clock.now(), due);
    assert.equal(timers.size, 0);
  });

  it("rings what is left when a ring throws", limit, () => {
    const { clock, timers, rung, alarm } = bench();
    timers.set(
      new Alarm(() => {
        throw new Error("from the ring");
      }),
      clock.now() + 1,
    );
    timers.set(alarm("a"), clock.now() + 2);
    assert.throws(() => clock.advance(1), /from the ring/);
    clock.advance(1);
    assert.deepEqual(rung, ["a"]);
  });

  it("takes times in the past, far away and never", limit, () => {
    const { clock, timers, rung, alarm } = bench();
    timers.set(alarm("never"), Infinity);
    const tenYears = 10 * 365 * 86_400_000;
    timers.set(alarm("far"), clock.now() + tenYears);
    timers.set(alarm("past"), clock.now() - 1000);
    timers.set(alarm("always"), -Infinity);
    clock.advance(1);
    assert.deepEqual(rung, ["always", "past"]);
    clock.advance(tenYears);
    assert.deepEqual(rung, ["always", "past", "far"]);
  });

  it("starts no timer for an alarm that moves later", limit, () => {
    const { clock, timers, alarm } = bench();
    const a = alarm("a");
    timers.set(a, clock.now() + 10);
    for (let i = 1; i <= 1000; i++) timers.set(a, clock.now() + 10 + i);
    assert.equal(clock.started, 1);
    assert.equal(clock.timers.size, 1);
  });

  it("agrees with a plain list over thousands of random operations", limit, () => {
    const { clock, timers, rung } = bench();
    const random = randomNumbers(7);
    const alarms = Array.from(
      { length: 200 },
      (_, i) => new Alarm(() => void rung.push(`${i}@${clock.time}`)),
    );
    const model = new Map<number, number>();
    for (let step = 0; step < 20_000; step++) {
      const i = random(alarms.length);
      const action = random(10);
      if (action < 6) {
        const time = clock.now() + 1 + random(500);
        timers.set(alarms[i]!, time);
        model.set(i, time);
      } else if (action < 8) {
        timers.clear(alarms[i]!);
        model.delete(i);
      } else {
        const end = clock.now() + random(20);
        clock.advance(end - clock.now());
        const due = [...model].filter(([, time]) => time <= end).sort(([, a], [, b]) => a - b);
        assert.deepEqual(
          rung.splice(0).sort(),
          due.map(([index, time]) => `${index}@${time}`).sort(),
          `at step ${step}`,
        );
        for (const [index] of due) model.delete(index);
      }
      assert.equal(timers.size, model.size);
    }
    for (const [i, time] of model) assert.equal(alarms[i]!.time, time);
  });
});
