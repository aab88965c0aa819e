/** Faults of a peer, and their reports: on the wire, to the reader, and in `closed`. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dialWebSocket, MessageTooBigError, ProtocolError, type WebSocketConn } from "../../mod.ts";
import { holdProcess, limit, randomNumbers } from "../net/support.ts";
import { closeFrame, frame, OP, rawClient, rawServer } from "./raw_peer.ts";
import { bytesOf, closedWith, concat, startRawServer, startServer } from "./support.ts";
import { testConn } from "./test_socket.ts";

interface Fault {
  readonly name: string;
  readonly code: number;
  /** What the peer sends; `mask` is how its role should. */
  readonly wire: (options: { mask: boolean }) => Uint8Array[];
  readonly readLimit?: number;
}

const invalid = new Uint8Array([0x61, 0xc0, 0xaf]);
const long = (mask: boolean, ...length: number[]) =>
  new Uint8Array([0x82, (mask ? 0x80 : 0) | 127, ...length, 0, 0, 0, 0]);

const FAULTS: readonly Fault[] = [
  { name: "5.1: masks wrongly", code: 1002, wire: ({ mask }) => [frame(OP.text, "x", { mask: !mask })] },
  { name: "5.2: sets RSV1", code: 1002, wire: ({ mask }) => [frame(OP.text, "x", { mask, rsv: 0x40 })] },
  { name: "5.2: sets RSV2", code: 1002, wire: ({ mask }) => [frame(OP.binary, "x", { mask, rsv: 0x20 })] },
  { name: "5.2: sets RSV3", code: 1002, wire: ({ mask }) => [frame(OP.ping, "x", { mask, rsv: 0x10 })] },
  { name: "5.2: uses opcode 3", code: 1002, wire: (o) => [frame(3, "x", o)] },
  { name: "5.2: uses opcode 11", code: 1002, wire: (o) => [frame(11, "", o)] },
  {
    name: "5.2: writes a short length long",
    code: 1002,
    wire: ({ mask }) => [new Uint8Array([0x82, (mask ? 0x80 : 0) | 126, 0, 125, 0, 0, 0, 0])],
  },
  {
    name: "5.2: sets a length's highest bit",
    code: 1002,
    wire: ({ mask }) => [long(mask, 255, 0, 0, 0, 0, 0, 0, 0)],
  },
  {
    name: "announces 2^63 - 1 bytes",
    code: 1009,
    wire: ({ mask }) => [long(mask, 127, 255, 255, 255, 255, 255, 255, 255)],
  },
  { name: "announces 2^53 bytes", code: 1009, wire: ({ mask }) => [long(mask, 0, 32, 0, 0, 0, 0, 0, 0)] },
  { name: "5.4: continues nothing", code: 1002, wire: (o) => [frame(OP.continuation, "x", o)] },
  {
    name: "5.4: begins a message inside another",
    code: 1002,
    wire: (o) => [frame(OP.text, "x", { ...o, fin: false }), frame(OP.text, "y", o)],
  },
  { name: "5.5: fragments a ping", code: 1002, wire: (o) => [frame(OP.ping, "x", { ...o, fin: false })] },
  { name: "5.5: sends a long ping", code: 1002, wire: (o) => [frame(OP.ping, new Uint8Array(126), o)] },
  { name: "5.5.1: closes with one byte", code: 1002, wire: (o) => [frame(OP.close, "x", o)] },
  { name: "7.4.1: closes with 1005", code: 1002, wire: (o) => [closeFrame(1005, "", o)] },
  { name: "7.4.1: closes with 1006", code: 1002, wire: (o) => [closeFrame(1006, "", o)] },
  { name: "7.4.2: closes with 999", code: 1002, wire: (o) => [closeFrame(999, "", o)] },
  { name: "7.4.2: closes with 5000", code: 1002, wire: (o) => [closeFrame(5000, "", o)] },
  {
    name: "5.5.1: closes with a reason that is no UTF-8",
    code: 1007,
    wire: (o) => [frame(OP.close, concat(new Uint8Array([3, 232]), invalid), o)],
  },
  { name: "8.1: sends text that is no UTF-8", code: 1007, wire: (o) => [frame(OP.text, invalid, o)] },
  {
    name: "8.1: sends text that is no UTF-8 in fragments",
    code: 1007,
    wire: (
      o,
    ) => [frame(OP.text, "ok", { ...o, fin: false }), frame(OP.continuation, invalid, { ...o, fin: false })],
  },
  {
    name: "8.1: ends text inside a character",
    code: 1007,
    wire: (
      o,
    ) => [frame(OP.text, new Uint8Array([0xe2, 0x82]), { ...o, fin: false }), frame(OP.continuation, "", o)],
  },
  {
    name: "8.1: sends half a surrogate pair",
    code: 1007,
    wire: (o) => [frame(OP.text, new Uint8Array([0xed, 0xa0, 0x80]), o)],
  },
  {
    name: "10.4: sends too large a frame",
    code: 1009,
    readLimit: 100,
    wire: (o) => [frame(OP.binary, new Uint8Array(101), o)],
  },
  {
    name: "10.4: sends too large a message in fragments",
    code: 1009,
    readLimit: 100,
    wire: (o) => [
      frame(OP.text, "x".repeat(60), { ...o, fin: false }),
      frame(OP.continuation, "x".repeat(41), { ...o, fin: false }),
    ],
  },
];

