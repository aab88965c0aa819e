/** While the unread messages reach `readBufferSize`, nothing of what came is parsed or inflated. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { constants, deflateRawSync } from "node:zlib";
import { MemoryBudget, type WebSocketConn } from "../../mod.ts";
import { currentAdapter } from "../../adapters/runtime.ts";
import { NetError } from "../../src/net/errors.ts";
import { limit } from "../net/support.ts";
import { closeFrame, frame, handshake, OP, RawPeer } from "./raw_peer.ts";
import { closedWith, dial, startServer, until } from "./support.ts";
import { settle, testConn } from "./test_socket.ts";

const MIB = 1 << 20;

/** A message of zeros, which deflates to a thousandth. */
function bomb(bytes: number): Uint8Array {
  const deflated = deflateRawSync(new Uint8Array(bytes), { level: 9, finishFlush: constants.Z_SYNC_FLUSH });
  return frame(OP.binary, new Uint8Array(deflated.subarray(0, -4)), { rsv: 0x40 });
}

async function compressingClient(address: string): Promise<RawPeer> {
  const peer = new RawPeer(await dial("tcp", address));
  await peer.send(handshake(address, {
    "Sec-WebSocket-Extensions": "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
  }));
  assert.match(await peer.readHead(), /permessage-deflate/);
  return peer;
}

for (const role of ["server", "client"] as const) {
  const fromPeer = { mask: role === "server" };
  const long = frame(OP.binary, new Uint8Array(40_000), fromPeer);
  const ping = frame(OP.ping, "?", fromPeer);

  describe(`a chunk behind the bound, as a ${role}`, () => {
    it("waits, and goes on as soon as there is room", limit, async () => {
      const { ws, socket, clock } = testConn(role);
      socket.receive(
        long,
        long,
        ping,
        long,
        frame(OP.text, "last", fromPeer),
        closeFrame(1000, "", fromPeer),
      );
      assert.deepEqual(socket.calls, ["pause"]);
      clock.endTurn();
      assert.deepEqual(socket.frames(), []);
      // As adapters do, once more after `pause`; it keeps its place.
      for (let i = 0; i < 2; i++) assert.equal((await ws.readMessage()).data.length, 40_000);
      clock.endTurn();
      assert.deepEqual(socket.frames().map(({ opcode }) => opcode), [OP.pong]);
      assert.equal((await ws.readMessage()).data.length, 40_000);
      assert.equal((await ws.readMessage()).data, "last");
      await assert.rejects(ws.readMessage(), closedWith(1000));
    });

    it("stays in front of chunks that come after it, and of FIN", limit, async () => {
      const { ws, socket } = testConn(role);
      socket.receive(long, long, frame(OP.text, "1", fromPeer), frame(OP.text, "2", fromPeer).subarray(0, 2));
      socket.receive(frame(OP.text, "2", fromPeer).subarray(2), frame(OP.text, "3", fromPeer));
      socket.end();
      const heard: unknown[] = [];
      for (let i = 0; i < 5; i++) heard.push((await ws.readMessage()).data.length);
      assert.deepEqual(heard, [40_000, 40_000, 1, 1, 1]);
      await assert.rejects(ws.readMessage(), closedWith(1006));
      assert.deepEqual(socket.calls, ["pause", "resume", "close"]);
    });

    it("is not lost with the connection", limit, async () => {
      const { ws, socket } = testConn(role);
      socket.receive(long, long, long, frame(OP.text, "last", fromPeer));
      socket.gone(new NetError({ op: "read", network: "pipe", code: "ECONNRESET" }));
      for (let i = 0; i < 3; i++) assert.equal((await ws.readMessage()).data.length, 40_000);
      assert.equal((await ws.readMessage()).data, "last");
      await assert.rejects(ws.readMessage(), closedWith(1006));
    });

    it("is read and dropped by close(), up to the peer's answer", limit, async () => {
      const { ws, socket } = testConn(role);
      socket.receive(long, long, long, closeFrame(1000, "answer", fromPeer));
      const closing = ws.close();
      socket.end();
      socket.gone();
      assert.deepEqual(await closing, { code: 1000, reason: "answer", wasClean: true });
    });

    it("fails the connection where its fault is, after what came before", limit, async () => {
      const { ws, socket } = testConn(role);
      socket.receive(long, long, frame(OP.text, "bad", { ...fromPeer, rsv: 0x20 }), long);
      for (let i = 0; i < 2; i++) await ws.readMessage();
      await assert.rejects(ws.readMessage(), { name: "ProtocolError" });
      await settle();
      assert.equal(ws.state, "closing");
    });
  });
}

