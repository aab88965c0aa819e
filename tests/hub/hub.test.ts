import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub_options.ts";
import { PreparedMessage } from "../../src/websocket/prepared_message.ts";
import type { VirtualClock } from "../net/virtual_clock.ts";
import { MemorySocket } from "./memory_socket.ts";
import { enter, enterWith, HubWorld, settled as settle } from "./support.ts";

let clock: VirtualClock;
let world: HubWorld;

beforeEach(() => {
  world = new HubWorld();
  clock = world.clock;
});

function makeHub(options?: HubOptions<string>): Hub<string> {
  return world.hub(options);
}

describe("Hub: rooms", () => {
  it("passes a broadcast to everybody", () => {
    const hub = makeHub();
    const [a, b] = [enter(hub), enter(hub)];
    assert.equal(hub.broadcast("hello"), 2);
    clock.endTurn();
    assert.deepEqual(a.socket.messages, ["hello"]);
    assert.deepEqual(b.socket.messages, ["hello"]);
  });

  it("passes a room's broadcast to the room alone", () => {
    const hub = makeHub();
    const [a, b, c] = [enter(hub, "red"), enter(hub, "red", "blue"), enter(hub, "blue")];
    assert.equal(hub.room("red").broadcast("r"), 2);
    assert.equal(hub.room("blue").broadcastJson({ b: 1 }), 2);
    assert.equal(hub.room("green").broadcast("nobody"), 0);
    clock.endTurn();
    assert.deepEqual(a.socket.messages, ["r"]);
    assert.deepEqual(b.socket.messages, ["r", '{"b":1}']);
    assert.deepEqual(c.socket.messages, ['{"b":1}']);
  });

  it("leaves out who is excepted or filtered", () => {
    const hub = makeHub();
    const [a, b, c] = [enter(hub), enter(hub), enter(hub)];
    b.member.data = "b";
    assert.equal(hub.broadcast("1", { except: a.member }), 2);
    assert.equal(hub.broadcast("2", { except: new Set([a.member, b.member]) }), 1);
    assert.equal(hub.broadcast("3", { filter: (member) => member.data === "b" }), 1);
    clock.endTurn();
    assert.deepEqual([a, b, c].map(({ socket }) => socket.messages), [[], ["1", "3"], ["1", "2"]]);
  });

  it("has a room while somebody is in it", () => {
    const hub = makeHub();
    const room = hub.room("red");
    assert.deepEqual([...hub.rooms], []);
    const { member } = enter(hub, "red");
    assert.deepEqual([...hub.rooms], ["red"]);
    assert.deepEqual([room.size, room.has(member), [...room]], [1, true, [member]]);
    member.join("red");
    assert.equal(room.size, 1);
    member.leave("red");
    member.leave("red");
    assert.deepEqual([[...hub.rooms], room.size, member.rooms.size], [[], 0, 0]);
  });

  it("takes any name for a room", () => {
    const hub = makeHub();
    for (const name of ["", "__proto__", "constructor", "a b", "\u0000", "süd"]) {
      const { socket } = enter(hub, name);
      hub.room(name).broadcast(name);
      clock.endTurn();
      assert.deepEqual(socket.messages, [name]);
    }
    assert.equal(hub.stats.rooms, 6);
  });

  it("lets go of a member that is unregistered, and of one whose socket closed", async () => {
    const hub = makeHub();
    const [a, b] = [enter(hub, "red"), enter(hub, "red")];
    hub.unregister(a.member);
    hub.unregister(a.member);
    assert.equal(a.socket.closedBy, null);
    assert.equal(hub.size, 1);
    b.socket.closeNow();
    await settle();
    assert.deepEqual([hub.size, [...hub.rooms]], [0, []]);
    assert.equal(hub.broadcast("nobody"), 0);
    assert.equal(a.member.send("gone"), false);
    a.member.join("red");
    assert.deepEqual([...hub.rooms], []);
  });

  it("lets members come and go inside a broadcast", () => {
    const hub = makeHub();
    const [a, b] = [enter(hub, "red"), enter(hub, "red")];
    const count = hub.room("red").broadcast("x", {
      filter(member) {
        if (member === a.member) hub.unregister(b.member);
        return true;
      },
    });
    clock.endTurn();
    assert.equal(count, 1);
    assert.deepEqual([a.socket.messages, b.socket.messages], [["x"], []]);
  });
});

