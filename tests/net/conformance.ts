/**
 * What every {@linkcode Conn} must do, given only a way to make a connected pair; in the spirit of Go's
 * `golang.org/x/net/nettest`.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Conn, TcpConn } from "../../src/net/conn.ts";
import type { Deadline } from "../../src/net/deadline.ts";
import { NetError } from "../../src/net/errors.ts";
import {
  assertBytes,
  countedSignal,
  holdProcess,
  isBroken,
  isClosed,
  isDeadlineExceeded,
  limit,
  pattern,
  randomNumbers,
} from "./support.ts";

/** Two ends of one connection, and how to clear up behind them. */
export interface Pair {
  a: Conn;
  b: Conn;
  stop(): Promise<void>;
}

/** What a runtime cannot do. */
export interface ConnTraits {
  /** Whether `closeNow` is a reset to the peer, and not the end of the stream; `"may be"` when either may come. */
  resets: boolean | "may be";
  /** Whether one direction can end before the other. Default: true. */
  halfCloses?: boolean;
}

type Body = (a: Conn, b: Conn) => Promise<void>;

/** More than any socket buffers for a peer that does not read. */
const TOO_MUCH = 32 << 20;

const MEGABYTE = 1 << 20;

/** Declares the tests of one kind of connection. */
export function testConn(name: string, makePipe: () => Promise<Pair>, traits: ConnTraits): void {
  const test = (title: string, body: Body) => {
    it(title, limit, async () => {
      const { a, b, stop } = await makePipe();
      try {
        await body(a, b);
      } finally {
        await stop();
      }
    });
  };
  describe(name, () => {
    holdProcess();
    describe("reading and writing", () => testInputOutput(test, traits));
    describe("deadlines", () => testDeadlines(test));
    describe("abort signals", () => testSignals(test));
    if (traits.halfCloses ?? true) describe("half-close", () => testHalfClose(test));
    describe("close", () => testClose(test));
    describe("a broken connection", () => testBroken(test, traits));
  });
}

