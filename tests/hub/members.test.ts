/** Members that come and go: to several rooms at once, from inside a broadcast, and who is told of it. */

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { HubMember } from "../../src/hub/hub_member.ts";
import { enter, type Entered, HubWorld } from "./support.ts";

let world: HubWorld;
beforeEach(() => void (world = new HubWorld()));

describe("Hub: several rooms at once", () => {
  it("reaches everybody once, and leaves out who is excepted or filtered", async () => {
    const hub = world.hub();
    const both = enter(hub, "red", "blue");
    const [red, blue, none] = [enter(hub, "red"), enter(hub, "blue"), enter(hub, "green")];
    const rooms = ["red", "blue", "red", "nobody's"];
    assert.equal(hub.broadcast("1", { rooms }), 3);
    assert.equal(hub.broadcast("2", { rooms, except: both.member }), 2);
    assert.equal(hub.broadcast("3", { rooms, filter: (member) => member !== red.member }), 2);
    assert.equal(hub.broadcast("4", { rooms: [] }), 0);
    await world.settle();
    assert.deepEqual([both, red, blue, none].map(({ socket }) => socket.messages), [
      ["1", "3"],
      ["1", "2"],
      ["1", "2", "3"],
      [],
    ]);
  });
});

describe("Hub: clients that are not its own", () => {
  it("are nobody to unregister, to except or to look for", async () => {
    const [hub, other] = [world.hub(), world.hub()];
    const [own, foreign] = [enter(hub, "red"), enter(other, "red")];
    hub.unregister(foreign.member);
    hub.unregister({} as HubMember<string>);
    assert.deepEqual([hub.size, other.size, foreign.member.registered], [1, 1, true]);
    assert.ok(!hub.room("red").has(foreign.member));
    assert.equal(hub.broadcast("1", { except: foreign.member }), 1);
    assert.equal(hub.broadcast("2", { except: new Set([foreign.member]) }), 1);
    await world.settle();
    assert.deepEqual(own.socket.messages, ["1", "2"]);
  });

  it("what is neither a client nor a set is refused before anybody gets anything", async () => {
    const joined: string[] = [];
    const hub = world.hub({
      authorizePublish: () => Promise.resolve(true),
      onJoin: (_client, room) => joined.push(room),
    });
    const { member, socket } = enter(hub, "red");
    for (const except of [null, {}, "red"] as unknown as HubMember<string>[]) {
      const refused = { name: "TypeError", message: /^Cannot use except: / };
      assert.throws(() => hub.broadcast("x", { except }), refused);
      assert.throws(() => hub.room("red").broadcast("x", { except, filter: () => true }), refused);
      assert.throws(() => void member.publish("red", "x", { except }), refused);
    }
    await world.settle();
    assert.deepEqual([socket.messages, hub.stats.messages], [[], 0]);
    // Events are still told.
    member.join("blue");
    assert.deepEqual(joined, ["red", "blue"]);
  });
});

describe("Hub: inside a broadcast", () => {
  it("a filter that registers somebody each time comes to an end", async () => {
    const hub = world.hub();
    enter(hub, "red");
    const count = hub.room("red").broadcast("x", {
      filter() {
        enter(hub, "red");
        return true;
      },
    });
    assert.deepEqual([count, hub.size], [1, 2]);
  });

  it("who leaves and comes back gets the message once; who left does not", async () => {
    const hub = world.hub();
    const [a, b, c] = [enter(hub, "red"), enter(hub, "red"), enter(hub, "red")];
    const count = hub.room("red").broadcast("x", {
      filter(member) {
        member.leave("red");
        if (member !== b.member) member.join("red");
        return true;
      },
    });
    await world.settle();
    assert.equal(count, 2);
    assert.deepEqual([a, b, c].map(({ socket }) => socket.messages), [["x"], [], ["x"]]);
  });

  it("a filter may broadcast, close, unregister and drain", async () => {
    const hub = world.hub();
    const [a, b] = [enter(hub, "red"), enter(hub, "red")];
    hub.broadcast("outer", {
      filter(member) {
        if (member === a.member) {
          hub.broadcast("inner", { rooms: ["red", "red"] });
          hub.unregister(b.member);
        }
        return true;
      },
    });
    hub.broadcast("drained", {
      filter() {
        void hub.drain();
        return true;
      },
    });
    await world.settle();
    assert.deepEqual([a.socket.messages, b.socket.messages], [["inner", "outer"], ["inner"]]);
    assert.equal(hub.size, 0);
  });

  it("a socket that throws is let go of, and the others get everything", async () => {
    const left: string[] = [];
    const hub = world.hub({
      onLeave(_client, room) {
        left.push(room);
        hub.broadcast("somebody left");
      },
    });
    const [a, bad, b] = [enter(hub, "red"), enter(hub, "red"), enter(hub, "red")];
    bad.socket.writeBatch = () => {
      throw new Error("broken");
    };
    hub.broadcast("x".repeat(70_000));
    assert.deepEqual([left, bad.socket.closedBy, hub.size], [["red"], "now", 2]);
    await world.settle();
    for (const { socket } of [a, b]) assert.deepEqual(socket.messages.slice(1), ["somebody left"]);
  });

  it("a leave in the same turn loses nothing that was queued", async () => {
    const hub = world.hub();
    const { socket, member } = enter(hub, "red");
    hub.room("red").broadcast("before");
    member.leave("red");
    hub.room("red").broadcast("after");
    await world.settle();
    assert.deepEqual(socket.messages, ["before"]);
  });
});

