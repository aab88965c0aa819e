/**
 * DEFLATE through `node:zlib`, which Node, Bun and Deno have. Its streams work in another thread and its functions forget the
 * window, so what is under a stream, its handle, is called. What is bridged here:
 *
 * | `node:zlib` | here |
 * | --- | --- |
 * | the handle is nobody's promise | where it looks different there is no compression |
 * | each stream has an output of its own | all share one, and a stream gets the smallest |
 * | an error goes to the handle's `onerror`, which would make it an event of the stream | it is thrown |
 * | a call after an error or after `close` ends Node | the handle is closed at once, and a later call throws |
 * | a raw compressor has no window of 256 bytes | it has one of 512, and only repeats the last byte, which no window is too small for |
 * | a flush with nothing new gives nothing | the empty block is written here |
 * | the end of a stream (BFINAL) is not told | it shows in input that is left although there is room for output |
 */

import { constants, createDeflateRaw, createInflateRaw } from "node:zlib";
import type { Deflater, DeflateSink, Inflater, RawDeflate } from "../src/bytes/raw_deflate.ts";

/** What is used of a stream of `node:zlib`. */
interface ZlibStream {
  readonly _handle: ZlibHandle;
  /** How much of the output and of the input was left by the last write. */
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

/** Where all of them write: what is in it is the sink's before anybody writes again. */
const output = new Uint8Array(64 << 10);

/** A stored block without bytes, as a flush ends. */
const emptyBlock = Uint8Array.of(0, 0, 0, 0xff, 0xff);

/** What the last write said, when it was an error. */
let fault: string | null = null;

function noteFault(message: string): void {
  fault = message;
}

/** `null` where the handle is not what it was found to be. */
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

/** A handle with its state. After a fault it is closed; after a sink that stopped, or threw, its window is forgotten. */
class Engine {
  #handle: ZlibHandle | null;
  readonly #left: Uint32Array;

  constructor(stream: unknown) {
    const { _handle: handle, _writeState: left } = stream as ZlibStream;
    handle.onerror = noteFault;
    this.#handle = handle;
    this.#left = left;
  }

  /** How much of the last write's input was not taken. */
  get inputLeft(): number {
    return this.#left[1]!;
  }

  /** Whether the last write may have more to say. */
  get isFull(): boolean {
    return this.#left[0] === 0;
  }

  /** Writes once, and passes on what comes out. */
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
    if (this.#handle === null) throw new Error("a closed stream of zlib");
    return this.#handle;
  }
}

class ZlibDeflater implements Deflater {
  readonly #engine: Engine;

  constructor(windowBits: number, level: number) {
    this.#engine = new Engine(createDeflateRaw({
      level,
      windowBits: Math.max(windowBits, 9),
      // As much as the window takes, but 8 KiB at least: with less the blocks become so short that a tenth is lost.
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
    const engine = this.#engine;
    let left = end - start;
    do {
      if (!engine.write(input, end - left, left, sink)) return false;
      left = engine.inputLeft;
      if (left > 0 && !engine.isFull) engine.reset();
    } while (left > 0 || engine.isFull);
    return true;
  }

  reset(): void {
    this.#engine.reset();
  }

  close(): void {
    this.#engine.close();
  }
}