function testInputOutput(test: (title: string, body: Body) => void, { halfCloses = true }: ConnTraits): void {
  test("carries megabytes both ways at once", async (a, b) => {
    const size = 4 * MEGABYTE + 7;
    const both = [
      sendPattern(a, size, 1),
      sendPattern(b, size, 2),
      expectPattern(a, size),
      expectPattern(b, size),
    ];
    await Promise.all(both);
    if (!halfCloses) return;
    await Promise.all([a.closeWrite(), b.closeWrite(), expectEnd(a), expectEnd(b)]);
  });

  test("plays ping-pong", async (a, b) => {
    const echo = async () => {
      for (let chunk = await b.readChunk(); chunk !== null; chunk = await b.readChunk()) await b.write(chunk);
    };
    const echoing = echo();
    for (let at = 0, size = 1; size < 400; at += size, size++) {
      const ball = pattern(at, at + size);
      assert.equal(await a.write(ball), size);
      assertBytes(await readFull(a, size), ball);
    }
    await a.closeWrite();
    await echoing;
  });

  test("mixes reads into small buffers with readChunk", async (a, b) => {
    const size = 300_000;
    const sent = sendPattern(a, size, 3).then(() => a.closeWrite());
    const random = randomNumbers(4);
    let at = 0;
    while (at < size) {
      const p = new Uint8Array(1 + random(50));
      const part = random(100) === 0 ? await b.readChunk() : p.subarray(0, await b.read(p) ?? 0);
      assert.ok(part !== null && part.length > 0, `nothing at byte ${at}`);
      assertBytes(part, pattern(at, at + part.length), at);
      at += part.length;
    }
    await expectEnd(b);
    await sent;
  });

  test("leaves the rest of a buffer alone", async (a, b) => {
    await a.write(Uint8Array.of(1, 2, 3));
    const p = new Uint8Array(10).fill(9);
    let filled = 0;
    while (filled < 3) filled += await b.read(p.subarray(filled)) ?? 0;
    assert.deepEqual([...p], [1, 2, 3, 9, 9, 9, 9, 9, 9, 9]);
  });

  test("hands over chunks that are the reader's to keep and change", async (a, b) => {
    const chunks: Uint8Array[] = [];
    const size = 200_000;
    const sent = sendPattern(a, size, 5);
    for (let at = 0; at < size;) {
      const chunk = (await b.readChunk())!;
      assertBytes(chunk, pattern(at, at + chunk.length), at);
      at += chunk.length;
      chunks.push(chunk.fill(0xee));
    }
    await sent;
    assert.ok(chunks.every((chunk) => chunk.every((byte) => byte === 0xee)));
  });

  test("leaves the written array free once the write resolved", async (a, b) => {
    const p = new Uint8Array(1000);
    const received = readFull(b, 20_000);
    for (let i = 0; i < 20; i++) {
      p.fill(i);
      await a.write(p);
    }
    const bytes = await received;
    assert.ok(bytes.every((byte, i) => byte === Math.floor(i / 1000)));
  });

  test("takes views and Node's Buffers, and copies what is in memory", async (a, b) => {
    const around = pattern(0, 100);
    await a.write(around.subarray(10, 20));
    assertBytes(await readFull(b, 10), pattern(10, 20));
    const { Buffer } = await import("node:buffer");
    const buffer = Buffer.from(pattern(0, 50));
    await a.write(buffer);
    buffer.fill(0);
    assertBytes(await readFull(b, 50), pattern(0, 50));
  });

  test("serves concurrent reads in order of calling", async (a, b) => {
    const buffers = Array.from({ length: 50 }, () => new Uint8Array(1));
    const counts = Promise.all(buffers.map((p) => b.read(p)));
    const last = b.readChunk();
    await a.write(pattern(0, 51));
    assert.ok((await counts).every((count) => count === 1));
    buffers.forEach((p, i) => assertBytes(p, pattern(i, i + 1), i));
    assertBytes((await last)!.subarray(0, 1), pattern(50, 51));
  });

  test("gives the end to every read that waits", async (a, b) => {
    const reads = Promise.all([b.read(new Uint8Array(8)), b.readChunk(), b.read(new Uint8Array(8))]);
    await a.closeWrite();
    assert.deepEqual(await reads, [null, null, null]);
  });

  test("keeps the bytes of each write together, in order of calling", async (a, b) => {
    const random = randomNumbers(6);
    const writes = Array.from({ length: 60 }, (_, i) => new Uint8Array(1 + random(200_000)).fill(i));
    const sent = Promise.all(writes.map((bytes) => a.write(bytes)));
    for (const [i, bytes] of writes.entries()) {
      assertBytes(await readFull(b, bytes.length), bytes);
      assert.ok(i < 60);
    }
    assert.deepEqual(await sent, writes.map((bytes) => bytes.length));
  });

  test("carries a thousand small writes made at once", async (a, b) => {
    const sent = Promise.all(Array.from({ length: 1000 }, (_, i) => a.write(pattern(i * 10, i * 10 + 10))));
    assertBytes(await readFull(b, 10_000), pattern(0, 10_000));
    assert.ok((await sent).every((count) => count === 10));
  });

  test("reads and writes nothing", async (a, b) => {
    assert.equal(await a.write(new Uint8Array(0)), 0);
    assert.equal(await b.read(new Uint8Array(0)), 0);
    await a.write(Uint8Array.of(7));
    assert.equal(await b.read(new Uint8Array(0)), 0);
    assert.deepEqual([...await readFull(b, 1)], [7]);
  });

  test("refuses wrong arguments", async (a) => {
    for (const wrong of [undefined, null, "text", [1, 2], new ArrayBuffer(4), new Uint16Array(4), 5]) {
      await assert.rejects(a.read(wrong as unknown as Uint8Array), TypeError);
      await assert.rejects(a.write(wrong as unknown as Uint8Array), TypeError);
    }
    for (const wrong of [NaN, "tomorrow", undefined, new Date(NaN)]) {
      assert.throws(() => a.setDeadline(wrong as Deadline), TypeError);
      assert.throws(() => a.setReadDeadline(wrong as Deadline), TypeError);
      assert.throws(() => a.setWriteDeadline(wrong as Deadline), TypeError);
    }
    // A duration is no time.
    assert.throws(() => a.setDeadline(5000), RangeError);
    assert.throws(() => a.setReadDeadline(1), RangeError);
    assert.throws(() => a.setWriteDeadline(1e10), RangeError);
  });

  test("makes the writer wait for a peer that does not read, and the peer hold little", async (a, b) => {
    let taken = 0;
    const fill = async () => {
      while (taken < TOO_MUCH) {
        const piece = pattern(taken, taken + 65536);
        a.setWriteDeadline(null);
        const writing = a.write(piece);
        // A deadline of the write that waits: one that passes between two of them breaks nothing.
        a.setWriteDeadline(Date.now() + 200);
        taken += await writing;
      }
    };
    await assert.rejects(fill(), isDeadlineExceeded);
    assert.ok(taken < TOO_MUCH);
    // The stream has a hole now, or may have: writing is over for good, reading is not.
    a.setWriteDeadline(null);
    await assert.rejects(a.write(Uint8Array.of(1)), isDeadlineExceeded);
    await assert.rejects(a.closeWrite(), isDeadlineExceeded);
    await b.write(Uint8Array.of(1, 2, 3));
    assert.deepEqual([...await readFull(a, 3)], [1, 2, 3]);
    assertBytes(await readFull(b, taken), pattern(0, taken));
  });
}

