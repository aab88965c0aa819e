import type { ByteBuffer } from "../bytes/byte_buffer.ts";

/** Upper bound of all delimiters together, bytes, which keeps the table of states within a few megabytes. */
const MAX_TOTAL = 4096;

/**
 * Finds the first of several delimiters in a stream: the one that starts first, and of those that start at the same
 * byte the longest. An Aho–Corasick automaton, which looks at each byte once, however delimiters overlap or chunks cut
 * them.
 */
export class DelimiterSearch {
  /** Class of each byte value: a column of `#next`. All bytes that occur in no delimiter share class 0. */
  readonly #classes = new Uint8Array(256);
  /** Next state, by state and class. A state stands for the part of a delimiter that was read; state 0 for nothing. */
  readonly #next: number[][] = [];
  /** For each state, length of the longest delimiter that ends there, bytes; 0 when none does. */
  readonly #ending: number[] = [];
  /** For each state, number of bytes read that may still become a delimiter, or a longer one. */
  readonly #open: number[] = [];
  /** The byte that every delimiter starts with, or -1. */
  readonly #firstByte: number;

  #state = 0;
  #searched = 0;
  #start = -1;
  #end = -1;

  /** @param delimiters at least one; none may be empty */
  constructor(delimiters: readonly Uint8Array[]) {
    const total = delimiters.reduce((sum, delimiter) => sum + delimiter.length, 0);
    if (total > MAX_TOTAL) {
      throw new RangeError(
        `Cannot make the codec: the delimiters have ${total} bytes, more than ${MAX_TOTAL}`,
      );
    }
    const first = delimiters[0]![0]!;
    this.#firstByte = delimiters.every((delimiter) => delimiter[0] === first) ? first : -1;
    this.#build(delimiters, this.#classify(delimiters));
  }

  /** Number of bytes, from the start of the search, that are known to lie before the delimiter. */
  get length(): number {
    const open = this.#searched - this.#open[this.#state]!;
    return this.#start < 0 ? open : Math.min(open, this.#start);
  }

  /**
   * Offset, from the start of the search, of the first delimiter found so far; -1 for none. Later bytes may complete
   * one that starts earlier.
   */
  get start(): number {
    return this.#start;
  }

  /** Offset at which the delimiter at `start` ends. */
  get end(): number {
    return this.#end;
  }

  /** Searches the bytes of `src` that are new. `true` once the delimiter is certain: it lies from `start` to `end`. */
  search(src: ByteBuffer): boolean {
    let found = this.#found();
    while (!found && this.#searched < src.length) found = this.searchBytes(src.pieceAt(this.#searched));
    return found;
  }

  /** Searches `bytes`, which follow those searched before. `true` once the delimiter is certain. */
  searchBytes(bytes: Uint8Array): boolean {
    const from = this.#searched;
    for (let i = 0; i < bytes.length; i++) {
      if (this.#state === 0 && this.#firstByte >= 0) {
        // The runtime's own search is much faster than a loop.
        i = bytes.indexOf(this.#firstByte, i);
        if (i < 0) break;
      }
      this.#searched = from + i + 1;
      this.#step(bytes[i]!);
      if (this.#found()) return true;
    }
    this.#searched = from + bytes.length;
    return false;
  }

  /** Starts a new search. */
  reset(): void {
    this.#state = 0;
    this.#searched = 0;
    this.#start = -1;
    this.#end = -1;
  }

  /** Whether a delimiter was found that later bytes can neither make longer nor precede by an earlier one. */
  #found(): boolean {
    return this.#start >= 0 && this.#searched - this.#open[this.#state]! > this.#start;
  }

  #step(byte: number): void {
    this.#state = this.#next[this.#state]![this.#classes[byte]!]!;
    const ending = this.#ending[this.#state]!;
    const start = this.#searched - ending;
    if (ending === 0 || this.#start >= 0 && start > this.#start) return;
    this.#start = start;
    this.#end = this.#searched;
  }

  // ── The automaton ──

  /**
   * Gives each byte of the delimiters a class and returns the number of classes. Class 0 is that of all other bytes.
   */
  #classify(delimiters: readonly Uint8Array[]): number {
    const bytes = [...new Set(delimiters.flatMap((delimiter) => [...delimiter]))];
    // Where the delimiters use all 256 bytes, no class is needed for others.
    const first = bytes.length === 256 ? 0 : 1;
    for (const [i, byte] of bytes.entries()) this.#classes[byte] = first + i;
    return first + bytes.length;
  }

  #build(delimiters: readonly Uint8Array[], classes: number): void {
    const state = (depth: number): number => {
      this.#ending.push(0);
      this.#open.push(depth);
      return this.#next.push(new Array<number>(classes).fill(-1)) - 1;
    };
    state(0);
    for (const delimiter of delimiters) {
      let at = 0;
      for (const [i, byte] of delimiter.entries()) {
        const row = this.#next[at]!;
        const column = this.#classes[byte]!;
        if (row[column] === -1) row[column] = state(i + 1);
        at = row[column]!;
      }
      this.#ending[at] = delimiter.length;
    }
    this.#link();
  }

  /**
   * Adds the failure transitions: on a byte that does not continue its delimiter, a state goes where the longest suffix
   * of it that starts a delimiter would go.
   */
  #link(): void {
    const next = this.#next;
    const isLeaf = next.map((row) => row.every((to) => to === -1));
    const queue: [state: number, fallback: number][] = [];
    const fill = (row: number[], fallback: number[] | null): void => {
      for (const [column, to] of row.entries()) {
        const other = fallback === null ? 0 : fallback[column]!;
        if (to === -1) row[column] = other;
        else queue.push([to, other]);
      }
    };
    fill(next[0]!, null);
    for (const [state, fallback] of queue) {
      fill(next[state]!, next[fallback]!);
      if (this.#ending[state] === 0) this.#ending[state] = this.#ending[fallback]!;
      if (isLeaf[state]) this.#open[state] = this.#open[fallback]!;
    }
  }
}
