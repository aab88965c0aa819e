/** Hubs that are joined: the broker in memory, what hubs send each other, and brokers that do what they like. */

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { Broker, Subscription } from "../../src/hub/broker.ts";
import { decodeEnvelope, encodeEnvelope } from "../../src/hub/envelope.ts";
import { MemoryBroker } from "../../src/hub/memory_broker.ts";
import { SeenMessages } from "../../src/hub/seen_messages.ts";
import { PreparedMessage } from "../../src/websocket/prepared_message.ts";
import { enter, HubWorld, settled } from "./support.ts";

let world: HubWorld;
beforeEach(() => void (world = new HubWorld()));

describe("Hub: joined by a broker", () => {
  it("passes broadcasts on: to all, to a room, to several rooms once, and never back", async () => {
    const broker = new MemoryBroker();
    const [here, there] = [world.hub({ broker }), world.hub({ broker })];
    const [a, b, c, d] = [
      enter(here, "red"),
      enter(there, "red", "blue"),
      enter(there, "blue"),
      enter(there),
    ];
    assert.equal(here.broadcast("all"), 1);
    assert.equal(here.room("red").broadcast("red"), 1);
    assert.equal(here.broadcast("several", { rooms: ["red", "blue", "green"] }), 1);
    here.room("red").broadcast("local", { local: true });
    here.room("blue").broadcast(Uint8Array.of(66), { key: "k" });
    await world.settle();
    assert.deepEqual(a.socket.messages, ["all", "red", "several", "local"]);
    assert.deepEqual(b.socket.messages, ["all", "red", "several", "B"]);
    assert.deepEqual(c.socket.messages, ["all", "several", "B"]);
    assert.deepEqual(d.socket.messages, ["all"]);
    const { published, received, brokerErrors } = here.stats;
    assert.deepEqual({ published, received, brokerErrors }, { published: 6, received: 0, brokerErrors: 0 });
    assert.equal(there.stats.received, 4);
  });

  it("is subscribed to what has members here, and to all while there are any", async () => {
    const broker = new MemoryBroker();
    const hub = world.hub({ broker });
    assert.equal(broker.size, 0);
    const [a, b] = [enter(hub, "red"), enter(hub, "red", "blue")];
    assert.equal(broker.size, 3);
    a.member.leave("red");
    assert.equal(broker.size, 3);
    hub.unregister(b.member);
    assert.equal(broker.size, 1);
    await hub.close();
    assert.equal(broker.size, 0);
  });

  it("what a member publishes goes on, with its key and type", async () => {
    const broker = new MemoryBroker();
    const [here, there] = [world.hub({ broker }), world.hub({ broker, overflow: "coalesce" })];
    const [a, b] = [enter(here, "red"), enter(there, "red")];
    b.socket.stall();
    for (const text of ["first", "typing 1", "typing 2"]) {
      await a.member.publish("red", new TextEncoder().encode(text), { key: "t", type: "text" });
      await world.settle();
    }
    b.socket.recover();
    await world.settle();
    assert.deepEqual(b.socket.messages, ["first", "typing 2"]);
    assert.equal(b.socket.bytes[0]![0], 0x81);
  });

  it("takes any Unicode text for a room, and reports what is none", () => {
    const broker = new MemoryBroker();
    const errors: unknown[] = [];
    const [here, there] = [
      world.hub({ broker, onError: (error) => errors.push(error) }),
      world.hub({ broker }),
    ];
    for (const name of ["", "__proto__", "a b", "*", ">", "a.b\r\nPUB x", "{a}b", "süd \u{1F600}", "null"]) {
      const { member } = enter(there, name);
      here.room(name).broadcast(name);
      assert.equal(member.queuedMessages, 1, name);
    }
    enter(here, "\ud800");
    assert.equal(here.room("\ud800").broadcast("x"), 1);
    assert.match(String(errors), /lone surrogate/);
  });
});