function testDeadlines(test: (title: string, body: Body) => void): void {
  test("past: fail reads at once, though data is ready", async (a, b) => {
    await b.write(pattern(0, 100));
    await readFull(a, 50);
    for (const past of [Date.now(), Date.now() - 1, new Date(Date.now() - 60_000), 0, -Infinity]) {
      a.setReadDeadline(past);
      await assert.rejects(a.read(new Uint8Array(10)), isDeadlineExceeded);
      await assert.rejects(a.readChunk(), isDeadlineExceeded);
    }
    a.setReadDeadline(null);
    assertBytes(await readFull(a, 50), pattern(50, 100));
  });

  test("past: fail writes at once, with nothing sent", async (a, b) => {
    for (const past of [Date.now(), new Date(0)]) {
      a.setWriteDeadline(past);
      await assert.rejects(a.write(Uint8Array.of(1, 2, 3)), isDeadlineExceeded);
      await assert.rejects(a.closeWrite(), isDeadlineExceeded);
    }
    a.setWriteDeadline(null);
    await a.write(Uint8Array.of(4));
    await a.closeWrite();
    assert.deepEqual([...await readFull(b, 1)], [4]);
    await expectEnd(b);
  });

  test("of one direction leave the other alone", async (a, b) => {
    a.setReadDeadline(0);
    await a.write(Uint8Array.of(1));
    await readFull(b, 1);
    a.setReadDeadline(null);
    a.setWriteDeadline(0);
    await b.write(Uint8Array.of(2));
    assert.deepEqual([...await readFull(a, 1)], [2]);
    a.setDeadline(0);
    await assert.rejects(a.readChunk(), isDeadlineExceeded);
    await assert.rejects(a.write(Uint8Array.of(1)), isDeadlineExceeded);
  });

  test("future: expire under waiting reads, all of them, and not before they are due", async (a) => {
    const due = Date.now() + 40;
    a.setReadDeadline(new Date(due));
    const reads = [a.read(new Uint8Array(1)), a.readChunk(), a.read(new Uint8Array(5))];
    await Promise.all(reads.map((read) => assert.rejects(read, isDeadlineExceeded)));
    assert.ok(Date.now() >= due - 1);
    await assert.rejects(a.readChunk(), isDeadlineExceeded);
  });

  test("future: expire under waiting writes, all of them, and not before they are due", async (a) => {
    const due = Date.now() + 40;
    a.setWriteDeadline(due);
    const writes = [a.write(new Uint8Array(TOO_MUCH)), a.write(new Uint8Array(1)), a.closeWrite()];
    await Promise.all(writes.map((write) => assert.rejects(write, isDeadlineExceeded)));
    assert.ok(Date.now() >= due - 1);
  });

  test("can be set while calls wait already", async (a) => {
    const read = assert.rejects(a.readChunk(), isDeadlineExceeded);
    const write = assert.rejects(a.write(new Uint8Array(TOO_MUCH)), isDeadlineExceeded);
    a.setDeadline(Date.now() + 20);
    await Promise.all([read, write]);
  });

  test("can be set to the past while calls wait", async (a) => {
    const read = assert.rejects(a.readChunk(), isDeadlineExceeded);
    const write = assert.rejects(a.write(new Uint8Array(TOO_MUCH)), isDeadlineExceeded);
    a.setDeadline(new Date(1));
    await Promise.all([read, write]);
  });

  test("move earlier while calls wait", async (a) => {
    a.setDeadline(Date.now() + 3_600_000);
    const read = assert.rejects(a.readChunk(), isDeadlineExceeded);
    const write = assert.rejects(a.write(new Uint8Array(TOO_MUCH)), isDeadlineExceeded);
    a.setReadDeadline(Date.now() + 20);
    a.setWriteDeadline(Date.now() + 20);
    await Promise.all([read, write]);
  });

  for (const [where, time] of [["later", Date.now() + 3_600_000], ["away", null]] as const) {
    test(`move ${where} while calls wait`, async (a, b) => {
      const read = a.readChunk();
      const write = a.write(new Uint8Array(TOO_MUCH));
      const due = Date.now() + 20;
      a.setDeadline(due);
      a.setDeadline(time);
      // The peer's own deadline tells that the first one has passed.
      b.setReadDeadline(due + 20);
      const waited = async () => {
        while (true) await b.readChunk();
      };
      await assert.rejects(waited(), isDeadlineExceeded);
      b.setReadDeadline(null);
      await b.write(Uint8Array.of(1));
      assert.deepEqual([...(await read)!], [1]);
      const draining = drain(b);
      assert.equal(await write, TOO_MUCH);
      await a.closeWrite();
      await draining;
    });
  }

  test("revive the connection when they are moved", async (a, b) => {
    for (let i = 0; i < 5; i++) {
      a.setReadDeadline(Date.now() + 5);
      await assert.rejects(a.readChunk(), isDeadlineExceeded);
      await b.write(Uint8Array.of(i));
      await assert.rejects(a.readChunk(), isDeadlineExceeded);
      a.setReadDeadline(Date.now() + 10_000);
      assert.deepEqual([...await readFull(a, 1)], [i]);
    }
  });

  test("cost no byte, whenever reads expire", async (a, b) => {
    const size = 400_000;
    const random = randomNumbers(8);
    const send = async () => {
      for (let at = 0; at < size;) {
        const end = Math.min(size, at + 1 + random(8000));
        await b.write(pattern(at, end));
        at = end;
        if (random(3) > 0) continue;
        // A pause that is no sleep: the writer reads what never comes.
        b.setReadDeadline(Date.now() + random(3));
        await assert.rejects(b.readChunk(), isDeadlineExceeded);
      }
    };
    const sent = send();
    let expired = 0;
    for (let at = 0; at < size;) {
      a.setReadDeadline(Date.now() + random(4) - 1);
      const p = new Uint8Array(1 + random(5000));
      const part = await (random(2) === 0 ? a.readChunk() : a.read(p)).catch(isDeadlineExceeded);
      if (part === true) expired++;
      else {
        const bytes = typeof part === "number" ? p.subarray(0, part) : part!;
        assertBytes(bytes, pattern(at, at + bytes.length), at);
        at += bytes.length;
      }
    }
    await sent;
    assert.ok(expired > 0);
  });
}

