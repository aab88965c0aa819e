/** What Go's package io does with readers and writers. */

import { concat } from "../bytes/concat.ts";
import type { Reader, WaitOptions, Writer } from "./conn.ts";
import { UnexpectedEofError } from "./errors.ts";

/** How much {@linkcode readAll} takes. */
export interface ReadAllOptions extends WaitOptions {
  /** Bytes at the most. Default: 16 MiB. */
  limit?: number;
}

/** Bytes at the most when nobody says. */
const DEFAULT_LIMIT = 16 * 1024 * 1024;

/** Bytes that are read or copied at once. */
const PART = 65536;

/** Something that hands over bytes as they came: a `Conn`. */
interface ChunkReader {
  readChunk(options?: WaitOptions): Promise<Uint8Array | null>;
}

/**
 * Reads everything up to the end of the stream. Go: `io.ReadAll`, with a bound.
 *
 * @throws {RangeError} when more than `limit` bytes come
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
export async function readAll(reader: Reader, options: ReadAllOptions = {}): Promise<Uint8Array> {
  const { limit = DEFAULT_LIMIT, ...wait } = options;
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of chunks(reader, wait)) {
    length += part.length;
    if (length > limit) throw new RangeError(`Cannot read all: the stream is longer than ${limit} bytes`);
    parts.push(part);
  }
  return concat(parts);
}

/**
 * Fills all of `p`. Go: `io.ReadFull`.
 *
 * @throws {UnexpectedEofError} when the stream ends first; what came is in `p`
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
 * Copies until the end of the stream, no faster than `writer` takes it. Go: `io.Copy`.
 *
 * @returns how many bytes
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
  let copied = 0;
  for await (const part of chunks(reader, options)) {
    await writer.write(part);
    copied += part.length;
  }
  return copied;
}

/** The stream in parts that are the caller's: as they came where the reader can say, else copied. */
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

/** A `Conn` takes a signal; for any other reader it is looked at before each read. */
function readPart(reader: Reader, p: Uint8Array, options?: WaitOptions): Promise<number | null> {
  options?.signal?.throwIfAborted();
  return (reader.read as (p: Uint8Array, options?: WaitOptions) => Promise<number | null>).call(
    reader,
    p,
    options,
  );
}
