import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { DecoderStream, EncoderStream, pipe } from "../../mod.ts";
import { FixedLengthCodec } from "../../src/framing/fixed_length.ts";
import { JsonLinesCodec } from "../../src/framing/json_lines.ts";
import { LinesCodec } from "../../src/framing/lines.ts";
import { holdProcess, limit } from "../net/support.ts";
import { bounded, bytesOf, cuts, cutUp, fc } from "./feed.ts";

holdProcess();

/** Reads to the end: the items, and the error that ended them. */
async function readAll<T>(stream: ReadableStream<T>): Promise<{ items: T[]; error: unknown }> {
  const items: T[] = [];
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { items, error: null };
      items.push(value);
    }
  } catch (error) {
    return { items, error };
  }
}

function streamOf<T>(chunks: readonly T[]): ReadableStream<T> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

describe("DecoderStream", () => {
  it("turns bytes into items, up to one that the stream ends", limit, async () => {
    const chunks = ["a\nb", "c\nd\n\ne"].map(bytesOf);
    const { items, error } = await readAll(streamOf(chunks).pipeThrough(new DecoderStream(new LinesCodec())));
    assert.deepEqual([items, error], [["a", "bc", "d", "", "e"], null]);
  });

  it("any chunks give the items", { timeout: 30_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 20 }), cuts, async (values, sizes) => {
        const wire = bytesOf(values.map((value) => value + "\n").join(""));
        const stream = streamOf(cutUp(wire, sizes)).pipeThrough(new DecoderStream(new JsonLinesCodec()));
        assert.deepEqual((await readAll(stream)).items, values);
      }),
      { ...bounded, numRuns: 50 },
    );
  });

  it("gives what is in front of a bad item, then fails on both sides", limit, async () => {
    const { readable, writable } = new DecoderStream(new JsonLinesCodec());
    const writer = writable.getWriter();
    const writing = Promise.allSettled([writer.write(bytesOf("1\n2\n3\n4\n5\n6\nno\n7\n")), writer.closed]);
    const { items, error } = await readAll(readable);
    assert.deepEqual(items, [1, 2, 3, 4, 5, 6]);
    assert.ok(error instanceof Error);
    assert.equal(error.message, "Cannot decode the line at byte 12: it is not valid JSON");
    assert.equal((await writing)[1].status, "rejected");
    await assert.rejects(writer.write(bytesOf("4\n")));
  });

  it("a truncated last item is an error", limit, async () => {
    const stream = streamOf([bytesOf("abcd")]).pipeThrough(new DecoderStream(new FixedLengthCodec(3)));
    const { items, error } = await readAll(stream);
    assert.deepEqual(items, [bytesOf("abc")]);
    assert.ok(error instanceof Error);
    assert.equal(
      error.message,
      "Cannot read the item at byte 3: the stream ended after 1 bytes of it, 2 are missing",
    );
  });

  it("an error of the source comes through", limit, async () => {
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.error(new Error("gone")),
    });
    const { error } = await readAll(stream.pipeThrough(new DecoderStream(new LinesCodec())));
    assert.ok(error instanceof Error);
    assert.equal(error.message, "gone");
  });

  it("a slow reader holds the writer up", limit, async () => {
    let written = 0;
    const source = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(bytesOf(`${written++}\n`)),
    }, { highWaterMark: 0 });
    const reader = source.pipeThrough(new DecoderStream(new LinesCodec())).getReader();
    for (const expected of ["0", "1", "2"]) assert.equal((await reader.read()).value, expected);
    await turn();
    assert.ok(written < 10, `${written} were written`);
    await reader.cancel();
  });

  it("cancelling fails the chunk that waits for a reader, and what is written later", limit, async () => {
    const { readable, writable } = new DecoderStream(new LinesCodec());
    const writer = writable.getWriter();
    const waiting = Promise.allSettled([
      writer.write(bytesOf("a\n")),
      writer.write(bytesOf("b\n")),
      writer.closed,
    ]);
    await turn();
    await readable.cancel("enough");
    for (const outcome of await waiting) assert.deepEqual(outcome, { status: "rejected", reason: "enough" });
    await assert.rejects(writer.write(bytesOf("c\n")), (reason) => reason === "enough");
  });

  it("aborting waits for no reader, and fails the items", limit, async () => {
    const { readable, writable } = new DecoderStream(new LinesCodec());
    const writer = writable.getWriter();
    const waiting = Promise.allSettled([writer.write(bytesOf("a\n")), writer.closed]);
    await turn();
    await writer.abort("gone");
    for (const { status } of await waiting) assert.equal(status, "rejected");
    assert.deepEqual(await readAll(readable), { items: [], error: "gone" });
  });

  it("a truncated item behind others fails both sides, and takes none of them away", limit, async () => {
    const { readable, writable } = new DecoderStream(new FixedLengthCodec(2));
    const writer = writable.getWriter();
    const writing = Promise.allSettled([writer.write(bytesOf("aabbc")), writer.close()]);
    const reader = readable.getReader();
    assert.deepEqual((await reader.read()).value, bytesOf("aa"));
    assert.deepEqual((await writing).map(({ status }) => status), ["fulfilled", "rejected"]);
    assert.deepEqual((await reader.read()).value, bytesOf("bb"));
    await assert.rejects(reader.read(), { name: "UnexpectedEofError", missing: 1 });
    await assert.rejects(reader.read(), { name: "UnexpectedEofError", missing: 1 });
  });

  it("chunks without an item do not wait for one", limit, async () => {
    const { readable, writable } = new DecoderStream(new LinesCodec());
    const reader = readable.getReader();
    const reading = reader.read();
    const writer = writable.getWriter();
    for (const chunk of ["a", "", "b", "c", "\n"]) await writer.write(bytesOf(chunk));
    assert.equal((await reading).value, "abc");
    await Promise.all([writer.close(), reader.closed]);
  });

  it("cancelling cancels the source", limit, async () => {
    let reason: unknown;
    const source = new ReadableStream<Uint8Array>({ cancel: (why) => void (reason = why) });
    await source.pipeThrough(new DecoderStream(new LinesCodec())).cancel("enough");
    assert.equal(reason, "enough");
  });
});