function testSignals(test: (title: string, body: Body) => void): void {
  test("that are aborted already fail a read at once, though data is ready", async (a, b) => {
    await b.write(pattern(0, 20));
    await readFull(a, 10);
    const reason = new Error("too late");
    const signal = AbortSignal.abort(reason);
    await assert.rejects(a.read(new Uint8Array(5), { signal }), (error) => error === reason);
    await assert.rejects(a.readChunk({ signal }), (error) => error === reason);
    assertBytes(await readFull(a, 10), pattern(10, 20));
  });

  test("that are aborted already fail a write at once, with nothing sent", async (a, b) => {
    const signal = AbortSignal.abort();
    await assert.rejects(a.write(Uint8Array.of(1), { signal }), { name: "AbortError" });
    await a.write(Uint8Array.of(2));
    assert.deepEqual([...await readFull(b, 1)], [2]);
  });

  test("take a waiting read out, and no byte with it", async (a, b) => {
    const { abort, signal, listeners } = countedSignal();
    const first = a.read(new Uint8Array(1));
    const p = new Uint8Array(100);
    const aborted = assert.rejects(a.read(p, { signal }), (error) => error === signal.reason);
    const last = a.readChunk();
    assert.equal(listeners(), 1);
    abort.abort();
    await aborted;
    assert.equal(listeners(), 0);
    await b.write(pattern(0, 100));
    assert.equal(await first, 1);
    const chunk = (await last)!;
    assertBytes(chunk, pattern(1, 1 + chunk.length), 1);
    await readFull(a, 99 - chunk.length);
    assert.ok(p.every((byte) => byte === 0), "the aborted read wrote into its buffer");
  });

  test("cost no byte, whenever reads are aborted", async (a, b) => {
    const size = 200_000;
    const random = randomNumbers(9);
    const sent = sendPattern(b, size, 10);
    for (let at = 0; at < size;) {
      const abort = new AbortController();
      const read = a.readChunk({ signal: abort.signal });
      const choice = random(4);
      if (choice < 2) abort.abort();
      else if (choice === 2) queueMicrotask(() => abort.abort());
      const chunk = await read.catch((error) => assert.equal(error, abort.signal.reason));
      if (!chunk) continue;
      assertBytes(chunk, pattern(at, at + chunk.length), at);
      at += chunk.length;
    }
    await sent;
  });

  test("leave nothing behind, however the call ends", async (a, b) => {
    const { abort, signal, listeners } = countedSignal();
    const served = a.readChunk({ signal });
    await b.write(Uint8Array.of(1));
    await served;
    assert.equal(listeners(), 0);
    a.setReadDeadline(Date.now() + 5);
    await assert.rejects(a.readChunk({ signal }), isDeadlineExceeded);
    assert.equal(listeners(), 0);
    await a.write(Uint8Array.of(1), { signal });
    assert.equal(listeners(), 0);
    a.setReadDeadline(null);
    const closed = assert.rejects(a.readChunk({ signal }), isClosed);
    await a.close();
    await closed;
    assert.equal(listeners(), 0);
    abort.abort();
  });

  test("take out a write that waits its turn without a trace", async (a, b) => {
    const { abort, signal, listeners } = countedSignal();
    const first = a.write(new Uint8Array(TOO_MUCH));
    const aborted = assert.rejects(
      a.write(new Uint8Array(1000).fill(1), { signal }),
      (error) => error === signal.reason,
    );
    const last = a.write(new Uint8Array(1000).fill(2));
    abort.abort();
    await aborted;
    assert.equal(listeners(), 0);
    const bytes = await readFull(b, TOO_MUCH + 1000);
    assert.ok(bytes.subarray(TOO_MUCH).every((byte) => byte === 2));
    assert.deepEqual([await first, await last], [TOO_MUCH, 1000]);
  });

  for (const reason of [new Error("enough"), null]) {
    test(`that take out a write on its way, by ${reason}, end writing, and reads go on`, async (a, b) => {
      const { abort, signal, listeners } = countedSignal();
      const first = assert.rejects(
        a.write(new Uint8Array(TOO_MUCH), { signal }),
        (error) => error === reason,
      );
      const isHole = (error: unknown) => {
        assert.ok(error instanceof NetError);
        assert.deepEqual([error.code, error.timeout, error.cause], ["EPIPE", false, reason]);
        return true;
      };
      const second = assert.rejects(a.write(Uint8Array.of(1)), isHole);
      abort.abort(reason);
      await Promise.all([first, second]);
      assert.equal(listeners(), 0);
      await assert.rejects(a.write(Uint8Array.of(1)), isHole);
      await assert.rejects(a.closeWrite(), isHole);
      await b.write(Uint8Array.of(5));
      assert.deepEqual([...await readFull(a, 1)], [5]);
    });
  }
}

