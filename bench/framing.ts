/**
 * Items a second out of a stream that is there already, in chunks of 64 KiB: `framing.ts [--std SPECIFIER]`. Lines against
 * split2 and the line stream of Deno's std, JSON lines against ndjson. Where std cannot be loaded (its default is
 * `jsr:@std/streams@1/text-line-stream`), a plain splitter of the same shape stands in for it, and the name says so. On
 * every runtime: `node`, `bun`, `deno run -A`.
 */

import { Readable, type Transform } from "node:stream";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import {
  DecoderStream,
  DelimiterCodec,
  Framed,
  type FramedConn,
  JsonLinesCodec,
  JsonTextsCodec,
  LengthDelimitedCodec,
  LinesCodec,
} from "../mod.ts";
import { ByteBuffer } from "../src/bytes/byte_buffer.ts";
import type { Codec } from "../src/framing/codec.ts";
import { randomNumbers } from "../tests/net/support.ts";

const { values: options } = parseArgs({ options: { std: { type: "string" } } });

const ITEMS = 200_000;
const CHUNK = 65536;
const ROUNDS = 7;

// They have no types of their own.
const require = createRequire(import.meta.url);
const split2 = require("split2") as () => Transform;
const ndjson = require("ndjson") as { parse(): Transform };

/** Resolves to how many items came out of the chunks. */
type Contestant = (chunks: readonly Uint8Array[]) => Promise<number>;

const random = randomNumbers(1);
const word = (): string => "abcdefghijklmnopqrstuvwxyz".slice(random(26)) || "a";
const lines = Array.from({ length: ITEMS }, () => Array.from({ length: 1 + random(9) }, word).join(" "));
const values = lines.map((text, id) => ({ id, text, tags: [word(), word()], ok: id % 3 === 0 }));

function chunksOf<T>(codec: Codec<unknown, T>, items: readonly T[]): Uint8Array[] {
  const buffer = new ByteBuffer();
  for (const item of items) codec.encode(item, buffer);
  const chunks: Uint8Array[] = [];
  while (buffer.length > 0) chunks.push(buffer.take(Math.min(CHUNK, buffer.length)).slice());
  return chunks;
}

// ── Contestants ──

const codecAlone = (make: () => Codec<unknown>): Contestant => async (chunks) => {
  const codec = make();
  const buffer = new ByteBuffer();
  let count = 0;
  for (const chunk of chunks) {
    buffer.append(chunk);
    while (codec.decode(buffer) !== undefined) count++;
  }
  return count;
};

const framed = (make: () => Codec<unknown>): Contestant => async (chunks) => {
  let count = 0;
  for await (const _ of new Framed(connOf(chunks), make())) count++;
  return count;
};

const nodeStreamIterated = (make: () => Transform): Contestant => async (chunks) => {
  let count = 0;
  for await (const _ of nodeStreamOf(chunks).pipe(make())) count++;
  return count;
};

const decoderStream = (make: () => Codec<unknown>): Contestant => (chunks) =>
  countOf(streamOf(chunks).pipeThrough(new DecoderStream(make())));

const nodeStream = (make: () => Transform): Contestant => (chunks) =>
  new Promise((resolve, reject) => {
    let count = 0;
    nodeStreamOf(chunks).pipe(make())
      .on("data", () => count++)
      .on("end", () => resolve(count))
      .on("error", reject);
  });

const textStream = (make: () => TransformStream<string, string>): Contestant => (chunks) =>
  countOf(
    streamOf(chunks).pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).pipeThrough(
      make(),
    ),
  );

/** A connection that has it all already. */
function connOf(chunks: readonly Uint8Array[]): FramedConn {
  let next = 0;
  return {
    readChunk: () => Promise.resolve(chunks[next++] ?? null),
  } as Partial<FramedConn> as FramedConn;
}

function nodeStreamOf(chunks: readonly Uint8Array[]): Readable {
  return Readable.from(chunks.map((chunk) => Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)));
}

function streamOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks[next++];
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
  });
}

async function countOf(stream: ReadableStream<unknown>): Promise<number> {
  const reader = stream.getReader();
  let count = 0;
  while (!(await reader.read()).done) count++;
  return count;
}

async function lineStream(): Promise<[name: string, make: () => TransformStream<string, string>]> {
  try {
    const { TextLineStream } = await import(options.std ?? "jsr:@std/streams@1/text-line-stream");
    return ["std TextLineStream", () => new TextLineStream()];
  } catch {
    return ["a plain splitter, for std's", plainSplitter];
  }
}

function plainSplitter(): TransformStream<string, string> {
  let rest = "";
  return new TransformStream({
    transform(text, controller) {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      for (const part of parts) controller.enqueue(part);
    },
    flush: (controller) => rest === "" ? undefined : controller.enqueue(rest),
  });
}

// ── Measuring ──

/** Prints items a second of each, the median of some rounds in turns, and how that compares to the first. */
async function compare(
  title: string,
  chunks: readonly Uint8Array[],
  contestants: Record<string, Contestant>,
): Promise<void> {
  const times = new Map(Object.keys(contestants).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, run] of Object.entries(contestants)) {
      const start = performance.now();
      const count = await run(chunks);
      if (count !== ITEMS) throw new Error(`${name} gave ${count} items, not ${ITEMS}`);
      // The first round is for the compilers.
      if (round > 0) times.get(name)!.push(performance.now() - start);
    }
  }
  console.log(title);
  const medians = [...times].map(([name, all]) =>
    [name, all.toSorted((a, b) => a - b)[ROUNDS >> 1]!] as const
  );
  for (const [name, time] of medians) {
    const rate = (ITEMS / time / 1000).toFixed(2).padStart(8);
    console.log(`${rate} M/s  ${(medians[0]![1] / time).toFixed(2).padStart(5)}  ${name}`);
  }
}

const [stdName, stdStream] = await lineStream();

const wire = chunksOf(new LinesCodec(), lines);
await compare("lines, as they are parsed", wire, {
  "LinesCodec": codecAlone(() => new LinesCodec()),
  "split2, data events": nodeStream(split2),
});
await compare("lines, for await", wire, {
  "Framed, LinesCodec": framed(() => new LinesCodec()),
  "split2": nodeStreamIterated(split2),
});
await compare("lines, web streams", wire, {
  "DecoderStream, LinesCodec": decoderStream(() => new LinesCodec()),
  [stdName]: textStream(stdStream),
});
const jsonWire = chunksOf(new JsonLinesCodec(), values);
await compare("JSON lines, as they are parsed", jsonWire, {
  "JsonLinesCodec": codecAlone(() => new JsonLinesCodec()),
  "ndjson, data events": nodeStream(() => ndjson.parse()),
});
await compare("JSON lines, for await", jsonWire, {
  "Framed, JsonLinesCodec": framed(() => new JsonLinesCodec()),
  "ndjson": nodeStreamIterated(() => ndjson.parse()),
});
const bytes = lines.map((line) => new TextEncoder().encode(line));
await compare("the others", chunksOf(new JsonTextsCodec(), values), {
  "Framed, JsonTextsCodec": framed(() => new JsonTextsCodec()),
});
await compare("", chunksOf(new LengthDelimitedCodec(), bytes), {
  "Framed, LengthDelimitedCodec": framed(() => new LengthDelimitedCodec()),
});
await compare("", chunksOf(new DelimiterCodec("\r\n"), bytes), {
  "Framed, DelimiterCodec": framed(() => new DelimiterCodec("\r\n")),
});
