import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Conn } from "../../src/net/conn.ts";
import { dial, listen, pipe } from "../../mod.ts";
import {
  assertBytes,
  holdProcess,
  isBroken,
  isClosed,
  isDeadlineExceeded,
  limit,
  pattern,
} from "./support.ts";

interface Pair {
  a: Conn;
  b: Conn;
  stop(): Promise<void>;
}

async function tcpPair(): Promise<Pair> {
  const listener = await listen("tcp", "127.0.0.1:0");
  const [a, b] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
  return { a, b, stop: () => closeBoth(a, b).then(() => listener.close()) };
}

async function memoryPair(): Promise<Pair> {
  const [a, b] = pipe();
  return { a, b, stop: () => closeBoth(a, b) };
}

async function closeBoth(...conns: Conn[]): Promise<void> {
  for (const conn of conns) conn.closeNow();
}

for (const [name, makePair] of [["TCP", tcpPair], ["the pipe", memoryPair]] as const) {
  const test = (title: string, body: (a: Conn, b: Conn) => Promise<void>) => {
    it(title, limit, async () => {
      const { a, b, stop } = await makePair();
      try {
        await body(a, b);
      } finally {
        await stop();
      }
    });
  };

  describe(`web streams over ${name}`, () => {
    holdProcess();

    test("are the same each time", async (a) => {
      assert.equal(a.readable, a.readable);
      assert.equal(a.writable, a.writable);
    });

    test("carry every byte, and the end", async (a, b) => {
      const size = 3_000_000;
      const writer = a.writable.getWriter();
      const send = async () => {
        for (let at = 0; at < size; at += 100_000) await writer.write(pattern(at, at + 100_000));
        await writer.close();
      };
      const sent = send();
      let at = 0;
      for await (const chunk of b.readable) {
        assertBytes(chunk, pattern(at, at + chunk.length), at);
        at += chunk.length;
      }
      assert.equal(at, size);
      await sent;
      await b.write(Uint8Array.of(1));
      assert.deepEqual([...(await a.readChunk())!], [1]);
    });

    test("echo by pipeTo", async (a, b) => {
      const echoing = b.readable.pipeTo(b.writable);
      await a.write(pattern(0, 50_000));
      await a.closeWrite();
      assertBytes(new Uint8Array(await new Response(a.readable).arrayBuffer()), pattern(0, 50_000));
      await echoing;
    });

    test("make a writer wait for a peer that does not read", async (a, b) => {
      const writer = a.writable.getWriter();
      let taken = false;
      const written = writer.write(new Uint8Array(32 << 20)).then(() => taken = true);
      const first = await b.readChunk();
      assert.equal(taken, false);
      let size = first!.length;
      while (size < 32 << 20) size += (await b.readChunk())!.length;
      await written;
    });

    test("read nothing ahead, and lose nothing when they are cancelled", async (a, b) => {
      const reader = b.readable.getReader();
      const first = reader.read();
      await a.write(Uint8Array.of(1));
      assert.deepEqual([...(await first).value!], [1]);
      const second = reader.read();
      await reader.cancel();
      assert.equal((await second).done, true);
      await a.write(Uint8Array.of(2));
      assert.deepEqual([...(await b.readChunk())!], [2]);
    });

    test("fail with the connection's errors", async (a, b) => {
      a.setReadDeadline(Date.now());
      await assert.rejects(a.readable.getReader().read(), isDeadlineExceeded);
      const waiting = assert.rejects(b.readable.getReader().read(), isClosed);
      await b.close();
      await waiting;
      await assert.rejects(b.writable.getWriter().write(Uint8Array.of(1)), isClosed);
    });

    test("drop the connection when the writer aborts, though the peer does not read", async (a, b) => {
      const writer = a.writable.getWriter();
      const written = assert.rejects(writer.write(new Uint8Array(32 << 20)));
      await b.readChunk();
      await writer.abort(new Error("enough"));
      await written;
      await assert.rejects(a.write(Uint8Array.of(1)), isClosed);
      const rest = async () => {
        while (await b.readChunk() !== null);
      };
      // A reset where the runtime can send one, the end of the stream elsewhere.
      await rest().catch(isBroken);
    });

    test("take bytes only", async (a) => {
      await assert.rejects(a.writable.getWriter().write("text" as unknown as Uint8Array), TypeError);
    });
  });
}
