/**
 * What every send path takes, and what it sends of it: just what a view shows, never memory that nobody wrote
 * (threats: "Memory disclosure").
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Bytes, type MessageData, PreparedMessage, type WebSocketConn } from "../../mod.ts";
import { MessageBatch } from "../../src/websocket/message_batch.ts";
import { limit, pattern } from "../net/support.ts";
import { OP } from "./raw_peer.ts";
import { bytesOf, textOf } from "./support.ts";
import { testConn, writeBatch } from "./test_socket.ts";

const secret = 0xee;

/** Views of `size` bytes 0x11 in the middle of memory that is nobody's business. */
function views(size: number): [string, Bytes][] {
  const fill = <T extends ArrayBuffer | SharedArrayBuffer>(buffer: T, from: number): T => {
    new Uint8Array(buffer).fill(secret).fill(0x11, from, from + size);
    return buffer;
  };
  const around = (from = 8) => fill(new ArrayBuffer(from + size + 64), from);
  const shared = fill(new SharedArrayBuffer(size + 16), 8);
  const resizable = fill(new ArrayBuffer(size + 16, { maxByteLength: size + 64 }), 8);
  return [
    ["a Uint8Array", new Uint8Array(around(), 8, size)],
    ["a Uint8Array at an odd place", new Uint8Array(around(13), 13, size)],
    ["a DataView", new DataView(around(), 8, size)],
    ["a Uint8ClampedArray", new Uint8ClampedArray(around(), 8, size)],
    ["an Int16Array", new Int16Array(around(), 8, size / 2)],
    ["a Float64Array", new Float64Array(around(), 8, size / 8)],
    ["a Buffer", Buffer.from(around(), 8, size)],
    ["an ArrayBuffer", fill(new ArrayBuffer(size), 0)],
    ["a SharedArrayBuffer", fill(new SharedArrayBuffer(size), 0)],
    ["a view of a SharedArrayBuffer", new Uint8Array(shared, 8, size)],
    ["a view of a resizable ArrayBuffer", new Uint8Array(resizable, 8, size)],
    ["a resizable ArrayBuffer", fill(new ArrayBuffer(size, { maxByteLength: size + 64 }), 0)],
  ];
}

const wrong: unknown[] = [
  undefined,
  null,
  0,
  5,
  1e9,
  -1,
  true,
  10n,
  Symbol("s"),
  {},
  { length: 5 },
  { byteLength: 100 },
  [1, 2, 3],
  () => {},
  new Date(),
  new Blob(["x"]),
  new String("boxed"),
  Promise.resolve("x"),
];

/** Every way to send bytes, and the frame's opcode. */
const paths: [string, number, (ws: WebSocketConn, data: MessageData) => unknown][] = [
  ["writeMessage", OP.binary, (ws, data) => ws.writeMessage(data)],
  ["writeMessage as binary", OP.binary, (ws, data) => ws.writeMessage(data, { type: "binary" })],
  ["writeMessage as text", OP.text, (ws, data) => ws.writeMessage(data, { type: "text" })],
  [
    "writeMessage with a signal",
    OP.binary,
    (ws, data) => ws.writeMessage(data, { signal: new AbortController().signal }),
  ],
  ["writePrepared", OP.binary, (ws, data) => ws.writePrepared(new PreparedMessage(data))],
  [
    "writePrepared as text",
    OP.text,
    (ws, data) => ws.writePrepared(new PreparedMessage(data, { type: "text" })),
  ],
  [
    "writeBatch",
    OP.binary,
    (ws, data) => writeBatch(ws, MessageBatch.of(new PreparedMessage(data))),
  ],
  ["ping", OP.ping, (ws, data) => void (ws.ping(data as Bytes))],
  ["pong", OP.pong, (ws, data) => ws.pong(data as Bytes)],
];

