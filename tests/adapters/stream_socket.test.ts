/** The contract of `StreamSocket`, for the adapter of the current runtime and for the pipe. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { tcpAddr } from "../../src/net/addr.ts";
import { NetError } from "../../src/net/errors.ts";
import { socketPair } from "../../src/net/pipe.ts";
import type {
  AcceptHandler,
  SocketServer,
  StreamHandler,
  StreamSocket,
} from "../../src/net/stream_socket.ts";
import { holdProcess, isBroken, limit, pattern } from "../net/support.ts";
import { Recorder } from "./recorder.ts";

const adapter = currentAdapter();

interface Pair {
  a: StreamSocket;
  b: StreamSocket;
  stop(): Promise<void>;
}

interface Traits {
  /** Whether `reset` is a reset to the peer. */
  resets: boolean;
  /** Whether writes made before the first `start` arrive. */
  network: "tcp" | "pipe";
}

type Body = (bench: Bench) => Promise<void>;

interface Bench {
  a: StreamSocket;
  b: StreamSocket;
  /** Handlers; `startBoth` starts the sockets with them. */
  onA: Recorder;
  onB: Recorder;
  startBoth(): void;
}

/** Connects through the adapter alone. */
async function connectedPair(): Promise<Pair> {
  const { promise, resolve } = Promise.withResolvers<StreamSocket>();
  const handler: AcceptHandler = { onAccept: resolve, onError: (error) => assert.fail(error) };
  const server: SocketServer = await adapter.listen(tcpAddr("127.0.0.1", 0), {}, handler);
  server.resume();
  const { port } = server.addr as { port: number };
  const [a, b] = await Promise.all([adapter.connect(tcpAddr("127.0.0.1", port), {}, null), promise]);
  const stop = async () => {
    a.reset();
    b.reset();
    await server.close();
  };
  return { a, b, stop };
}

async function pipePair(): Promise<Pair> {
  const [a, b] = socketPair();
  const stop = async () => {
    a.reset();
    b.reset();
  };
  return { a, b, stop };
}

/** What would still come has come when another connection has played ping-pong for some rounds. */
async function fence(): Promise<void> {
  const { a, b, stop } = await connectedPair();
  const [onA, onB] = [new Recorder(), new Recorder()];
  a.start(onA);
  b.start(onB);
  for (let round = 0; round < 20; round++) {
    await onA.send(a, round, round + 1);
    await onB.until(() => onB.bytes > round);
    await onB.send(b, round, round + 1);
    await onA.until(() => onA.bytes > round);
  }
  await stop();
}

function testStreamSocket(name: string, makePair: () => Promise<Pair>, traits: Traits): void {
  const test = (title: string, body: Body) => {
    it(title, limit, async () => {
      const { a, b, stop } = await makePair();
      const [onA, onB] = [new Recorder(), new Recorder()];
      const startBoth = () => {
        onA.around("start", () => a.start(onA));
        onB.around("start", () => b.start(onB));
      };
      try {
        await body({ a, b, onA, onB, startBoth });
        await fence();
        for (const recorder of [onA, onB]) if (recorder.fault !== null) throw recorder.fault;
      } finally {
        await stop();
      }
    });
  };
  describe(name, () => {
    holdProcess();
    describe("data", () => testData(test));
    describe("end and close", () => testEnd(test, traits));
    describe("reset", () => testReset(test, traits));
    describe("handlers", () => testHandlers(test, traits));
  });
}