describe("Hub: one encoding, one write a turn", () => {
  it("joins the messages of a turn into one write, whose bytes all members share", () => {
    const hub = makeHub();
    const members = [enter(hub), enter(hub, "red"), enter(hub)];
    hub.broadcast("1");
    hub.broadcast("2");
    assert.equal(clock.endTurn(), 1);
    hub.broadcast("3");
    clock.endTurn();
    for (const { socket } of members) {
      assert.deepEqual(socket.writes, [["1", "2"], ["3"]]);
      assert.equal(socket.bytes[0], members[0]!.socket.bytes[0]);
      assert.equal(socket.bytes[1], members[0]!.socket.bytes[1]);
    }
  });

  it("keeps the order of broadcasts, rooms and single messages", () => {
    const hub = makeHub();
    const [a, b] = [enter(hub, "red"), enter(hub)];
    hub.broadcast("1");
    a.member.send("2");
    hub.room("red").broadcast("3");
    hub.broadcast("4");
    b.member.sendJson([5]);
    clock.endTurn();
    assert.deepEqual(a.socket.writes, [["1", "2", "3", "4"]]);
    assert.deepEqual(b.socket.writes, [["1", "4", "[5]"]]);
  });

  it("encodes a prepared message once for all broadcasts of it", () => {
    let encoded = 0;
    const encoding = {
      encode(message: PreparedMessage) {
        encoded++;
        return message.payload;
      },
    };
    const hub = makeHub();
    const members = [new MemorySocket(encoding), new MemorySocket(encoding)];
    for (const socket of members) hub.register(socket, "");
    const message = new PreparedMessage("again");
    for (let i = 0; i < 3; i++) {
      hub.broadcast(message);
      clock.endTurn();
    }
    assert.equal(encoded, 1);
    assert.deepEqual(members[1]!.messages, ["again", "again", "again"]);
  });

  it("sends what was prepared, whatever becomes of the array", () => {
    const data = new Uint8Array([65, 66]);
    const message = new PreparedMessage(data);
    data.fill(0);
    assert.deepEqual([message.type, message.text()], ["binary", "AB"]);
  });

  it("does not wait for the end of the turn when much is queued", () => {
    const hub = makeHub();
    const { socket } = enter(hub);
    hub.broadcast("x".repeat(70_000));
    assert.equal(socket.writes.length, 1);
  });
});

describe("Hub: bounded queues", () => {
  it("queues for a busy member and sends the queue in one write", async () => {
    const hub = makeHub();
    const { socket, member } = enter(hub);
    socket.stall();
    for (const message of ["1", "22", "333"]) {
      hub.broadcast(message);
      clock.endTurn();
    }
    assert.deepEqual(socket.writes, [["1"]]);
    assert.deepEqual([member.queuedMessages, member.queuedBytes, hub.stats.queuedBytes], [3, 6, 6]);
    socket.takeOne();
    await settle();
    assert.deepEqual(socket.writes, [["1"], ["22", "333"]]);
    socket.takeOne();
    await settle();
    assert.deepEqual([member.queuedMessages, member.queuedBytes], [0, 0]);
  });

  for (
    const [what, options, message] of [
      ["bytes", { maxQueuedBytes: 10 }, "12345"],
      ["messages", { maxQueuedMessages: 2 }, "1"],
    ] as const
  ) {
    it(`evicts with 1013 the member whose queue has too many ${what}, and nobody else`, async () => {
      const told: unknown[] = [];
      const hub = makeHub({ ...options, onOverflow: ({ member, ...loss }) => told.push([member, loss]) });
      const [slow, fast] = [enter(hub, "red"), enter(hub, "red")];
      slow.socket.stall();
      for (let i = 0; i < 3; i++) {
        assert.equal(hub.broadcast(message), i < 2 ? 2 : 1);
        clock.endTurn();
      }
      await settle();
      assert.equal(slow.socket.closedBy, 1013);
      assert.deepEqual(slow.socket.messages, [message]);
      const loss = { policy: "close", messages: 2, bytes: message.length * 2 };
      assert.deepEqual(told, [[slow.member, loss]]);
      assert.deepEqual(fast.socket.messages, [message, message, message]);
      const { members, evicted: count, dropped, sent } = hub.stats;
      assert.deepEqual({ members, count, dropped, sent }, { members: 1, count: 1, dropped: 2, sent: 5 });
    });
  }

  it("takes a message as large as the bound, and no larger one", () => {
    const hub = makeHub({ maxQueuedBytes: 8 });
    const { member, socket } = enter(hub);
    assert.equal(member.send("12345678"), true);
    clock.endTurn();
    assert.equal(member.send("123456789"), false);
    assert.equal(socket.closedBy, 1013);
  });

  it("lets go of a member whose socket breaks", async () => {
    const hub = makeHub();
    const { socket } = enter(hub);
    socket.stall();
    hub.broadcast("1");
    clock.endTurn();
    socket.breakWrite();
    await settle();
    assert.deepEqual([hub.size, socket.closedBy], [0, "now"]);
  });

  it("refuses bounds that bound nothing", () => {
    assert.throws(() => makeHub({ maxQueuedBytes: 0 }), RangeError);
    assert.throws(() => makeHub({ maxQueuedMessages: -1 }), RangeError);
    assert.throws(() => makeHub({ pingInterval: NaN }), RangeError);
    assert.throws(() => makeHub({ overflow: "drop" as "close" }), TypeError);
    assert.throws(() => enterWith(makeHub(), { maxQueuedBytes: -1 }), RangeError);
  });
});

describe("Hub: closing", () => {
  it("closes every member, after what is queued", async () => {
    const hub = makeHub();
    const [a, b] = [enter(hub), enter(hub)];
    hub.broadcast("last");
    await hub.close();
    await settle();
    assert.deepEqual([a.socket.closedBy, b.socket.closedBy], [1001, 1001]);
    assert.deepEqual([a.socket.messages, b.socket.messages], [["last"], ["last"]]);
    assert.equal(hub.size, 0);
  });
});

describe("Hub: size", () => {
  it("holds many members in many rooms, and a broadcast touches one", () => {
    const hub = makeHub();
    const members = Array.from({ length: 20_000 }, (_, i) => enter(hub, `room ${i}`));
    assert.deepEqual([hub.size, hub.stats.rooms], [20_000, 20_000]);
    assert.equal(hub.room("room 777").broadcast("hello"), 1);
    clock.endTurn();
    assert.deepEqual(members[777]!.socket.messages, ["hello"]);
    assert.equal(members.filter(({ socket }) => socket.messages.length > 0).length, 1);
  });
});
