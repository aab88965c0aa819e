import { type BufferPool, POOL_BUFFER_SIZE } from "../bytes/buffer_pool.ts";
import type { DeflateSink, Inflater } from "../bytes/raw_deflate.ts";
import type { DeflatePool } from "./deflate_pool.ts";
import { TAIL } from "./message_deflater.ts";

/** How the peer compresses. */
export interface InflaterSettings {
  readonly pool: DeflatePool;
  readonly buffers: BufferPool;
  /** How far its references reach back, as a power of two. */
  readonly windowBits: number;
  /** Whether a message may refer to those before it. */
  readonly contextTakeover: boolean;
}

/** Who gets the pieces of a message: `bytes[0, length)`, valid during the call. */
export type InflatedHandler = (bytes: Uint8Array, length: number, first: boolean, last: boolean) => void;

/** What became of a piece; `closed` when the handler ended it all. */
export type InflateOutcome = "ok" | "too big" | "invalid" | "closed";

/**
 * Decompresses the messages of one connection, RFC 7692, 7.2.2. Output is gathered, so that a message that fits into one
 * buffer is handed over whole; it is counted as it comes, so that what a few bytes claim to be is never made.
 */
export class MessageInflater {
  readonly #settings: InflaterSettings;
  readonly #handler: InflatedHandler;
  #inflater: Inflater | null = null;
  /** Output that was not handed over yet. */
  #held: Uint8Array | null = null;
  #heldLength = 0;
  /** Bytes of the message's output in all. */
  #total = 0;
  #limit = 0;
  #handedOver = false;
  #closed = false;
  /** The decompressor is at work, and cannot be closed from inside its sink. */
  #working = false;
  readonly #sink: DeflateSink = (bytes, length) => this.#take(bytes, length);

  constructor(settings: InflaterSettings, handler: InflatedHandler) {
    this.#settings = settings;
    this.#handler = handler;
  }

  /**
   * A piece of a message.
   *
   * @param limit how large the message may become
   */
  receive(
    chunk: Uint8Array,
    start: number,
    end: number,
    first: boolean,
    last: boolean,
    limit: number,
  ): InflateOutcome {
    if (first) this.#begin();
    this.#limit = limit;
    const outcome = this.#inflate(chunk, start, end, last);
    if (this.#closed || outcome !== "ok") {
      this.close();
      return outcome;
    }
    if (last) this.#end();
    // Whoever reads a message as it comes is not kept waiting for the rest of a frame.
    else if (this.#heldLength > 0) this.#handOver(false);
    return "ok";
  }

  /** The connection is over. */
  close(): void {
    this.#closed = true;
    if (this.#working) return;
    this.#inflater?.close();
    this.#inflater = null;
    this.#release();
  }

  #inflate(chunk: Uint8Array, start: number, end: number, last: boolean): InflateOutcome {
    const inflater = this.#inflater!;
    this.#working = true;
    try {
      const whole = inflater.inflate(chunk, start, end, this.#sink) &&
        // 7.2.2: what the sender left out is put back.
        (!last || inflater.inflate(TAIL, 0, TAIL.length, this.#sink));
      return whole ? "ok" : this.#closed ? "closed" : "too big";
    } catch {
      return "invalid";
    } finally {
      this.#working = false;
    }
  }

  #begin(): void {
    const { pool, windowBits, contextTakeover } = this.#settings;
    this.#total = 0;
    this.#handedOver = false;
    this.#inflater ??= contextTakeover ? pool.raw.inflater(windowBits) : pool.takeInflater();
  }

  #take(bytes: Uint8Array, length: number): boolean {
    this.#total += length;
    if (this.#total > this.#limit) return false;
    for (let at = 0; at < length && !this.#closed;) {
      const held = this.#held ??= this.#settings.buffers.take(POOL_BUFFER_SIZE);
      const count = Math.min(length - at, POOL_BUFFER_SIZE - this.#heldLength);
      held.set(bytes.subarray(at, at + count), this.#heldLength);
      this.#heldLength += count;
      at += count;
      // Not before more comes: a message that fits exactly is whole.
      if (at < length) this.#handOver(false);
    }
    return !this.#closed;
  }

  #handOver(last: boolean): void {
    const first = !this.#handedOver;
    this.#handedOver = true;
    const length = this.#heldLength;
    this.#heldLength = 0;
    this.#handler(this.#held ?? NOTHING, length, first, last);
  }

  #end(): void {
    const { pool, contextTakeover } = this.#settings;
    if (!contextTakeover && this.#inflater !== null) {
      pool.giveInflater(this.#inflater);
      this.#inflater = null;
    }
    this.#handOver(true);
    this.#release();
  }

  #release(): void {
    if (this.#held !== null) this.#settings.buffers.give(this.#held);
    this.#held = null;
    this.#heldLength = 0;
  }
}

const NOTHING = new Uint8Array(0);