function testData(test: (title: string, body: Body) => void): void {
  test("that came before start comes after it, in order, with the end", async ({ a, b, onA, onB }) => {
    a.start(onA);
    const sent = onA.send(a, 0, 50_000).then(() => a.closeWrite());
    await fence();
    assert.deepEqual(onB.events, []);
    onB.around("start", () => b.start(onB));
    await onB.until(() => onB.ended);
    await sent;
    assert.equal(onB.bytes, 50_000);
    assert.deepEqual(onB.events, ["data", "end"]);
  });

  test("is not read for ever before start", async ({ a, b, onA, onB }) => {
    a.start(onA);
    const sent = onA.send(a, 0, 32 << 20);
    await fence();
    assert.equal(onA.drains, 0);
    b.start(onB);
    await sent;
    await onB.until(() => onB.bytes === 32 << 20);
  });

  test("of many small writes arrives whole", async ({ a, onA, onB, startBoth }) => {
    startBoth();
    await onA.send(a, 0, 100_000, 10);
    await onB.until(() => onB.bytes === 100_000);
    assert.deepEqual(onB.events, ["data"]);
  });

  test("goes both ways", async ({ a, b, onA, onB, startBoth }) => {
    startBoth();
    await Promise.all([onA.send(a, 0, 3_000_000, 100_001), onB.send(b, 0, 3_000_000, 70_001)]);
    await Promise.all([onA.until(() => onA.bytes === 3_000_000), onB.until(() => onB.bytes === 3_000_000)]);
  });

  test("of 8 MB waits for a paused reader, and drains once", async ({ a, b, onA, onB, startBoth }) => {
    const size = 32 << 20;
    startBoth();
    b.pause();
    await onB.until(() => true);
    const sent = onA.send(a, 0, 8 << 20).then(() => onA.send(a, 8 << 20, size));
    await fence();
    assert.ok(onB.bytes <= 1 << 20, `${onB.bytes} bytes came though it paused`);
    const came = onB.bytes;
    await fence();
    assert.equal(onB.bytes, came);
    onB.around("resume", () => b.resume());
    await sent;
    await onB.until(() => onB.bytes === size);
    assert.ok(onA.drains <= 2);
  });

  test("comes in pieces to one who pauses at each", async ({ a, b, onA, onB, startBoth }) => {
    startBoth();
    const size = 4 << 20;
    const sent = onA.send(a, 0, size, 300_000);
    while (onB.bytes < size) {
      const came = onB.bytes;
      await onB.until(() => onB.bytes > came);
      b.pause();
      onB.around("resume", () => b.resume());
    }
    await sent;
  });

  test("is the handler's to keep and to change", async ({ a, onA, onB, startBoth }) => {
    startBoth();
    onB.keepChunks = true;
    for (let at = 0; at < 400_000;) {
      await onA.send(a, at, at += 1 + at % 9000);
      const end = at;
      await onB.until(() => onB.bytes === end);
      onB.chunks.at(-1)!.fill(0xee);
      assert.ok(onB.chunks.at(-1)!.every((byte) => byte === 0xee));
    }
    // A later chunk has not been written over an earlier one.
    let at = 0;
    for (const chunk of onB.chunks) {
      const own = pattern(at, at += chunk.length);
      assert.ok(chunk.every((byte, i) => byte === own[i] || byte === 0xee));
    }
  });

  test("leaves a written array free once it was taken", async ({ a, b, onA }) => {
    const received: number[] = [];
    let done = () => {};
    a.start(onA);
    b.start({
      onData(chunk) {
        received.push(...chunk);
        done();
      },
      onEnd() {},
      onDrain() {},
      onClose() {},
    });
    const bytes = new Uint8Array(100);
    for (let i = 0; i < 50; i++) {
      const drains = onA.drains;
      bytes.fill(i);
      if (!a.write(bytes)) await onA.until(() => onA.drains > drains);
    }
    await new Promise<void>((resolve) => {
      done = () => received.length === 5000 && resolve();
      done();
    });
    assert.ok(received.every((byte, i) => byte === Math.floor(i / 100)));
  });

  test("may be written from inside of a handler", async ({ a, b, onA, onB }) => {
    let sent = 0;
    const echo: StreamHandler = {
      onData(chunk, lent) {
        onA.onData(chunk, lent);
        if (sent < 500) a.write(pattern(sent, ++sent));
      },
      onEnd: () => onA.onEnd(),
      onDrain: () => onA.onDrain(),
      onClose: (error) => onA.onClose(error),
    };
    a.start(echo);
    b.start(onB);
    for (let at = 0; at < 500; at++) {
      await onB.send(b, at, at + 1);
      await onB.until(() => onB.bytes === at + 1);
    }
  });
}

