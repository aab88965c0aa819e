/** An application that does not read: its peer is slowed down at a bound, and pings are answered until then. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { holdProcess, limit, untilStill } from "../net/support.ts";
import { frame, OP } from "./raw_peer.ts";
import { concat, memoryPair, tcpPair, until } from "./support.ts";
import { settle, testConn } from "./test_socket.ts";

describe("reading ahead", () => {
  it("stops at the bound and goes on at half of it", limit, async () => {
    const { ws, socket } = testConn("server", { readBufferSize: 10_000 });
    const message = frame(OP.binary, new Uint8Array(1000 - 64));
    for (let i = 0; i < 9; i++) socket.receive(message.slice());
    assert.deepEqual(socket.calls, []);
    socket.receive(message.slice());
    assert.deepEqual(socket.calls, ["pause"]);
    for (let i = 0; i < 5; i++) await ws.readMessage();
    assert.deepEqual(socket.calls, ["pause"]);
    await ws.readMessage();
    assert.deepEqual(socket.calls, ["pause", "resume"]);
  });

  it("counts empty messages", limit, () => {
    const { socket } = testConn("server", { readBufferSize: 6_400 });
    for (let i = 0; i < 99; i++) socket.receive(frame(OP.text));
    assert.equal(socket.paused, false);
    socket.receive(frame(OP.text));
    assert.equal(socket.paused, true);
  });

  it("keeps what still comes after it asked for a pause", limit, async () => {
    const { ws, socket } = testConn("server", { readBufferSize: 1 });
    for (let i = 0; i < 10; i++) socket.receive(frame(OP.text, String(i)));
    for (let i = 0; i < 10; i++) assert.equal((await ws.readMessage()).data, String(i));
    assert.equal(socket.paused, false);
  });

  it("answers pings though the application does not read", limit, () => {
    const { socket, clock } = testConn("server", { readBufferSize: 10_000 });
    socket.receive(
      frame(OP.text, "unread"),
      frame(OP.ping, "1"),
      frame(OP.text, "unread"),
      frame(OP.ping, "2"),
    );
    clock.endTurn();
    assert.deepEqual(socket.frames().map(({ opcode, payload }) => [opcode, ...payload]), [
      [OP.pong, 0x31],
      [OP.pong, 0x32],
    ]);
    assert.equal(socket.writes.length, 1);
  });

  it("does not keep a long chunk for a short message", limit, async () => {
    const { ws, socket } = testConn();
    socket.receive(frame(OP.binary, new Uint8Array(10)), frame(OP.ping, new Uint8Array(100)));
    const short = (await ws.readMessage()).data as Uint8Array;
    assert.ok(short.buffer.byteLength <= 1024);
    const pings = Array.from({ length: 2000 }, () => frame(OP.ping, new Uint8Array(100)));
    socket.receive(frame(OP.binary, new Uint8Array(5000)), ...pings);
    const longer = (await ws.readMessage()).data as Uint8Array;
    assert.equal(longer.length, 5000);
    assert.ok(longer.buffer.byteLength <= 8 * 5000);
  });

  it("never puts messages of two connections into one buffer", limit, async () => {
    const buffers = [testConn(), testConn()].map(async ({ ws, socket }) => {
      for (let i = 0; i < 3; i++) socket.receive(frame(OP.binary, new Uint8Array(100)));
      const messages = [await ws.readMessage(), await ws.readMessage(), await ws.readMessage()];
      return messages.map(({ data }) => (data as Uint8Array).buffer);
    });
    const [ours, theirs] = await Promise.all(buffers);
    assert.deepEqual(ours!.filter((buffer) => theirs!.includes(buffer)), []);
  });

  it("lets go of the buffer that messages share when nothing comes for a while", limit, async () => {
    const { ws, socket, clock } = testConn("server", { keepalive: { pingInterval: 1000 } });
    const next = async () => {
      const only = frame(OP.binary, new Uint8Array(100));
      socket.receive(only.slice());
      const { buffer } = (await ws.readMessage()).data as Uint8Array;
      return { buffer, isFirst: buffer.byteLength <= only.length };
    };
    const [first, second] = [await next(), await next()];
    clock.advance(500);
    const third = await next();
    assert.deepEqual([first.isFirst, third.isFirst], [true, true]);
    assert.notEqual(second.buffer, third.buffer);
  });

  it("keeps no more for a connection's first message than came", limit, async () => {
    const { ws, socket } = testConn();
    const only = frame(OP.binary, new Uint8Array(100));
    socket.receive(only.slice());
    const { buffer } = (await ws.readMessage()).data as Uint8Array;
    assert.ok(buffer.byteLength <= only.length);
  });

  it(
    "gives bytes that begin at a multiple of eight, whatever came before, and are the reader's",
    limit,
    async () => {
      for (const lent of [true, false]) {
        const { ws, socket } = testConn();
        const sizes = [0, 1, 7, 16, 64, 65, 125, 126, 1000, 4095, 4096, 5001, 65535, 65536, 70_001];
        const payloads = sizes.map((size) => Uint8Array.from({ length: size }, (_, i) => i * 31 + size));
        const reading = (async () => {
          for (const payload of payloads) {
            const data = (await ws.readMessage()).data as Uint8Array;
            assert.equal(data.byteOffset % 8, 0);
            assert.deepEqual(data, payload);
          }
        })();
        for (const payload of payloads) {
          const chunk = concat(frame(OP.ping, new Uint8Array(3)), frame(OP.binary, payload));
          socket.handler.onData(chunk, lent);
          if (lent) chunk.fill(0xee);
        }
        await reading;
      }
    },
  );

  it("does not hold what was read while the queue never runs empty", limit, async () => {
    const { ws, socket } = testConn();
    socket.receive(frame(OP.text, "first"));
    for (let i = 0; i < 10_000; i++) {
      socket.receive(frame(OP.text, `message ${i}`));
      assert.equal((await ws.readMessage()).data, i === 0 ? "first" : `message ${i - 1}`);
    }
    assert.equal(socket.paused, false, "what was read is not counted");
  });

  it("does not answer pings without end for a peer that does not read", limit, () => {
    const { ws, socket, clock } = testConn();
    socket.full = true;
    for (let i = 0; i < 10_000; i++) {
      socket.receive(frame(OP.ping, new Uint8Array(125)));
      clock.endTurn();
    }
    assert.ok(ws.bufferedAmount < 100_000, `${ws.bufferedAmount} bytes of pongs`);
  });
});

for (
  const [name, makePair, most] of [["over TCP", tcpPair, 24_000_000], [
    "in memory",
    memoryPair,
    500_000,
  ]] as const
) {
  describe(`backpressure ${name}`, () => {
    holdProcess();

    for (const fromClient of [true, false]) {
      const direction = fromClient ? "from client to server" : "from server to client";

      it(`stops a sender whose peer does not read, ${direction}`, limit, async () => {
        const { client, server, stop } = await makePair();
        const [from, to] = fromClient ? [client, server] : [server, client];
        const size = 20_000;
        let accepted = 0;
        const done = new Uint8Array([1]);
        let go = true;
        const writing = (async () => {
          while (go) {
            await from.writeMessage(new Uint8Array(size));
            accepted += size;
          }
          await from.writeMessage(done);
        })();
        // Until nothing more is taken for a while.
        await until(() => from.bufferedAmount > 0);
        await untilStill(() => accepted);
        assert.ok(accepted > 0);
        assert.ok(accepted <= most, `${accepted} bytes were accepted`);
        // What waits on this side is bounded, too.
        assert.ok(
          from.bufferedAmount > 0 && from.bufferedAmount < 65_536 + 2 * size,
          String(from.bufferedAmount),
        );
        go = false;
        let received = 0;
        for (;;) {
          const { data } = await to.readMessage();
          if (data.length === 1) break;
          received += data.length;
        }
        await writing;
        assert.equal(received, accepted, "every byte that was accepted came");
        await stop();
      });

      it(
        `keeps answering pings of a sender that its application leaves unread, ${direction}`,
        limit,
        async () => {
          const { client, server, stop } = await makePair();
          const [from] = fromClient ? [client, server] : [server, client];
          for (let i = 0; i < 20; i++) await from.writeMessage("unread");
          for (let i = 0; i < 5; i++) assert.ok(await from.ping() >= 0);
          await stop();
        },
      );
    }
  });
}

describe("a write", () => {
  it("that waits fails when the connection goes", limit, async () => {
    const { ws, socket } = testConn();
    socket.full = true;
    const large = ws.writeMessage(new Uint8Array(100_000));
    const small = ws.writeMessage("x");
    await settle();
    socket.gone();
    for (const write of [large, small]) await assert.rejects(write, { name: "CloseError", code: 1006 });
  });
});