function testHalfClose(test: (title: string, body: Body) => void): void {
  test("ends one direction after the other", async (a, b) => {
    await a.write(Uint8Array.of(1, 2));
    await a.closeWrite();
    assert.deepEqual([...await readFull(b, 2)], [1, 2]);
    await expectEnd(b);
    await b.write(Uint8Array.of(3, 4));
    assert.deepEqual([...await readFull(a, 2)], [3, 4]);
    await b.write(Uint8Array.of(5));
    await b.closeWrite();
    assert.deepEqual([...await readFull(a, 1)], [5]);
    await expectEnd(a);
    await expectEnd(b);
    await Promise.all([a.close(), b.close()]);
  });

  test("from both sides at once", async (a, b) => {
    await Promise.all([a.closeWrite(), b.closeWrite()]);
    await Promise.all([expectEnd(a), expectEnd(b)]);
  });

  test("refuses writes after it, and may be repeated", async (a, b) => {
    await Promise.all([a.closeWrite(), a.closeWrite()]);
    await a.closeWrite();
    await assert.rejects(a.write(Uint8Array.of(1)), (error) => {
      assert.ok(error instanceof NetError);
      assert.equal(error.code, "EPIPE");
      return true;
    });
    await b.write(Uint8Array.of(1));
    assert.deepEqual([...await readFull(a, 1)], [1]);
  });

  test("waits for the writes before it", async (a, b) => {
    const sizes = [TOO_MUCH, 1, 70_000];
    const writes = Promise.all(sizes.map((size) => a.write(new Uint8Array(size))));
    let ended = false;
    const end = Promise.all([a.closeWrite(), a.closeWrite()]).then(() => ended = true);
    await readFull(b, 100);
    assert.equal(ended, false);
    const total = sizes.reduce((sum, size) => sum + size);
    assert.equal(await drain(b), total - 100);
    assert.deepEqual(await writes, sizes);
    await end;
  });

  test("carries a long answer", async (a, b) => {
    await a.closeWrite();
    await expectEnd(b);
    const sent = sendPattern(b, 6 * MEGABYTE, 11).then(() => b.closeWrite());
    await expectPattern(a, 6 * MEGABYTE);
    await expectEnd(a);
    await sent;
  });
}