for (const role of ["server", "client"] as const) {
  describe(`a ${role} sends`, () => {
    for (const [name, opcode, send] of paths) {
      const isControl = opcode >= 8;

      it(`just what is shown, by ${name}`, limit, async () => {
        for (const size of isControl ? [0, 8, 120] : [0, 8, 120, 200, 40_000, 80_000]) {
          for (const [kind, data] of views(size)) {
            const { ws, socket, clock } = testConn(role);
            await send(ws, data as MessageData);
            await Promise.resolve();
            clock.endTurn();
            const frames = socket.frames();
            assert.deepEqual(frames.map((frame) => frame.opcode), [opcode], kind);
            assert.equal(frames[0]!.payload.length, size, `${kind} of ${size}`);
            assert.ok(frames[0]!.payload.every((byte) => byte === 0x11), `${kind} of ${size}`);
            assert.ok(
              new Uint8Array("buffer" in data ? data.buffer : data).every((b) => b === 0x11 || b === secret),
            );
          }
        }
      });

      it(`nothing for a wrong type, by ${name}`, limit, async () => {
        const { ws, socket, clock } = testConn(role);
        for (const data of wrong) {
          // Optional in these two, on purpose.
          if (data === undefined && isControl) continue;
          const sending = async () => {
            if (opcode === OP.ping) await ws.ping(data as Bytes);
            else await send(ws, data as MessageData);
          };
          await assert.rejects(sending(), TypeError, String(data));
        }
        clock.endTurn();
        assert.equal(socket.writes.length, 0);
        assert.equal(ws.bufferedAmount, 0);
        assert.equal(ws.state, "open");
      });

      it(`nothing of an array that was given away, by ${name}`, limit, async () => {
        const { ws, socket, clock } = testConn(role);
        const data = new Uint8Array(100);
        const view = new DataView(data.buffer);
        structuredClone(data.buffer, { transfer: [data.buffer] });
        for (const gone of [data, view, data.buffer]) {
          const sending = async () => {
            if (opcode === OP.ping) await ws.ping(gone);
            else await send(ws, gone);
          };
          await assert.rejects(sending(), TypeError);
        }
        clock.endTurn();
        assert.equal(socket.writes.length, 0);
      });
    }

    it("nothing for what is no PreparedMessage", limit, async () => {
      const { ws, socket, clock } = testConn(role);
      for (
        const message of [...wrong, "text", { type: "binary", payload: 5 }, {
          encodedBy: () => new Uint8Array(9),
        }]
      ) {
        await assert.rejects(ws.writePrepared(message as PreparedMessage), TypeError);
      }
      clock.endTurn();
      assert.equal(socket.writes.length, 0);
    });

    it("a shrunken view as what it shows now", limit, async () => {
      const { ws, socket, clock } = testConn(role);
      const buffer = new ArrayBuffer(100_000, { maxByteLength: 100_000 });
      const tracking = new Uint8Array(buffer);
      const fixed = new Uint8Array(buffer, 0, 100_000);
      buffer.resize(10);
      void ws.writeMessage(tracking);
      void ws.writeMessage(fixed);
      clock.endTurn();
      // One that reaches beyond the end shows nothing.
      assert.deepEqual(socket.frames().map(({ payload }) => payload.length), [10, 0]);
      await Promise.resolve();
    });

    it("all of a resizable array that shrinks while it waits", limit, () => {
      const { ws, socket } = testConn(role);
      socket.full = true;
      void ws.writeMessage(new Uint8Array(100_000));
      const buffer = new ArrayBuffer(100_000, { maxByteLength: 100_000 });
      new Uint8Array(buffer).fill(5);
      void ws.writeMessage(buffer);
      buffer.resize(0);
      while (ws.bufferedAmount > 0) socket.drain(false);
      const [, second] = socket.frames();
      assert.equal(second!.payload.length, 100_000);
      assert.ok(second!.payload.every((byte) => byte === 5));
    });

    it("bytes as text only when they are UTF-8", limit, async () => {
      const { ws, socket, clock } = testConn(role);
      for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
        await assert.rejects(ws.writeMessage(new Uint8Array(bad), { type: "text" }), TypeError);
        assert.throws(() => new PreparedMessage(new Uint8Array(bad), { type: "text" }), TypeError);
      }
      await ws.writeMessage(bytesOf("\ufeffé"), { type: "text" });
      await ws.writePrepared(new PreparedMessage(bytesOf("\ufeffé"), { type: "text" }));
      clock.endTurn();
      for (const { opcode, payload } of socket.frames()) {
        assert.equal(opcode, OP.text);
        assert.deepEqual(payload, bytesOf("\ufeffé"));
      }
    });
  });
}

