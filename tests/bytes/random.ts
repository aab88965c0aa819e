/** Random values from a seed, equal in each run; a failed test names its seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** An integer from 0 to 2^32 - 1 (mulberry32). */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** An integer from 0 to `bound` - 1. */
  below(bound: number): number {
    return this.uint32() % bound;
  }

  /** Whether something that happens once in `times` happens now. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** Text of so many code points, from all planes, without lone surrogates. */
  text(length: number): string {
    const point = () => {
      const [low, high] = this.pick([[0, 0x7f], [0x20, 0x7e], [0x80, 0x7ff], [0x800, 0xd7ff], [
        0x10000,
        0x10ffff,
      ]]);
      return String.fromCodePoint(low! + this.below(high! - low! + 1));
    };
    return Array.from({ length }, point).join("");
  }

  /** Copies of the bytes' parts, cut at random: at most `most` bytes each. */
  cut(bytes: Uint8Array, most: number): Uint8Array[] {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + this.below(most);
      parts.push(bytes.slice(at, end));
      at = end;
    }
    return parts;
  }
}
