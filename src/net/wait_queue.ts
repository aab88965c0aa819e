/** The functions that settle the promise created last; see {@linkcode takeSettlers}. */
const settlers: { resolve: (value: unknown) => void; reject: (reason: unknown) => void } = {
  resolve: () => {},
  reject: () => {},
};

/** Executor shared by all promises: a closure for each would be allocated for every message that is waited for. */
function takeSettlers(resolve: (value: never) => void, reject: (reason: unknown) => void): void {
  settlers.resolve = resolve as (value: unknown) => void;
  settlers.reject = reject;
}

/** A waiting call. */
interface Waiter<T, Item> {
  readonly item: Item;
  resolve(value: T): void;
  reject(reason: unknown): void;
  signal: AbortSignal | null;
  onAbort: (() => void) | null;
  next: Waiter<T, Item> | null;
}

/**
 * Waiting calls, served in the order of the calls. Each has an item that describes what it waits for. A call whose
 * signal is aborted leaves the queue and rejects with the signal's reason.
 *
 * A linked list, because every connection has several of these queues, which are mostly empty, and an array that was
 * used once keeps its memory.
 */
export class WaitQueue<T, Item = undefined> {
  #first: Waiter<T, Item> | null = null;
  #last: Waiter<T, Item> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The item of the first call. */
  get first(): Item | undefined {
    return this.#first?.item;
  }

  /** Whether the item of any waiting call passes the test. */
  some(test: (item: Item) => boolean): boolean {
    for (let waiter = this.#first; waiter !== null; waiter = waiter.next) {
      if (test(waiter.item)) return true;
    }
    return false;
  }

  /**
   * Adds a call.
   *
   * @param onAborted called after the signal has removed the call from the queue
   */
  wait(item: Item, signal?: AbortSignal, onAborted?: (item: Item) => void): Promise<T> {
    const promise = new Promise<T>(takeSettlers);
    const { resolve, reject } = settlers;
    const waiter: Waiter<T, Item> = { item, resolve, reject, signal: null, onAbort: null, next: null };
    this.#append(waiter);
    if (signal !== undefined) this.#abortBy(signal, waiter, onAborted);
    return promise;
  }

  #abortBy(signal: AbortSignal, waiter: Waiter<T, Item>, onAborted?: (item: Item) => void): void {
    waiter.signal = signal;
    waiter.onAbort = () => {
      this.#remove(waiter);
      waiter.reject(signal.reason);
      onAborted?.(waiter.item);
    };
    signal.addEventListener("abort", waiter.onAbort, { once: true });
  }

  /** Removes and resolves the first call. */
  resolveFirst(value: T): void {
    this.#shift()?.resolve(value);
  }

  /** Removes and rejects the first call. */
  rejectFirst(reason: unknown): void {
    this.#shift()?.reject(reason);
  }

  /** Removes and rejects all calls. */
  rejectAll(reason: unknown): void {
    while (this.#first !== null) this.rejectFirst(reason);
  }

  #append(waiter: Waiter<T, Item>): void {
    if (this.#last === null) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#size++;
  }

  #shift(): Waiter<T, Item> | null {
    const waiter = this.#first;
    if (waiter !== null) this.#unlink(null, waiter);
    return waiter;
  }

  #remove(waiter: Waiter<T, Item>): void {
    let before: Waiter<T, Item> | null = null;
    for (let at = this.#first; at !== null; before = at, at = at.next) {
      if (at === waiter) return this.#unlink(before, waiter);
    }
  }

  #unlink(before: Waiter<T, Item> | null, waiter: Waiter<T, Item>): void {
    if (before === null) this.#first = waiter.next;
    else before.next = waiter.next;
    if (this.#last === waiter) this.#last = before;
    this.#size--;
    if (waiter.onAbort !== null) waiter.signal!.removeEventListener("abort", waiter.onAbort);
  }
}