describe("MemoryBroker", () => {
  it("copes with subscriptions that change while it delivers, and fails once it is closed", () => {
    const broker = new MemoryBroker();
    const heard: string[] = [];
    const second: { subscription?: Subscription } = {};
    broker.subscribe("r", () => {
      heard.push("first");
      second.subscription!.unsubscribe();
      second.subscription!.unsubscribe();
      broker.subscribe("r", () => void heard.push("third"));
    });
    second.subscription = broker.subscribe("r", () => void heard.push("second"));
    broker.publish("r", Uint8Array.of(1));
    broker.publish(null, Uint8Array.of(1));
    assert.deepEqual(heard, ["first"]);
    broker.close();
    assert.equal(broker.size, 0);
    assert.throws(() => broker.publish("r", Uint8Array.of(1)), /closed/);
    assert.throws(() => broker.subscribe("r", () => {}), /closed/);
  });
});

/** A broker of which each call does what the test says. */
class TestBroker implements Broker {
  readonly delivers: Map<string | null, (envelope: Uint8Array) => void> = new Map();
  readonly calls: string[] = [];
  readonly sent: Uint8Array[] = [];
  subscribes: (room: string | null) => unknown = () => null;
  publishes: (room: string | null, envelope: Uint8Array) => unknown = () => {};
  unsubscribes: () => unknown = () => {};

  subscribe(room: string | null, deliver: (envelope: Uint8Array) => void): Promise<Subscription> {
    if (room !== null) this.calls.push(`+${room}`);
    this.delivers.set(room, deliver);
    const subscription = {
      unsubscribe: () => {
        if (room !== null) this.calls.push(`-${room}`);
        return this.unsubscribes();
      },
    };
    const result = this.subscribes(room);
    return (result === null
      ? subscription
      : result instanceof Promise
      ? result.then((value) => value ?? subscription)
      : result) as Promise<Subscription>;
  }

  publish(room: string | null, envelope: Uint8Array): Promise<void> {
    this.sent.push(envelope);
    return this.publishes(room, envelope) as Promise<void>;
  }

  close(): void {}
}

describe("Hub: a broker that subscribes later", () => {
  it("join, leave, join ends subscribed once, and join, leave not at all", async () => {
    const broker = new TestBroker();
    const opened: PromiseWithResolvers<null>[] = [];
    const closed: PromiseWithResolvers<void>[] = [];
    broker.subscribes = (room) => {
      if (room === null) return null;
      opened.push(Promise.withResolvers());
      return opened.at(-1)!.promise;
    };
    broker.unsubscribes = () => {
      closed.push(Promise.withResolvers());
      return closed.at(-1)!.promise;
    };
    const hub = world.hub({ broker });
    const { member } = enter(hub);
    for (let i = 0; i < 3; i++) {
      member.join("red");
      member.leave("red");
    }
    member.join("red");
    assert.deepEqual(broker.calls, ["+red"]);
    opened[0]!.resolve(null);
    await settled();
    assert.deepEqual(broker.calls, ["+red"]);
    member.leave("red");
    member.join("red");
    member.leave("red");
    assert.deepEqual(broker.calls, ["+red", "-red"]);
    member.join("red");
    closed[0]!.resolve();
    await settled();
    assert.deepEqual(broker.calls, ["+red", "-red", "+red"]);
    member.leave("red");
    opened[1]!.resolve(null);
    await settled();
    closed[1]!.resolve();
    await settled();
    assert.deepEqual(broker.calls, ["+red", "-red", "+red", "-red"]);
  });

  it("has no more than 1,024 calls under way, and the rest follow", async () => {
    const broker = new TestBroker();
    let waiting: PromiseWithResolvers<null>[] = [];
    broker.subscribes = () => {
      waiting.push(Promise.withResolvers());
      return waiting.at(-1)!.promise;
    };
    const hub = world.hub({ broker });
    const { member } = enter(hub);
    for (let i = 0; i < 5_000; i++) member.join(`room ${i}`);
    for (let i = 4_000; i < 5_000; i++) member.leave(`room ${i}`);
    let calls = 0;
    while (waiting.length > 0) {
      assert.ok(waiting.length <= 1_024);
      calls += waiting.length;
      const now = waiting;
      waiting = [];
      for (const { resolve } of now) resolve(null);
      await settled();
    }
    assert.equal(calls, 4_001);
  });

  it("that fails is reported, and asked again after a pause", async () => {
    const broker = new TestBroker();
    const errors: unknown[] = [];
    let fails = 3;
    broker.subscribes = (room) => {
      if (room === null || fails-- <= 0) return null;
      if (fails === 2) throw new Error("threw");
      return fails === 1 ? Promise.reject(new Error("rejected")) : { no: "subscription" };
    };
    const hub = world.hub({ broker, onError: (error) => errors.push(String(error)) });
    const { member } = enter(hub, "red", "blue");
    member.leave("blue");
    for (let i = 0; i < 20; i++) {
      world.clock.advance(1_000);
      await settled();
    }
    assert.deepEqual(broker.calls.filter((call) => call === "+red").length >= 2, true);
    broker.delivers.get("red")!(envelope({ rooms: ["red"] }));
    assert.equal(member.queuedMessages, 1);
    assert.equal(errors.length, 3);
    assert.equal(hub.stats.brokerErrors, 3);
    member.leave("red");
    world.clock.advance(100_000);
    await settled();
    assert.equal(broker.calls.at(-1), "-red");
  });

  it("whose unsubscribe fails is left, and what it delivers is ignored", async () => {
    const broker = new TestBroker();
    broker.unsubscribes = () => Promise.reject(new Error("no"));
    const hub = world.hub({ broker });
    const { member } = enter(hub, "red");
    member.leave("red");
    await settled();
    broker.delivers.get("red")!(envelope({ rooms: ["red"] }));
    assert.deepEqual([member.queuedMessages, hub.stats.received, hub.stats.brokerErrors], [0, 0, 1]);
  });
});

