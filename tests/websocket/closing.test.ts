/** The closing handshake, RFC 6455, 7, and all other endings of a connection. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CloseError, dialWebSocket } from "../../mod.ts";
import { NetError } from "../../src/net/errors.ts";
import { holdProcess, limit } from "../net/support.ts";
import { closeFrame, frame, joined, OP, rawClient, rawServer } from "./raw_peer.ts";
import { closedWith, memoryPair, startRawServer, startServer, tcpPair, turn } from "./support.ts";
import { settle, testConn } from "./test_socket.ts";

const roles = ["server", "client"] as const;

describe("close", () => {
  for (const role of roles) {
    const fromPeer = { mask: role === "server" };

    it(`sends a close frame and waits for the peer's, as a ${role}`, limit, async () => {
      const { ws, socket } = testConn(role);
      const closing = ws.close(3001, "wíth a reason");
      assert.equal(ws.state, "closing");
      const [sent] = socket.frames();
      assert.equal(sent!.opcode, OP.close);
      assert.deepEqual(sent!.payload, closeFrame(3001, "wíth a reason", { mask: false }).subarray(2));
      socket.receive(closeFrame(3001, "wíth a reason", fromPeer));
      // 7.1.1: the server is the first to end TCP.
      assert.deepEqual(socket.calls, role === "server" ? ["close"] : []);
      if (role === "client") {
        socket.end();
        assert.deepEqual(socket.calls, ["close"]);
      }
      assert.equal(ws.state, "closing");
      socket.gone();
      assert.equal(ws.state, "closed");
      assert.deepEqual(await closing, { code: 3001, reason: "wíth a reason", wasClean: true });
      assert.deepEqual(await ws.closed, await closing);
    });

    it(`answers the peer's close frame with its code, as a ${role}`, limit, async () => {
      const { ws, socket } = testConn(role);
      socket.receive(closeFrame(1001, "going", fromPeer));
      assert.equal(ws.state, "closing");
      const [answer] = socket.frames();
      assert.deepEqual([answer!.opcode, answer!.payload[0]! << 8 | answer!.payload[1]!], [OP.close, 1001]);
      assert.deepEqual(socket.calls, role === "server" ? ["close"] : []);
      // What was known is told before the transport is gone.
      await assert.rejects(ws.readMessage(), closedWith(1001, "going"));
      socket.end();
      socket.gone();
      assert.deepEqual(await ws.closed, { code: 1001, reason: "going", wasClean: true });
    });

    it(`takes a close frame without a code for 1005, as a ${role}`, limit, async () => {
      const { ws, socket } = testConn(role);
      const iterating = (async () => {
        for await (const _ of ws) assert.fail("a message");
      })();
      socket.receive(frame(OP.close, "", fromPeer));
      // 7.4.1: 1005 is never on the wire.
      assert.deepEqual(socket.frames().map(({ opcode, payload }) => [opcode, payload.length]), [[
        OP.close,
        0,
      ]]);
      await iterating;
      socket.gone();
      assert.deepEqual(await ws.closed, { code: 1005, reason: "", wasClean: true });
      await assert.rejects(ws.readMessage(), closedWith(1005));
    });

    it(`goes through with both sides closing at once, as a ${role}`, limit, async () => {
      const { ws, socket } = testConn(role);
      const closing = ws.close(1000);
      socket.receive(closeFrame(4000, "me too", fromPeer));
      assert.equal(socket.frames().length, 1, "one close frame a side");
      socket.end();
      socket.gone();
      assert.deepEqual(await closing, { code: 4000, reason: "me too", wasClean: true });
    });

    it(`drops a peer that does not answer after closeTimeout, as a ${role}`, limit, async () => {
      const { ws, socket, clock } = testConn(role, { closeTimeout: 1000 });
      const closing = ws.close();
      clock.advance(999);
      assert.deepEqual(socket.calls, []);
      clock.advance(1);
      assert.deepEqual(socket.calls, ["reset"]);
      socket.gone();
      assert.deepEqual(await closing, { code: 1006, reason: "", wasClean: false });
      assert.equal(clock.timers.size <= 1, true);
    });

    it(`ignores what comes after its close frame, as a ${role}`, limit, async () => {
      const { ws, socket, clock } = testConn(role);
      socket.receive(frame(OP.text, "unread", fromPeer));
      const reading = [ws.readMessage(), ws.readMessage()];
      void ws.close();
      assert.equal((await reading[0])!.data, "unread");
      for (let i = 0; i < 1000; i++) socket.receive(frame(OP.binary, new Uint8Array(1000), fromPeer));
      socket.receive(frame(OP.ping, "p", fromPeer));
      clock.endTurn();
      assert.equal(socket.paused, false);
      assert.equal(socket.frames().length, 1, "no pong follows a close frame");
      socket.receive(closeFrame(1000, "", fromPeer), frame(OP.text, "after the close frame", fromPeer));
      await assert.rejects(reading[1]!, closedWith(1000));
      socket.gone();
    });
  }

  for (const role of ["server", "client"] as const) {
    it(
      `ends with FIN and waits for what may be on its way, at the lowest rate, as a ${role}`,
      limit,
      async () => {
        const { ws, socket, clock } = testConn(role, { closeTimeout: 1000, closeMinRate: 100_000 });
        void ws.writeMessage(new Uint8Array(500_000));
        const closing = ws.close();
        clock.endTurn();
        assert.equal(ws.bufferedAmount, 0);
        clock.advance(1000);
        assert.deepEqual(socket.calls, ["closeWrite"]);
        clock.advance(5000);
        assert.deepEqual(socket.calls, ["closeWrite"]);
        // A little more for the headers of frames; then the peer is too slow.
        clock.advance(10);
        assert.deepEqual(socket.calls, ["closeWrite", "reset"]);
        socket.gone();
        assert.equal((await closing).code, 1006);
        const { cause } = await ws.readMessage().then(() => assert.fail(), (error: Error) => error);
        assert.match(String(cause), /Cannot close in time: .*up to 500\d\d\d bytes sent before may be lost/);
      },
    );

    it(`takes a slow peer's answer after its own FIN, as a ${role}`, limit, async () => {
      const { ws, socket, clock } = testConn(role, { closeTimeout: 1000, closeMinRate: 100_000 });
      void ws.writeMessage(new Uint8Array(500_000));
      const closing = ws.close();
      clock.endTurn();
      clock.advance(4000);
      socket.receive(closeFrame(1000, "", { mask: role === "server" }));
      socket.end();
      assert.deepEqual(socket.calls, ["closeWrite", "close"]);
      socket.gone();
      assert.deepEqual(await closing, { code: 1000, reason: "", wasClean: true });
    });
  }

  it(
    "gives up a peer that takes what was written before more slowly than the lowest rate",
    limit,
    async () => {
      const { ws, socket, clock } = testConn("server", { closeTimeout: 1000, closeMinRate: 1_000_000 });
      socket.full = true;
      void ws.writeMessage(new Uint8Array(3_000_000)).catch(() => {});
      const closing = ws.close(1000);
      let pieces = 0;
      for (; socket.calls.length === 0; pieces++) {
        clock.advance(900);
        socket.drain(false);
      }
      assert.ok(pieces < 6, `${pieces} pieces`);
      assert.deepEqual(socket.calls, ["reset"]);
      socket.gone();
      assert.equal((await closing).code, 1006);
    },
  );

  it("sends what was written before, in order, at its own pace", limit, async () => {
    const { ws, socket, clock } = testConn("server", { closeTimeout: 1000 });
    socket.full = true;
    void ws.writeMessage("first");
    void ws.writeMessage(new Uint8Array(900_000));
    const closing = ws.close(1000);
    await assert.rejects(ws.writeMessage("late"), CloseError);
    // Each piece takes nearly as long as the peer has: as long as something leaves, it is slow and not dead.
    while (ws.bufferedAmount > 0) {
      clock.advance(900);
      socket.drain(false);
    }
    assert.deepEqual(socket.calls, []);
    assert.deepEqual(joined(socket.frames()).map(({ opcode }) => opcode), [OP.text, OP.binary, OP.close]);
    // From now on it is the peer's turn.
    clock.advance(999);
    assert.deepEqual(socket.calls, []);
    socket.receive(closeFrame(1000));
    assert.deepEqual(socket.calls, ["close"]);
    socket.gone();
    assert.equal((await closing).wasClean, true);
  });

  it("drops a peer that takes nothing of what was written before", limit, async () => {
    const { ws, socket, clock } = testConn("server", { closeTimeout: 1000 });
    socket.full = true;
    const write = ws.writeMessage(new Uint8Array(900_000));
    void ws.close();
    clock.advance(1000);
    assert.deepEqual(socket.calls, ["reset"]);
    socket.gone();
    await assert.rejects(write, closedWith(1006));
    assert.equal((await ws.closed).code, 1006);
  });

  it("is not clean when the answer to the peer's close frame stays here", limit, async () => {
    const { ws, socket, clock } = testConn("server", { closeTimeout: 1000 });
    socket.full = true;
    socket.receive(closeFrame(1000, "bye"));
    clock.advance(1000);
    socket.gone();
    assert.deepEqual(await ws.closed, { code: 1000, reason: "bye", wasClean: false });
  });

  it("drops a server that does not end TCP", limit, async () => {
    const { ws, socket, clock } = testConn("client", { closeTimeout: 1000 });
    socket.receive(closeFrame(1008, "no", { mask: false }));
    clock.advance(1000);
    assert.deepEqual(socket.calls, ["reset"]);
    socket.gone();
    // An iteration is told why, though this side gave up waiting.
    await assert.rejects(async () => {
      for await (const _ of ws) assert.fail("a message");
    }, closedWith(1008, "no"));
    assert.deepEqual(await ws.closed, { code: 1008, reason: "no", wasClean: true });
  });

  it("refuses codes and reasons that must not be sent, and stays open", limit, async () => {
    const { ws, socket } = testConn();
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536, 1000.5, NaN, -1]) {
      await assert.rejects(ws.close(code), RangeError, String(code));
    }
    await assert.rejects(ws.close(1000, "é".repeat(62)), RangeError);
    for (const reason of [null, 7, new Float32Array(20), {}]) {
      await assert.rejects(ws.close(1000, reason as unknown as string), TypeError);
    }
    assert.equal(ws.state, "open");
    assert.equal(socket.writes.length, 0);
    void ws.close(1000, "é".repeat(61) + "x");
    assert.equal(socket.frames()[0]!.payload.length, 125);
  });

  it("may be called again and again", limit, async () => {
    const { ws, socket } = testConn();
    const all = [ws.close(1000), ws.close(3000), ws.close()];
    assert.equal(socket.frames().length, 1);
    socket.receive(closeFrame(1000));
    socket.gone();
    for (const one of all) assert.equal((await one).code, 1000);
    assert.equal((await ws.close(4000)).code, 1000);
    ws.closeNow();
  });

  it("sees the peer's close behind a full queue once there is room, and keeps the queue", limit, async () => {
    const { ws, socket } = testConn("client", { readBufferSize: 100 });
    const unmasked = { mask: false };
    socket.receive(
      frame(OP.text, "1", unmasked),
      frame(OP.text, "2", unmasked),
      closeFrame(1000, "", unmasked),
    );
    // What is behind a full queue is not looked at until there is room.
    assert.equal(socket.paused, true);
    assert.equal((await ws.readMessage()).data, "1");
    assert.equal((await ws.readMessage()).data, "2");
    assert.equal(socket.paused, false, "the end of TCP has to be seen");
    socket.end();
    socket.gone();
    await assert.rejects(ws.readMessage(), closedWith(1000));
  });

  it("leaves what came before to be read, and ends an iteration quietly", limit, async () => {
    const { ws, socket } = testConn();
    socket.receive(frame(OP.text, "1"), frame(OP.text, "2"), frame(OP.text, "half", { fin: false }));
    void ws.close();
    socket.receive(frame(OP.continuation, "more"), frame(OP.text, "3"), closeFrame(1000));
    socket.gone();
    const got: unknown[] = [];
    for await (const { data } of ws) got.push(data);
    assert.deepEqual(got, ["1", "2"]);
    await assert.rejects(ws.readMessage(), closedWith(1000));
  });

  it("sees the answer behind a full queue", limit, async () => {
    const { ws, socket } = testConn("server", { readBufferSize: 100 });
    socket.receive(frame(OP.text, "1"), frame(OP.text, "2"));
    assert.equal(socket.paused, true);
    void ws.close();
    assert.equal(socket.paused, false);
    socket.receive(closeFrame(1000));
    assert.equal(socket.calls.at(-1), "close");
  });
});

describe("a connection that ends without a close frame", () => {
  it("tells 1006 and keeps what came", limit, async () => {
    const { ws, socket } = testConn();
    socket.receive(frame(OP.text, "kept"), frame(OP.text, "cut", { fin: false }));
    const pending = ws.ping();
    socket.end();
    assert.deepEqual(socket.calls, ["close"]);
    assert.equal(ws.state, "closing");
    await assert.rejects(ws.writeMessage("x"), CloseError);
    socket.gone();
    assert.equal((await ws.readMessage()).data, "kept");
    await assert.rejects(ws.readMessage(), closedWith(1006));
    await assert.rejects(pending, closedWith(1006));
    assert.deepEqual(await ws.closed, { code: 1006, reason: "", wasClean: false });
  });

  it("tells what broke it as the cause", limit, async () => {
    const { ws, socket } = testConn();
    const reading = ws.readMessage();
    const broken = new NetError({ op: "read", network: "tcp", code: "ECONNRESET" });
    socket.gone(broken);
    await assert.rejects(reading, (error) => closedWith(1006)(error) && (error as Error).cause === broken);
    await assert.rejects(async () => {
      for await (const _ of ws) assert.fail("a message");
    }, closedWith(1006));
  });

  it("remembers the peer's close when the reset follows it", limit, async () => {
    const { ws, socket } = testConn("client");
    socket.receive(closeFrame(4002, "said", { mask: false }));
    socket.gone(new NetError({ op: "read", network: "tcp", code: "ECONNRESET" }));
    assert.equal((await ws.closed).code, 4002);
    await assert.rejects(ws.readMessage(), closedWith(4002, "said"));
  });
});

describe("closeNow", () => {
  it("drops the transport and ends reads and iterations here", limit, async () => {
    const { ws, socket } = testConn();
    const reading = ws.readMessage();
    ws.closeNow();
    ws.closeNow();
    assert.equal(socket.calls[0], "reset");
    assert.equal(socket.writes.length, 0);
    socket.gone();
    await assert.rejects(reading, closedWith(1006));
    for await (const _ of ws) assert.fail("a message");
    assert.equal(ws.state, "closed");
    ws.closeNow();
  });

  it("cuts a closing handshake short", limit, async () => {
    const { ws, socket } = testConn();
    const closing = ws.close();
    ws.closeNow();
    assert.deepEqual(socket.calls, ["reset"]);
    socket.gone();
    assert.equal((await closing).code, 1006);
  });
});

for (const [name, makePair] of [["over TCP", tcpPair], ["in memory", memoryPair]] as const) {
  describe(`closing ${name}`, () => {
    holdProcess();

    it("goes both ways with code and reason", limit, async () => {
      for (const byClient of [true, false]) {
        const { client, server, stop } = await makePair();
        const [a, b] = byClient ? [client, server] : [server, client];
        const info = await a.close(3456, "größer");
        assert.deepEqual(info, { code: 3456, reason: "größer", wasClean: true });
        assert.deepEqual(await b.closed, info);
        assert.deepEqual(await b.close(), info);
        await stop();
      }
    });

    it("is quick", limit, async () => {
      // Its measure is what another connection does meanwhile: on a busy machine that takes longer, too.
      const other = await makePair();
      const echoing = (async () => {
        for await (const { data } of other.server) await other.server.writeMessage(data);
      })();
      let fewest = Infinity;
      for (let i = 0; i < 10; i++) {
        const { client, server, stop } = await makePair();
        let [closing, trips] = [true, 0];
        const meanwhile = (async () => {
          for (; closing; trips++) {
            await other.client.writeMessage("x");
            await other.client.readMessage();
            // In memory nothing else would get its turn.
            await turn();
          }
        })();
        await Promise.all(i % 2 === 0 ? [client.close(), server.closed] : [server.close(), client.closed]);
        closing = false;
        await meanwhile;
        fewest = Math.min(fewest, trips);
        await stop();
      }
      await Promise.all([other.client.close(), echoing]);
      await other.stop();
      // A delayed acknowledgement, or a wait for a timer, takes 40 ms or more: some hundred round trips.
      assert.ok(fewest < 50, `${fewest} round trips`);
    });

    it("meets in the middle", limit, async () => {
      const { client, server, stop } = await makePair();
      const infos = await Promise.all([client.close(3000, "c"), server.close(3001, "s")]);
      assert.ok(infos.every(({ wasClean }) => wasClean), JSON.stringify(infos));
      await stop();
    });

    it("delivers all that was written before", limit, async () => {
      for (const byClient of [true, false]) {
        const { client, server, stop } = await makePair();
        const [a, b] = byClient ? [client, server] : [server, client];
        for (let i = 0; i < 50; i++) void a.writeMessage(new Uint8Array(20_000).fill(i));
        const closing = a.close();
        let count = 0;
        for await (const { data } of b) assert.equal((data as Uint8Array)[19_999], count++);
        assert.equal(count, 50);
        assert.equal((await closing).wasClean, true);
        await stop();
      }
    });

    it("tells the peer 1006 after closeNow", limit, async () => {
      for (const byClient of [true, false]) {
        const { client, server, stop } = await makePair();
        const [a, b] = byClient ? [client, server] : [server, client];
        const reading = b.readMessage();
        a.closeNow();
        await assert.rejects(reading, closedWith(1006));
        assert.deepEqual(await b.closed, { code: 1006, reason: "", wasClean: false });
        assert.equal((await a.closed).code, 1006);
        await stop();
      }
    });

    it("ends in spite of a peer that does not read", limit, async () => {
      const { client, server, stop } = await makePair({
        client: { closeTimeout: 100 },
        server: { readBufferSize: 100, closeTimeout: 100 },
      });
      let writing = true;
      const failed = assert.rejects(async () => {
        while (writing) await client.writeMessage(new Uint8Array(100_000));
      }, CloseError);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const { code } = await client.close();
      assert.equal(code, 1006);
      await failed;
      writing = false;
      await stop();
      assert.equal(server.state, "closed");
    });
  });
}

describe("closing with a peer made by hand", () => {
  holdProcess();

  it("ends TCP first as a server, with FIN and not with a reset", limit, async () => {
    const { address, stop } = await startServer();
    const peer = await rawClient(address);
    await peer.send(closeFrame(1000, "bye"));
    assert.deepEqual(await peer.readClose(), { code: 1000, reason: "bye", before: [] });
    assert.equal(await peer.readFrame(), null);
    peer.conn.closeNow();
    await stop();
  });

  it("answers before it closes whatever was asked before", limit, async () => {
    const { address, stop } = await startServer();
    const peer = await rawClient(address);
    await peer.send(frame(OP.text, "a"), frame(OP.ping, "b"), closeFrame(4000));
    const { code, before } = await peer.readClose();
    assert.equal(code, 4000);
    assert.ok(before.some(({ opcode }) => opcode === OP.pong));
    peer.conn.closeNow();
    await stop();
  });

  it("takes FIN without a close frame for 1006", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { address, stop } = await startServer({
      async websocket(conn) {
        await conn.readMessage().catch(() => {});
        resolve(await conn.closed);
      },
    });
    const peer = await rawClient(address);
    await peer.conn.closeWrite();
    assert.deepEqual(await promise, { code: 1006, reason: "", wasClean: false });
    assert.equal(await peer.readFrame(), null);
    peer.conn.closeNow();
    await stop();
  });

  it("takes a reset for 1006", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { address, stop } = await startServer({
      async websocket(conn) {
        resolve(await conn.closed);
      },
    });
    const peer = await rawClient(address);
    peer.conn.closeNow();
    assert.deepEqual(await promise, { code: 1006, reason: "", wasClean: false });
    await stop();
  });

  it("waits for the server to end TCP, as a client, and no longer than closeTimeout", limit, async () => {
    const { url, stop, handled } = await startRawServer(async (conn) => {
      const peer = await rawServer(conn);
      const { code } = await peer.readClose();
      await peer.send(closeFrame(code, "", { mask: false }));
      // It leaves TCP open; the client gives up.
      return peer.readFrame().catch(() => null);
    });
    const ws = await dialWebSocket(url, { closeTimeout: 50 });
    assert.deepEqual(await ws.close(3000), { code: 3000, reason: "", wasClean: true });
    assert.equal(await handled, null);
    await stop();
  });

  it("hears of a vanished server", limit, async () => {
    const { url, stop } = await startRawServer(async (conn) => {
      await rawServer(conn);
      conn.closeNow();
    });
    const ws = await dialWebSocket(url);
    await assert.rejects(ws.readMessage(), closedWith(1006));
    assert.equal((await ws.closed).code, 1006);
    await settle();
    await stop();
  });
});
