/** The state of a histogram at one time. */
export interface HistogramSnapshot {
  /** Values counted so far. */
  readonly count: number;
  /** Sum of the values. */
  readonly sum: number;
  /** Values up to the bound `le`, as in OpenMetrics: each bucket includes those before it, and the last `le` is `Infinity`. */
  readonly buckets: readonly { readonly le: number; readonly count: number }[];
}

/** Counts values by size. Counting a value costs a short search. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  /**
   * A histogram without values.
   *
   * @param bounds the largest value of each bucket, ascending; a further bucket takes larger values
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

  /** The counts so far. */
  snapshot(): HistogramSnapshot {
    let count = 0;
    const buckets = Array.from(this.#counts, (value, i) => ({
      le: this.#bounds[i] ?? Infinity,
      count: count += value,
    }));
    return { count, sum: this.#sum, buckets };
  }
}