const ORIGIN = new Uint8Array(16).fill(7);

function envelope(
  { origin = ORIGIN, number = 1, rooms = null, key = null, text = "hi" }: {
    origin?: Uint8Array;
    number?: number;
    rooms?: string[] | null;
    key?: string | null;
    text?: string;
  },
): Uint8Array {
  return encodeEnvelope({ origin, number, rooms, key, message: new PreparedMessage(text) });
}

describe("Hub: a broker that publishes as it likes", () => {
  it("that throws, rejects or hangs never reaches the broadcast, and what waits is bounded", async () => {
    const broker = new TestBroker();
    const errors: string[] = [];
    const hub = world.hub({
      broker,
      maxPublishing: 3,
      maxPublishingBytes: 1000,
      onError: (error) => errors.push(String(error)),
    });
    const { member } = enter(hub, "red");
    broker.publishes = () => {
      throw new Error("threw");
    };
    assert.equal(hub.broadcast("1"), 1);
    broker.publishes = () => Promise.reject(new Error("rejected"));
    assert.equal(hub.broadcast("2"), 1);
    await settled();
    const hung: PromiseWithResolvers<void>[] = [];
    broker.publishes = () => {
      hung.push(Promise.withResolvers());
      return hung.at(-1)!.promise;
    };
    for (let i = 0; i < 100; i++) hub.room("red").broadcast("x");
    assert.deepEqual([hung.length, hub.stats.publishDropped, member.queuedMessages], [3, 97, 102]);
    assert.deepEqual(errors.slice(0, 2), ["Error: threw", "Error: rejected"]);
    assert.equal(errors.length, 3);
    for (const { resolve } of hung.splice(0)) resolve();
    await settled();
    hub.room("red").broadcast("x".repeat(5000));
    hub.room("red").broadcast("x");
    assert.deepEqual([hung.length, hub.stats.publishDropped], [1, 98]);
    hung[0]!.reject(new Error("late"));
    await settled();
    assert.equal(errors.at(-1), "Error: late");
  });

  it("that delivers inside publish, twice, our own, or late: each once, and nothing of our own", () => {
    const broker = new TestBroker();
    const hub = world.hub({ broker });
    const { member } = enter(hub, "red");
    broker.publishes = (room, bytes) => {
      for (const deliver of broker.delivers.values()) deliver(bytes);
      broker.delivers.get(room)!(envelope({ number: 5, rooms: ["red"] }));
    };
    hub.room("red").broadcast("mine");
    hub.room("red").broadcast("mine");
    assert.equal(member.queuedMessages, 3);
    for (const number of [6, 6, 8, 7, 7, 5]) {
      broker.delivers.get("red")!(envelope({ number, rooms: ["red"] }));
    }
    assert.equal(member.queuedMessages, 6);
    const late = broker.delivers.get("red")!;
    hub.unregister(member);
    late(envelope({ number: 9, rooms: ["red"] }));
    assert.equal(hub.stats.received, 4);
  });

  it("what is no envelope, or for somebody else, is reported and does nothing", () => {
    const broker = new TestBroker();
    const errors: unknown[] = [];
    const hub = world.hub({ broker, onError: (error) => errors.push(error) });
    const { member } = enter(hub, "red");
    const good = envelope({ rooms: ["red"], key: "k" });
    const bad: unknown[] = [
      undefined,
      null,
      "text",
      {},
      good.buffer,
      new Uint8Array(0),
      Uint8Array.from([2, ...good.subarray(1)]),
      Uint8Array.from([1, 255, ...good.subarray(2)]),
      envelope({ rooms: ["blue"] }),
      envelope({ rooms: null }),
      new Uint8Array((1 << 26) + 1),
    ];
    for (let length = 1; length < good.length - 2; length++) bad.push(good.slice(0, length));
    for (const bytes of bad) broker.delivers.get("red")!(bytes as Uint8Array);
    broker.delivers.get(null)!(good);
    const notText = envelope({ rooms: ["red"] });
    notText[notText.length - 1] = 0xff;
    broker.delivers.get("red")!(notText);
    assert.deepEqual([member.queuedMessages, errors.length], [0, bad.length + 2]);
    broker.delivers.get("red")!(good);
    assert.equal(member.queuedMessages, 1);
  });

  it("takes bytes that are the broker's again afterwards", async () => {
    const broker = new TestBroker();
    const hub = world.hub({ broker });
    const { socket } = enter(hub);
    const bytes = envelope({ text: "kept" });
    broker.delivers.get(null)!(bytes);
    bytes.fill(0);
    await world.settle();
    assert.deepEqual(socket.messages, ["kept"]);
  });
});

