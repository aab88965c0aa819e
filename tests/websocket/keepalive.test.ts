/** Pings of the application and of the library, RFC 6455, 5.5.2 and 5.5.3. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { countedSignal, holdProcess, limit } from "../net/support.ts";
import { frame, FrameParser, OP, rawClient } from "./raw_peer.ts";
import { closedWith, memoryPair, startServer, tcpPair } from "./support.ts";
import type { VirtualClock } from "../net/virtual_clock.ts";
import { settle, testConn, type TestSocket } from "./test_socket.ts";

const keepalive = { pingInterval: 1000, pongTimeout: 500 };

/** Lets silence pass until a ping comes, `least` to `most` milliseconds; gives its payload. */
function nextPing(socket: TestSocket, clock: VirtualClock, least = 1000, most = 1250): Uint8Array {
  for (let passed = 1; passed <= most; passed++) {
    clock.advance(1);
    const [sent] = socket.frames();
    if (sent === undefined) continue;
    assert.equal(sent.opcode, OP.ping);
    assert.ok(passed >= least, `pinged after ${passed} ms`);
    return sent.payload;
  }
  return assert.fail("no ping came");
}

describe("keep-alive", () => {
  for (const role of ["server", "client"] as const) {
    const fromPeer = { mask: role === "server" };

    it(`pings a silent peer and goes on when it answers, as a ${role}`, limit, () => {
      const { ws, socket, clock } = testConn(role, { keepalive });
      for (let round = 0; round < 5; round++) {
        const ping = round === 0 ? nextPing(socket, clock) : nextPing(socket, clock, 501, 501);
        clock.advance(499);
        socket.receive(frame(OP.pong, ping, fromPeer));
      }
      assert.equal(socket.frames().length, 0);
      assert.equal(ws.state, "open");
      assert.deepEqual(socket.calls, []);
    });

    it(`drops a dead peer within the interval and the time-out, as a ${role}`, limit, async () => {
      const { ws, socket, clock } = testConn(role, { keepalive });
      const reading = ws.readMessage();
      clock.advance(999);
      assert.equal(socket.frames().length, 0);
      clock.advance(1);
      assert.equal(socket.frames().length, 1);
      clock.advance(499);
      assert.deepEqual(socket.calls, []);
      clock.advance(1);
      assert.deepEqual(socket.calls, ["reset"]);
      assert.equal(ws.state, "closing");
      socket.gone();
      await assert.rejects(reading, (error) => {
        assert.equal(((error as Error).cause as Error).name, "DeadlineExceededError");
        assert.match((error as Error).message, /1006 \(.*: no pong within 0\.5 s\)$/);
        return closedWith(1006)(error);
      });
      clock.advance(100_000);
      assert.deepEqual(socket.calls, ["reset"]);
    });
  }

  for (const [pongTimeout, trip] of [[500, 1], [500, 499], [20_000, 1], [20_000, 600], [70, 69]] as const) {
    it(`pings in a fixed period, answered after ${trip} of ${pongTimeout} ms`, limit, () => {
      const { ws, socket, clock } = testConn("server", { keepalive: { pingInterval: 1000, pongTimeout } });
      clock.advance(999);
      for (let round = 0; round < 10; round++) {
        assert.equal(socket.frames().length, 0, `${round}`);
        clock.advance(1);
        const [ping] = socket.frames();
        assert.equal(ping?.opcode, OP.ping, `${round}`);
        clock.advance(trip);
        socket.receive(frame(OP.pong, ping!.payload));
        clock.advance(999 - trip);
      }
      assert.equal(ws.state, "open");
    });
  }

  it("sends no second ping while the answer to the first is awaited", limit, () => {
    const { ws, socket, clock } = testConn("server", { keepalive: { pingInterval: 100, pongTimeout: 1000 } });
    clock.advance(100 + 930);
    assert.equal(socket.frames().length, 1);
    socket.receive(frame(OP.pong));
    clock.advance(20);
    assert.equal(socket.frames().length, 1, "the interval was over long before");
    clock.advance(999);
    assert.equal(ws.state, "open");
    clock.advance(1);
    assert.equal(ws.state, "closing");
  });

  it("counts the period from the last byte that was no answer", limit, () => {
    const { socket, clock } = testConn("server", { keepalive });
    socket.receive(frame(OP.pong, nextPing(socket, clock)));
    clock.advance(600);
    socket.receive(frame(OP.text, "hello"));
    nextPing(socket, clock);
  });

  it("takes any byte for life", limit, () => {
    const { ws, socket, clock } = testConn("server", { keepalive });
    const slow = frame(OP.text, "one byte at a time, for a long time");
    for (let i = 0; i < slow.length; i++) {
      clock.advance(900);
      socket.receive(slow.slice(i, i + 1));
    }
    assert.equal(socket.frames().length, 0, "it was not even pinged");
    assert.equal(ws.state, "open");
  });

  it("takes a byte after the ping for life, too", limit, () => {
    const { ws, socket, clock } = testConn("server", { keepalive });
    for (let i = 0; i < 10; i++) {
      nextPing(socket, clock, i === 0 ? 1000 : 501);
      clock.advance(499);
      socket.receive(frame(OP.text, "no pong"));
    }
    assert.equal(ws.state, "open");
    assert.deepEqual(socket.calls, []);
  });

  it("does not kill a slow peer in the middle of a large message to it", limit, async () => {
    const { ws, socket, clock } = testConn("server", { keepalive });
    socket.full = true;
    const writing = ws.writeMessage(new Uint8Array(10_000_000));
    while (ws.bufferedAmount > 2_000_000) {
      clock.advance(450);
      socket.drain(false);
    }
    assert.deepEqual(socket.calls, []);
    // It stops taking: now it is dead.
    clock.advance(2500);
    assert.deepEqual(socket.calls, ["reset"]);
    socket.gone();
    await assert.rejects(writing, closedWith(1006));
  });

  it("finds a peer dead that lets the kernel take what is written", limit, () => {
    const { ws, socket, clock } = testConn("server", { keepalive });
    for (let i = 0; i < 40; i++) {
      ws.writeMessage("into the void").catch(() => {});
      clock.endTurn();
      clock.advance(50);
    }
    assert.deepEqual(socket.calls, ["reset"]);
  });

  it("finds a peer dead where each write takes a moment", limit, () => {
    const { ws, socket, clock } = testConn("server", { keepalive });
    // As on a runtime whose writes are never done at once.
    for (let i = 0; i < 40 && socket.calls.length === 0; i++) {
      socket.full = true;
      clock.advance(50);
      socket.drain();
    }
    assert.deepEqual(socket.calls, ["reset"]);
    assert.equal(ws.state, "closing");
  });

  it("does not blame the peer for an application that does not read", limit, async () => {
    const { ws, socket, clock } = testConn("server", { keepalive, readBufferSize: 100 });
    socket.receive(frame(OP.binary, new Uint8Array(200)));
    assert.equal(socket.paused, true);
    clock.advance(100_000);
    assert.deepEqual(socket.calls, ["pause"]);
    socket.frames();
    await ws.readMessage();
    clock.advance(2500);
    assert.deepEqual(socket.calls, ["pause", "resume", "reset"]);
  });

  for (const readsPastFailure of [true, false]) {
    const name = readsPastFailure ? "each interval" : "after ten intervals where input could be lost";
    it(
      `pings for the kernel to find the peer gone while the application does not read, ${name}`,
      limit,
      () => {
        const { socket, clock } = testConn("server", { keepalive, readBufferSize: 100 });
        Object.assign(socket, { readsPastFailure });
        socket.receive(frame(OP.binary, new Uint8Array(200)));
        assert.equal(socket.paused, true);
        for (let round = 0; round < 3; round++) {
          clock.advance(readsPastFailure ? 999 : 9999);
          assert.equal(socket.frames().length, 0, `${round}`);
          clock.advance(round === 0 ? 251 : 1);
          assert.deepEqual(socket.frames().map(({ opcode }) => opcode), [OP.ping], `${round}`);
        }
        // No answer is expected: the socket is paused still.
        assert.deepEqual(socket.calls, ["pause"]);
      },
    );
  }

  it(
    "does not probe a peer while the application reads slowly, nor one that takes nothing",
    limit,
    async () => {
      const { ws, socket, clock } = testConn("server", { keepalive, readBufferSize: 100 });
      Object.assign(socket, { readsPastFailure: true });
      socket.receive(...Array.from({ length: 20 }, () => frame(OP.binary, new Uint8Array(200))));
      for (let i = 0; i < 15; i++) {
        clock.advance(900);
        await ws.readMessage();
      }
      assert.equal(socket.paused, true);
      assert.equal(socket.frames().length, 0);
      socket.full = true;
      for (let i = 0; i < 10; i++) clock.advance(1000);
      const { bufferedAmount } = ws;
      for (let i = 0; i < 10; i++) clock.advance(1000);
      assert.equal(ws.bufferedAmount, bufferedAmount);
      assert.deepEqual(socket.calls, ["pause"]);
    },
  );

  it("can be turned off, and costs no timer then", limit, () => {
    for (const off of [false, { pingInterval: Infinity }] as const) {
      const { socket, clock } = testConn("server", { keepalive: off });
      assert.equal(clock.started, 0);
      clock.advance(10_000_000);
      assert.equal(socket.writes.length, 0);
    }
  });

  it("starts a handful of timers an interval, however many messages come", limit, () => {
    const { socket, clock } = testConn("server", { keepalive });
    const before = clock.started;
    for (let i = 0; i < 1000; i++) {
      socket.receive(frame(OP.pong));
      clock.advance(1);
    }
    assert.ok(clock.started - before <= 5, `${clock.started - before} timers`);
  });

  it("stops with the connection", limit, () => {
    const { ws, socket, clock } = testConn("server", { keepalive, closeTimeout: 1_000_000 });
    void ws.close();
    clock.advance(10_000);
    assert.equal(socket.frames().length, 1, "no ping follows a close frame");
    socket.gone();
    clock.advance(1_000_000);
    assert.equal(clock.timers.size, 0);
  });

  it("refuses numbers that make no sense", limit, () => {
    for (const bad of [0, -1, NaN, "5" as unknown as number]) {
      assert.throws(() => testConn("server", { keepalive: { pingInterval: bad } }), RangeError);
      assert.throws(() => testConn("server", { keepalive: { pongTimeout: bad } }), RangeError);
    }
  });
});

