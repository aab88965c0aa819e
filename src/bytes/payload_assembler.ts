/**
 * Joins the pieces of a payload in one buffer. The buffer grows with the bytes that have come, never to an announced
 * length at once: fourfold while more is announced, else twofold. So joining costs a constant per byte however the payload
 * is cut, and the buffer is at most four times as long as what came.
 */
export class PayloadAssembler {
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #length = 0;

  /** Number of bytes added so far. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds a copy of `bytes[start, end)`.
   *
   * @param announced lower bound of the payload's length, as the frames so far announce it, bytes
   * @param limit upper bound of the payload's length, bytes
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

  /** The size of a buffer for `length` bytes, `#length` of which have come before. */
  #capacity(length: number, announced: number, limit: number): number {
    if (announced > length) return Math.min(length * 4, announced);
    // This may be the last piece. Room for more is made only after pieces so short that growing for each would copy too often.
    const exact = length >= this.#length * 2;
    return exact ? length : Math.max(length, Math.min(length * 2, limit));
  }

  /** The bytes that have come, as a view of the buffer. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }
}