describe("envelopes", () => {
  it("come back as they were", () => {
    for (const rooms of [null, ["a"], ["", "süd", "\u{1F600}"]]) {
      for (const key of [null, "", "key"]) {
        for (const message of [new PreparedMessage("text"), new PreparedMessage(Uint8Array.of(0, 255))]) {
          const number = 2 ** 47 + 3;
          const read = decodeEnvelope(encodeEnvelope({ origin: ORIGIN, number, rooms, key, message }));
          assert.deepEqual([read.origin, read.number, read.rooms, read.key], [ORIGIN, number, rooms, key]);
          assert.deepEqual([read.message.type, read.message.payload], [message.type, message.payload]);
        }
      }
    }
    const secret = new PreparedMessage("x", { compress: false });
    const bytes = encodeEnvelope({ origin: ORIGIN, number: 1, rooms: null, key: null, message: secret });
    assert.equal(decodeEnvelope(bytes).message.compress, false);
  });
});

describe("SeenMessages", () => {
  it("knows what came, in any order, of the last numbers of each hub", () => {
    const seen = new SeenMessages();
    const order = [5, 3, 4, 5, 3, 10_000, 9_999, 9_999, 6_000, 5, 20_000, 15_904, 15_905, 10_000];
    const fresh = order.map((number) => seen.add("a", number));
    assert.deepEqual(fresh, [
      ...[true, true, true, false, false],
      ...[true, true, false, true, false],
      ...[true, false, true, false],
    ]);
    assert.equal(seen.add("b", 5), true);
  });

  it("forgets the hub that was silent longest", () => {
    const seen = new SeenMessages();
    for (let i = 0; i < 1025; i++) seen.add(String(i), 1);
    assert.equal(seen.add("1", 1), false);
    assert.equal(seen.add("0", 1), true);
  });
});