describe("ping", () => {
  it("resolves to the round trip when its pong comes", limit, async () => {
    const { ws, socket, clock } = testConn();
    const ping = ws.ping();
    clock.endTurn();
    const [sent] = socket.frames();
    clock.advance(25);
    socket.receive(frame(OP.pong, sent!.payload));
    assert.equal(await ping, 25);
  });

  it("takes the pong of a later ping for that of an earlier one, and no other", limit, async () => {
    const { ws, socket, clock } = testConn();
    const settled: number[] = [];
    for (let i = 0; i < 4; i++) void ws.ping(new Uint8Array([i])).then(() => settled.push(i));
    await settle();
    clock.endTurn();
    assert.equal(socket.frames().length, 4);
    socket.receive(frame(OP.pong, "nobody asked"), frame(OP.pong));
    await settle();
    assert.deepEqual(settled, []);
    socket.receive(frame(OP.pong, new Uint8Array([1])));
    await settle();
    assert.deepEqual(settled, [0, 1]);
    socket.receive(frame(OP.pong, new Uint8Array([3])));
    await settle();
    assert.deepEqual(settled, [0, 1, 2, 3]);
  });

  it("keeps pings of the same payload apart", limit, async () => {
    const { ws, socket } = testConn();
    const settled: number[] = [];
    for (let i = 0; i < 2; i++) void ws.ping(new Uint8Array([7])).then(() => settled.push(i));
    await settle();
    socket.receive(frame(OP.pong, new Uint8Array([7])));
    await settle();
    assert.deepEqual(settled, [0]);
    socket.receive(frame(OP.pong, new Uint8Array([7])));
    await settle();
    assert.deepEqual(settled, [0, 1]);
  });

  it("knows its payload though the array is changed", limit, async () => {
    const { ws, socket } = testConn();
    for (const data of [new Uint8Array([1, 2, 3]), Buffer.from([1, 2, 3])]) {
      const ping = ws.ping(data);
      data.fill(9);
      socket.receive(frame(OP.pong, new Uint8Array([1, 2, 3])));
      await ping;
    }
  });

  it("takes at most 125 bytes", limit, async () => {
    const { ws, socket, clock } = testConn();
    await assert.rejects(ws.ping(new Uint8Array(126)), RangeError);
    await assert.rejects(ws.pong(new Uint8Array(126)), RangeError);
    await ws.pong(new Uint8Array(125));
    await ws.pong();
    void ws.ping(new Uint8Array(125));
    clock.endTurn();
    const frames = socket.frames().map(({ opcode, payload }) => [opcode, payload.length]);
    assert.deepEqual(frames, [[OP.pong, 125], [OP.pong, 0], [OP.ping, 125]]);
  });

  it("can be given up", limit, async () => {
    const { ws, socket } = testConn();
    const { abort, signal, listeners } = countedSignal();
    const ping = ws.ping(new Uint8Array([1]), { signal });
    const reason = new Error("enough");
    abort.abort(reason);
    await assert.rejects(ping, (error) => error === reason);
    await assert.rejects(ws.ping(undefined, { signal }), (error) => error === reason);
    assert.equal(listeners(), 0);
    socket.receive(frame(OP.pong, new Uint8Array([1])));
    assert.equal(ws.state, "open");
  });

  it("is answered with its payload", limit, () => {
    const { socket, clock } = testConn("client");
    for (const size of [0, 1, 125]) {
      socket.receive(frame(OP.ping, new Uint8Array(size).fill(size), { mask: false }));
    }
    clock.endTurn();
    const frames = socket.frames();
    assert.deepEqual(frames.map(({ opcode, masked, payload }) => [opcode, masked, payload.length]), [
      [OP.pong, true, 0],
      [OP.pong, true, 1],
      [OP.pong, true, 125],
    ]);
    assert.equal(frames[2]!.payload[124], 125);
  });

  it("is answered inside a fragmented message", limit, async () => {
    const { ws, socket, clock } = testConn();
    socket.receive(frame(OP.text, "a", { fin: false }), frame(OP.ping, "p"), frame(OP.continuation, "b"));
    clock.endTurn();
    assert.equal(socket.frames()[0]!.opcode, OP.pong);
    assert.equal((await ws.readMessage()).data, "ab");
  });
});