describe("compressed messages behind the bound", () => {
  it("are inflated when the application comes to them", limit, async () => {
    const memoryBudget = new MemoryBudget(1 << 30);
    const { promise, resolve } = Promise.withResolvers<WebSocketConn>();
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const { address, stop } = await startServer({
      compression: true,
      memoryBudget,
      websocket: (conn) => {
        resolve(conn);
        return over;
      },
    });
    const peer = await compressingClient(address);
    const one = bomb(MIB);
    await peer.send(...Array.from({ length: 40 }, () => one), closeFrame(1000));
    await until(() => memoryBudget.heldBytes > 0);
    const conn = await promise;
    let count = 0;
    for await (const { data } of conn) {
      assert.equal(data.length, MIB);
      assert.ok(memoryBudget.heldBytes < 2 * MIB, `${memoryBudget.heldBytes} bytes are held`);
      count++;
    }
    assert.equal(count, 40);
    end();
    peer.conn.closeNow();
    await stop();
  });

  it("are inflated as far as their reader has room", limit, async () => {
    const memoryBudget = new MemoryBudget(1 << 30);
    const { promise: total, resolve } = Promise.withResolvers<number>();
    let most = 0;
    const { address, stop } = await startServer({
      compression: true,
      memoryBudget,
      readLimit: Infinity,
      websocket: async (conn) => {
        let size = 0;
        for await (const chunk of await conn.nextReader()) {
          most = Math.max(most, memoryBudget.heldBytes);
          size += chunk.length;
        }
        assert.equal((await conn.readMessage()).data.length, 1000);
        resolve(size);
      },
    });
    const peer = await compressingClient(address);
    await peer.send(bomb(24 * MIB), bomb(1000));
    assert.equal(await total, 24 * MIB);
    assert.ok(most < MIB / 2, `${most} bytes are held`);
    peer.conn.closeNow();
    await stop();
  });

  it("are not inflated by a reset", limit, async () => {
    const memoryBudget = new MemoryBudget(1 << 30);
    const { promise, resolve } = Promise.withResolvers<WebSocketConn>();
    const { address, stop } = await startServer({
      compression: true,
      memoryBudget,
      websocket: async (conn) => {
        resolve(conn);
        await conn.closed;
      },
    });
    const peer = await compressingClient(address);
    await peer.send(...Array.from({ length: 20 }, () => bomb(MIB)));
    const conn = await promise;
    await until(() => memoryBudget.heldBytes > 0);
    peer.conn.closeNow();
    // Where a paused socket does not see the reset, this side ends it.
    conn.closeNow();
    await conn.closed;
    assert.equal((await conn.readMessage()).data.length, MIB);
    await assert.rejects(conn.readMessage());
    await stop();
  });
});

describe("a message that the engine cannot hold", () => {
  const text = currentAdapter().text;
  const parts = [frame(OP.text, "too ", { fin: false }), frame(OP.continuation, "long")];

  it("ends with 1009 where it is longer than a string can be", limit, async () => {
    const decode = () => {
      throw new RangeError("Cannot create a string longer than 0x1fffffe8 characters");
    };
    const { ws, socket } = testConn("server", {}, undefined, { text: { ...text, decode } });
    const reading = ws.readMessage();
    socket.receive(...parts);
    await assert.rejects(reading, {
      name: "MessageTooBigError",
      message: "Cannot read the message: it is longer than a string can be",
    });
    const [answer] = socket.frames();
    assert.equal(answer!.payload[0]! << 8 | answer!.payload[1]!, 1009);
    socket.gone();
  });
});
