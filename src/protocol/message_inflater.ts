import { type BufferPool, POOL_BUFFER_SIZE } from "../bytes/buffer_pool.ts";
import type { DeflateSink, Inflater } from "../bytes/raw_deflate.ts";
import type { DeflatePool } from "./deflate_pool.ts";
import { TAIL } from "./message_deflater.ts";
import { PieceFlag } from "./message_piece.ts";

/** How the peer compresses. */
export interface InflaterSettings {
  readonly pool: DeflatePool;
  readonly buffers: BufferPool;
  /** The reach of the peer's references, as a power of two: 8 to 15. */
  readonly windowBits: number;
  /** Whether a message may refer to those before it. */
  readonly contextTakeover: boolean;
}

/** Receives the pieces of a decompressed message: `bytes[0, length)`, with `PieceFlag.Lent` and no `PieceFlag.Compressed`. */
export type InflatedHandler = (bytes: Uint8Array, length: number, flags: number) => void;

/**
 * The outcome of decompressing a piece; `held` when the rest of it waits for `resume`, `closed` when the handler closed the
 * inflater meanwhile.
 */
export type InflateOutcome = "ok" | "held" | "too big" | "invalid" | "closed";

/** The rest of a piece that was held back. */
interface HeldInput {
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/**
 * Decompresses the messages of one connection, RFC 7692, 7.2.2. Output is collected in a pooled buffer, so that a message that fits
 * into one is delivered whole. Output is counted while it is made, so that a few bytes never inflate beyond the limit.
 */
export class MessageInflater {
  readonly #settings: InflaterSettings;
  readonly #handler: InflatedHandler;
  #inflater: Inflater | null = null;
  /** Output that was not delivered yet. */
  #held: Uint8Array | null = null;
  #heldLength = 0;
  /** Bytes of the message's output so far. */
  #total = 0;
  #limit = 0;
  /** The flags of the next piece of output, but for `Last`. */
  #flags = 0;
  #closed = false;
  /** Whether nothing more is to be decompressed for now. Set by the owner, mostly from inside the handler. */
  held = false;
  /** What waits for `resume`; `null` for nothing. */
  #input: HeldInput | null = null;
  /** Whether the decompressor is at work: it cannot be closed from inside its sink. */
  #working = false;
  readonly #sink: DeflateSink = (bytes, length) => this.#take(bytes, length);

  constructor(settings: InflaterSettings, handler: InflatedHandler) {
    this.#settings = settings;
    this.#handler = handler;
  }

  /**
   * Decompresses a piece of a message, `chunk[start, end)`.
   *
   * @param flags bits of `PieceFlag`
   * @param limit upper bound of the decompressed message, bytes
   */
  receive(chunk: Uint8Array, start: number, end: number, flags: number, limit: number): InflateOutcome {
    const last = (flags & PieceFlag.Last) !== 0;
    if ((flags & PieceFlag.First) !== 0) this.#begin(flags & PieceFlag.Text);
    this.#limit = limit;
    return this.#run(chunk, start, end, last);
  }

  /** Bytes of input that wait for `resume`; `null` when nothing waits: there may be output without input. */
  get inputLeft(): number | null {
    return this.#input?.bytes.length ?? null;
  }

  /** Goes on with what was held back. */
  resume(): InflateOutcome {
    const input = this.#input;
    if (input === null || this.#closed) return "ok";
    this.#input = null;
    return this.#run(input.bytes, 0, input.bytes.length, input.last);
  }

  #run(chunk: Uint8Array, start: number, end: number, last: boolean): InflateOutcome {
    const outcome = this.#inflate(chunk, start, end, last);
    if (this.#closed || outcome !== "ok" && outcome !== "held") {
      this.close();
      return outcome;
    }
    if (last && outcome === "ok") this.#end();
    else {
      // A reader of a message that is still coming does not wait for the rest of the frame.
      if (this.#heldLength > 0) this.#deliver(0);
      // A message may be begun and never ended: until more comes, it holds no buffer.
      this.#release();
    }
    return outcome;
  }

  /** Gives the memory back. Called at the end of the connection. */
  close(): void {
    this.#closed = true;
    if (this.#working) return;
    this.#inflater?.close();
    this.#inflater = null;
    this.#input = null;
    this.#release();
  }

  #inflate(chunk: Uint8Array, start: number, end: number, last: boolean): InflateOutcome {
    const inflater = this.#inflater!;
    this.#working = true;
    try {
      let left = end - start;
      do {
        left = inflater.step(chunk, end - left, end, this.#sink);
        if (left < 0) return this.#closed ? "closed" : "too big";
        if (this.held && (left > 0 || inflater.hasMore)) {
          // A copy: the chunk is the caller's after the call.
          this.#input = { bytes: new Uint8Array(chunk.subarray(end - left, end)), last };
          return "held";
        }
      } while (left > 0 || inflater.hasMore);
      return !last || this.#inflateTail(inflater) ? "ok" : this.#closed ? "closed" : "too big";
    } catch {
      return "invalid";
    } finally {
      this.#working = false;
    }
  }

  /**
   * 7.2.2: puts back the tail that the sender left out; `false` when the sink stopped. Where the message ends with a final
   * block (7.2.3.4) and without the empty one behind it, a new stream has begun, and no tail belongs to it.
   */
  #inflateTail(inflater: Inflater): boolean {
    const { length } = TAIL;
    let left = inflater.step(TAIL, 0, length, this.#sink);
    if (left === length && !inflater.hasMore) return true;
    while (left > 0 || left === 0 && inflater.hasMore) {
      left = inflater.step(TAIL, length - left, length, this.#sink);
    }
    return left === 0;
  }

  /** @param text `PieceFlag.Text`, or 0 */
  #begin(text: number): void {
    const { pool, windowBits, contextTakeover } = this.#settings;
    this.#total = 0;
    this.#flags = PieceFlag.First | PieceFlag.Lent | text;
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
      // A full buffer waits until more comes: a message that fits exactly is delivered whole.
      if (at < length) this.#deliver(0);
    }
    return !this.#closed;
  }

  /** @param last `PieceFlag.Last`, or 0 */
  #deliver(last: number): void {
    const flags = this.#flags | last;
    this.#flags &= ~PieceFlag.First;
    const length = this.#heldLength;
    this.#heldLength = 0;
    this.#handler(this.#held ?? NOTHING, length, flags);
  }

  #end(): void {
    const { pool, contextTakeover } = this.#settings;
    if (!contextTakeover && this.#inflater !== null) {
      pool.giveInflater(this.#inflater);
      this.#inflater = null;
    }
    this.#deliver(PieceFlag.Last);
    this.#release();
  }

  #release(): void {
    if (this.#held !== null) this.#settings.buffers.give(this.#held);
    this.#held = null;
    this.#heldLength = 0;
  }
}

const NOTHING = new Uint8Array(0);