describe("a client's mask", () => {
  it("does not change what it is given", limit, async () => {
    const { ws } = testConn("client");
    for (const size of [10, 1000, 50_000]) {
      const data = pattern(0, size);
      await ws.writeMessage(data);
      assert.deepEqual(data, pattern(0, size));
      const prepared = new PreparedMessage(data);
      await ws.writePrepared(prepared);
      assert.deepEqual(prepared.payload, pattern(0, size));
    }
  });

  it("is another one for each frame", limit, () => {
    const { ws, socket, clock } = testConn("client");
    const count = 3000;
    for (let i = 0; i < count; i++) void ws.writeMessage(new Uint8Array(4));
    clock.endTurn();
    // Of zeros, the masked payload is the key.
    const wire = textHex(socket.writes.flatMap((bytes) => [...bytes]));
    const keys = new Set(Array.from({ length: count }, (_, i) => wire.slice(i * 20 + 4, i * 20 + 12)));
    assert.ok(keys.size > count - 5, `${keys.size} keys`);
  });
});

function textHex(bytes: number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

describe("a PreparedMessage", () => {
  it("is what it was when it was prepared", limit, async () => {
    const { ws, socket, clock } = testConn();
    for (const data of [new Uint8Array(10), Buffer.alloc(10), new Uint8Array(50_000), Buffer.alloc(50_000)]) {
      const prepared = new PreparedMessage(data);
      data.fill(secret);
      void ws.writePrepared(prepared);
      clock.endTurn();
      assert.ok(socket.frames()[0]!.payload.every((byte) => byte === 0));
    }
    await Promise.resolve();
  });

  it("is encoded once for all servers, and masked for each client", limit, async () => {
    for (const data of ["text", new Uint8Array([1, 2, 3])]) {
      const prepared = new PreparedMessage(data);
      const servers = [testConn(), testConn()];
      const clients = [testConn("client"), testConn("client")];
      for (const { ws, clock } of [...servers, ...clients]) {
        await ws.writePrepared(prepared);
        await ws.writePrepared(prepared);
        clock.endTurn();
      }
      const frames = [...servers, ...clients].map(({ socket }) => socket.frames());
      for (const [i, list] of frames.entries()) {
        assert.equal(list.length, 2);
        for (const { payload, masked, opcode } of list) {
          assert.deepEqual(payload, prepared.payload);
          assert.equal(masked, i >= 2);
          assert.equal(opcode, typeof data === "string" ? OP.text : OP.binary);
        }
      }
      assert.notDeepEqual(clients[0]!.socket.writes, clients[1]!.socket.writes);
    }
  });

  it("has its text and its bytes", limit, () => {
    assert.equal(new PreparedMessage("né").text(), "né");
    assert.deepEqual(new PreparedMessage("né").payload, bytesOf("né"));
    assert.equal(new PreparedMessage(bytesOf("\ufeffx"), { type: "text" }).text(), "\ufeffx");
    assert.equal(new PreparedMessage("né", { type: "binary" }).type, "binary");
    assert.equal(new PreparedMessage(new Uint8Array(0)).type, "binary");
  });

  it("is encoded once in each encoding", limit, () => {
    let calls = 0;
    const encodings = [0, 1, 2].map((i) => ({
      encode: (message: PreparedMessage) => {
        calls++;
        return bytesOf(`${i}${message.text()}`);
      },
    }));
    const prepared = new PreparedMessage("m");
    for (let round = 0; round < 3; round++) {
      for (const [i, encoding] of encodings.entries()) {
        assert.equal(textOf(prepared.encodedBy(encoding)), `${i}m`);
        assert.equal(prepared.encodedBy(encoding), prepared.encodedBy(encoding));
      }
    }
    assert.equal(calls, 3);
  });
});

describe("a MessageBatch", () => {
  const [a, b, c] = ["a", "bb", "ccc"].map((text) => new PreparedMessage(text)) as [
    PreparedMessage,
    PreparedMessage,
    PreparedMessage,
  ];
  const encoding = { encode: (message: PreparedMessage) => bytesOf(`<${message.text()}>`) };

  it("is the same for the same messages in the same order, and its bytes are joined once", limit, () => {
    const one = MessageBatch.of(a).with(b).with(c);
    const two = MessageBatch.of(a).with(b).with(c);
    assert.equal(one, two);
    assert.equal(one.bytes(encoding), two.bytes(encoding));
    assert.equal(textOf(one.bytes(encoding)), "<a><bb><ccc>");
    assert.deepEqual([one.count, one.size], [3, 6]);
    assert.deepEqual(one.messages(), [a, b, c]);
  });

  it("is never changed", limit, () => {
    const short = MessageBatch.of(a).with(b);
    const before = short.bytes(encoding);
    short.with(c);
    short.with(a);
    assert.equal(short.bytes(encoding), before);
    assert.deepEqual(short.messages(), [a, b]);
    assert.deepEqual(short.with(c).messages(), [a, b, c]);
    assert.deepEqual(MessageBatch.of(a).with(a).messages(), [a, a]);
  });

  it("goes out in one write, without waiting for the end of the turn", limit, () => {
    for (const role of ["server", "client"] as const) {
      const { ws, socket } = testConn(role);
      assert.equal(writeBatch(ws, MessageBatch.of(a).with(b).with(c)), null);
      assert.equal(socket.writes.length, 1);
      assert.deepEqual(socket.frames().map(({ payload }) => textOf(payload)), ["a", "bb", "ccc"]);
    }
  });

  it("shares its bytes between servers", limit, () => {
    const batch = MessageBatch.of(a).with(b);
    const given: Uint8Array[] = [];
    for (let i = 0; i < 2; i++) {
      const { ws, socket } = testConn();
      const { write } = socket;
      socket.write = (bytes) => {
        given.push(bytes);
        return write.call(socket, bytes);
      };
      writeBatch(ws, batch);
    }
    assert.equal(given.length, 2);
    assert.equal(given[0], given[1]);
  });

  it("tells when more may follow", limit, async () => {
    const { ws, socket } = testConn();
    socket.full = true;
    const busy = writeBatch(ws, MessageBatch.of(a));
    assert.ok(busy !== null);
    let settled = false;
    void busy.then(() => settled = true);
    await Promise.resolve();
    assert.equal(settled, false);
    socket.drain();
    await busy;
    assert.equal(writeBatch(ws, MessageBatch.of(b)), null);
  });

  it("keeps its place behind what was written before", limit, () => {
    const { ws, socket } = testConn();
    void ws.writeMessage("first");
    writeBatch(ws, MessageBatch.of(a));
    assert.deepEqual(socket.frames().map(({ payload }) => textOf(payload)), ["first", "a"]);
  });

  it("is dropped without a word when the connection is closing, and fails when it goes", limit, async () => {
    const { ws, socket } = testConn();
    socket.full = true;
    const busy = writeBatch(ws, MessageBatch.of(a));
    void ws.close();
    assert.equal(writeBatch(ws, MessageBatch.of(b)), null);
    socket.gone();
    await assert.rejects(busy!, { name: "CloseError" });
  });
});
