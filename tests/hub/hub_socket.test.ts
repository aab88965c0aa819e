/** Members with sockets of the application's own: single messages, refused and sent again. */

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { codecEncoding, ConnMember } from "../../src/hub/conn_member.ts";
import type { HubSocket } from "../../src/hub/hub_socket.ts";
import { type Addr, PIPE_ADDR } from "../../src/net/addr.ts";
import { Deferred } from "../../src/net/deferred.ts";
import { pipe } from "../../mod.ts";
import { LinesCodec } from "../../src/framing/lines.ts";
import { PreparedMessage } from "../../src/websocket/prepared_message.ts";
import { HubWorld, settled } from "./support.ts";

const limit = { timeout: 30_000 };
let world: HubWorld;
beforeEach(() => void (world = new HubWorld()));

/** A socket that takes as many messages as the test allows. */
class OwnSocket implements HubSocket {
  readonly remoteAddr: Addr = PIPE_ADDR;
  readonly #closed = new Deferred<void>();
  readonly closed: Promise<void> = this.#closed.promise;
  readonly got: string[] = [];
  closedBy: number | "now" | null = null;
  /** Called for each message that is taken. */
  onSend: (text: string) => void = () => {};
  #room: number;
  #drained: Deferred<void> = new Deferred();

  constructor(room = Infinity) {
    this.#room = room;
  }

  /** Lets `room` more messages in. */
  allow(room: number): void {
    this.#room += room;
    const drained = this.#drained;
    this.#drained = new Deferred();
    drained.resolve();
  }

  /** Breaks the wait for room. */
  break(): void {
    this.#drained.reject(new Error("broken"));
  }