describe("EncoderStream", () => {
  it("turns items into bytes, a chunk each", limit, async () => {
    const { items } = await readAll(streamOf(["a", "b"]).pipeThrough(new EncoderStream(new LinesCodec())));
    assert.deepEqual(items, [bytesOf("a\n"), bytesOf("b\n")]);
  });

  it("gives chunks whose memory may be transferred", limit, async () => {
    const { items } = await readAll(streamOf(["a", "b"]).pipeThrough(new EncoderStream(new LinesCodec())));
    for (const { buffer } of items) structuredClone(buffer, { transfer: [buffer] });
    const more = await readAll(streamOf(["c"]).pipeThrough(new EncoderStream(new LinesCodec())));
    assert.deepEqual(more.items, [bytesOf("c\n")]);
  });

  it("fails with what the codec refuses, behind what is in front of it", limit, async () => {
    const { items, error } = await readAll(
      streamOf(["a", "b\n", "c"]).pipeThrough(new EncoderStream(new LinesCodec())),
    );
    assert.deepEqual(items, [bytesOf("a\n")]);
    assert.ok(error instanceof Error);
    assert.equal(error.message, "Cannot encode the line: it contains an LF, or ends with a CR");
  });
});

describe("both", () => {
  it("carry items over a connection", limit, async () => {
    const [a, b] = pipe();
    const items = Array.from({ length: 100 }, (_, i) => ({ i }));
    const sending = streamOf(items).pipeThrough(new EncoderStream(new JsonLinesCodec())).pipeTo(a.writable);
    const received = await readAll(b.readable.pipeThrough(new DecoderStream(new JsonLinesCodec())));
    await sending;
    assert.deepEqual(received.items, items);
    a.closeNow();
    b.closeNow();
  });
});