function testClose(test: (title: string, body: Body) => void): void {
  test("fails pending reads", async (a) => {
    const reads = [a.readChunk(), a.read(new Uint8Array(1))].map((read) => assert.rejects(read, isClosed));
    await a.close();
    await Promise.all(reads);
  });

  test("ends the peer's reads", async (a, b) => {
    const read = b.readChunk();
    await a.close();
    assert.equal(await read, null);
    await expectEnd(b);
  });

  test("fails every later call, and none of them breaks anything", async (a, b) => {
    await b.write(Uint8Array.of(1, 2, 3));
    await readFull(a, 1);
    await a.close();
    await assert.rejects(a.read(new Uint8Array(1)), isClosed);
    await assert.rejects(a.read(new Uint8Array(0)), isClosed);
    await assert.rejects(a.readChunk(), isClosed);
    await assert.rejects(a.write(Uint8Array.of(1)), isClosed);
    await assert.rejects(a.write(new Uint8Array(0)), isClosed);
    await assert.rejects(a.closeWrite(), isClosed);
    await assert.rejects(a.readChunk({ signal: AbortSignal.abort() }), isClosed);
    a.setDeadline(Date.now() + 1000);
    a.setDeadline(null);
    a.unref();
    a.ref();
    if (isTcp(a)) {
      a.setNoDelay(false);
      a.setKeepAlive(false);
    }
    a.closeNow();
    await a.close();
    // An address may be empty, as that of an unnamed Unix socket is; but it does not go.
    assert.equal(String(a.localAddr), String(b.remoteAddr));
    assert.equal(String(a.remoteAddr), String(b.localAddr));
  });

  test("may be called again, at once or later", async (a, b) => {
    await Promise.all([a.close(), a.close(), a.close()]);
    await a.close();
    a.closeNow();
    a.closeNow();
    await b.close();
    await a[Symbol.asyncDispose]();
  });

  test("from both sides at once", async (a, b) => {
    await Promise.all([a.close(), b.close()]);
  });

  test("is the end of `await using`", async (a, b) => {
    {
      await using mine = a;
      await mine.write(Uint8Array.of(1));
    }
    await assert.rejects(a.readChunk(), isClosed);
    assert.deepEqual([...await readFull(b, 1)], [1]);
    await expectEnd(b);
  });

  test("delivers what is queued to a slow reader", async (a, b) => {
    const size = 12 * MEGABYTE;
    const writes: Promise<number>[] = [];
    for (let at = 0; at < size; at += MEGABYTE) writes.push(a.write(pattern(at, at + MEGABYTE)));
    const closed = a.close();
    const p = new Uint8Array(30_000);
    let at = 0;
    for (let count = await b.read(p); count !== null; count = await b.read(p)) {
      assertBytes(p.subarray(0, count), pattern(at, at + count), at);
      at += count;
    }
    assert.equal(at, size);
    assert.ok((await Promise.all(writes)).every((count) => count === MEGABYTE));
    await closed;
  });

  test("delivers what is queued to a peer that sends before it reads", async (a, b) => {
    const write = a.write(new Uint8Array(TOO_MUCH));
    const closed = a.close();
    await b.write(new Uint8Array(TOO_MUCH));
    assert.equal(await drain(b), TOO_MUCH);
    assert.equal(await write, TOO_MUCH);
    await closed;
  });

  test("sends the end of the stream after the bytes of a write that was awaited", async (a, b) => {
    await a.write(pattern(0, 50_000));
    await a.close();
    assertBytes(await readFull(b, 50_000), pattern(0, 50_000));
    await expectEnd(b);
  });

  test("ends at the write deadline when the peer does not read", async (a) => {
    const writes = [a.write(new Uint8Array(TOO_MUCH)), a.write(new Uint8Array(1)), a.closeWrite()];
    const failed = Promise.all(writes.map((write) => assert.rejects(write, isClosed)));
    a.setWriteDeadline(Date.now() + 30);
    await a.close();
    await failed;
  });

  test("ends at a write deadline that is set after it", async (a) => {
    const failed = assert.rejects(a.write(new Uint8Array(TOO_MUCH)), isClosed);
    const closed = a.close();
    a.setWriteDeadline(Date.now() + 10);
    await Promise.all([closed, failed]);
  });

  test("ends at once when writing had expired already", async (a) => {
    a.setWriteDeadline(Date.now() + 10);
    await assert.rejects(a.write(new Uint8Array(TOO_MUCH)), isDeadlineExceeded);
    await a.close();
  });

  test("is cut short by closeNow", async (a) => {
    const failed = assert.rejects(a.write(new Uint8Array(TOO_MUCH)), isClosed);
    const closed = a.close();
    a.closeNow();
    await Promise.all([closed, failed]);
  });

  test("is cut short by closeNow in the same turn, with nothing queued", async (a) => {
    await a.write(new Uint8Array(10));
    const closed = a.close();
    a.closeNow();
    await closed;
  });

  test("now: fails pending reads and writes", async (a) => {
    const calls = [
      a.readChunk(),
      a.write(new Uint8Array(TOO_MUCH)),
      a.write(new Uint8Array(1)),
      a.closeWrite(),
    ];
    const failed = Promise.all(calls.map((call) => assert.rejects(call, isClosed)));
    a.closeNow();
    a.closeNow();
    await failed;
    await assert.rejects(a.readChunk(), isClosed);
    await assert.rejects(a.write(Uint8Array.of(1)), isClosed);
    await a.close();
  });

  test("now: after a half-close, in the same turn and later", async (a, b) => {
    const end = a.closeWrite();
    a.closeNow();
    await Promise.allSettled([end]);
    await b.closeWrite().catch(isBroken);
    b.closeNow();
    await Promise.all([a.close(), b.close()]);
  });
}

