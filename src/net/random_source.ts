/** Cryptographically secure random numbers, drawn from the runtime 4 KiB at a time. */
export class RandomSource {
  readonly #fillRandom: (into: Uint8Array) => void;
  #words: Int32Array | null = null;
  #used = 0;

  constructor(fillRandom: (into: Uint8Array) => void) {
    this.#fillRandom = fillRandom;
  }

  /** {@linkcode RandomSource.next} as a bound function, shared by all callers. */
  readonly nextKey = (): number => this.next();

  /** A random 32-bit integer. */
  next(): number {
    const words = this.#words ??= new Int32Array(1024);
    if (this.#used === 0) this.#fillRandom(new Uint8Array(words.buffer));
    const word = words[this.#used]!;
    this.#used = (this.#used + 1) % words.length;
    return word;
  }

  /** `count` random bytes. */
  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    this.#fillRandom(bytes);
    return bytes;
  }
}
