/**
 * Joins the pieces of a message in one buffer. The buffer grows with the bytes that have arrived, never at once to a
 * length that the peer announced: fourfold while more is announced, otherwise twofold. So the cost per byte is
 * constant, however the message is cut, and the memory held is at most four times the bytes that arrived.
 */
export class Gather {
  #buffer: Uint8Array = new Uint8Array(0);
  #length = 0;

  /** Number of bytes added so far. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds a copy of `bytes[start, end)`.
   *
   * @param announced length of the whole as far as the peer has announced it, bytes
   * @param limit upper bound of the whole, bytes
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

  /** Size of the buffer for `length` bytes, of which `#length` are there already. */
  #capacity(length: number, announced: number, limit: number): number {
    if (announced > length) return Math.min(length * 4, announced);
    // The piece may be the last. Spare room is added only for small pieces, which would be copied again and again.
    const exact = length >= this.#length * 2;
    return exact ? length : Math.max(length, Math.min(length * 2, limit));
  }

  /** All bytes added so far, as a view of the buffer. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
}
