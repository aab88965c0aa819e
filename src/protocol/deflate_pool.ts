import type { Deflater, Inflater, RawDeflate } from "../bytes/raw_deflate.ts";

/** Bound of the inflaters kept for later messages; one takes some tens of kilobytes. */
const MAX_KEPT = 16;

/**
 * Compressors and decompressors that are shared by connections without context takeover. A connection borrows one for
 * the length of a message, so that an idle connection holds none.
 */
export class DeflatePool {
  /** DEFLATE of the runtime. */
  readonly raw: RawDeflate;
  readonly #deflaters = new Map<number, Deflater>();
  readonly #inflaters: Inflater[] = [];

  /** Makes an empty pool. */
  constructor(raw: RawDeflate) {
    this.raw = raw;
  }

  /**
   * A compressor with an empty window, for one message that is compressed before the next call.
   *
   * @param windowBits base-2 logarithm of the window in bytes, 8 to 15
   * @param level 0 (none) to 9 (smallest)
   */
  deflater(windowBits: number, level: number): Deflater {
    const key = windowBits * 10 + level;
    let deflater = this.#deflaters.get(key);
    if (deflater === undefined) this.#deflaters.set(key, deflater = this.raw.deflater(windowBits, level));
    else deflater.reset();
    return deflater;
  }

  /** A decompressor with an empty window of 32 KiB. Give it back with `giveInflater`, or close it if it failed. */
  takeInflater(): Inflater {
    return this.#inflaters.pop() ?? this.raw.inflater(15);
  }

  /** Takes back a decompressor that has not failed. */
  giveInflater(inflater: Inflater): void {
    if (this.#inflaters.length >= MAX_KEPT) return inflater.close();
    inflater.reset();
    this.#inflaters.push(inflater);
  }
}
