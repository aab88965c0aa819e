/**
 * Puts the pieces of something together in one buffer. It grows with what has come, never to what was announced at
 * once: fourfold while more is announced, else twofold, so that gathering costs a constant per byte however it is cut,
 * and holds at most four times of what came.
 */
export class Gather {
  #buffer: Uint8Array = new Uint8Array(0);
  #length = 0;

  /** Bytes that have come. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds a copy of `bytes[start, end)`.
   *
   * @param announced how long the whole is known to become, as far as it is known
   * @param limit how long it may become at the most
   */
  add(bytes: Uint8Array, start: number, end: number, announced: number, limit: number): void {
    const length = this.#length + end - start;
    if (length > this.#buffer.length) {
      const grown = new Uint8Array(this.#capacity(length, announced, limit));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(bytes.subarray(start, end), this.#length);
    this.#length = length;
  }

  /** How large a buffer `length` bytes go into; what is there already is `#length` bytes. */
  #capacity(length: number, announced: number, limit: number): number {
    if (announced > length) return Math.min(length * 4, announced);
    // This may be the end. Room for more is made only where its absence would mean copying the same again and again.
    const exact = length >= this.#length * 2;
    return exact ? length : Math.max(length, Math.min(length * 2, limit));
  }

  /** What has come, as a view of the buffer. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
}
