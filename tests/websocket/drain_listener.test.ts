import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PreparedMessage } from "../../mod.ts";
import type { HubSocket } from "../../src/hub/hub_socket.ts";
import { PIPE_ADDR } from "../../src/net/addr.ts";
import { batchWriterOf } from "../../src/websocket/batch_writer.ts";
import { MessageBatch } from "../../src/websocket/message_batch.ts";
import { settle, testConn, writeBatch } from "./test_socket.ts";
import { OP } from "./raw_peer.ts";
import { textOf } from "./support.ts";
import { HubWorld } from "../hub/support.ts";

/** A listener that records its calls. */
class Listener {
  readonly told: string[] = [];
  /** Called when all has left. */
  next: (() => void) | null = null;

  onDrained(): void {
    this.told.push("drained");
    this.next?.();
  }

  onFailed(): void {
    this.told.push("failed");
  }
}

/** A hub, and one in it whose socket takes nothing. */
function busyMember() {
  const world = new HubWorld();
  const { ws, socket } = testConn();
  const hub = world.hub();
  const client = hub.register(ws, "");
  socket.full = true;
  return { world, hub, client, ws, socket };
}

const batch = (text: string) => MessageBatch.of(new PreparedMessage(text));

describe("batchWriterOf()", () => {
  it("finds the writer of a WebSocketConn, and of nothing else", () => {
    const { ws } = testConn();
    assert.notEqual(batchWriterOf(ws), null);
    const lookalike = Object.create(ws) as unknown;
    for (const other of [null, undefined, 1, "ws", {}, { writeBatch() {} }, lookalike]) {
      assert.equal(batchWriterOf(other), null);
    }
  });

  it("a hub refuses a socket that takes no batches", () => {
    const socket = { remoteAddr: PIPE_ADDR, closed: new Promise(() => {}) };
    assert.throws(() => new HubWorld().hub().register(socket as unknown as HubSocket, ""), TypeError);
  });
});

