/** Helpers for the tests of codecs. */

import * as fc from "fast-check";
import { ByteBuffer } from "../../src/bytes/byte_buffer.ts";
import type { Codec, Decoder } from "../../src/framing/codec.ts";
import { FrameError } from "../../src/framing/codec.ts";
import { feedings } from "../protocol/feed.ts";

/** Options of every property test: a fixed seed and a time limit. */
export const bounded: fc.Parameters<unknown> = {
  seed: 0x1acf1e1d,
  numRuns: 200,
  interruptAfterTimeLimit: 15_000,
  markInterruptAsFailure: true,
};

export { fc };

/** Sizes of chunks to split a stream into, used in turn. */
export const cuts: fc.Arbitrary<number[]> = fc.array(fc.integer({ min: 1, max: 40 }), {
  minLength: 1,
  maxLength: 8,
});

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Copies of the bytes, split into chunks. */
export function cutUp(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  return chunks;
}

/** What came out: items, and the messages of the errors between them. */
export type Outcome<T> = T | FrameError;

/** Feeds a decoder as `Framed` does: until an error that does not let it go on. */
export class Feeder<T> {
  readonly src: ByteBuffer = new ByteBuffer();
  readonly outcomes: Outcome<T>[] = [];
  readonly #decoder: Decoder<T>;
  /** The most bytes that waited when the decoder wanted more. */
  mostHeld = 0;
  stuck = false;

  constructor(decoder: Decoder<T>) {
    this.#decoder = decoder;
  }

  feed(chunk: Uint8Array): void {
    if (this.stuck) return;
    this.src.append(chunk);
    this.#drain(() => this.#decoder.decode(this.src));
    if (!this.stuck) this.mostHeld = Math.max(this.mostHeld, this.src.length);
  }

  end(): void {
    if (!this.stuck) this.#drain(() => this.#decoder.decodeEof?.(this.src));
  }

  #drain(next: () => T | undefined): void {
    for (;;) {
      try {
        const item = next();
        if (item === undefined) return;
        this.outcomes.push(item);
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        this.outcomes.push(error);
        // The bad item is still there.
        if (this.src.position === error.offset) {
          this.stuck = true;
          return;
        }
      }
    }
  }
}

export interface Decoded<T> {
  readonly items: Outcome<T>[];
  /** Bytes of a truncated item. */
  readonly left: number;
  readonly mostHeld: number;
}

/** All that comes out of the chunks. */
export function decodeAll<T>(decoder: Decoder<T>, chunks: Iterable<Uint8Array>): Decoded<T> {
  const feeder = new Feeder(decoder);
  for (const chunk of chunks) feeder.feed(chunk);
  feeder.end();
  return { items: feeder.outcomes, left: feeder.src.length, mostHeld: feeder.mostHeld };
}

/** What comes out of the wire however it is cut up; `check` sees each way by its name. */
export function decodeEachWay<T>(
  make: () => Decoder<T>,
  wire: Uint8Array,
  check: (decoded: Decoded<T>, name: string) => void,
): void {
  for (const { name, chunks } of feedings(wire)) check(decodeAll(make(), chunks), name);
}

/** The bytes of the items. */
export function encodeAll<T>(codec: Codec<unknown, T>, items: readonly T[]): Uint8Array {
  const dst = new ByteBuffer();
  for (const item of items) codec.encode(item, dst);
  return dst.take(dst.length);
}

/** Items with errors as their messages, to compare. */
export function readable<T>(outcomes: readonly Outcome<T>[]): unknown[] {
  return outcomes.map((outcome) =>
    outcome instanceof Error ? `${outcome.name}: ${outcome.message}` : outcome
  );
}