  send(message: PreparedMessage): boolean {
    if (this.#room === 0) return false;
    this.#room--;
    this.got.push(message.text());
    this.onSend(message.text());
    return true;
  }

  drained(): Promise<void> {
    return this.#room > 0 ? Promise.resolve() : this.#drained.promise;
  }

  close(code = 1000): Promise<void> {
    this.closedBy = code;
    this.#closed.resolve();
    return this.closed;
  }

  closeNow(): void {
    this.closedBy = "now";
    this.#closed.resolve();
  }
}

describe("a HubSocket of the application", limit, () => {
  it("gets each message of a turn, in order, at the end of the turn", async () => {
    const hub = world.hub();
    const socket = new OwnSocket();
    const member = hub.register(socket, "");
    hub.broadcast("a");
    member.send("b");
    assert.deepEqual(socket.got, []);
    await world.settle();
    assert.deepEqual([socket.got, member.queuedMessages, hub.stats.written], [["a", "b"], 0, 2]);
  });

  it("gets a message that it refused again, once it is drained", async () => {
    const hub = world.hub();
    const socket = new OwnSocket(1);
    const member = hub.register(socket, "");
    for (const text of ["a", "b", "c"]) member.send(text);
    await world.settle();
    member.send("d");
    await world.settle();
    assert.deepEqual([socket.got, member.queuedMessages], [["a"], 4]);
    socket.allow(1);
    await world.settle();
    assert.deepEqual(socket.got, ["a", "b"]);
    socket.allow(10);
    await world.settle();
    assert.deepEqual([socket.got, member.queuedMessages], [["a", "b", "c", "d"], 0]);
  });

  it("falls under its queue's policy while it refuses", async () => {
    const hub = world.hub({ overflow: "drop-oldest", maxQueuedMessages: 3 });
    const socket = new OwnSocket(0);
    const member = hub.register(socket, "");
    for (let i = 0; i < 6; i++) {
      member.send(String(i));
      await world.settle();
    }
    assert.deepEqual([member.queuedMessages, member.dropped], [3, 3]);
    socket.allow(10);
    await world.settle();
    assert.deepEqual(socket.got, ["0", "4", "5"]);
  });

  it("is dropped when it throws or when the wait for room fails", async () => {
    const hub = world.hub();
    const [throws, breaks] = [new OwnSocket(), new OwnSocket(0)];
    throws.onSend = () => {
      throw new Error("broken");
    };
    hub.register(throws, "");
    hub.register(breaks, "");
    hub.broadcast("a");
    await world.settle();
    assert.deepEqual([throws.closedBy, breaks.closedBy, hub.size], ["now", null, 1]);
    breaks.break();
    await world.settle();
    assert.deepEqual([breaks.closedBy, hub.size, hub.stats.queuedMessages], ["now", 0, 0]);
  });

  it("may send to its member from inside send", async () => {
    const hub = world.hub({ maxQueuedMessages: 10 });
    const socket = new OwnSocket(3);
    const member = hub.register(socket, "");
    const long = "x".repeat(70_000);
    socket.onSend = (text) => void (text === "a" && member.send(long));
    member.send("a");
    member.send("b");
    await world.settle();
    assert.deepEqual(socket.got.map((text) => text.length), [1, 1, 70_000]);
    assert.equal(member.queuedMessages, 0);
  });

  it("takes what is queued before it is closed", async () => {
    const hub = world.hub();
    const socket = new OwnSocket(1);
    const member = hub.register(socket, "");
    for (const text of ["a", "b", "c"]) member.send(text);
    const closing = member.close(4000);
    assert.equal(member.send("late"), false);
    await world.settle();
    assert.deepEqual([socket.got, socket.closedBy], [["a"], null]);
    socket.allow(2);
    await closing;
    assert.deepEqual([socket.got, socket.closedBy], [["a", "b", "c"], 4000]);
  });

  it("is closed without the rest when it takes nothing for 5 s, and gets nothing afterwards", async () => {
    const hub = world.hub();
    const socket = new OwnSocket(1);
    const member = hub.register(socket, "");
    for (const text of ["a", "b"]) member.send(text);
    const closing = hub.close(1012);
    await settled();
    world.clock.advance(4_999);
    assert.equal(socket.closedBy, null);
    world.clock.advance(1);
    await closing;
    socket.allow(2);
    await world.settle();
    assert.deepEqual([socket.got, socket.closedBy, member.registered, hub.size], [["a"], 1012, false, 0]);
  });

  it("gets nothing after the hub has removed its member", async () => {
    const hub = world.hub();
    const socket = new OwnSocket(1);
    const member = hub.register(socket, "");
    for (const text of ["a", "b"]) member.send(text);
    await world.settle();
    hub.unregister(member);
    socket.allow(5);
    await world.settle();
    assert.deepEqual([socket.got, socket.closedBy, hub.stats.queuedMessages], [["a"], null, 0]);
  });

  it("must have send and drained", () => {
    const hub = world.hub();
    const bad = [null, undefined, 1, {}, { send: () => true }, { drained: () => Promise.resolve() }];
    for (const socket of bad as unknown as HubSocket[]) {
      assert.throws(() => hub.register(socket, ""), {
        name: "TypeError",
        message: /^Cannot register: socket /,
      });
    }
    assert.equal(hub.size, 0);
  });
});

describe("a ConnMember by its own calls", limit, () => {
  it("takes one message at a time", async () => {
    const [ours, theirs] = pipe();
    const member = new ConnMember(ours, codecEncoding(new LinesCodec(), (message) => message.text()));
    assert.equal(member.send(new PreparedMessage("a")), true);
    assert.equal(member.send(new PreparedMessage("b")), false);
    const reading = theirs.readChunk();
    await member.drained();
    assert.equal(member.send(new PreparedMessage("b")), true);
    assert.deepEqual(await reading, new TextEncoder().encode("a\n"));
    assert.deepEqual(await theirs.readChunk(), new TextEncoder().encode("b\n"));
    await member.close();
    await member.closed;
  });
});

describe("a HubSocket that breaks its contract", { timeout: 60_000 }, () => {
  it("is removed when send returns neither true nor false", async () => {
    const world = new HubWorld();
    const causes: string[] = [];
    const hub = world.hub({ onDebug: (event) => event.type === "removed" && causes.push(event.cause) });
    hub.register(brokenSocket(() => undefined as unknown as boolean), "");
    hub.broadcast("x");
    await world.settle();
    assert.deepEqual(causes, ["broken"]);
  });

  it("does not keep the event loop busy when it refuses right behind drained", async () => {
    const world = new HubWorld();
    const hub = world.hub();
    let sends = 0;
    hub.register(brokenSocket(() => ++sends > 1_000_000), "");
    hub.broadcast("x");
    await world.settle();
    await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(sends < 10, `${sends} sends`);
  });
});

function brokenSocket(send: () => boolean): HubSocket {
  return {
    remoteAddr: PIPE_ADDR,
    closed: new Promise(() => {}),
    send,
    drained: () => Promise.resolve(),
    close: () => Promise.resolve(),
    closeNow: () => {},
  };
}
