import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Reader } from "../../src/net/conn.ts";
import { copy, readAll, readFull } from "../../src/net/io.ts";
import { pipe } from "../../mod.ts";
import { assertBytes, limit, pattern } from "./support.ts";

/** A reader other than a `Conn`, which returns a few bytes at a time. */
function readerOf(bytes: Uint8Array, part: number): Reader {
  let at = 0;
  return {
    read(p) {
      if (at === bytes.length) return Promise.resolve(null);
      const count = Math.min(part, p.length, bytes.length - at);
      p.set(bytes.subarray(at, at + count));
      at += count;
      return Promise.resolve(count);
    },
  };
}

describe("readAll", () => {
  it("reads to the end, of a Conn and of any reader", limit, async () => {
    const bytes = pattern(0, 300_000);
    const [a, b] = pipe();
    const written = a.write(bytes).then(() => a.closeWrite());
    assertBytes(await readAll(b), bytes);
    await written;
    assertBytes(await readAll(readerOf(bytes, 1000)), bytes);
    assertBytes(await readAll(readerOf(new Uint8Array(0), 1)), new Uint8Array(0));
  });

  it("fails past the limit, and not at it", limit, async () => {
    assertBytes(await readAll(readerOf(pattern(0, 100), 7), { limit: 100 }), pattern(0, 100));
    await assert.rejects(readAll(readerOf(pattern(0, 101), 7), { limit: 100 }), RangeError);
  });

  it("can be aborted", limit, async () => {
    const [, b] = pipe();
    const abort = new AbortController();
    const reading = readAll(b, { signal: abort.signal });
    abort.abort(new Error("enough"));
    await assert.rejects(reading, /enough/);
  });
});

describe("readFull", () => {
  it("fills the buffer and leaves the rest", limit, async () => {
    const reader = readerOf(pattern(0, 50), 7);
    const p = new Uint8Array(20);
    await readFull(reader, p);
    assertBytes(p, pattern(0, 20));
    await readFull(reader, p);
    assertBytes(p, pattern(20, 40));
    await assert.rejects(readFull(reader, p), { name: "UnexpectedEofError", missing: 10 });
    await readFull(reader, new Uint8Array(0));
  });
});

describe("copy", () => {
  it("copies to the end and counts", limit, async () => {
    const bytes = pattern(0, 500_000);
    const [a, b] = pipe();
    const received = readAll(b);
    assert.equal(await copy(a, readerOf(bytes, 30_000)), bytes.length);
    await a.closeWrite();
    assertBytes(await received, bytes);
  });

  it("fails when the writer does", limit, async () => {
    const [a, b] = pipe();
    b.closeNow();
    await assert.rejects(copy(a, readerOf(pattern(0, 200_000), 1000)), { name: "NetError" });
  });
});
