import type { ByteBuffer } from "../bytes/byte_buffer.ts";

/** Longest delimiters, all together, bytes: so that the table of the states stays below some megabytes. */
const MAX_TOTAL = 4096;

/**
 * Finds the first of some delimiters in a stream: the one that starts first, of those that start together the longest.
 * It is the automaton of Aho and Corasick, so each byte is looked at once, however the delimiters are cut up or overlap.
 */
export class DelimiterSearch {
  /** The class of each byte: those that no delimiter holds are alike. */
  readonly #classes = new Uint8Array(256);
  /** For each state and class the next state. A state stands for what was read of a delimiter; 0 is nothing. */
  readonly #next: number[][] = [];
  /** For each state how long the longest delimiter is that ends there; 0 when none does. */
  readonly #ending: number[] = [];
  /** For each state how much was read of what may become a delimiter yet. */
  readonly #open: number[] = [];
  /** The byte that every delimiter starts with, or -1. */
  readonly #firstByte: number;

  #state = 0;
  #searched = 0;
  #start = -1;
  #end = -1;

  /** Takes at least one delimiter; none may be empty. */
  constructor(delimiters: readonly Uint8Array[]) {
    const total = delimiters.reduce((sum, delimiter) => sum + delimiter.length, 0);
    if (total > MAX_TOTAL) throw new RangeError(`Cannot make the codec: the delimiters are ${total} bytes`);
    const first = delimiters[0]![0]!;
    this.#firstByte = delimiters.every((delimiter) => delimiter[0] === first) ? first : -1;
    this.#build(delimiters, this.#classify(delimiters));
  }

  /** Bytes that are known to lie in front of the delimiter, counted from where the search started. */
  get length(): number {
    const open = this.#searched - this.#open[this.#state]!;
    return this.#start < 0 ? open : Math.min(open, this.#start);
  }

  /** Where the first delimiter so far starts, though what comes may complete an earlier one; -1 when there is none. */
  get start(): number {
    return this.#start;
  }

  /** Where it ends. */
  get end(): number {
    return this.#end;
  }

  /** Goes on searching in what is new in `src`; whether the delimiter was found: from `start` to `end`. */
  search(src: ByteBuffer): boolean {
    let found = this.#found();
    while (!found && this.#searched < src.length) found = this.searchBytes(src.pieceAt(this.#searched));
    return found;
  }

  /** Goes on with these bytes; whether the delimiter was found. */
  searchBytes(bytes: Uint8Array): boolean {
    const from = this.#searched;
    for (let i = 0; i < bytes.length; i++) {
      if (this.#state === 0 && this.#firstByte >= 0) {
        // By the runtime's own search, which is much faster than a loop.
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

  /** Starts anew. */
  reset(): void {
    this.#state = 0;
    this.#searched = 0;
    this.#start = -1;
    this.#end = -1;
  }

  /** Whether nothing that comes can start as early as what was found and be longer, or start earlier. */
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

  /** Gives each byte of the delimiters a class, and returns how many classes there are. Class 0 is all other bytes. */
  #classify(delimiters: readonly Uint8Array[]): number {
    const bytes = [...new Set(delimiters.flatMap((delimiter) => [...delimiter]))];
    // If all bytes are in use, no class is needed for others.
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

  /** Fills in where each state goes when what follows is not its delimiter: to the longest end of it that starts one. */
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