function testEnd(test: (title: string, body: Body) => void, traits: Traits): void {
  test("closeWrite ends one direction, and the other goes on", async ({ a, b, onA, onB, startBoth }) => {
    startBoth();
    await onA.send(a, 0, 10_000);
    onA.around("closeWrite", () => a.closeWrite());
    await onB.until(() => onB.ended);
    assert.deepEqual(onB.events.filter((event) => event !== "drain"), ["data", "end"]);
    await onB.send(b, 0, 6 << 20, 100_000);
    b.closeWrite();
    await onA.until(() => onA.ended);
    assert.equal(onA.bytes, 6 << 20);
    a.close();
    b.close();
    await Promise.all([onA.untilClosed(), onB.untilClosed()]);
    assert.deepEqual([onA.error, onB.error], [null, null]);
    assert.equal(onA.events.at(-2), "end");
  });

  test("close is told once, by null, and ends the peer's reading", async ({ a, b, onA, onB, startBoth }) => {
    startBoth();
    await onA.send(a, 0, 100);
    a.close();
    await onA.untilClosed();
    assert.equal(onA.error, null);
    await onB.until(() => onB.ended);
    assert.equal(onB.bytes, 100);
    b.close();
    await onB.untilClosed();
    assert.equal(onB.error, null);
  });

  test("close after closeWrite, and after the peer's end", async ({ a, b, onA, onB, startBoth }) => {
    startBoth();
    a.closeWrite();
    a.close();
    await onA.untilClosed();
    await onB.until(() => onB.ended);
    b.closeWrite();
    b.close();
    await onB.untilClosed();
    assert.deepEqual([onA.error, onB.error], [null, null]);
  });

  test("close of a paused socket", async ({ a, b, onA, onB, startBoth }) => {
    startBoth();
    a.pause();
    const sent = onB.send(b, 0, 1000).catch(isBroken);
    await fence();
    a.close();
    await onA.untilClosed();
    assert.equal(onA.error, null);
    b.close();
    await sent;
  });

  test("close by both at once", async ({ a, b, onA, onB, startBoth }) => {
    startBoth();
    a.close();
    b.close();
    await Promise.all([onA.untilClosed(), onB.untilClosed()]);
    assert.deepEqual([onA.error, onB.error], [null, null]);
  });

  test("close delivers what was taken to a slow reader", async ({ a, b, onA, onB, startBoth }) => {
    startBoth();
    b.pause();
    // Not more than the kernel takes while nobody reads.
    const size = traits.network === "tcp" ? 200_000 : 10_000;
    if (traits.network === "pipe") b.resume();
    await onA.send(a, 0, size, 10_000);
    a.close();
    await onA.untilClosed();
    b.resume();
    await onB.until(() => onB.ended);
    assert.equal(onB.bytes, size);
  });

  test("calls on a socket that is gone do nothing", async ({ a, onA, startBoth }) => {
    startBoth();
    a.close();
    await onA.untilClosed();
    a.pause();
    a.resume();
    a.setNoDelay(true);
    a.setKeepAlive(true, 1000);
    a.unref();
    a.ref();
    a.reset();
    a.write(Uint8Array.of(1));
    await fence();
    assert.deepEqual(onA.events, ["close"]);
  });

  test("an end waits for one who paused", async ({ a, b, onA, onB, startBoth }) => {
    startBoth();
    b.pause();
    a.closeWrite();
    b.resume();
    await onB.until(() => onB.ended);
    assert.deepEqual(onA.events, []);
  });
}

