/**
 * RFC 6455, section by section: requirements that the other tests of connections do not cover. docs/rfc6455.md lists
 * the tests of each requirement.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { dialWebSocket, HandshakeError, listen, PreparedMessage, type WebSocketConn } from "../../mod.ts";
import { Runtime } from "../../src/net/runtime.ts";
import { MessageBatch } from "../../src/websocket/message_batch.ts";
import { dialWebSocketOn } from "../../src/websocket/dial_web_socket.ts";
import { holdProcess, limit } from "../net/support.ts";
import { acceptHead, closeFrame, frame, handshake, joined, OP, rawClient, RawPeer } from "./raw_peer.ts";
import { bytesOf, closedWith, concat, dial, foreign, MemoryListener, startRawServer } from "./support.ts";
import { startServer, textOf, turn } from "./support.ts";
import { testConn, writeBatch } from "./test_socket.ts";

const roles = ["server", "client"] as const;

describe("4.1: the client's handshake", () => {
  holdProcess();

  it("nothing but the request is sent before the answer", limit, async () => {
    const listener = new MemoryListener();
    const writes: Uint8Array[] = [];
    const netDial = () => {
      const conn = foreign(listener.connect());
      const { write } = conn;
      conn.write = (bytes, options) => {
        writes.push(bytes.slice());
        return write(bytes, options);
      };
      return Promise.resolve(conn);
    };
    const dialling = dialWebSocket("ws://memory/", { netDial });
    const peer = new RawPeer(await listener.accept());
    const head = await peer.readHead();
    for (let i = 0; i < 5; i++) await turn();
    assert.equal(textOf(concat(...writes)), `${head}\r\n\r\n`);
    await peer.send(acceptHead(head));
    const ws = await dialling;
    await ws.writeMessage("after the answer");
    assert.equal(textOf((await peer.readFrame())!.payload), "after the answer");
    ws.closeNow();
    peer.conn.closeNow();
  });

  it("the key is sixteen bytes of the runtime's randomness, drawn for each connection", limit, async () => {
    const keys: string[] = [];
    let drawn = 0;
    const fillRandom = (into: Uint8Array) => into.fill(++drawn);
    const runtime = new Runtime({ ...currentAdapter(), fillRandom });
    const netDial = () => Promise.reject(new Error("enough"));
    const listener = new MemoryListener();
    for (let i = 0; i < 2; i++) {
      await assert.rejects(dialWebSocketOn(runtime, "ws://memory/", { netDial }), { message: "enough" });
      const dialling = dialWebSocketOn(runtime, "ws://memory/", {
        netDial: () => Promise.resolve(listener.connect()),
      });
      const peer = new RawPeer(await listener.accept());
      keys.push(/sec-websocket-key: (.*)/i.exec(await peer.readHead())![1]!);
      peer.conn.closeNow();
      await assert.rejects(dialling);
    }
    const key = (byte: number) => Buffer.from(new Uint8Array(16).fill(byte)).toString("base64");
    assert.deepEqual(keys, [key(2), key(4)]);
  });

  it("an answer that is refused fails the connection: nothing is sent on it any more", limit, async () => {
    const bad = [
      (head: string) => acceptHead(head).replace(/Accept: ..../, "Accept: AAAA"),
      (head: string) => acceptHead(head, "Sec-WebSocket-Protocol: x\r\n"),
      (head: string) => acceptHead(head, "Sec-WebSocket-Extensions: x-unasked\r\n"),
      (head: string) => acceptHead(head).replace("Upgrade: websocket", "Upgrade: websocket, h2c"),
    ];
    for (const answer of bad) {
      const { url, stop, handled } = await startRawServer(async (conn) => {
        const peer = new RawPeer(conn);
        // With a ping, which nobody is to answer.
        await peer.send(answer(await peer.readHead()), frame(OP.ping, "x", { mask: false }));
        return await peer.readAll().catch(() => "");
      });
      await assert.rejects(dialWebSocket(url), HandshakeError);
      assert.equal(await handled, "");
      await stop();
    }
  });

  it("a redirect is not followed, and 401 is not answered: each is told", limit, async () => {
    const elsewhere = await listen("tcp", "127.0.0.1:0");
    const visited = elsewhere.accept().then(() => "visited", () => "closed");
    for (const status of [301, 302, 303, 307, 308, 401]) {
      const fields = `Location: ws://${elsewhere.addr}/\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n`;
      const { url, stop, handled } = await startRawServer(async (conn) => {
        const peer = new RawPeer(conn);
        await peer.readHead();
        await peer.send(`HTTP/1.1 ${status} X\r\n${fields}\r\n`);
        return await peer.readAll().catch(() => "");
      });
      const headers = { authorization: "Bearer secret" };
      await assert.rejects(
        dialWebSocket(url, { headers }),
        (error) => error instanceof HandshakeError && error.status === status,
      );
      assert.equal(await handled, "", "one request a connection");
      await stop();
    }
    await elsewhere.close();
    assert.equal(await visited, "closed");
  });
});

describe("4.2: the server's handshake", () => {
  holdProcess();

  it("names no subprotocol and no extension that was not agreed on", limit, async () => {
    const { address, stop } = await startServer({ subprotocols: ["chat"] });
    const offers = [
      {},
      { "Sec-WebSocket-Protocol": "Chat, other" },
      { "Sec-WebSocket-Extensions": "x-unknown; a=1, bbf-usp-protocol" },
      { "Sec-WebSocket-Protocol": "other", "Sec-WebSocket-Extensions": ["x-a", "x-b"] },
    ];
    for (const fields of offers) {
      const peer = new RawPeer(await dial("tcp", address));
      await peer.send(handshake(address, fields));
      const head = await peer.readHead();
      assert.match(head, /^HTTP\/1\.1 101 /);
      assert.doesNotMatch(head, /sec-websocket-(protocol|extensions)/i);
      peer.conn.closeNow();
    }
    await stop();
  });

  it("each field of the handshake stands in the answer once", limit, async () => {
    const { address, stop } = await startServer({ subprotocols: ["a", "b"] });
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(handshake(address, { "Sec-WebSocket-Protocol": ["x", "b, a"] }));
    const names = (await peer.readHead()).split("\r\n").slice(1).map((line) => line.toLowerCase());
    assert.deepEqual(names.toSorted(), [
      "connection: upgrade",
      "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
      "sec-websocket-protocol: a",
      "upgrade: websocket",
    ]);
    peer.conn.closeNow();
    await stop();
  });

  it(
    "a request that is refused makes no WebSocket: frames behind it are not read as such",
    limit,
    async () => {
      let served = 0;
      const { address, stop } = await startServer({ websocket: () => void served++ });
      for (
        const fields of [{ "Sec-WebSocket-Version": "12" }, { "Sec-WebSocket-Key": "short" }, {
          Upgrade: "x",
        }]
      ) {
        const peer = new RawPeer(await dial("tcp", address));
        await peer.send(handshake(address, fields), frame(OP.text, "smuggled"), frame(OP.ping, "x"));
        const answer = await peer.readAll();
        assert.match(answer, /^HTTP\/1\.1 4\d\d /);
        assert.equal(answer.match(/HTTP\/1\.1/g)!.length, 1);
        await peer.conn.close();
      }
      assert.equal(served, 0);
      await stop();
    },
  );
});

describe("5.5.1: after a close frame", () => {
  const sends: Record<string, (ws: WebSocketConn) => Promise<unknown> | null> = {
    "writeMessage text": (ws) => ws.writeMessage("x"),
    "writeMessage bytes": (ws) => ws.writeMessage(new Uint8Array(100_000)),
    writeJson: (ws) => ws.writeJson({}),
    writePrepared: (ws) => ws.writePrepared(new PreparedMessage("x")),
    ping: (ws) => ws.ping(),
    pong: (ws) => ws.pong(),
  };

  for (const role of roles) {
    const fromPeer = { mask: role === "server" };

    it(`no way to send puts anything on the wire, as a ${role}`, limit, async () => {
      for (const isOurs of [true, false]) {
        const { ws, socket, clock } = testConn(role);
        if (isOurs) void ws.close(1000);
        else socket.receive(closeFrame(1000, "", fromPeer));
        for (const [name, send] of Object.entries(sends)) {
          await assert.rejects(send(ws)!, { name: "CloseError" }, name);
        }
        assert.equal(writeBatch(ws, MessageBatch.of(new PreparedMessage("x"))), null);
        void ws.close(3000);
        clock.endTurn();
        assert.deepEqual(socket.frames().map(({ opcode }) => opcode), [OP.close]);
        assert.equal(ws.bufferedAmount, 0);
        socket.gone();
      }
    });

    it(`waits behind the whole message that is being sent, as a ${role}`, limit, () => {
      const { ws, socket } = testConn(role);
      socket.full = true;
      void ws.writeMessage(new Uint8Array(600_000)).catch(() => {});
      socket.drain(false);
      socket.receive(closeFrame(1001, "", fromPeer));
      while (ws.bufferedAmount > 0) socket.drain(false);
      // The message may be in fragments; nothing comes between them, and the last of them comes.
      const frames = socket.frames();
      assert.equal(frames.at(-1)!.opcode, OP.close);
      const whole = joined(frames).map(({ opcode, fin, payload }) => [opcode, fin, payload.length]);
      assert.deepEqual(whole, [[OP.binary, true, 600_000], [OP.close, true, 2]]);
    });
  }
});

describe("7.4.1: codes that are never on the wire", () => {
  for (const role of roles) {
    const fromPeer = { mask: role === "server" };

    it(`1005 and 1006 are told here and sent by nobody, as a ${role}`, limit, async () => {
      const vanished = testConn(role);
      vanished.socket.end();
      vanished.socket.gone();
      assert.equal((await vanished.ws.closed).code, 1006);
      assert.equal(vanished.socket.writes.length, 0);
      const silent = testConn(role);
      silent.socket.receive(frame(OP.close, "", fromPeer));
      silent.socket.gone();
      assert.equal((await silent.ws.closed).code, 1005);
      assert.deepEqual(silent.socket.frames().map(({ payload }) => payload.length), [0]);
      const dropped = testConn(role);
      dropped.ws.closeNow();
      dropped.socket.gone();
      assert.equal((await dropped.ws.closed).code, 1006);
      assert.equal(dropped.socket.writes.length, 0);
    });
  }
});

describe("8.1: text", () => {
  for (const role of roles) {
    const mask = role === "server";

    it(
      `an invalid byte ends it at once, wherever frames and chunks are cut, as a ${role}`,
      limit,
      async () => {
        // One chunk at a time; the frame or the message always lacks its end.
        const part = (opcode: number, text: number[]) =>
          frame(opcode, new Uint8Array(text), { mask, fin: false });
        const whole = frame(OP.text, new Uint8Array([0x61, 0xf0, 0x9f, 0xff, ...new Array(90).fill(0x61)]), {
          mask,
        });
        const head = mask ? 6 : 2;
        const wires: Uint8Array[][] = [
          [whole.slice(0, head + 3), whole.slice(head + 3, head + 4)],
          [whole.slice(0, head + 4)],
          [whole.slice(0, 1), whole.slice(1, head + 2), whole.slice(head + 2, head + 4)],
          [part(OP.text, [0xe2]), part(OP.continuation, [0x82]), part(OP.continuation, [0x41])],
          [part(OP.text, [0xed]), frame(OP.ping, "", { mask }), part(OP.continuation, [0xa0])],
        ];
        for (const [i, wire] of wires.entries()) {
          const { ws, socket } = testConn(role);
          for (const chunk of wire.slice(0, -1)) socket.receive(chunk);
          assert.equal(ws.state, "open", `wire ${i}`);
          socket.receive(wire.at(-1)!);
          const close = socket.frames().at(-1)!;
          assert.deepEqual(
            [close.opcode, close.payload[0], close.payload[1]],
            [OP.close, 0x03, 0xef],
            `wire ${i}`,
          );
          await assert.rejects(ws.readMessage(), { name: "ProtocolError", closeCode: 1007 });
        }
      },
    );
  }
});

describe("10.3: a client's masks", () => {
  it("are what the runtime drew, each word of it once", limit, () => {
    const { fillRandom } = currentAdapter();
    const { getRandomValues } = crypto;
    const drawn: string[] = [];
    crypto.getRandomValues = <T extends ArrayBufferView<ArrayBuffer>>(into: T): T => {
      getRandomValues.call(crypto, into);
      const words = new DataView(into.buffer, into.byteOffset, into.byteLength);
      for (let at = 0; at + 4 <= words.byteLength; at += 4) drawn.push(words.getUint32(at).toString(16));
      return into;
    };
    try {
      fillRandom(new Uint8Array(16));
      assert.equal(drawn.splice(0).length, 4, "randomness is the web's crypto");
      const { ws, socket, clock } = testConn("client");
      for (let i = 0; i < 2500; i++) void ws.writeMessage(new Uint8Array(4));
      clock.endTurn();
      const wire = concat(...socket.writes);
      const view = new DataView(wire.buffer, wire.byteOffset, wire.byteLength);
      // Head, key, and four zeros that are the key once more.
      const keys = Array.from({ length: 2500 }, (_, i) => view.getUint32(i * 10 + 2).toString(16));
      assert.deepEqual(keys, drawn.slice(0, 2500));
    } finally {
      crypto.getRandomValues = getRandomValues;
    }
  });

  it("cover what was written, whatever becomes of the array while it waits", limit, () => {
    const { ws, socket } = testConn("client");
    socket.full = true;
    const sizes = [10, 1000, 40_000, 600_000];
    const arrays = [0, ...sizes].map((size) => new Uint8Array(size).fill(1));
    for (const array of arrays) void ws.writeMessage(array);
    for (const array of arrays) array.fill(2);
    for (const array of arrays) structuredClone(array.buffer, { transfer: [array.buffer] });
    while (ws.bufferedAmount > 0) socket.drain(false);
    const messages = joined(socket.frames());
    assert.deepEqual(messages.map(({ payload }) => payload.length), [0, ...sizes]);
    for (const { payload } of messages) {
      assert.ok(payload.every((byte) => byte === 1), "what was written later was sent");
    }
  });
});

describe("5.5.2 and 7.1.1 over TCP", () => {
  holdProcess();

  it(
    "a server answers pings inside a message, then closes TCP first, with nothing after its close frame",
    limit,
    async () => {
      const { address, stop } = await startServer();
      const peer = await rawClient(address);
      await peer.send(
        frame(OP.text, "He", { fin: false }),
        frame(OP.ping, "1"),
        frame(OP.continuation, "llo"),
        closeFrame(3000, "done"),
        frame(OP.ping, "late"),
        frame(OP.text, "late"),
      );
      const { code, reason, before } = await peer.readClose();
      assert.deepEqual([code, reason], [3000, "done"]);
      assert.deepEqual(before.map(({ opcode, masked }) => [opcode, masked]).at(0), [OP.pong, false]);
      assert.ok(before.every(({ payload }) => textOf(payload) !== "late"));
      assert.equal(await peer.readFrame(), null);
      await peer.conn.close();
      await stop();
    },
  );

  it("a client leaves TCP to the server, and reads what comes until then as nothing", limit, async () => {
    const { url, stop, handled } = await startRawServer(async (conn) => {
      const peer = new RawPeer(conn);
      await peer.send(acceptHead(await peer.readHead()));
      await peer.send(closeFrame(1001, "", { mask: false }));
      assert.equal((await peer.readClose()).code, 1001);
      // The client still listens: this breaks nothing.
      await peer.send(frame(OP.text, "late", { mask: false }), bytesOf("garbage"));
      await conn.closeWrite();
      return await peer.readFrame();
    });
    const ws = await dialWebSocket(url);
    await assert.rejects(ws.readMessage(), closedWith(1001));
    assert.deepEqual(await ws.closed, { code: 1001, reason: "", wasClean: true });
    assert.equal(await handled, null);
    await stop();
  });
});