for (const [name, makePair] of [["over TCP", tcpPair], ["in memory", memoryPair]] as const) {
  describe(`keep-alive ${name}`, () => {
    holdProcess();

    it("pings both ways, many at once", limit, async () => {
      const { client, server, stop } = await makePair();
      for (const ws of [client, server]) {
        const began = performance.now();
        const trips = await Promise.all(Array.from({ length: 50 }, () => ws.ping()));
        const whole = performance.now() - began;
        // No trip took longer than all; clocks may round.
        assert.ok(trips.every((trip) => trip >= 0 && trip <= whole + 1), `${trips} of ${whole}`);
      }
      await stop();
    });

    it("leaves a peer alone that answers", limit, async () => {
      const often = { keepalive: { pingInterval: 20, pongTimeout: 2000 } };
      const { client, server, stop } = await makePair({ client: often, server: often });
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.equal(client.state, "open");
      assert.equal(server.state, "open");
      await stop();
    });
  });
}

describe("keep-alive with a peer made by hand", () => {
  holdProcess();

  it("pings it, and drops it when it stays silent", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { address, stop } = await startServer({
      keepalive: { pingInterval: 40, pongTimeout: 40 },
      async websocket(conn) {
        resolve(await conn.closed);
      },
    });
    const peer = await rawClient(address);
    const parser = new FrameParser();
    try {
      for (let chunk = await peer.conn.readChunk(); chunk !== null; chunk = await peer.conn.readChunk()) {
        parser.push(chunk);
      }
    } catch {
      // By a reset, where the runtime sends one.
    }
    assert.deepEqual(parser.all().map(({ opcode }) => opcode), [OP.ping]);
    assert.deepEqual(await promise, { code: 1006, reason: "", wasClean: false });
    peer.conn.closeNow();
    await stop();
  });
});