function testBroken(test: (title: string, body: Body) => void, { resets }: ConnTraits): void {
  test("fails a pending read", async (a, b) => {
    const read = a.readChunk();
    b.closeNow();
    if (resets === "may be") {
      await read.catch(isBroken);
    } else if (resets) {
      await assert.rejects(read, isBroken);
      await assert.rejects(a.readChunk(), isBroken);
      await assert.rejects(a.write(Uint8Array.of(1)), isBroken);
    } else {
      assert.equal(await read, null);
    }
    await a.close();
  });

  test("fails pending writes", async (a, b) => {
    const writes = [a.write(new Uint8Array(TOO_MUCH)), a.write(new Uint8Array(1)), a.closeWrite()];
    const failed = Promise.all(writes.map((write) => assert.rejects(write, isBroken)));
    await readFull(b, 100_000);
    b.closeNow();
    await failed;
    await assert.rejects(a.write(Uint8Array.of(1)), isBroken);
    await a.close();
  });

  test("fails writes sooner or later, and not by a throw", async (a, b) => {
    b.closeNow();
    const fill = async () => {
      for (let sent = 0; sent < TOO_MUCH; sent += 1000) await a.write(new Uint8Array(1000));
    };
    await assert.rejects(fill(), isBroken);
    await a.close();
  });

  test("fails the writes of one whose peer closed in order, and reads go to the end", async (a, b) => {
    await b.write(pattern(0, 1000));
    await b.close();
    assertBytes(await readFull(a, 1000), pattern(0, 1000));
    await expectEnd(a);
    const fill = async () => {
      for (let sent = 0; sent < TOO_MUCH; sent += 1000) await a.write(new Uint8Array(1000));
    };
    await assert.rejects(fill(), isBroken);
    await expectEnd(a);
    await a.close();
  });

  test("lets what came before be read", async (a, b) => {
    await b.write(pattern(0, 1000));
    const first = await readFull(a, 500);
    assertBytes(first, pattern(0, 500));
    const rest = readFull(a, 500);
    b.closeNow();
    assertBytes(await rest, pattern(500, 1000));
    await a.close();
  });

  test("raises nothing when nobody calls", async (a, b) => {
    await b.write(new Uint8Array(10));
    b.closeNow();
    // The peer's own deadline gives the break time to arrive.
    a.setReadDeadline(Date.now() + 20);
    const waited = async () => {
      while (await a.readChunk() !== null);
    };
    await waited().catch(() => {});
    await a.close();
    await assert.rejects(a.readChunk(), isClosed);
  });

  test("closes at once", async (a, b) => {
    const write = assert.rejects(a.write(new Uint8Array(TOO_MUCH)), isBroken);
    b.closeNow();
    await write;
    a.closeNow();
    await Promise.all([a.close(), a.close()]);
    await assert.rejects(a.write(Uint8Array.of(1)), isClosed);
  });
}

