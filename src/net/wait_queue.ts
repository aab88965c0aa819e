/** One call that waits. */
interface Waiter<T, Item> {
  readonly item: Item;
  resolve(value: T): void;
  reject(reason: unknown): void;
  signal: AbortSignal | null;
  onAbort: (() => void) | null;
}

/**
 * Calls that wait for something, served in order of calling. Each comes with an item that says what it wants. A call
 * whose signal is aborted leaves the queue and rejects with the signal's reason.
 */
export class WaitQueue<T, Item = undefined> {
  readonly #waiters: Waiter<T, Item>[] = [];

  get size(): number {
    return this.#waiters.length;
  }

  /** What the first call wants. */
  get first(): Item | undefined {
    return this.#waiters[0]?.item;
  }

  /** Whether some call wants this. */
  some(test: (item: Item) => boolean): boolean {
    return this.#waiters.some((waiter) => test(waiter.item));
  }

  /** A new call waits. `onAborted` is told when the signal took it out. */
  wait(item: Item, signal?: AbortSignal, onAborted?: (item: Item) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const waiter: Waiter<T, Item> = { item, resolve, reject, signal: null, onAbort: null };
      this.#waiters.push(waiter);
      if (signal === undefined) return;
      waiter.signal = signal;
      waiter.onAbort = () => {
        this.#remove(waiter);
        reject(signal.reason);
        onAborted?.(item);
      };
      signal.addEventListener("abort", waiter.onAbort, { once: true });
    });
  }

  /** Serves the first call. */
  resolveFirst(value: T): void {
    this.#shift()?.resolve(value);
  }

  /** Fails the first call. */
  rejectFirst(reason: unknown): void {
    this.#shift()?.reject(reason);
  }

  /** Fails all of them. */
  rejectAll(reason: unknown): void {
    while (this.#waiters.length > 0) this.rejectFirst(reason);
  }

  #shift(): Waiter<T, Item> | undefined {
    const waiter = this.#waiters[0];
    if (waiter !== undefined) this.#remove(waiter);
    return waiter;
  }

  #remove(waiter: Waiter<T, Item>): void {
    const index = this.#waiters.indexOf(waiter);
    if (index >= 0) this.#waiters.splice(index, 1);
    if (waiter.onAbort !== null) waiter.signal?.removeEventListener("abort", waiter.onAbort);
  }
}
