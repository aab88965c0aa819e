/** Helpers for readers and writers, as in Go's package io. */

import { checkMethods, wrongArgument } from "../bytes/check_argument.ts";
import { concat } from "../bytes/concat.ts";
import type { Reader, WaitOptions, Writer } from "./conn.ts";
import { checkBytes } from "./check_bytes.ts";
import { UnexpectedEofError } from "./errors.ts";

/** Options of {@linkcode readAll}. */
export interface ReadAllOptions extends WaitOptions {
  /** Upper bound of the stream, bytes. Default: 16 MiB. */
  limit?: number;
}

/** Default of `limit`, bytes. */
const DEFAULT_LIMIT = 16 * 1024 * 1024;

/** Size of the array into which a reader without `readChunk` reads, bytes. */
const PART = 65536;

/** A reader that returns received chunks without a copy, such as a `Conn`. */
interface ChunkReader {
  readChunk(options?: WaitOptions): Promise<Uint8Array | null>;
}

/**
 * Reads a stream to its end. Go: `io.ReadAll`, with a bound.
 *
 * @throws {RangeError} when the stream has more than `limit` bytes
 *
 * @example
 * ```ts
 * import { pipe, readAll } from "jackfield";
 *
 * const [here, there] = pipe();
 * await here.write(Uint8Array.of(1, 2, 3));
 * await here.closeWrite();
 * console.log((await readAll(there, { limit: 1024 })).length); // 3
 * ```
 */
export async function readAll(
  reader: Reader,
  options: ReadAllOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  checkMethods("read all", "reader", reader, ["read"]);
  const { limit = DEFAULT_LIMIT, ...wait } = options;
  if (typeof limit !== "number") throw wrongArgument("read all", "limit", limit, "a number of bytes");
  if (!(limit >= 0)) throw new RangeError(`Cannot read all: limit is ${limit}, not a number of bytes`);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of chunks(reader, wait)) {
    length += part.length;
    if (length > limit) throw new RangeError(`Cannot read all: the stream is longer than ${limit} bytes`);
    parts.push(part);
  }
  // Memory that is shared between threads is none that a stream hands over.
  return concat(parts) as Uint8Array<ArrayBuffer>;
}

/**
 * Reads until `p` is full. Go: `io.ReadFull`.
 *
 * @throws {UnexpectedEofError} when the stream ends first; the bytes read so far are in `p`
 *
 * @example
 * ```ts
 * import { pipe, readFull } from "jackfield";
 *
 * const [here, there] = pipe();
 * const header = new Uint8Array(4);
 * await Promise.all([here.write(Uint8Array.of(1, 2, 3, 4, 5)), readFull(there, header)]);
 * console.log(String(header)); // 1,2,3,4
 * ```
 */
export async function readFull(reader: Reader, p: Uint8Array, options?: WaitOptions): Promise<void> {
  checkMethods("read", "reader", reader, ["read"]);
  p = checkBytes("read", "p", p);
  for (let filled = 0; filled < p.length;) {
    const count = await readPart(reader, p.subarray(filled), options);
    if (count === null) {
      const message = `Cannot read: the stream ended after ${filled} of ${p.length} bytes`;
      throw new UnexpectedEofError(message, p.length - filled);
    }
    filled += count;
  }
}

/**
 * Copies a stream to `writer` until its end, waiting for each write. Go: `io.Copy`.
 *
 * @returns number of bytes copied
 *
 * @example
 * ```ts
 * import { copy, pipe } from "jackfield";
 *
 * const [source, from] = pipe();
 * const [to, sink] = pipe();
 * await source.write(Uint8Array.of(1, 2, 3));
 * await source.closeWrite();
 * console.log(await copy(to, from)); // 3
 * console.log(String(await sink.readChunk())); // 1,2,3
 * ```
 */
export async function copy(writer: Writer, reader: Reader, options?: WaitOptions): Promise<number> {
  checkMethods("copy", "writer", writer, ["write"]);
  checkMethods("copy", "reader", reader, ["read"]);
  let copied = 0;
  for await (const part of chunks(reader, options)) {
    await writer.write(part);
    copied += part.length;
  }
  return copied;
}

/**
 * The stream's bytes in arrays that the caller owns: chunks without a copy where the reader has them, otherwise copies.
 */
async function* chunks(reader: Reader, options?: WaitOptions): AsyncIterable<Uint8Array> {
  const { readChunk } = reader as Partial<ChunkReader>;
  for (;;) {
    const part = readChunk === undefined
      ? await nextPart(reader, options)
      : await readChunk.call(reader, options);
    if (part === null) return;
    yield part;
  }
}

async function nextPart(reader: Reader, options?: WaitOptions): Promise<Uint8Array | null> {
  const part = new Uint8Array(PART);
  const count = await readPart(reader, part, options);
  return count === null ? null : part.subarray(0, count);
}

/** Reads once. A `Conn` observes the signal while it waits; for other readers it is only checked before each read. */
function readPart(reader: Reader, p: Uint8Array, options?: WaitOptions): Promise<number | null> {
  options?.signal?.throwIfAborted();
  return (reader.read as (p: Uint8Array, options?: WaitOptions) => Promise<number | null>).call(
    reader,
    p,
    options,
  );
}
