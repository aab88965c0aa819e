import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { DrainReport } from "../../src/hub/drain.ts";
import { MemorySocket } from "./memory_socket.ts";
import { enter, HubWorld } from "./support.ts";

let world: HubWorld;
beforeEach(() => void (world = new HubWorld()));

/** Lets time pass until the promise is settled. */
async function during<T>(promise: Promise<T>, step = 10): Promise<T> {
  let done = false;
  void promise.finally(() => done = true);
  await world.settle();
  while (!done) {
    world.clock.advance(step);
    await world.settle();
  }
  return promise;
}

describe("Hub: drain", () => {
  it("closes everybody with the code, after what is queued, and nobody comes any more", async () => {
    const left: string[] = [];
    const hub = world.hub({ onLeave: (_client, room) => void left.push(room) });
    const all = Array.from({ length: 3 }, () => enter(hub, "red"));
    hub.broadcast("last");
    const draining = hub.drain({ code: 1012, reason: "deploy" });
    assert.equal(hub.broadcast("too late"), 0);
    assert.deepEqual(await draining, { closed: 3, left: 0, cut: 0, lost: 0 });
    for (const { socket } of all) assert.deepEqual([socket.messages, socket.closedBy], [["last"], 1012]);
    assert.deepEqual([hub.size, left], [0, ["red", "red", "red"]]);
    const late = new MemorySocket();
    const member = hub.register(late, "");
    member.join("red");
    assert.deepEqual([late.closedBy, member.registered, member.send("x"), hub.size], [1012, false, false, 0]);
    assert.deepEqual([...hub.rooms], []);
    assert.equal(await hub.drain(), await draining);
  });

  it("goes batch by batch, at intervals that are not all the same", async () => {
    const hub = world.hub({ pingInterval: Infinity });
    const members = Array.from({ length: 50 }, () => enter(hub).socket);
    const times: number[] = [];
    for (const socket of members) {
      const close = socket.close.bind(socket);
      socket.close = (code) => {
        times.push(world.clock.time);
        return close(code);
      };
    }
    const report = await during(hub.drain({ batchSize: 10, interval: 100 }), 1);
    assert.equal(report.closed, 50);
    const batches = [...new Set(times)];
    assert.equal(batches.length, 5);
    const pauses = batches.slice(1).map((time, i) => time - batches[i]!);
    assert.ok(pauses.every((pause) => pause >= 50 && pause <= 151), String(pauses));
    assert.ok(new Set(pauses).size > 1, String(pauses));
    assert.equal(world.runtime.timers.size, 0);
  });

  it("waits for a slow member, and cuts off who is left when the time is up", async () => {
    const hub = world.hub();
    const [slow, dead, deaf, gone] = [enter(hub), enter(hub), enter(hub), enter(hub)];
    for (const { socket } of [slow, dead, gone]) socket.stall();
    deaf.socket.close = () => new Promise(() => {});
    for (const message of ["1", "2"]) {
      hub.broadcast(message);
      await world.settle();
    }
    const draining = hub.drain({ timeout: 1000 });
    world.clock.advance(900);
    gone.socket.closeNow();
    for (let i = 0; i < 2; i++) {
      await world.settle();
      slow.socket.takeOne();
    }
    await world.settle();
    assert.deepEqual([slow.socket.messages, slow.socket.closedBy], [["1", "2"], 1001]);
    const report: DrainReport = await during(draining);
    assert.deepEqual(report, { closed: 1, left: 1, cut: 2, lost: 2 });
    assert.deepEqual([dead.socket.closedBy, deaf.socket.closedBy, hub.size], ["now", "now", 0]);
    assert.deepEqual([hub.stats.queuedMessages, world.runtime.timers.size], [0, 0]);
  });

  it("cuts off at once when the signal is aborted, before or after", async () => {
    const hub = world.hub();
    const stalled = enter(hub);
    stalled.socket.stall();
    hub.broadcast("1");
    await world.settle();
    const controller = new AbortController();
    const draining = hub.drain({ signal: controller.signal });
    await world.settle();
    controller.abort();
    assert.deepEqual(await draining, { closed: 0, left: 0, cut: 1, lost: 1 });
    const other = world.hub();
    enter(other);
    assert.equal((await other.drain({ signal: AbortSignal.abort() })).cut, 1);
    assert.equal(other.size, 0);
  });

  it("cuts off a socket that fails or throws when it is closed", async () => {
    const hub = world.hub();
    const [fails, throws] = [enter(hub), enter(hub)];
    fails.socket.close = () => Promise.reject(new Error("no"));
    throws.socket.close = () => {
      throw new Error("no");
    };
    await during(hub.drain());
    assert.deepEqual([fails.socket.closedBy, throws.socket.closedBy, hub.size], ["now", "now", 0]);
  });

  it("of an empty hub is done at once; what is wrong is refused, and nothing begins", async () => {
    const hub = world.hub();
    for (const options of [{ batchSize: 0 }, { interval: -1 }, { timeout: NaN }]) {
      assert.throws(() => hub.drain(options), RangeError);
    }
    assert.equal(enter(hub).member.registered, true);
    assert.deepEqual(await world.hub().drain(), { closed: 0, left: 0, cut: 0, lost: 0 });
  });
});

describe("Hub: close", () => {
  it("hands a busy socket what waits before it is closed, and takes nothing more", async () => {
    const hub = world.hub({ overflow: "drop-oldest", maxQueuedMessages: 8 });
    const { socket, member } = enter(hub);
    socket.stall();
    for (let i = 0; i < 12; i++) {
      hub.broadcast(String(i));
      await world.settle();
    }
    const closing = member.close();
    assert.equal(member.send("more"), false);
    await closing;
    assert.deepEqual(socket.messages, ["0", "5", "6", "7", "8", "9", "10", "11"]);
    assert.equal(socket.closedBy, 1000);
  });

  it("admits nobody afterwards", async () => {
    const hub = world.hub();
    await hub.close();
    const { member, socket } = enter(hub);
    assert.deepEqual([member.registered, socket.closedBy], [false, 1001]);
  });
});