function isFault(code: number): (error: unknown) => true {
  return (error) => {
    if (code === 1009) assert.ok(error instanceof MessageTooBigError, String(error));
    else {
      assert.ok(error instanceof ProtocolError, String(error));
      assert.equal(error.closeCode, code);
    }
    return true;
  };
}

for (const role of ["server", "client"] as const) {
  const mask = role === "server";

  describe(`a ${role} whose peer`, () => {
    for (const { name, code, wire, readLimit } of FAULTS) {
      it(name, limit, async () => {
        const good = frame(OP.text, "good", { mask });
        for (const bytewise of [false, true]) {
          const { ws, socket, clock } = testConn(role, {
            closeTimeout: 1000,
            ...(readLimit && { readLimit }),
          });
          const bytes = concat(good, ...wire({ mask }));
          if (!bytewise) socket.receive(bytes);
          else for (let i = 0; i < bytes.length; i++) socket.receive(bytes.slice(i, i + 1));
          // The peer is told why, and this side says no more.
          const [close, ...more] = socket.frames();
          assert.deepEqual([close!.opcode, close!.payload[0]! << 8 | close!.payload[1]!, more.length], [
            OP.close,
            code,
            0,
          ]);
          assert.deepEqual(socket.calls, ["closeWrite"]);
          assert.equal(ws.state, "closing");
          // What came before is read; then the reader is told at once.
          assert.equal((await ws.readMessage()).data, "good");
          await assert.rejects(ws.readMessage(), isFault(code));
          await assert.rejects(async () => {
            for await (const _ of ws) assert.fail("a message");
          }, isFault(code));
          await assert.rejects(ws.writeMessage("x"), { name: "CloseError" });
          // Whatever follows is ignored, and no state is without a timer.
          socket.receive(good, frame(OP.ping, "x", { mask }), closeFrame(1000, "", { mask }));
          clock.endTurn();
          assert.equal(socket.frames().length, 0);
          clock.advance(1000);
          assert.deepEqual(socket.calls, ["closeWrite", "reset"]);
          socket.gone();
          await assert.rejects(ws.readMessage(), isFault(code));
          await assert.rejects(async () => {
            for await (const _ of ws) assert.fail("a message");
          }, isFault(code));
          assert.deepEqual(await ws.closed, { code: 1006, reason: "", wasClean: false });
        }
      });
    }

    it("breaks the protocol and ends TCP is let go at once", limit, () => {
      const { socket } = testConn(role);
      socket.receive(frame(OP.text, "x", { mask: !mask }));
      socket.end();
      assert.deepEqual(socket.calls, ["closeWrite", "close"]);
    });

    it("sends text that is no UTF-8 is told before the frame is complete", limit, () => {
      const { socket } = testConn(role);
      const bytes = frame(OP.text, concat(bytesOf("abc"), invalid, new Uint8Array(1000)), { mask });
      const head = bytes.length - 1006;
      for (let i = 0; i < head + 4; i++) socket.receive(bytes.slice(i, i + 1));
      assert.equal(socket.frames().length, 0);
      socket.receive(bytes.slice(head + 4, head + 5));
      assert.equal(socket.frames()[0]!.payload[1]! | 0x300, 1007);
    });

    it("breaks the protocol while this side closes is told nothing more", limit, async () => {
      const { ws, socket } = testConn(role);
      const closing = ws.close();
      socket.receive(frame(3, "", { mask }));
      assert.equal(socket.frames().length, 1);
      assert.deepEqual(socket.calls, ["closeWrite"]);
      socket.end();
      socket.gone();
      assert.equal((await closing).code, 1006);
    });

    it("announces a large message gets no memory for it", limit, () => {
      const { ws, socket } = testConn(role, { readLimit: 2 ** 40 });
      // 1 GiB is announced, and ten bytes come.
      socket.receive(
        new Uint8Array([
          0x82,
          (mask ? 0x80 : 0) | 127,
          0,
          0,
          0,
          0,
          0x40,
          0,
          0,
          0,
          ...new Array(mask ? 14 : 10).fill(0),
        ]),
      );
      assert.equal(ws.state, "open");
    });

    it("sends garbage never makes it throw", limit, () => {
      const random = randomNumbers(42);
      for (let round = 0; round < 300; round++) {
        const { ws, socket, clock } = testConn(role, { readLimit: 1000 });
        for (let i = 0; i < 20; i++) {
          const bytes = Uint8Array.from({ length: random(50) }, () => random(256));
          // Half of the time something that begins well.
          socket.receive(
            random(2) === 0
              ? bytes
              : frame([0, 1, 2, 8, 9, 10][random(6)]!, bytes, { mask, fin: random(2) === 0 }),
          );
        }
        clock.endTurn();
        socket.end();
        socket.gone();
        assert.equal(ws.state, "closed");
      }
    });
  });
}

