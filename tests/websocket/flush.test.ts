/** Frames of one turn leave in one write: at the turn's end, or as soon as the application waits. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { limit, pattern } from "../net/support.ts";
import { bytesOf, textOf } from "./support.ts";
import { frame, joined, OP } from "./raw_peer.ts";
import { MAX_COPIED_WITH_HEADER } from "../../src/protocol/frame_writer.ts";
import { settle, testConn } from "./test_socket.ts";

describe("flushing", () => {
  it("writes the frames of a turn at its end, in one write and without a timer", limit, async () => {
    for (const role of ["server", "client"] as const) {
      const { ws, socket, clock } = testConn(role, { keepalive: false });
      for (let i = 0; i < 100; i++) await ws.writeMessage(`message ${i}`);
      await ws.writeMessage(pattern(0, 1000));
      void ws.ping();
      assert.equal(socket.writes.length, 0);
      assert.equal(clock.endTurn(), 1, "one callback a turn");
      assert.equal(socket.writes.length, 1);
      const frames = socket.frames();
      assert.equal(frames.length, 102);
      assert.ok(frames.every(({ masked }) => masked === (role === "client")));
      assert.equal(textOf(frames[99]!.payload), "message 99");
      assert.equal(clock.started, 0, "no timer was started");
      assert.equal(clock.endTurn(), 0);
    }
  });

  it("writes them as soon as the application waits for the next message", limit, async () => {
    const { ws, socket } = testConn("server", { keepalive: false });
    for (let i = 0; i < 10; i++) await ws.writeMessage("x");
    assert.equal(socket.writes.length, 0);
    void ws.readMessage();
    assert.equal(socket.writes.length, 1);
    assert.equal(socket.frames().length, 10);
  });

  it("answers a burst of messages in one write", limit, async () => {
    const { ws, socket, clock } = testConn();
    const echo = (async () => {
      for await (const { data } of ws) await ws.writeMessage(data);
    })();
    for (let burst = 1; burst <= 3; burst++) {
      socket.receive(...Array.from({ length: 50 }, (_, i) => frame(OP.text, String(i))));
      await settle();
      // Each message takes some microtasks; none of them a turn.
      for (let i = 0; i < 20; i++) await settle();
      assert.equal(socket.writes.length, burst);
      assert.equal(socket.frames().length, 50);
      clock.endTurn();
      assert.equal(socket.writes.length, burst, "nothing was left for the end of the turn");
    }
    socket.receive(frame(OP.close));
    socket.gone();
    await echo;
  });

  it("does not write while messages wait to be read", limit, async () => {
    const { ws, socket, clock } = testConn();
    socket.receive(frame(OP.text, "1"), frame(OP.text, "2"));
    await ws.readMessage();
    await ws.writeMessage("answer to 1");
    await ws.readMessage();
    assert.equal(socket.writes.length, 0);
    clock.endTurn();
    assert.equal(socket.writes.length, 1);
  });

  it("writes at once what fills a buffer", limit, async () => {
    const { ws, socket } = testConn();
    for (let i = 0; i < 10; i++) void ws.writeMessage(new Uint8Array(10_000));
    assert.ok(socket.writes.length > 0 && socket.writes.length <= 2);
    assert.ok(socket.writes[0]!.length > 55_000);
  });

  it(
    "sends a large payload of a server from where it lies, behind what was written before",
    limit,
    async () => {
      const { ws, socket } = testConn();
      const data = pattern(0, 100_000);
      await ws.writeMessage("before");
      await ws.writeMessage(data);
      await ws.writeMessage("after");
      // The head goes with what came before, and takes the beginning along.
      assert.deepEqual(socket.writes.map(({ length }) => length), [
        8 + 10 + MAX_COPIED_WITH_HEADER,
        100_000 - MAX_COPIED_WITH_HEADER,
      ]);
      void ws.readMessage();
      const frames = socket.frames();
      assert.deepEqual(frames.map(({ payload }) => payload.length), [6, 100_000, 5]);
      assert.deepEqual(frames[1]!.payload, data);
    },
  );

  it("hands the socket a very large payload in pieces", limit, async () => {
    for (const role of ["server", "client"] as const) {
      const { ws, socket } = testConn(role);
      const data = pattern(0, 1_000_000);
      socket.full = true;
      const writing = ws.writeMessage(data);
      assert.equal(ws.bufferedAmount, 1_000_000 + 4 * (role === "client" ? 14 : 10));
      const seen: number[] = [];
      while (ws.bufferedAmount > 0) {
        socket.drain(false);
        seen.push(ws.bufferedAmount);
      }
      await writing;
      assert.ok(seen.length >= 4 && seen.every((left, i) => i === 0 || left < seen[i - 1]!), String(seen));
      const frames = socket.frames();
      assert.deepEqual(frames.map(({ payload }) => payload.length), [262_144, 262_144, 262_144, 213_568]);
      assert.deepEqual(joined(frames)[0]!.payload, data);
    }
  });

  it("sends zeros for a buffer that was given away meanwhile, as many as were promised", limit, () => {
    for (
      const [size, drains] of [[40_000, 0], [40_000, 2], [1_000_000, 0], [1_000_000, 2], [
        1_000_000,
        3,
      ]] as const
    ) {
      const { ws, socket, clock } = testConn();
      socket.full = true;
      void ws.writeMessage("first");
      clock.endTurn();
      const data = new Uint8Array(size).fill(7);
      void ws.writeMessage(data);
      for (let i = 0; i < drains; i++) socket.drain(false);
      structuredClone(data.buffer, { transfer: [data.buffer] });
      while (ws.bufferedAmount > 0) socket.drain(false);
      const frames = joined(socket.frames());
      assert.deepEqual(frames.map(({ payload }) => payload.length), [5, size]);
      assert.ok(frames[1]!.payload.every((byte) => byte === 0 || byte === 7));
    }
  });

  it("counts what is buffered exactly", limit, async () => {
    const { ws, socket, clock } = testConn();
    assert.equal(ws.bufferedAmount, 0);
    await ws.writeMessage("hello");
    assert.equal(ws.bufferedAmount, 2 + 5);
    await ws.writeMessage(new Uint8Array(200));
    assert.equal(ws.bufferedAmount, 7 + 4 + 200);
    socket.full = true;
    clock.endTurn();
    assert.equal(ws.bufferedAmount, 211, "given, not taken");
    await ws.writeMessage("é");
    assert.equal(ws.bufferedAmount, 211 + 4);
    socket.drain(false);
    assert.equal(ws.bufferedAmount, 4);
    socket.drain();
    assert.equal(ws.bufferedAmount, 0);
  });

  it("counts nothing once the connection is gone", limit, async () => {
    const { ws, socket, clock } = testConn();
    socket.full = true;
    await ws.writeMessage("hello");
    clock.endTurn();
    await ws.writeMessage("world");
    socket.gone();
    assert.equal(ws.bufferedAmount, 0);
  });

  it("resolves writes below the mark at once, and above it when enough has left", limit, async () => {
    const { ws, socket } = testConn("server", { writeBufferSize: 100_000 });
    socket.full = true;
    const settled: number[] = [];
    const write = (i: number) => ws.writeMessage(new Uint8Array(20_000)).then(() => settled.push(i));
    for (let i = 0; i < 10; i++) void write(i);
    await settle();
    // The fifth takes it over the mark: 5 × 20,004.
    assert.deepEqual(settled, [0, 1, 2, 3]);
    socket.drain(false);
    await settle();
    // 60,012 bytes were given first; 140,028 are left: over 40,028 have to leave for the last one.
    assert.deepEqual(settled, [0, 1, 2, 3, 4, 5, 6]);
    socket.drain();
    await settle();
    assert.deepEqual(settled, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("resolves the write of a large array only when all of it has left", limit, async () => {
    const { ws, socket } = testConn("server", { writeBufferSize: 10_000_000 });
    socket.full = true;
    let settled = false;
    void ws.writeMessage(new Uint8Array(600_000)).then(() => settled = true);
    while (ws.bufferedAmount > 0) {
      await settle();
      assert.equal(settled, false);
      socket.drain(false);
    }
    await settle();
    assert.equal(settled, true);
  });

  it("lets control frames overtake data that waits", limit, async () => {
    for (const role of ["server", "client"] as const) {
      const { ws, socket, clock } = testConn(role);
      socket.full = true;
      for (let i = 0; i < 20; i++) void ws.writeMessage(new Uint8Array(20_000));
      void ws.ping(bytesOf("urgent"));
      socket.receive(frame(OP.ping, "answer me", { mask: role === "server" }));
      clock.endTurn();
      while (ws.bufferedAmount > 0) socket.drain(false);
      const opcodes = socket.frames().map(({ opcode }) => opcode);
      const at = [opcodes.indexOf(OP.ping), opcodes.indexOf(OP.pong)];
      assert.ok(Math.max(...at) < 10, `the control frames came at ${at} of ${opcodes.length}`);
      assert.equal(opcodes.length, 22);
    }
  });

  it("sends the handshake's answer first, whatever comes meanwhile", limit, () => {
    const { ws, socket, clock } = testConn("server", {}, "HTTP/1.1 101\r\n\r\n");
    socket.receive(frame(OP.ping, "early"));
    void ws.writeMessage("x");
    clock.endTurn();
    assert.match(textOf(socket.writes[0]!), /^HTTP\/1\.1 101\r\n\r\n/);
    const all = socket.writes.map((bytes) => textOf(bytes)).join("");
    assert.ok(all.includes("early"));
    assert.ok(all.endsWith("x"));
  });
});
