import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dial, listen, pipe } from "../../mod.ts";
import type { ByteBuffer } from "../../src/bytes/byte_buffer.ts";
import type { Codec } from "../../src/framing/codec.ts";
import { Framed, type FramedConn } from "../../src/framing/framed.ts";
import { LengthDelimitedCodec } from "../../src/framing/length_delimited.ts";
import { JsonLinesCodec } from "../../src/framing/json_lines.ts";
import { LinesCodec } from "../../src/framing/lines.ts";
import type { Conn } from "../../src/net/conn.ts";
import { UnexpectedEofError } from "../../src/net/errors.ts";
import { countedSignal, holdProcess, isBroken, isClosed, isDeadlineExceeded, limit } from "../net/support.ts";
import { bounded, bytesOf, cuts, cutUp, fc } from "./feed.ts";

holdProcess();

interface Pair {
  a: Conn;
  b: Conn;
  stop: () => Promise<void>;
}

async function pipePair(): Promise<Pair> {
  const [a, b] = pipe();
  return {
    a,
    b,
    stop: async () => {
      a.closeNow();
      b.closeNow();
    },
  };
}

async function tcpPair(): Promise<Pair> {
  const listener = await listen("tcp", "127.0.0.1:0");
  const [a, b] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
  return {
    a,
    b,
    stop: async () => {
      a.closeNow();
      b.closeNow();
      await listener.close();
    },
  };
}

/** Whether a promise has settled, without waiting for anything but callbacks that are due. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  const first = await Promise.race([
    promise.catch(() => {}),
    new Promise((resolve) => setTimeout(resolve, 5, pending)),
  ]);
  return first === pending;
}

/** What comes next, as text. */
async function nextText(conn: Conn): Promise<string | null> {
  const chunk = await conn.readChunk();
  return chunk === null ? null : new TextDecoder().decode(chunk);
}

