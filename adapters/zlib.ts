/**
 * DEFLATE through `node:zlib`, on Node, Bun and Deno. Streams of `node:zlib` work in another thread and its functions forget
 * the window, so the handle below a stream is called. Differences bridged here:
 *
 * | `node:zlib` | here |
 * | --- | --- |
 * | the handle is an internal | where it looks different there is no compression |
 * | each stream has an output buffer of its own | all streams share one here, and get the smallest that they can have |
 * | an error goes to the handle's `onerror`, which makes an event of it | the error is thrown |
 * | a call after an error or after `close` ends Node | the handle is closed at once, and a later call throws |
 * | a raw compressor has no window of 256 bytes | one of 512, with the strategy Z_RLE, which refers back one byte only |
 * | a flush without new input gives no output | the empty block is written here |
 * | the end of a stream (BFINAL) is not reported | known by input that is left although there is room for output |
 */

import { constants, createDeflateRaw, createInflateRaw } from "node:zlib";
import type { Deflater, DeflateSink, Inflater, RawDeflate } from "../src/bytes/raw_deflate.ts";

/** The part of a stream of `node:zlib` that is used here. */
interface ZlibStream {
  readonly _handle: ZlibHandle;
  /** Bytes that the last write left of the output buffer, and of its input. */
  readonly _writeState: Uint32Array;
}
interface ZlibHandle {
  onerror: (message: string) => void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void;
  reset(): void;
  close(): void;
}

/** Output buffer of all handles: a sink uses the bytes up within its call, before the next write. */
const output = new Uint8Array(64 << 10);

/** A stored block without bytes, the end of a flush (RFC 7692, 7.2.1). */
const emptyBlock = Uint8Array.of(0, 0, 0, 0xff, 0xff);

/** Message of the last write's error; `null` for none. */
let fault: string | null = null;

function noteFault(message: string): void {
  fault = message;
}

/** Compression; `null` where the handle does not look as it is known here. */
export const rawDeflate: RawDeflate | null = isUsable()
  ? {
    deflater: (windowBits, level) => new ZlibDeflater(windowBits, level),
    inflater: (windowBits) => new ZlibInflater(windowBits),
  }
  : null;

function isUsable(): boolean {
  try {
    const { _handle: handle, _writeState: left } = createInflateRaw({
      chunkSize: constants.Z_MIN_CHUNK,
    }) as unknown as ZlibStream;
    const found = typeof handle.writeSync === "function" && left instanceof Uint32Array;
    handle.close();
    return found;
  } catch {
    return false;
  }
}

/** A handle with its state. A fault closes the handle; a sink that stops, or throws, makes it forget its window. */
class Engine {
  #handle: ZlibHandle | null;
  readonly #left: Uint32Array;

  constructor(stream: unknown) {
    const { _handle: handle, _writeState: left } = stream as ZlibStream;
    handle.onerror = noteFault;
    this.#handle = handle;
    this.#left = left;
  }

  /** Bytes that the last write left of its input. */
  get inputLeft(): number {
    return this.#left[1]!;
  }

  /** Whether the last write filled the output buffer, so that more output may wait. */
  get isFull(): boolean {
    return this.#left[0] === 0;
  }

  /** Writes once, and passes the output to the sink; `false` when the sink wants no more. */
  write(input: Uint8Array, offset: number, length: number, sink: DeflateSink): boolean {
    fault = null;
    this.#open().writeSync(constants.Z_SYNC_FLUSH, input, offset, length, output, 0, output.length);
    if (fault !== null) {
      this.close();
      throw new Error(fault);
    }
    const written = output.length - this.#left[0]!;
    return written === 0 || this.pass(output, written, sink);
  }

  pass(bytes: Uint8Array, length: number, sink: DeflateSink): boolean {
    let goesOn = false;
    try {
      return goesOn = sink(bytes, length);
    } finally {
      if (!goesOn) this.#handle?.reset();
    }
  }

  reset(): void {
    this.#open().reset();
  }

  close(): void {
    this.#handle?.close();
    this.#handle = null;
  }

  #open(): ZlibHandle {
    if (this.#handle === null) throw new Error("Cannot compress or decompress: the engine is closed");
    return this.#handle;
  }
}

class ZlibDeflater implements Deflater {
  readonly #engine: Engine;

  constructor(windowBits: number, level: number) {
    this.#engine = new Engine(createDeflateRaw({
      level,
      windowBits: Math.max(windowBits, 9),
      // Memory in proportion to the window, but 8 KiB at least: with less, shorter blocks make the output a tenth longer.
      memLevel: Math.min(Math.max(windowBits - 7, 4), 8),
      strategy: windowBits < 9 ? constants.Z_RLE : constants.Z_DEFAULT_STRATEGY,
      chunkSize: constants.Z_MIN_CHUNK,
    }));
  }

  deflate(input: Uint8Array, sink: DeflateSink): void {
    const engine = this.#engine;
    if (input.length === 0) return void engine.pass(emptyBlock, emptyBlock.length, sink);
    let left = input.length;
    do {
      if (!engine.write(input, input.length - left, left, sink)) return;
      left = engine.inputLeft;
    } while (engine.isFull);
  }

  reset(): void {
    this.#engine.reset();
  }

  close(): void {
    this.#engine.close();
  }
}

class ZlibInflater implements Inflater {
  readonly #engine: Engine;

  constructor(windowBits: number) {
    this.#engine = new Engine(
      createInflateRaw({ windowBits: Math.max(windowBits, 9), chunkSize: constants.Z_MIN_CHUNK }),
    );
  }

  inflate(input: Uint8Array, start: number, end: number, sink: DeflateSink): boolean {
    let left = end - start;
    do {
      left = this.step(input, end - left, end, sink);
      if (left < 0) return false;
    } while (left > 0 || this.hasMore);
    return true;
  }

  step(input: Uint8Array, start: number, end: number, sink: DeflateSink): number {
    const engine = this.#engine;
    if (!engine.write(input, start, end - start, sink)) return -1;
    const left = engine.inputLeft;
    if (left > 0 && !engine.isFull) engine.reset();
    return left;
  }

  get hasMore(): boolean {
    return this.#engine.isFull;
  }

  reset(): void {
    this.#engine.reset();
  }

  close(): void {
    this.#engine.close();
  }
}
