import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { enter, HubWorld, settled } from "./support.ts";

describe("Hub: liveness", () => {
  let world: HubWorld;
  beforeEach(() => void (world = new HubWorld()));

  async function pass(milliseconds: number, step: number): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += step) {
      world.clock.advance(step);
      await settled();
    }
  }

  it("pings, and drops a member that does not answer", async () => {
    const hub = world.hub({ pingInterval: 1000, pongTimeout: 2500 });
    const [alive, dead] = [enter(hub, "red"), enter(hub, "red")];
    dead.socket.answersPings = false;
    await pass(10_000, 10);
    assert.deepEqual([alive.socket.closedBy, alive.socket.pings], [null, 10]);
    assert.deepEqual([dead.socket.closedBy, dead.socket.pings], ["now", 1]);
    assert.deepEqual([hub.size, hub.room("red").size, hub.stats.timedOut], [1, 1, 1]);
  });

  it("lets a pong move the deadline, and one that comes late count", async () => {
    const hub = world.hub({ pingInterval: 1000, pongTimeout: 3000 });
    const { socket } = enter(hub);
    for (let i = 0; i < 5; i++) {
      socket.answersPings = false;
      await pass(2800, 100);
      socket.answer();
      socket.answersPings = true;
      await pass(1000, 100);
    }
    assert.equal(socket.closedBy, null);
    socket.answersPings = false;
    await pass(4100, 100);
    assert.equal(socket.closedBy, "now");
  });

  it("takes a time-out shorter than the interval", async () => {
    const hub = world.hub({ pingInterval: 1000, pongTimeout: 50 });
    const { socket } = enter(hub);
    await pass(5000, 10);
    assert.equal(socket.closedBy, null);
    socket.answersPings = false;
    await pass(1100, 10);
    assert.equal(socket.closedBy, "now");
  });

  it("drops a member whose pings fail or throw", async () => {
    const hub = world.hub({ pingInterval: 100, pongTimeout: 100 });
    const [fails, throws] = [enter(hub), enter(hub)];
    fails.socket.ping = () => Promise.reject(new Error("no"));
    throws.socket.ping = () => {
      throw new Error("no");
    };
    await pass(300, 10);
    assert.deepEqual([fails.socket.closedBy, throws.socket.closedBy, hub.size], ["now", "now", 0]);
  });

  it("spreads the pings over the interval", async () => {
    const hub = world.hub({ pingInterval: 1000, maxQueuedMessages: 1 });
    const members = Array.from({ length: 10_000 }, () => enter(hub).socket);
    let before = 0;
    let most = 0;
    for (let i = 0; i < 100; i++) {
      await pass(10, 10);
      const pings = members.reduce((sum, { pings }) => sum + pings, 0);
      most = Math.max(most, pings - before);
      before = pings;
    }
    assert.ok(members.every(({ pings }) => pings === 1));
    assert.ok(most < 200, `${most} of 10,000 pings left at once`);
  });

  it("drops nobody for the time that the process stood still", async () => {
    const hub = world.hub({ pingInterval: 1000, pongTimeout: 500 });
    const { socket } = enter(hub);
    socket.answersPings = false;
    while (socket.pings === 0) await pass(10, 10);
    world.clock.time += 3_600_000;
    world.clock.advance(20);
    socket.answer();
    await pass(400, 10);
    assert.equal(socket.closedBy, null);
  });

  it("has one timer for all members, and none without members", () => {
    const hub = world.hub({ pingInterval: 1000 });
    const members = Array.from({ length: 100 }, () => enter(hub).member);
    assert.equal(world.runtime.timers.size, 1);
    for (const member of members) hub.unregister(member);
    assert.equal(world.runtime.timers.size, 0);
  });

  it("pings nobody when it is told not to, nor whom it cannot", () => {
    const quiet = world.hub({ pingInterval: Infinity });
    const { socket } = enter(quiet);
    const mute = enter(quiet).socket;
    Object.assign(mute, { ping: undefined });
    quiet.register(mute, "");
    world.clock.advance(1_000_000);
    assert.deepEqual([socket.pings, world.runtime.timers.size], [0, 0]);
  });
});
