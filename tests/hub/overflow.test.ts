/** What a slow member gets under each policy, message by message. */

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { OverflowPolicy } from "../../src/hub/queue_policy.ts";
import { PreparedMessage } from "../../src/websocket/prepared_message.ts";
import { enter, type Entered, enterWith, HubWorld } from "./support.ts";

let world: HubWorld;
beforeEach(() => void (world = new HubWorld()));

/** Lets the member take what it has, write by write, until nothing waits. */
async function catchUp({ socket, member }: Entered): Promise<void> {
  await world.settle();
  while (member.queuedMessages > 0 && member.registered) {
    socket.takeOne();
    await world.settle();
  }
}

describe("Hub: a slow member, by policy", () => {
  // Four messages may wait; the first is in flight while the others come.
  const cases: [OverflowPolicy, expected: string[], dropped: number][] = [
    ["close", ["0"], 4],
    ["drop-newest", ["0", "1", "2", "3"], 6],
    ["drop-oldest", ["0", "7", "8", "9"], 6],
    ["coalesce", ["0", "7", "8", "9"], 6],
  ];
  for (const [overflow, expected, dropped] of cases) {
    it(`${overflow}: gets just what it is to get, and the others everything`, async () => {
      const told: unknown[] = [];
      const hub = world.hub({ overflow, maxQueuedMessages: 4, onOverflow: (event) => told.push(event) });
      const [slow, fast] = [enter(hub, "red"), enter(hub, "red")];
      slow.socket.stall();
      for (let i = 0; i < 10; i++) {
        hub.room("red").broadcast(String(i));
        await world.settle();
        assert.ok(slow.member.queuedMessages <= 4);
      }
      assert.deepEqual(fast.socket.messages, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
      await catchUp(slow);
      assert.deepEqual(slow.socket.messages, expected);
      assert.equal(slow.socket.closedBy, overflow === "close" ? 1013 : null);
      assert.deepEqual([slow.member.dropped, fast.member.dropped, hub.stats.dropped], [dropped, 0, dropped]);
      assert.equal(hub.stats.drops[overflow], dropped);
      assert.deepEqual([hub.stats.queuedMessages, hub.stats.queuedBytes], [0, 0]);
      assert.equal(told.length, overflow === "close" ? 1 : 6);
      // It has caught up: the next is shared with the others again.
      hub.broadcast("next");
      await catchUp(slow);
      if (overflow === "close") return;
      assert.equal(slow.socket.bytes.at(-1), fast.socket.bytes.at(-1));
    });
  }

  it("coalesce: of each key the latest arrives, in the order of the latest", async () => {
    const hub = world.hub({ overflow: "coalesce" });
    const [slow, fast] = [enter(hub), enter(hub)];
    slow.socket.stall();
    hub.broadcast("first");
    await world.settle();
    for (const [key, value] of [["a", 1], ["b", 1], ["a", 2], [undefined, 0], ["b", 2], ["a", 3]] as const) {
      hub.broadcast(`${key} ${value}`, key === undefined ? {} : { key });
      await world.settle();
    }
    await catchUp(slow);
    assert.deepEqual(slow.socket.messages, ["first", "undefined 0", "b 2", "a 3"]);
    assert.equal(fast.socket.messages.length, 7);
    const { coalesced, dropped } = hub.stats;
    assert.deepEqual([slow.member.coalesced, coalesced, dropped], [3, 3, 0]);
  });

  it("coalesce: within a turn too, and all members share the result", async () => {
    const hub = world.hub({ overflow: "coalesce" });
    const [a, b] = [enter(hub), enter(hub)];
    hub.broadcast("x1", { key: "x" });
    hub.broadcast("other");
    hub.broadcast("x2", { key: "x" });
    await world.settle();
    assert.deepEqual(a.socket.writes, [["other", "x2"]]);
    assert.equal(a.socket.bytes[0], b.socket.bytes[0]);
  });

  it("coalesce: finds the key among many that wait", async () => {
    const hub = world.hub({ overflow: "coalesce" });
    const slow = enter(hub);
    slow.socket.stall();
    hub.broadcast("first");
    await world.settle();
    for (let round = 0; round < 3; round++) {
      for (let key = 0; key < 500; key++) hub.broadcast(`${key} ${round}`, { key: String(key) });
      await world.settle();
    }
    await catchUp(slow);
    assert.deepEqual(slow.socket.messages, ["first", ...Array.from({ length: 500 }, (_, key) => `${key} 2`)]);
  });

  it("coalesce: without the key it is as drop-oldest", async () => {
    const hub = world.hub({ overflow: "coalesce", maxQueuedMessages: 3 });
    const slow = enter(hub);
    slow.socket.stall();
    hub.broadcast("0");
    await world.settle();
    for (const key of ["a", "b", "c"]) hub.broadcast(key, { key });
    assert.deepEqual([slow.member.dropped, slow.member.coalesced], [1, 0]);
    await catchUp(slow);
    assert.deepEqual(slow.socket.messages, ["0", "b", "c"]);
  });

  it("a key in one room is not the same in another, nor in what is sent to one or to all", async () => {
    const hub = world.hub({ overflow: "coalesce" });
    const slow = enter(hub, "red", "blue");
    slow.socket.stall();
    hub.broadcast("first");
    await world.settle();
    hub.room("red").broadcast("red", { key: "k" });
    hub.room("blue").broadcast("blue", { key: "k" });
    hub.broadcast("all", { key: "k" });
    hub.room("red").broadcast("red again", { key: "k" });
    slow.member.send("sent", { key: "k" });
    await catchUp(slow);
    assert.deepEqual(slow.socket.messages, ["first", "blue", "red again", "sent"]);
  });

  it("other policies let keys be", async () => {
    for (const overflow of ["close", "drop-oldest", "drop-newest"] as const) {
      const hub = world.hub({ overflow });
      const slow = enter(hub);
      slow.socket.stall();
      for (let i = 0; i < 4; i++) {
        hub.broadcast(String(i), { key: "k" });
        await world.settle();
      }
      await catchUp(slow);
      assert.deepEqual(slow.socket.messages, ["0", "1", "2", "3"]);
    }
  });
});

describe("Hub: bounds", () => {
  it("a message larger than the bound closes, or is dropped and nothing else for it", async () => {
    for (const overflow of ["close", "drop-newest", "drop-oldest", "coalesce"] as const) {
      const hub = world.hub({ overflow, maxQueuedBytes: 10 });
      const slow = enter(hub);
      slow.socket.stall();
      hub.broadcast("0");
      await world.settle();
      hub.broadcast("1", { key: "k" });
      assert.equal(hub.broadcast("x".repeat(11), { key: "k" }), 0);
      await catchUp(slow);
      assert.deepEqual(slow.socket.messages, overflow === "close" ? ["0"] : ["0", "1"]);
      assert.equal(hub.stats.drops[overflow], overflow === "close" ? 2 : 1);
    }
  });

  it("when what is in flight fills the bound, it is the new message that is dropped", async () => {
    for (const overflow of ["drop-newest", "drop-oldest", "coalesce"] as const) {
      const hub = world.hub({ overflow, maxQueuedBytes: 10 });
      const slow = enter(hub);
      slow.socket.stall();
      hub.broadcast("0123456789");
      await world.settle();
      assert.equal(hub.broadcast("new"), 0);
      await catchUp(slow);
      assert.deepEqual(slow.socket.messages, ["0123456789"]);
    }
  });

  it("where the newest counts, one write takes half of the queue, so that there is room for it", async () => {
    const hub = world.hub({ overflow: "drop-oldest", maxQueuedMessages: 8 });
    const slow = enter(hub);
    slow.socket.stall();
    for (let i = 0; i < 9; i++) {
      hub.broadcast(String(i));
      await world.settle();
    }
    slow.socket.takeOne();
    await world.settle();
    for (let i = 9; i < 20; i++) hub.broadcast(String(i));
    await catchUp(slow);
    assert.deepEqual(slow.socket.writes, [
      ["0"],
      ["2", "3", "4", "5"],
      ["16", "17", "18", "19"],
    ]);
  });

  it("counts bytes as it counts messages", async () => {
    const hub = world.hub({ overflow: "drop-oldest", maxQueuedBytes: 10 });
    const slow = enter(hub);
    slow.socket.stall();
    for (const message of ["a", "bbb", "cc", "d", "eeeee"]) {
      hub.broadcast(message);
      await world.settle();
      assert.ok(slow.member.queuedBytes <= 10);
    }
    assert.equal(slow.member.queuedBytes, hub.stats.queuedBytes);
    await catchUp(slow);
    assert.deepEqual(slow.socket.messages, ["a", "cc", "d", "eeeee"]);
  });

  it("is nobody's who takes what it is given, however much a turn brings", async () => {
    for (const overflow of ["close", "drop-newest", "drop-oldest", "coalesce"] as const) {
      const hub = world.hub({ overflow, maxQueuedMessages: 3 });
      const fast = enter(hub);
      for (let i = 0; i < 100; i++) hub.broadcast(String(i));
      await world.settle();
      assert.deepEqual(fast.socket.messages, Array.from({ length: 100 }, (_, i) => String(i)));
      assert.equal(hub.stats.dropped, 0);
    }
  });
});

describe("Hub: whose policy counts", () => {
  it("the member's own, else the room's, else the hub's", async () => {
    const hub = world.hub({
      maxQueuedMessages: 3,
      roomQueue: (room) => room === "ticker" ? { overflow: "drop-oldest" } : undefined,
    });
    const [plain, own] = [
      enter(hub, "ticker", "talk"),
      enterWith(hub, { overflow: "drop-newest", maxQueuedMessages: 2 }, "ticker", "talk"),
    ];
    for (const { socket } of [plain, own]) socket.stall();
    for (let i = 0; i < 6; i++) {
      hub.room("ticker").broadcast(`tick ${i}`);
      await world.settle();
    }
    assert.deepEqual([plain.member.dropped, own.member.dropped], [3, 4]);
    await catchUp(own);
    assert.deepEqual(own.socket.messages, ["tick 0", "tick 1"]);
    hub.room("talk").broadcast("hello");
    await world.settle();
    assert.deepEqual([plain.socket.closedBy, own.socket.closedBy], [1013, null]);
  });

  it("what is sent under close is not dropped for what is not", async () => {
    const hub = world.hub({
      maxQueuedMessages: 4,
      roomQueue: (room) => room === "ticker" ? { overflow: "coalesce" } : undefined,
    });
    const slow = enter(hub, "ticker", "talk");
    slow.socket.stall();
    hub.broadcast("first");
    await world.settle();
    hub.room("talk").broadcast("one");
    hub.room("ticker").broadcast("tick 0");
    hub.room("talk").broadcast("two");
    for (let i = 1; i < 5; i++) hub.room("ticker").broadcast(`tick ${i}`);
    await catchUp(slow);
    assert.deepEqual(slow.socket.messages, ["first", "one", "two", "tick 4"]);
  });

  it("a room's policy bounds one write to who is behind, also where the hub's keeps what is newest", async () => {
    const hub = world.hub({
      overflow: "drop-oldest",
      roomQueue: () => ({ overflow: "drop-oldest", maxQueuedMessages: 4 }),
    });
    const slow = enter(hub, "ticker");
    slow.socket.stall();
    hub.broadcast("first");
    await world.settle();
    for (let i = 0; i < 3; i++) hub.room("ticker").broadcast(`tick ${i}`);
    slow.socket.takeOne();
    await world.settle();
    // Had all three been given to the socket, there would be room for one more only.
    for (let i = 3; i < 6; i++) hub.room("ticker").broadcast(`tick ${i}`);
    await catchUp(slow);
    assert.deepEqual(slow.socket.writes, [["first"], ["tick 0", "tick 1"], ["tick 4", "tick 5"]]);
  });

  it("a room's policy goes with the room, and one that cannot be is reported", () => {
    const asked: string[] = [];
    const errors: unknown[] = [];
    const hub = world.hub({
      roomQueue(room) {
        asked.push(room);
        if (room === "bad") throw new Error("no");
        return room === "wrong" ? { maxQueuedBytes: -1 } : undefined;
      },
      onError: (error) => errors.push(error),
    });
    const { member } = enter(hub, "a", "bad", "wrong");
    enter(hub, "a");
    member.leave("bad");
    member.join("bad");
    assert.deepEqual(asked, ["a", "bad", "wrong", "bad"]);
    assert.equal(errors.length, 3);
    assert.equal(hub.room("bad").broadcast("works"), 1);
  });
});

describe("Hub: events of full queues", () => {
  it("come at the end of the turn, one a member and policy, with what was lost", async () => {
    const told: unknown[] = [];
    const hub = world.hub({
      overflow: "drop-newest",
      maxQueuedMessages: 1,
      onOverflow: ({ member, policy, messages, bytes }) => told.push([member, policy, messages, bytes]),
    });
    const [a, b] = [enter(hub), enter(hub)];
    for (const { socket } of [a, b]) socket.stall();
    hub.broadcast("0");
    await world.settle();
    for (let i = 0; i < 1000; i++) hub.broadcast("xx");
    assert.deepEqual(told, []);
    await world.settle();
    assert.deepEqual(told, [[a.member, "drop-newest", 1000, 2000], [b.member, "drop-newest", 1000, 2000]]);
  });

  it("may broadcast, which loses more, without end and without holding up anybody", async () => {
    let told = 0;
    const hub = world.hub({
      overflow: "drop-newest",
      maxQueuedMessages: 1,
      onOverflow: () => {
        told++;
        hub.broadcast("somebody is slow");
      },
    });
    const slow = enter(hub);
    slow.socket.stall();
    hub.broadcast("0");
    world.clock.endTurn();
    hub.broadcast("1");
    for (let turn = 1; turn <= 3; turn++) {
      world.clock.endTurn();
      assert.equal(told, turn);
    }
  });

  it("that throw are reported", async () => {
    const errors: unknown[] = [];
    const hub = world.hub({
      maxQueuedMessages: 1,
      onOverflow: () => {
        throw new Error("mine");
      },
      onError: (error) => errors.push(error),
    });
    const slow = enter(hub);
    slow.socket.stall();
    for (const message of ["0", "1", "2"]) {
      hub.broadcast(message);
      await world.settle();
    }
    assert.deepEqual(errors.map(String), ["Error: mine"]);
    assert.equal(hub.size, 0);
  });
});

describe("Hub: types and marks", () => {
  it("sends bytes as text when it is told to", async () => {
    const hub = world.hub();
    const { socket, member } = enter(hub, "red");
    hub.broadcast(new TextEncoder().encode("hi"), { type: "text" });
    hub.room("red").broadcast("no text", { type: "binary" });
    member.send(new PreparedMessage("prepared"), { type: "binary" });
    await world.settle();
    assert.deepEqual(socket.bytes[0]!.subarray(0, 2), Uint8Array.of(0x81, 2));
    assert.deepEqual(socket.messages, ["hi", "no text", "prepared"]);
    assert.throws(() => hub.broadcast(Uint8Array.of(0xff), { type: "text" }), TypeError);
    assert.throws(() => hub.broadcast(7 as unknown as string), TypeError);
  });
});