for (const [name, makePair] of [["pipe", pipePair], ["tcp", tcpPair]] as const) {
  describe(`Framed over ${name}`, () => {
    const test = (title: string, run: (lines: Framed<string>, peer: Conn) => Promise<void>): void => {
      it(title, limit, async () => {
        const { a, b, stop } = await makePair();
        try {
          await run(new Framed(a, new LinesCodec({ maxLength: 100 })), b);
        } finally {
          await stop();
        }
      });
    };

    test("reads items, then null for good", async (lines, peer) => {
      await peer.write(bytesOf("one\ntwo\nthr"));
      assert.equal(await lines.read(), "one");
      assert.equal(await lines.read(), "two");
      const third = lines.read();
      assert.equal(await isPending(third), true);
      await peer.write(bytesOf("ee\nlast"));
      await peer.closeWrite();
      assert.equal(await third, "three");
      assert.equal(await lines.read(), "last");
      assert.equal(await lines.read(), null);
      assert.equal(await lines.read(), null);
    });

    test("writes items, and many in one write", async (lines, peer) => {
      const received = new Framed(peer, new LinesCodec());
      await lines.write("one");
      await lines.writeMany(["two", "three"]);
      await lines.writeMany([]);
      await lines.conn.closeWrite();
      const all: string[] = [];
      for await (const line of received) all.push(line);
      assert.deepEqual(all, ["one", "two", "three"]);
    });

    test("serves concurrent reads and writes in order", async (lines, peer) => {
      const received = new Framed(peer, new LinesCodec());
      const numbers = Array.from({ length: 200 }, (_, i) => `${i}`);
      const reads = numbers.map(() => received.read());
      await Promise.all(numbers.map((number) => lines.write(number)));
      assert.deepEqual(await Promise.all(reads), numbers);
    });

    test("for await ends with the stream, and leaving it leaves the connection open", async (lines, peer) => {
      await peer.write(bytesOf("one\ntwo\nthree\n"));
      for await (const line of lines) {
        if (line === "two") break;
      }
      await peer.closeWrite();
      const rest: string[] = [];
      for await (const line of lines) rest.push(line);
      assert.deepEqual(rest, ["three"]);
    });

    test("for await ends when this side closes", async (lines, peer) => {
      await peer.write(bytesOf("one\ntwo\n"));
      let count = 0;
      for await (const _ of lines) {
        count++;
        await lines.close();
      }
      assert.equal(count, 1);
    });

    test("for await that waits ends when this side closes", async (lines) => {
      const next = lines[Symbol.asyncIterator]().next();
      assert.equal(await isPending(next), true);
      await lines.close();
      assert.deepEqual(await next, { done: true, value: undefined });
    });

    test("a read that expires loses nothing", async (lines, peer) => {
      await peer.write(bytesOf("ha"));
      lines.setReadDeadline(Date.now() + 20);
      const [first, second] = [lines.read(), lines.read()];
      await assert.rejects(first, isDeadlineExceeded);
      await assert.rejects(second, isDeadlineExceeded);
      await assert.rejects(lines.read(), isDeadlineExceeded);
      lines.setReadDeadline(null);
      await peer.write(bytesOf("lf\n"));
      assert.equal(await lines.read(), "half");
    });

    test("a read that is aborted loses nothing, wherever it stands in the queue", async (lines, peer) => {
      await peer.write(bytesOf("ha"));
      const [x, y] = [countedSignal(), countedSignal()];
      const [first, second, third] = [lines.read(x), lines.read(y), lines.read()];
      y.abort.abort(new Error("second"));
      await assert.rejects(second, { message: "second" });
      x.abort.abort(new Error("first"));
      await assert.rejects(first, { message: "first" });
      await peer.write(bytesOf("lf\nmore\n"));
      assert.equal(await third, "half");
      await assert.rejects(lines.read(x), { message: "first" });
      assert.equal(await lines.read(), "more");
      assert.deepEqual([x.listeners(), y.listeners()], [0, 0]);
    });

    test("a read whose turn comes as it is aborted passes its turn on", async (lines, peer) => {
      const [x, y] = [new AbortController(), new AbortController()];
      const [first, second, third] = [lines.read(x), lines.read(y), lines.read()];
      const both = Promise.allSettled([first, second]);
      x.abort(new Error("first"));
      await first.catch(() => y.abort(new Error("second")));
      await peer.write(bytesOf("one\n"));
      assert.deepEqual((await both).map(({ status }) => status), ["rejected", "rejected"]);
      assert.equal(await third, "one");
    });

    it(
      "a truncated last item is an error that says how much of it came",
      limit,
      async () => {
        const { a, b, stop } = await makePair();
        const values = new Framed(a, new JsonLinesCodec());
        await b.write(bytesOf('{"a":1}\n{"b":'));
        await b.closeWrite();
        assert.deepEqual(await values.read(), { a: 1 });
        for (let i = 0; i < 2; i++) {
          await assert.rejects(values.read(), (error) => {
            assert.ok(error instanceof UnexpectedEofError);
            assert.equal(
              error.message,
              "Cannot read the item at byte 8: the stream ended after 5 bytes of it",
            );
            assert.equal(error.missing, null);
            return true;
          });
        }
        await stop();
      },
    );

    it(
      "the error for a truncated item says how many bytes are missing, where that is known",
      limit,
      async () => {
        const { a, b, stop } = await makePair();
        const frames = new Framed(a, new LengthDelimitedCodec({ lengthFieldLength: 2 }));
        await b.write(Uint8Array.of(0, 1, 7, 0, 5, 1, 2));
        await b.closeWrite();
        assert.deepEqual(await frames.read(), Uint8Array.of(7));
        await assert.rejects(frames.read(), {
          name: "UnexpectedEofError",
          message: "Cannot read the item at byte 3: the stream ended after 4 bytes of it, 3 are missing",
          missing: 3,
        });
        await stop();
      },
    );

    it("a bad item fails its read, and the next read goes on", limit, async () => {
      const { a, b, stop } = await makePair();
      const values = new Framed<number>(a, new JsonLinesCodec());
      await b.write(bytesOf("1\nnope\n2\n"));
      const reads = await Promise.allSettled([values.read(), values.read(), values.read()]);
      assert.deepEqual(reads.map((read) => read.status), ["fulfilled", "rejected", "fulfilled"]);
      await b.write(bytesOf("{\n3\n"));
      const iterator = values[Symbol.asyncIterator]();
      await assert.rejects(iterator.next(), { name: "FrameFormatError", offset: 9 });
      assert.deepEqual(await iterator.next(), { done: false, value: 3 });
      await stop();
    });

    test(
      "an item that is too long fails every later read the same way, and nothing more is read",
      async (lines, peer) => {
        await peer.write(bytesOf("ok\n" + "x".repeat(150)));
        assert.equal(await lines.read(), "ok");
        for (let i = 0; i < 3; i++) {
          await assert.rejects(lines.read(), { name: "FrameTooLongError", limit: 100, offset: 3 });
        }
        await peer.write(bytesOf("\nmore\n"));
        await assert.rejects(lines.read(), { name: "FrameTooLongError" });
        assert.equal(await nextText(lines.conn), "\nmore\n");
      },
    );

    test("an item that cannot be encoded is not written, nor are those with it", async (lines, peer) => {
      await assert.rejects(lines.write("a\nb"), { name: "FrameFormatError" });
      await assert.rejects(lines.writeMany(["a", "x".repeat(101)]), { name: "FrameTooLongError" });
      await lines.write("c");
      assert.equal(await nextText(peer), "c\n");
    });

    test("fails after close, also with items that had come", async (lines, peer) => {
      await peer.write(bytesOf("one\ntwo\n"));
      assert.equal(await lines.read(), "one");
      await lines.close();
      await assert.rejects(lines.read(), isClosed);
      await assert.rejects(lines.write("x"), isClosed);
    });

    test("close fails reads that wait", async (lines) => {
      const reads = Promise.allSettled([lines.read(), lines.read(), lines.read()]);
      lines.closeNow();
      for (const read of await reads) isClosed(read.status === "rejected" ? read.reason : null);
    });

    test("`await using` closes", async (lines, peer) => {
      {
        await using scoped = lines;
        await scoped.write("bye");
      }
      assert.equal(await nextText(peer), "bye\n");
      assert.equal(await peer.readChunk(), null);
    });

    test("a broken connection fails reads, after what came whole", async (lines, peer) => {
      await peer.write(bytesOf("one\ntw"));
      assert.equal(await lines.read(), "one");
      const broken = lines.read();
      peer.closeNow();
      const outcome = await broken.then(() => lines.read()).catch((error) => error);
      // A runtime that cannot send a reset sends an end.
      assert.ok(outcome === null || isBroken(outcome));
    });

    test("an expired write deadline fails writes", async (lines) => {
      lines.setWriteDeadline(Date.now() - 1);
      await assert.rejects(lines.write("x"), isDeadlineExceeded);
      lines.setDeadline(null);
      await lines.write("x");
    });
  });
}