describe("Hub: presence", () => {
  let events: string[];
  let names: Map<HubMember<string>, string>;
  beforeEach(() => {
    events = [];
    names = new Map();
  });

  function makeHub() {
    return world.hub({
      maxQueuedMessages: 1,
      onJoin: (member, room) => events.push(`+${names.get(member)} ${room} ${hubSize(member, room)}`),
      onLeave: (member, room) => events.push(`-${names.get(member)} ${room} ${hubSize(member, room)}`),
    });
  }
  let hubSize: (member: HubMember<string>, room: string) => boolean;

  function named(entered: Entered, name: string, ...rooms: string[]): Entered {
    names.set(entered.member, name);
    for (const room of rooms) entered.member.join(room);
    return entered;
  }

  it("is told once for each join and leave, however it came", async () => {
    const hub = makeHub();
    hubSize = (member, room) => hub.room(room).has(member);
    const ends: Record<string, (entered: Entered) => void> = {
      leave: ({ member }) => member.leave("red"),
      unregister: ({ member }) => hub.unregister(member),
      gone: ({ socket }) => socket.closeNow(),
      close: ({ member }) => void member.close(),
      broken: ({ socket }) => socket.breakWrite(),
      evicted: ({ member }) => member.send("more") || member.send("too much"),
    };
    for (const [name, end] of Object.entries(ends)) {
      const entered = named(enter(hub), name, "red", "red");
      entered.socket.stall();
      entered.member.send("first");
      await world.settle();
      end(entered);
      end(entered);
      await world.settle();
      entered.member.leave("red");
      hub.unregister(entered.member);
      assert.deepEqual(events.splice(0), [`+${name} red true`, `-${name} red false`]);
    }
    assert.equal(hub.room("red").size, 0);
  });

  it("who is in a room, with what the application keeps", () => {
    const hub = world.hub();
    const [a, b] = [enter(hub, "red"), enter(hub, "red", "blue")];
    a.member.data = "ann";
    b.member.data = "ben";
    assert.deepEqual(Array.from(hub.room("red"), ({ data }) => data), ["ann", "ben"]);
    assert.deepEqual([...b.member.rooms], ["red", "blue"]);
  });

  it("events that lead to others come in order, and one that throws is reported", () => {
    const told: string[] = [];
    const errors: unknown[] = [];
    const hub = world.hub({
      onJoin(member, room) {
        told.push(`+${room}`);
        if (room === "a") {
          member.join("b");
          member.leave("a");
          told.push("end of a");
          throw new Error("mine");
        }
      },
      onLeave: (_client, room) => void told.push(`-${room}`),
      onError(error) {
        errors.push(error);
        throw error;
      },
    });
    enter(hub, "a");
    assert.deepEqual(told, ["+a", "end of a", "+b", "-a"]);
    assert.equal(errors.length, 1);
  });
});

describe("Hub: stats", () => {
  it("are kept as it goes, with the latency of turns", async () => {
    const hub = world.hub();
    const [a] = [enter(hub, "red"), enter(hub, "red"), enter(hub, "blue")];
    hub.broadcast("12345");
    hub.room("red").broadcast("123");
    a.member.send("1");
    const { queuedMessages, queuedBytes } = hub.stats;
    assert.deepEqual({ queuedMessages, queuedBytes }, { queuedMessages: 6, queuedBytes: 22 });
    world.clock.time += 7;
    await world.settle();
    const { broadcastLatency, ...stats } = hub.stats;
    assert.deepEqual(stats, {
      members: 3,
      rooms: 2,
      messages: 3,
      sent: 6,
      sentBytes: 22,
      written: 6,
      writtenBytes: 22,
      queuedMessages: 0,
      queuedBytes: 0,
      dropped: 0,
      drops: { "close": 0, "drop-oldest": 0, "drop-newest": 0, "coalesce": 0 },
      coalesced: 0,
      evicted: 0,
      timedOut: 0,
      refused: 0,
      rateLimited: 0,
      published: 0,
      received: 0,
      publishDropped: 0,
      brokerErrors: 0,
    });
    assert.deepEqual([broadcastLatency.count, broadcastLatency.sum], [1, 7]);
    const cumulative = broadcastLatency.buckets.map(({ le, count }) => [le, count]);
    assert.deepEqual(cumulative.slice(2, 4), [[5, 0], [10, 1]]);
    assert.deepEqual(cumulative.at(-1), [Infinity, 1]);
  });

  it("come out even when members go with a queue", async () => {
    const hub = world.hub({ overflow: "drop-oldest", maxQueuedMessages: 4 });
    const all = Array.from({ length: 5 }, () => enter(hub));
    for (const { socket } of all) socket.stall();
    for (let i = 0; i < 9; i++) {
      hub.broadcast("x");
      await world.settle();
    }
    assert.equal(hub.stats.queuedMessages, 20);
    for (const { member } of all) hub.unregister(member);
    assert.deepEqual([hub.stats.queuedMessages, hub.stats.queuedBytes], [0, 0]);
  });
});