function testReset(test: (title: string, body: Body) => void, { resets }: Traits): void {
  test("is told once, by null here and by an error there", async ({ a, b, onA, onB, startBoth }) => {
    startBoth();
    a.reset();
    a.reset();
    await onA.untilClosed();
    assert.deepEqual([onA.error, onA.events], [null, ["close"]]);
    if (resets) {
      await onB.untilClosed();
      isBroken(onB.error);
      assert.deepEqual(onB.events, ["close"]);
    } else {
      await onB.until(() => onB.ended);
      b.reset();
      await onB.untilClosed();
      assert.equal(onB.error, null);
    }
  });

  test("drops a write that waits, without a drain", async ({ a, b, onA, onB, startBoth }) => {
    startBoth();
    b.pause();
    const sent = assert.rejects(onA.send(a, 0, 32 << 20));
    await fence();
    a.reset();
    await onA.untilClosed();
    await sent;
    assert.deepEqual([onA.error, onA.events], [null, ["close"]]);
    b.resume();
    await onB.until(() => onB.closed || onB.ended);
    assert.ok(onB.bytes < 32 << 20);
  });

  test("by the peer breaks a write that waits, without a drain", async ({ a, b, onA, onB, startBoth }) => {
    startBoth();
    b.pause();
    const sent = assert.rejects(onA.send(a, 0, 32 << 20), isBroken);
    await fence();
    b.reset();
    await sent;
    isBroken(onA.error);
    assert.deepEqual(onA.events.filter((event) => event !== "end"), ["close"]);
    assert.equal(onB.error, null);
  });

  test("by the peer breaks later writes, and not by a throw", async ({ a, b, onA, startBoth }) => {
    startBoth();
    b.reset();
    await assert.rejects(onA.send(a, 0, 32 << 20, 1000), isBroken);
  });

  test("right after close", async ({ a, onA, onB, startBoth }) => {
    startBoth();
    a.close();
    a.reset();
    await onA.untilClosed();
    assert.deepEqual([onA.error, onA.events], [null, ["close"]]);
    await onB.until(() => onB.closed || onB.ended);
  });

  test("right after a write", async ({ a, onA, onB, startBoth }) => {
    startBoth();
    a.write(pattern(0, 10));
    a.reset();
    await onA.untilClosed();
    assert.deepEqual([onA.error, onA.events], [null, ["close"]]);
    await onB.until(() => onB.closed || onB.ended);
  });

  test("right after closeWrite", async ({ a, onA, onB, startBoth }) => {
    startBoth();
    a.closeWrite();
    a.reset();
    await onA.untilClosed();
    assert.deepEqual([onA.error, onA.events], [null, ["close"]]);
    await onB.until(() => onB.closed || onB.ended);
  });

  test("some time after closeWrite", async ({ a, onA, onB, startBoth }) => {
    startBoth();
    a.closeWrite();
    await onB.until(() => onB.ended);
    a.reset();
    await onA.untilClosed();
    assert.equal(onA.error, null);
  });

  test("before start is told at start", async ({ a, b, onA, onB }) => {
    a.reset();
    await fence();
    onA.around("start", () => a.start(onA));
    await onA.untilClosed();
    assert.equal(onA.error, null);
    b.start(onB);
    await onB.until(() => onB.closed || onB.ended);
  });
}

/** A handler that throws, and tells what `onClose` got. */
function throwingHandler(events: string[]): { handler: StreamHandler; closed: Promise<NetError | null> } {
  const { promise, resolve } = Promise.withResolvers<NetError | null>();
  const hear = (event: string) => {
    if (events.includes(event)) throw new Error(`from ${event}`);
  };
  const handler: StreamHandler = {
    onData: () => hear("data"),
    onEnd: () => hear("end"),
    onDrain: () => hear("drain"),
    onClose(error) {
      resolve(error);
      hear("close");
    },
  };
  return { handler, closed: promise };
}

