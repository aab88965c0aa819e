import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Deadline, deadlineTime, DeadlineTimer } from "../../src/net/deadline.ts";
import { TimerQueue } from "../../src/net/timer_queue.ts";
import { limit } from "./support.ts";
import { VirtualClock } from "./virtual_clock.ts";

describe("deadlineTime", () => {
  it("reads dates, numbers and null", limit, () => {
    assert.equal(deadlineTime(new Date(1234)), 1234);
    assert.equal(deadlineTime(1e12 + 0.5), 1e12 + 0.5);
    assert.equal(deadlineTime(0), 0);
    assert.equal(deadlineTime(-5000), -5000);
    assert.equal(deadlineTime(-Infinity), -Infinity);
    assert.equal(deadlineTime(1e10 + 1), 1e10 + 1);
    assert.equal(deadlineTime(null), Infinity);
    assert.equal(deadlineTime(Infinity), Infinity);
  });

  it("refuses what is no time", limit, () => {
    for (const wrong of [NaN, new Date(NaN), undefined, "2030-01-01", {}, true, 5n]) {
      assert.throws(() => deadlineTime(wrong as Deadline), TypeError);
    }
  });

  it("refuses a duration, and says what to write", limit, () => {
    for (const duration of [0.5, 1, 5000, 86_400_000, performance.now() + 1, 1e10]) {
      assert.throws(() => deadlineTime(duration), (error) => {
        assert.ok(error instanceof RangeError);
        assert.ok(error.message.includes("milliseconds since the epoch"), error.message);
        assert.ok(error.message.endsWith(`pass Date.now() + ${duration}`), error.message);
        return true;
      });
    }
  });
});

interface Bench {
  clock: VirtualClock;
  timers: TimerQueue;
  deadline: DeadlineTimer;
  /** When it expired, since the start. */
  expired: number[];
  /** The time of day so many milliseconds after the start. */
  at(delay: number): number;
}

function bench(): Bench {
  const clock = new VirtualClock();
  const start = clock.now();
  const wallStart = clock.wallNow();
  const expired: number[] = [];
  const timers = new TimerQueue(clock);
  const deadline = new DeadlineTimer(timers, () => {
    expired.push(clock.now() - start);
    deadline.endWait();
  });
  return { clock, timers, deadline, expired, at: (delay) => wallStart + delay };
}

describe("DeadlineTimer", () => {
  it("expires under a waiting call, at its time", limit, () => {
    const { clock, deadline, expired, at } = bench();
    deadline.set(at(100));
    deadline.startWait();
    clock.advance(99);
    assert.equal(deadline.expired, false);
    clock.advance(1);
    assert.equal(deadline.expired, true);
    assert.deepEqual(expired, [100]);
  });

  it("says nothing while nobody waits, and is still expired", limit, () => {
    const { clock, deadline, expired, at } = bench();
    deadline.set(at(100));
    deadline.startWait();
    deadline.endWait();
    clock.advance(200);
    assert.deepEqual(expired, []);
    assert.equal(deadline.expired, true);
    deadline.set(null);
    assert.equal(deadline.expired, false);
  });

  it("is set before or after the call starts to wait", limit, () => {
    const { clock, deadline, expired, at } = bench();
    deadline.startWait();
    deadline.set(at(10));
    clock.advance(10);
    deadline.set(at(20));
    deadline.startWait();
    clock.advance(10);
    assert.deepEqual(expired, [10, 20]);
  });

  it("moves under a waiting call: earlier, later, away and back", limit, () => {
    const { clock, deadline, expired, at } = bench();
    deadline.set(at(1000));
    deadline.startWait();
    deadline.set(at(50));
    deadline.set(at(200));
    clock.advance(199);
    assert.deepEqual(expired, []);
    deadline.set(null);
    clock.advance(5000);
    assert.deepEqual(expired, []);
    deadline.set(at(5300));
    clock.advance(1000);
    assert.deepEqual(expired, [5300]);
  });

  it("expires at a later time that was set before the first one came", limit, () => {
    const { clock, deadline, expired, at } = bench();
    deadline.set(at(50));
    deadline.startWait();
    deadline.set(at(200));
    clock.advance(1000);
    assert.deepEqual(expired, [200]);
  });

  it("expires at the next turn of the clock when it is set to the past", limit, () => {
    const { clock, deadline, expired, at } = bench();
    deadline.startWait();
    deadline.set(at(-100));
    assert.equal(deadline.expired, true);
    clock.advance(1);
    assert.deepEqual(expired, [1]);
  });

  it("costs no timer per message", limit, () => {
    const { clock, timers, deadline, expired, at } = bench();
    for (let message = 0; message < 10_000; message++) {
      deadline.set(at(message + 30_000));
      deadline.startWait();
      clock.advance(1);
      deadline.endWait();
    }
    assert.ok(clock.started <= 2, `${clock.started} timers were started`);
    assert.ok(timers.size <= 1);
    assert.deepEqual(expired, []);
  });

  for (const step of [-3_600_000, 3_600_000]) {
    it(
      `rings after the time that it was set for, though the system's time moves by ${step} ms`,
      limit,
      () => {
        const { clock, deadline, expired, at } = bench();
        deadline.set(at(100));
        deadline.startWait();
        clock.advance(50);
        clock.wallAhead += step;
        assert.equal(deadline.expired, false);
        clock.advance(49);
        assert.deepEqual(expired, []);
        clock.advance(1);
        assert.deepEqual(expired, [100]);
        // Set anew, it goes by the new time of day.
        deadline.set(clock.wallNow() + 20);
        deadline.startWait();
        clock.advance(20);
        assert.deepEqual(expired, [100, 120]);
      },
    );
  }

  it("takes a time of the monotonic clock as well", limit, () => {
    const { clock, deadline, expired } = bench();
    deadline.setTime(clock.now() + 10);
    assert.equal(deadline.time, clock.now() + 10);
    deadline.startWait();
    clock.advance(10);
    assert.deepEqual(expired, [10]);
    deadline.setTime(Infinity);
    assert.equal(deadline.expired, false);
  });

  it("knows times without end, and before all", limit, () => {
    const { clock, deadline } = bench();
    for (const never of [null, Infinity]) {
      deadline.set(never);
      assert.equal(deadline.expired, false);
    }
    for (const past of [-Infinity, -1, 0, new Date(0), new Date(clock.wallNow()), clock.wallNow()]) {
      deadline.set(past);
      assert.equal(deadline.expired, true);
    }
    deadline.set(8_640_000_000_000_000);
    assert.equal(deadline.expired, false);
  });

  it("is silent once it was stopped", limit, () => {
    const { clock, timers, deadline, expired, at } = bench();
    deadline.set(at(10));
    deadline.startWait();
    deadline.stop();
    assert.equal(timers.size, 0);
    clock.advance(100);
    assert.deepEqual(expired, []);
    assert.equal(deadline.expired, false);
  });
});
