/** Random numbers that nobody can guess, drawn from the runtime in large portions. */
export class RandomSource {
  readonly #fillRandom: (into: Uint8Array) => void;
  #words: Int32Array | null = null;
  #used = 0;

  constructor(fillRandom: (into: Uint8Array) => void) {
    this.#fillRandom = fillRandom;
  }

  /** {@linkcode RandomSource.next} for whoever wants a function: one for all of them. */
  readonly nextKey = (): number => this.next();

  /** Thirty-two random bits. */
  next(): number {
    const words = this.#words ??= new Int32Array(1024);
    if (this.#used === 0) this.#fillRandom(new Uint8Array(words.buffer));
    const word = words[this.#used]!;
    this.#used = (this.#used + 1) % words.length;
    return word;
  }

  /** That many random bytes. */
  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    this.#fillRandom(bytes);
    return bytes;
  }
}