/** Writes the pattern in pieces of random sizes. */
async function sendPattern(conn: Conn, size: number, seed: number): Promise<void> {
  const random = randomNumbers(seed);
  for (let at = 0; at < size;) {
    const end = Math.min(size, at + 1 + random(at % 7 === 0 ? 300_000 : 3000));
    assert.equal(await conn.write(pattern(at, end)), end - at);
    at = end;
  }
}

async function expectPattern(conn: Conn, size: number): Promise<void> {
  for (let at = 0; at < size;) {
    const chunk = await conn.readChunk();
    assert.ok(chunk !== null, `the stream ended at byte ${at}`);
    assertBytes(chunk, pattern(at, at + chunk.length), at);
    at += chunk.length;
  }
}

async function expectEnd(conn: Conn): Promise<void> {
  assert.equal(await conn.read(new Uint8Array(10)), null);
  assert.equal(await conn.readChunk(), null);
  assert.equal(await conn.read(new Uint8Array(1)), null);
}

async function readFull(conn: Conn, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  for (let filled = 0; filled < size;) {
    const count = await conn.read(bytes.subarray(filled));
    assert.ok(count !== null, `the stream ended after ${filled} of ${size} bytes`);
    assert.ok(count > 0);
    filled += count;
  }
  return bytes;
}

/** Reads to the end and tells how many bytes that were. */
async function drain(conn: Conn): Promise<number> {
  let size = 0;
  for (let chunk = await conn.readChunk(); chunk !== null; chunk = await conn.readChunk()) {
    size += chunk.length;
  }
  return size;
}

function isTcp(conn: Conn): conn is TcpConn {
  return conn.localAddr.network === "tcp";
}