function testHandlers(test: (title: string, body: Body) => void, { resets }: Traits): void {
  test("that throw at data break their socket alone", async ({ a, b, onA, onB }) => {
    const { handler, closed } = throwingHandler(["data", "close"]);
    a.start(onA);
    b.start(handler);
    a.write(pattern(0, 10));
    const error = await closed;
    assert.ok(error instanceof NetError);
    assert.equal((error.cause as Error).message, "from data");
    await onA.until(() => onA.closed || onA.ended);
    if (resets) isBroken(onA.error);
    assert.equal(onB.closed, false);
  });

  test("that throw at data that came before start", async ({ a, b, onA }) => {
    const { handler, closed } = throwingHandler(["data", "close"]);
    a.start(onA);
    a.write(pattern(0, 10));
    await fence();
    b.start(handler);
    assert.equal(((await closed)!.cause as Error).message, "from data");
  });

  test("that throw at the end", async ({ a, b, onA }) => {
    const { handler, closed } = throwingHandler(["end", "close"]);
    a.start(onA);
    b.start(handler);
    a.closeWrite();
    assert.equal(((await closed)!.cause as Error).message, "from end");
  });

  test("that throw at a drain", async ({ a, b, onB }) => {
    const { handler, closed } = throwingHandler(["drain", "close"]);
    a.start(handler);
    b.start(onB);
    assert.equal(a.write(pattern(0, 32 << 20)), false);
    assert.equal(((await closed)!.cause as Error).message, "from drain");
  });

  test("that throw at the close", async ({ a, b, onB }) => {
    const { handler, closed } = throwingHandler(["close"]);
    a.start(handler);
    b.start(onB);
    a.close();
    assert.equal(await closed, null);
    await onB.until(() => onB.ended);
  });

  test("are replaced by start", async ({ a, b, onA, onB }) => {
    const first = new Recorder();
    a.start(onA);
    b.start(first);
    await onA.send(a, 0, 1000);
    await first.until(() => first.bytes === 1000);
    b.start(onB);
    onB.bytes = 1000;
    await onA.send(a, 1000, 2000);
    a.closeWrite();
    await onB.until(() => onB.ended);
    assert.equal(onB.bytes, 2000);
    b.close();
    await onB.untilClosed();
    assert.deepEqual(first.events, ["data"]);
  });

  test("are replaced from inside of one", async ({ a, b, onA, onB }) => {
    a.start(onA);
    b.start({
      onData(chunk, lent) {
        onB.onData(chunk, lent);
        b.start(onB);
      },
      onEnd: () => assert.fail("the old handler heard of the end"),
      onDrain() {},
      onClose: () => assert.fail("the old handler heard of the close"),
    });
    await onA.send(a, 0, 500_000, 1000);
    a.closeWrite();
    await onB.until(() => onB.ended);
    assert.equal(onB.bytes, 500_000);
    b.close();
    await onB.untilClosed();
  });

  test("that start on a socket that is gone are told, each once", async ({ a, onA, onB, b }) => {
    a.start(onA);
    b.start(onB);
    a.close();
    await onA.untilClosed();
    const second = new Recorder();
    second.around("start", () => a.start(second));
    await second.untilClosed();
    assert.equal(second.error, null);
    await fence();
    assert.deepEqual([onA.events, second.events], [["close"], ["close"]]);
  });

  test("that start while the close is on its way are told once", async ({ a, b, onA, onB }) => {
    a.start(onA);
    b.start(onB);
    const second = new Recorder();
    a.close();
    a.start(second);
    await second.untilClosed();
    await fence();
    assert.deepEqual(second.events, ["close"]);
  });
}

testStreamSocket("the pipe", pipePair, { resets: true, network: "pipe" });
testStreamSocket(`TCP on ${adapter.name}`, connectedPair, {
  resets: adapter.name !== "deno",
  network: "tcp",
});
