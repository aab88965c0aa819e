import type { Deflater, Inflater, RawDeflate } from "../bytes/raw_deflate.ts";

/** Inflaters kept for the next message; one takes some tens of kilobytes. */
const MAX_KEPT = 16;

/**
 * Compressors and decompressors without a past, for messages that are compressed each by itself. Whoever keeps no context
 * between messages borrows one for as long as a message takes, so a connection that is idle holds none.
 */
export class DeflatePool {
  /** What makes them. */
  readonly raw: RawDeflate;
  readonly #deflaters = new Map<number, Deflater>();
  readonly #inflaters: Inflater[] = [];

  /** Holds none before one is asked for. */
  constructor(raw: RawDeflate) {
    this.raw = raw;
  }

  /** One that refers to nothing; to be used for one message, now. */
  deflater(windowBits: number, level: number): Deflater {
    const key = windowBits * 10 + level;
    let deflater = this.#deflaters.get(key);
    if (deflater === undefined) this.#deflaters.set(key, deflater = this.raw.deflater(windowBits, level));
    else deflater.reset();
    return deflater;
  }

  /** One that takes any window; to be given back. */
  takeInflater(): Inflater {
    return this.#inflaters.pop() ?? this.raw.inflater(15);
  }

  /** Gives one back that has not failed. */
  giveInflater(inflater: Inflater): void {
    if (this.#inflaters.length >= MAX_KEPT) return inflater.close();
    inflater.reset();
    this.#inflaters.push(inflater);
  }
}
