/**
 * Items a second decoded from a stream in memory: `framing.ts [--chunk BYTES] [--rounds N] [--only ROW]`. Lines are
 * compared with split2 and the line stream of Deno's std, JSON lines with ndjson and stream-json, in chunks of 64 KiB
 * and of one Ethernet packet. Deno's std comes from the checkout that `JACKFIELD_STD` names, or from JSR; without
 * either, a plain splitter of equal shape takes its place, and the row's name says so. Runs with `node`, `bun` and
 * `deno run -A`.
 *
 * Each consumer adds up the lengths of the lines, or a number in each value, and all sums must be equal.
 */

import { Readable, type Transform } from "node:stream";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { parser as jsonlParser } from "stream-json/jsonl/parser.js";
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

const { values: options } = parseArgs({
  options: {
    chunk: { type: "string" },
    rounds: { type: "string", default: "11" },
    only: { type: "string", default: "" },
  },
});

const ITEMS = 200_000;
const CHUNKS = options.chunk === undefined ? [65536, 1448] : [Number(options.chunk)];
const ROUNDS = Number(options.rounds);
/** Number of rounds for the compilers to warm up, which are not counted. */
const WARM_UP = 2;

// These packages have no types.
const require = createRequire(import.meta.url);
const split2 = require("split2") as () => Transform;
const ndjson = require("ndjson") as { parse(): Transform };

/** Consumes a stream; resolves to the sum of its items' weights. */
type Contestant<T> = (chunks: readonly Uint8Array[], weigh: (item: T) => number) => Promise<number>;

interface Value {
  readonly id: number;
}

const random = randomNumbers(1);
const word = (): string => "abcdefghijklmnopqrstuvwxyz".slice(random(26)) || "a";
const lines = Array.from({ length: ITEMS }, () => Array.from({ length: 1 + random(9) }, word).join(" "));
const values = lines.map((text, id) => ({ id, text, tags: [word(), word()], ok: id % 3 === 0 }));
const bytes = lines.map((line) => new TextEncoder().encode(line));
const lengthOf = (item: string | Uint8Array): number => item.length;
const idOf = (item: Value): number => item.id;

function chunksOf<T>(size: number, codec: Codec<unknown, T>, items: readonly T[]): Uint8Array[] {
  const buffer = new ByteBuffer();
  for (const item of items) codec.encode(item, buffer);
  const chunks: Uint8Array[] = [];
  while (buffer.length > 0) chunks.push(buffer.take(Math.min(size, buffer.length)).slice());
  return chunks;
}

// ── Contestants ──

const codecAlone = <T>(make: () => Codec<T>): Contestant<T> => async (chunks, weigh) => {
  const codec = make();
  const buffer = new ByteBuffer();
  let sum = 0;
  for (const chunk of chunks) {
    buffer.append(chunk);
    for (let item = codec.decode(buffer); item !== undefined; item = codec.decode(buffer)) sum += weigh(item);
  }
  return sum;
};

const framed = <T>(make: () => Codec<T>): Contestant<T> => async (chunks, weigh) => {
  let sum = 0;
  for await (const item of new Framed(connOf(chunks), make())) sum += weigh(item);
  return sum;
};

const decoderStream = <T>(make: () => Codec<T>): Contestant<T> => (chunks, weigh) =>
  sumOf(streamOf(chunks).pipeThrough(new DecoderStream(make())), weigh);

const nodeStream = <T>(make: () => Transform): Contestant<T> => (chunks, weigh) =>
  new Promise((resolve, reject) => {
    let sum = 0;
    nodeStreamOf(chunks).pipe(make())
      .on("data", (item: T) => sum += weigh(item))
      .on("end", () => resolve(sum))
      .on("error", reject);
  });

const nodeStreamIterated = <T>(make: () => Transform): Contestant<T> => async (chunks, weigh) => {
  let sum = 0;
  for await (const item of nodeStreamOf(chunks).pipe(make())) sum += weigh(item);
  return sum;
};

const textStream = (make: () => TransformStream<string, string>): Contestant<string> => (chunks, weigh) => {
  const text = streamOf(chunks).pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>);
  return sumOf(text.pipeThrough(make()), weigh);
};

/** An item of stream-json: a value with its index. */
const valueOf = (contestant: Contestant<{ value: Value }>): Contestant<Value> => (chunks, weigh) =>
  contestant(chunks, (item) => weigh(item.value));

