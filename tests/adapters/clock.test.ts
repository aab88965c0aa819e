import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../adapters/clock.ts";
import { holdProcess, limit } from "../net/support.ts";

describe("systemClock", () => {
  holdProcess();

  it("tells the time as Date.now does", limit, () => {
    const before = Date.now();
    const now = systemClock.now();
    assert.ok(before <= now && now <= Date.now());
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
