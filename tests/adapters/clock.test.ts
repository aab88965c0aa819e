import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../adapters/clock.ts";
import { holdProcess, limit } from "../net/support.ts";

describe("systemClock", () => {
  holdProcess();

  it("tells the time of day as Date.now does", limit, () => {
    const before = Date.now();
    const now = systemClock.wallNow();
    assert.ok(before <= now && now <= Date.now());
  });

  it("counts on when the system's time is set", limit, () => {
    const { now } = Date;
    try {
      for (const step of [-3_600_000, 3_600_000]) {
        const wall = systemClock.wallNow();
        const before = systemClock.now();
        Date.now = () => now() + step;
        assert.ok(Math.abs(systemClock.wallNow() - wall - step) < 60_000);
        assert.ok(systemClock.now() >= before && systemClock.now() < before + 60_000);
        Date.now = now;
      }
    } finally {
      Date.now = now;
    }
  });

  it("goes with the timers of a mock, which ring before their time", limit, () => {
    const real = globalThis.setTimeout;
    const rings: (() => void)[] = [];
    try {
      globalThis.setTimeout = ((ring: () => void) => rings.push(ring)) as unknown as typeof setTimeout;
      const before = systemClock.now();
      systemClock.startTimer(() => rings.push(() => {}), 3_600_000);
      rings[0]!();
      assert.equal(rings.length, 2, "the callback was not called");
      assert.ok(systemClock.now() >= before + 3_600_000);
    } finally {
      globalThis.setTimeout = real;
    }
  });

  it("does not run ahead of time by timers of the runtime", limit, async () => {
    const ahead = systemClock.now() - performance.now();
    for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => systemClock.startTimer(resolve, 1));
    assert.ok(Math.abs(systemClock.now() - performance.now() - ahead) < 1);
  });

  it("starts timers and stops them", limit, async () => {
    const rung: string[] = [];
    await new Promise<void>((resolve) => {
      const stopped = systemClock.startTimer(() => rung.push("stopped"), 1);
      systemClock.startTimer(() => rung.push("early"), 2);
      systemClock.startTimer(resolve, 30);
      systemClock.stopTimer(stopped);
    });
    assert.deepEqual(rung, ["early"]);
  });

  it("calls back after the turn, its microtasks too, once", limit, async () => {
    const order: string[] = [];
    let calls = 0;
    const done = new Promise<void>((resolve) =>
      systemClock.afterTurn(() => {
        calls++;
        order.push("after");
        resolve();
      })
    );
    queueMicrotask(() => queueMicrotask(() => order.push("microtask")));
    order.push("turn");
    await done;
    assert.deepEqual(order, ["turn", "microtask", "after"]);
    await new Promise<void>((resolve) => systemClock.afterTurn(resolve));
    assert.equal(calls, 1);
  });
});