describe("a batch and who is told when it has left", () => {
  it("nobody is told when it left at once", () => {
    const { ws } = testConn();
    const listener = new Listener();
    assert.equal(writeBatch(ws, batch("a"), listener), null);
    assert.deepEqual(listener.told, []);
  });

  it("the listener is told once, in the same call, and may write the next from there", () => {
    const { ws, socket } = testConn();
    const listener = new Listener();
    socket.full = true;
    assert.equal(writeBatch(ws, batch("a"), listener), listener);
    let second: unknown;
    listener.next = () => {
      listener.next = null;
      second = writeBatch(ws, batch("b"), listener);
    };
    socket.drain(false);
    assert.equal(second, listener);
    assert.deepEqual(listener.told, ["drained"]);
    socket.drain();
    assert.deepEqual(listener.told, ["drained", "drained"]);
    assert.deepEqual(socket.frames().map(({ payload }) => textOf(payload)), ["a", "b"]);
  });

  it("a second one gets a promise meanwhile, and both hear of it", async () => {
    const { ws, socket } = testConn();
    const [first, second] = [new Listener(), new Listener()];
    socket.full = true;
    assert.equal(writeBatch(ws, batch("a"), first), first);
    const promise = writeBatch(ws, batch("b"), second);
    assert.ok(promise instanceof Promise);
    socket.drain();
    await promise;
    assert.deepEqual([first.told, second.told], [["drained"], []]);
  });

  it("what a busy socket has not taken counts until it has", async () => {
    const { ws, socket } = testConn();
    socket.full = true;
    writeBatch(ws, batch("abc"), new Listener());
    assert.equal(ws.bufferedAmount, 5);
    const big = ws.writeMessage(new Uint8Array(70_000));
    const after = ws.writeMessage("def");
    assert.equal(ws.bufferedAmount, 5 + 70_010 + 5);
    socket.drain(false);
    assert.equal(ws.bufferedAmount, 70_010 + 5);
    socket.drain();
    await Promise.all([big, after]);
    assert.equal(ws.bufferedAmount, 0);
    const frames = socket.frames();
    assert.deepEqual(frames.map(({ payload }) => payload.length), [3, 70_000, 3]);
    assert.deepEqual([textOf(frames[0]!.payload), textOf(frames[2]!.payload)], ["abc", "def"]);
  });

  it("control frames overtake what waits behind it, and not it", () => {
    const { ws, socket, clock } = testConn();
    socket.full = true;
    writeBatch(ws, batch("first"), new Listener());
    void ws.writeMessage("second");
    void ws.pong(Uint8Array.of(1));
    socket.drain();
    clock.endTurn();
    assert.deepEqual(socket.frames().map(({ opcode }) => opcode), [OP.text, OP.pong, OP.text]);
  });

  it("a peer that takes broadcasts slowly is slow, and not dead", () => {
    const { ws, socket, clock } = testConn("server", {
      keepalive: { pingInterval: 1000, pongTimeout: 1000 },
    });
    for (let i = 0; i < 20; i++) {
      socket.full = true;
      writeBatch(ws, batch("x"), new Listener());
      clock.advance(300);
      // What comes meanwhile is taken at once, and is all that there is to see.
      socket.drain();
      writeBatch(ws, batch("y"), new Listener());
      clock.advance(300);
    }
    assert.equal(ws.state, "open");
  });

  it("a hub goes on with what waits in it", async () => {
    const { world, hub, client, socket } = busyMember();
    for (const text of ["a", "b", "c"]) {
      hub.broadcast(text);
      await world.settle();
    }
    assert.equal(client.queuedMessages, 3);
    socket.drain(false);
    assert.equal(client.queuedMessages, 2);
    socket.drain();
    assert.equal(client.queuedMessages, 0);
    assert.deepEqual(socket.frames().map(({ payload }) => textOf(payload)), ["a", "b", "c"]);
  });

  it("a hub lets go of who failed", async () => {
    const { world, hub, client, ws, socket } = busyMember();
    hub.broadcast("a");
    await world.settle();
    ws.closeNow();
    assert.equal(client.registered, true);
    socket.gone();
    assert.equal(client.registered, false);
  });

  it("it is not told before all that was written before has left, nor by control frames", () => {
    const { ws, socket } = testConn("server", { writeBufferSize: 1 << 20 });
    const listener = new Listener();
    socket.full = true;
    // In two writes at least.
    void ws.writeMessage(new Uint8Array(200_000));
    assert.equal(writeBatch(ws, batch("a"), listener), listener);
    void ws.ping().catch(() => {});
    socket.drain(false);
    assert.deepEqual(listener.told, []);
    while (socket.waiting > 0) socket.drain(false);
    assert.deepEqual(listener.told, ["drained"]);
    ws.closeNow();
    socket.gone();
  });

  it("it fails with the connection, once", async () => {
    const { ws, socket } = testConn();
    const listener = new Listener();
    socket.full = true;
    writeBatch(ws, batch("a"), listener);
    ws.closeNow();
    socket.gone();
    await settle();
    socket.handler.onDrain();
    assert.deepEqual(listener.told, ["failed"]);
  });

  it("it fails with the write deadline, and the connection goes on", () => {
    const { ws, socket, clock } = testConn();
    const [first, second] = [new Listener(), new Listener()];
    ws.setWriteDeadline(clock.wallNow() + 100);
    socket.full = true;
    void ws.writeMessage(new Uint8Array(100_000)).catch(() => {});
    writeBatch(ws, batch("a"), first);
    clock.advance(200);
    assert.deepEqual(first.told, ["failed"]);
    ws.setWriteDeadline(null);
    assert.equal(writeBatch(ws, batch("b"), second), second);
    socket.drain();
    assert.deepEqual([first.told, second.told], [["failed"], ["drained"]]);
  });

  it("while a message is written in parts, a promise stands for it", async () => {
    const { ws } = testConn();
    const listener = new Listener();
    const writer = await ws.nextWriter("text");
    const promise = writeBatch(ws, batch("a"), listener);
    assert.ok(promise instanceof Promise);
    await writer.close();
    await promise;
    assert.deepEqual(listener.told, []);
  });
});
