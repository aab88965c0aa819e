/** Placeholder for a chunk that was taken, so that the queue does not keep its memory. */
const TAKEN = new Uint8Array(0);

/** Number of placeholders at the front from which on the rest of the queue is moved up. */
const MOVE_UP_AFTER = 64;

/** Received chunks that have not been read yet, in order. */
export class ChunkQueue {
  #chunks: Uint8Array[] = [];
  #head = 0;
  #bytes = 0;

  /** Number of unread bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Number of unread chunks. */
  get count(): number {
    return this.#chunks.length - this.#head;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Removes the first chunk and returns it without a copy. */
  shift(): Uint8Array | undefined {
    const chunk = this.#chunks[this.#head];
    if (chunk === undefined) return undefined;
    this.#advance();
    this.#bytes -= chunk.length;
    return chunk;
  }

  /** Fills `p` as far as possible, removes the copied bytes, and returns their number. */
  copyInto(p: Uint8Array): number {
    let filled = 0;
    while (filled < p.length && this.#bytes > 0) {
      const chunk = this.#chunks[this.#head]!;
      const part = chunk.length <= p.length - filled ? chunk : chunk.subarray(0, p.length - filled);
      p.set(part, filled);
      filled += part.length;
      this.#bytes -= part.length;
      if (part === chunk) this.#advance();
      else this.#chunks[this.#head] = chunk.subarray(part.length);
    }
    return filled;
  }

  clear(): void {
    this.#chunks = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  /**
   * Removes the first chunk. The array is shifted only from time to time: a queue that never runs empty must not grow.
   */
  #advance(): void {
    const chunks = this.#chunks;
    chunks[this.#head++] = TAKEN;
    if (this.#head === chunks.length) {
      chunks.length = 0;
      this.#head = 0;
    } else if (this.#head >= MOVE_UP_AFTER && 2 * this.#head >= chunks.length) {
      chunks.copyWithin(0, this.#head);
      chunks.length -= this.#head;
      this.#head = 0;
    }
  }
}
