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
    dead.member.answersPings = false;
    await pass(10_000, 10);
    assert.deepEqual([alive.member.closedBy, alive.member.pings], [null, 10]);
    assert.deepEqual([dead.member.closedBy, dead.member.pings], ["now", 1]);
    assert.deepEqual([hub.size, hub.room("red").size, hub.stats.timedOut], [1, 1, 1]);
  });

  it("lets a pong move the deadline, and one that comes late count", async () => {
    const hub = world.hub({ pingInterval: 1000, pongTimeout: 3000 });
    const { member } = enter(hub);
    for (let i = 0; i < 5; i++) {
      member.answersPings = false;
      await pass(2800, 100);
      member.answer();
      member.answersPings = true;
      await pass(1000, 100);
    }
    assert.equal(member.closedBy, null);
    member.answersPings = false;
    await pass(4100, 100);
    assert.equal(member.closedBy, "now");
  });

  it("takes a time-out shorter than the interval", async () => {
    const hub = world.hub({ pingInterval: 1000, pongTimeout: 50 });
    const { member } = enter(hub);
    await pass(5000, 10);
    assert.equal(member.closedBy, null);
    member.answersPings = false;
    await pass(1100, 10);
    assert.equal(member.closedBy, "now");
  });

  it("drops a member whose pings fail or throw", async () => {
    const hub = world.hub({ pingInterval: 100, pongTimeout: 100 });
    const [fails, throws] = [enter(hub), enter(hub)];
    fails.member.ping = () => Promise.reject(new Error("no"));
    throws.member.ping = () => {
      throw new Error("no");
    };
    await pass(300, 10);
    assert.deepEqual([fails.member.closedBy, throws.member.closedBy, hub.size], ["now", "now", 0]);
  });

  it("spreads the pings over the interval", async () => {
    const hub = world.hub({ pingInterval: 1000, maxQueuedMessages: 1 });
    const members = Array.from({ length: 10_000 }, () => enter(hub).member);
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
    const { member } = enter(hub);
    member.answersPings = false;
    while (member.pings === 0) await pass(10, 10);
    world.clock.time += 3_600_000;
    world.clock.advance(20);
    member.answer();
    await pass(400, 10);
    assert.equal(member.closedBy, null);
  });

  it("has one timer for all members, and none without members", () => {
    const hub = world.hub({ pingInterval: 1000 });
    const clients = Array.from({ length: 100 }, () => enter(hub).client);
    assert.equal(world.runtime.timers.size, 1);
    for (const client of clients) hub.unregister(client);
    assert.equal(world.runtime.timers.size, 0);
  });

  it("pings nobody when it is told not to, nor whom it cannot", () => {
    const quiet = world.hub({ pingInterval: Infinity });
    const { member } = enter(quiet);
    const mute = enter(quiet).member;
    Object.assign(mute, { ping: undefined });
    quiet.register(mute, "");
    world.clock.advance(1_000_000);
    assert.deepEqual([member.pings, world.runtime.timers.size], [0, 0]);
  });
});
