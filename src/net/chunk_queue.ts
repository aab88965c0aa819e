/** In the place of a chunk that was taken, so that the queue lets go of it. */
const TAKEN = new Uint8Array(0);

/** Places of taken chunks at the front before the rest moves up. */
const MOVE_UP_AFTER = 64;

/** Chunks that came and were not read yet, in order. */
export class ChunkQueue {
  #chunks: Uint8Array[] = [];
  #head = 0;
  #bytes = 0;

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Chunks that wait. */
  get count(): number {
    return this.#chunks.length - this.#head;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Takes the first chunk, as it came. */
  shift(): Uint8Array | undefined {
    const chunk = this.#chunks[this.#head];
    if (chunk === undefined) return undefined;
    this.#advance();
    this.#bytes -= chunk.length;
    return chunk;
  }

  /** Copies what fits into `p` and returns how many bytes that were. */
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

  /** Moves on without shifting the array each time, though a queue that never runs empty must not grow for ever. */
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