/** A connection whose incoming bytes are all in memory. */
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

async function sumOf<T>(stream: ReadableStream<T>, weigh: (item: T) => number): Promise<number> {
  const reader = stream.getReader();
  for (let sum = 0;;) {
    const { done, value } = await reader.read();
    if (done) return sum;
    sum += weigh(value);
  }
}

async function lineStream(): Promise<[name: string, make: () => TransformStream<string, string>]> {
  const std = process.env["JACKFIELD_STD"];
  const specifier = std === undefined
    ? "jsr:@std/streams@1/text-line-stream"
    : pathToFileURL(join(resolve(std), "streams/text_line_stream.ts")).href;
  try {
    const { TextLineStream } = await import(specifier);
    return ["std TextLineStream", () => new TextLineStream()];
  } catch (error) {
    if (std !== undefined) throw error;
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

/**
 * Prints the items a second of each contestant, as medians of rounds in turns, and how many times as fast the first
 * one is, as the median of the ratios in each round.
 */
async function compare<T>(
  title: string,
  chunks: readonly Uint8Array[],
  weigh: (item: T) => number,
  contestants: Record<string, Contestant<T>>,
): Promise<void> {
  if (!title.includes(options.only)) return;
  const names = Object.keys(contestants);
  const times = new Map(names.map((name) => [name, [] as number[]]));
  let expected: number | undefined;
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    // The order alternates, because the second contestant may pay for the garbage of the first.
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) {
      const start = performance.now();
      const sum = await contestants[name]!(chunks, weigh);
      if (round >= 0) times.get(name)!.push(performance.now() - start);
      expected ??= sum;
      if (sum !== expected) {
        throw new Error(`${name} decoded other items: their sum is ${sum} instead of ${expected}`);
      }
    }
  }
  console.log(title);
  const first = times.get(names[0]!)!;
  for (const [name, all] of times) {
    const rate = (ITEMS / median(all) / 1000).toFixed(2).padStart(8);
    const ratio = median(all.map((time, round) => time / first[round]!)).toFixed(2).padStart(5);
    console.log(`${rate} M/s  ${name === names[0] ? "     " : ratio}  ${name}`);
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

const [stdName, stdStream] = await lineStream();
const linesCodec = (): LinesCodec => new LinesCodec();
const jsonLines = (): JsonLinesCodec<Value> => new JsonLinesCodec<Value>();
const parseNdjson = (): Transform => ndjson.parse();
const parseJsonl = (): Transform => jsonlParser.asStream() as Transform;

for (const size of CHUNKS) {
  console.log(`── chunks of ${size} bytes ──`);
  const wire = chunksOf(size, new LinesCodec(), lines);
  await compare("lines, as they are parsed", wire, lengthOf, {
    "LinesCodec": codecAlone(linesCodec),
    "split2, data events": nodeStream(split2),
  });
  await compare("lines, for await", wire, lengthOf, {
    "Framed, LinesCodec": framed(linesCodec),
    "split2": nodeStreamIterated(split2),
  });
  await compare("lines, web streams", wire, lengthOf, {
    "DecoderStream, LinesCodec": decoderStream(linesCodec),
    [stdName]: textStream(stdStream),
  });
  const jsonWire = chunksOf(size, new JsonLinesCodec(), values);
  await compare("JSON lines, as they are parsed", jsonWire, idOf, {
    "JsonLinesCodec": codecAlone(jsonLines),
    "ndjson, data events": nodeStream(parseNdjson),
    "stream-json, data events": valueOf(nodeStream(parseJsonl)),
  });
  await compare("JSON lines, for await", jsonWire, idOf, {
    "Framed, JsonLinesCodec": framed(jsonLines),
    "ndjson": nodeStreamIterated(parseNdjson),
    "stream-json": valueOf(nodeStreamIterated(parseJsonl)),
  });
  await compare("the others", chunksOf(size, new JsonTextsCodec(), values), idOf, {
    "Framed, JsonTextsCodec": framed(() => new JsonTextsCodec<Value>()),
  });
  await compare("", chunksOf(size, new LengthDelimitedCodec(), bytes), lengthOf, {
    "Framed, LengthDelimitedCodec": framed(() => new LengthDelimitedCodec()),
  });
  await compare("", chunksOf(size, new DelimiterCodec("\r\n"), bytes), lengthOf, {
    "Framed, DelimiterCodec": framed(() => new DelimiterCodec("\r\n")),
  });
}