describe("Framed", () => {
  it("any items in any chunks come through", { timeout: 30_000 }, async () => {
    const line = fc.string({ unit: "binary", maxLength: 30 })
      .map((text) => text.replaceAll("\n", " ").replace(/\r$/, ""));
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 20 }), cuts, async (sent, sizes) => {
        const [a, b] = pipe();
        const received: string[] = [];
        const writing = (async () => {
          const wire = bytesOf(sent.map((line) => line + "\n").join(""));
          for (const chunk of cutUp(wire, sizes)) await b.write(chunk);
          await b.closeWrite();
        })();
        for await (const line of new Framed(a, new LinesCodec())) received.push(line);
        await writing;
        assert.deepEqual(received, sent);
        a.closeNow();
      }),
      { ...bounded, numRuns: 50 },
    );
  });

  it(
    "needs little of a connection, and writes many items in one write, with the caller's signal",
    limit,
    async () => {
      const { signal } = new AbortController();
      const writes: [string, AbortSignal | undefined][] = [];
      const conn: Pick<FramedConn, "write"> = {
        write: (p, options) => {
          writes.push([new TextDecoder().decode(p), options?.signal]);
          return Promise.resolve(p.length);
        },
      };
      const lines = new Framed(conn as FramedConn, new LinesCodec());
      await lines.writeMany(["a", "b", "c"], { signal });
      await lines.write("d");
      assert.deepEqual(writes, [["a\nb\nc\n", signal], ["d\n", undefined]]);
    },
  );

  it("makes one promise for an item that has come", limit, async () => {
    const [a, b] = pipe();
    const lines = new Framed(a, new LinesCodec());
    await b.write(bytesOf("0\n1\n2\n"));
    await lines.read();
    // A promise that is resolved already is seen in the first microtask; one more in between would come later.
    const order: string[] = [];
    lines.read().then((line) => order.push(`read ${line}`));
    Promise.resolve().then(() => order.push("microtask"));
    lines[Symbol.asyncIterator]().next().then(({ value }) => order.push(`next ${value}`));
    await new Promise((resolve) => setTimeout(resolve));
    assert.deepEqual(order, ["read 1", "microtask", "next 2"]);
    a.closeNow();
  });

  it("asks a codec for the end, and lets it give several items there", limit, async () => {
    /** A single byte is an item, and so is what the end leaves of two. */
    class Bytes implements Codec<number> {
      decode(src: ByteBuffer): number | undefined {
        return src.length > 2 ? src.take(1)[0] : undefined;
      }
      decodeEof(src: ByteBuffer): number | undefined {
        return src.length > 0 ? src.take(1)[0] : undefined;
      }
      encode(item: number, dst: ByteBuffer): void {
        dst.append(Uint8Array.of(item));
      }
    }
    const [a, b] = pipe();
    const [from, to] = [new Framed(a, new Bytes()), new Framed(b, new Bytes())];
    await Promise.all([to.writeMany([1, 2, 3, 4]), from.read()]);
    await to.conn.closeWrite();
    const rest: number[] = [];
    for await (const byte of from) rest.push(byte);
    assert.deepEqual(rest, [2, 3, 4]);
    a.closeNow();
    b.closeNow();
  });

  it("takes a codec without decodeEof: what is left is truncated", limit, async () => {
    const pairs: Codec<string> = {
      decode: (src) => src.length >= 2 ? String.fromCharCode(...src.take(2)) : undefined,
      encode: (item, dst) => dst.append(bytesOf(item)),
    };
    const [a, b] = pipe();
    const framed = new Framed(a, pairs);
    await b.write(bytesOf("abc"));
    await b.closeWrite();
    assert.equal(await framed.read(), "ab");
    await assert.rejects(framed.read(), UnexpectedEofError);
    a.closeNow();
    b.closeNow();
  });
});
