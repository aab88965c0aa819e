/** A holder of memory that a {@linkcode MemoryBudget} counts: a connection, as a rule. */
export interface MemoryHolder {
  /** Called when this holder has the most and the budget is passed: has to release all that was counted for it. */
  endForMemory(): void;
}

/**
 * A bound for the memory that many connections hold together: messages that are not complete, not read, or not sent yet.
 * Each connection has bounds of its own; the budget is for many of them at their bounds at once. When it is passed, the
 * connection that holds most is ended with 1013 (try again later), then the next one, until the rest fits.
 *
 * @example
 * ```ts
 * import { listenAndServe, MemoryBudget } from "jackfield";
 *
 * // All connections together may hold 256 MiB for their peers.
 * const memoryBudget = new MemoryBudget(256 << 20);
 * const server = await listenAndServe("tcp", "127.0.0.1:0", {
 *   memoryBudget,
 *   websocket: async (conn) => void await conn.readMessage(),
 * });
 * console.log(memoryBudget.heldBytes); // 0
 * await server.shutdown();
 * ```
 */
export class MemoryBudget {
  /** Bytes that may be held together. */
  readonly limit: number;
  readonly #held = new Map<MemoryHolder, number>();
  #total = 0;
  #ended = 0;

  /**
   * Makes a budget.
   *
   * @param limit bytes that may be held together
   * @throws {RangeError} when `limit` is not a positive number
   */
  constructor(limit: number) {
    if (!(limit > 0)) {
      throw new RangeError(`Cannot make a memory budget: ${limit} is not a positive number`);
    }
    this.limit = limit;
  }

  /** Bytes that are held now. A connection that holds less than 16 KiB is not counted. */
  get heldBytes(): number {
    return this.#total;
  }

  /** Connections that were ended because the budget was passed. */
  get endedConnections(): number {
    return this.#ended;
  }

  /**
   * Sets what a holder holds now, which may end holders. Connections call it when that has changed by 16 KiB or more.
   *
   * @param held bytes; 0 removes the holder
   */
  set(holder: MemoryHolder, held: number): void {
    const change = held - (this.#held.get(holder) ?? 0);
    if (held === 0) this.#held.delete(holder);
    else this.#held.set(holder, held);
    this.#total += change;
    if (change > 0 && this.#total > this.limit) this.#makeRoom();
  }

  #makeRoom(): void {
    while (this.#total > this.limit) {
      let worst: MemoryHolder | null = null;
      let most = 0;
      for (const [holder, held] of this.#held) if (held > most) [worst, most] = [holder, held];
      if (worst === null) return;
      this.set(worst, 0);
      this.#ended++;
      worst.endForMemory();
    }
  }
}