describe("faults over TCP", () => {
  holdProcess();

  it("a raw client reads its close code, then the end of the stream", limit, async () => {
    const errors: unknown[] = [];
    const { address, stop } = await startServer({
      readLimit: 1000,
      onError: (error) => errors.push(error),
    });
    for (
      const [code, bytes] of [
        [1002, frame(OP.text, "x", { mask: false })],
        [1002, new Uint8Array([0xff, 0xff])],
        [1007, frame(OP.text, invalid)],
        [1009, frame(OP.binary, new Uint8Array(1001))],
        // More than the kernel would hold: it is read and ignored, so that the close frame is not lost to a reset.
        [1002, concat(frame(3), new Uint8Array(300_000))],
      ] as const
    ) {
      const peer = await rawClient(address);
      await peer.send(bytes);
      assert.equal((await peer.readClose()).code, code);
      assert.equal(await peer.readFrame(), null);
      await peer.conn.close();
    }
    assert.deepEqual(errors, [], "a peer's faults are no errors of the application");
    await stop();
  });

  it("a raw server reads its close code, too", limit, async () => {
    for (
      const [code, bytes] of [[1002, frame(OP.text, "masked")], [
        1007,
        frame(OP.text, invalid, { mask: false }),
      ]] as const
    ) {
      const { url, stop, handled } = await startRawServer(async (conn) => {
        const peer = await rawServer(conn);
        await peer.send(bytes);
        const close = await peer.readClose();
        await conn.close();
        return close.code;
      });
      const ws: WebSocketConn = await dialWebSocket(url);
      await assert.rejects(ws.readMessage(), isFault(code));
      assert.equal(await handled, code);
      assert.equal((await ws.closed).code, 1006);
      await stop();
    }
  });

  it("a fault on one connection is nobody else's", limit, async () => {
    const { address, url, stop } = await startServer();
    const good = await dialWebSocket(url);
    const random = randomNumbers(7);
    for (let i = 0; i < 20; i++) {
      const peer = await rawClient(address);
      await peer.send(Uint8Array.from({ length: 200 }, () => random(256)));
      await good.writeMessage(`still here ${i}`);
      assert.equal((await good.readMessage()).data, `still here ${i}`);
      peer.conn.closeNow();
    }
    await good.close();
    await assert.rejects(good.readMessage(), closedWith(1000));
    await stop();
  });
});
