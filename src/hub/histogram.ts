/** A {@linkcode Histogram} in numbers. */
export interface HistogramSnapshot {
  /** How many values there were. */
  readonly count: number;
  /** Their sum. */
  readonly sum: number;
  /** How many were at most `le`; the last one's is `Infinity`. Each counts those before it, as OpenMetrics has it. */
  readonly buckets: readonly { readonly le: number; readonly count: number }[];
}

/** Counts values by size. To count one costs a short search. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  /**
   * Makes one.
   *
   * @param bounds the largest value of each bucket, ascending; one more takes what is larger
   */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  /** Counts a value. */
  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += value;
  }

  /** What was counted so far. */
  snapshot(): HistogramSnapshot {
    let count = 0;
    const buckets = Array.from(this.#counts, (value, i) => ({
      le: this.#bounds[i] ?? Infinity,
      count: count += value,
    }));
    return { count, sum: this.#sum, buckets };
  }
}
