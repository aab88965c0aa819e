/** Bytes below which what a connection holds is not told to the budget: it saves the telling for nearly all. */
export const GRAIN = 16_384;

/** Somebody who holds memory for a peer. */
export interface MemoryHolder {
  /** Gives back what it holds, by ending what it is held for. */
  endForMemory(): void;
}

/**
 * A bound for what many connections hold together: messages that are not complete, that are not read yet, and that have
 * not left. Each connection has bounds of its own; this is for all of them at their bounds at once. When it is passed, the
 * connection that holds most is ended, with 1013 (try again later), and so on until there is room.
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
  /** Bytes that may be held. */
  readonly limit: number;
  readonly #held = new Map<MemoryHolder, number>();
  #total = 0;
  #ended = 0;

  /**
   * Makes one.
   *
   * @param limit bytes
   * @throws {RangeError} when it is not a positive number
   */
  constructor(limit: number) {
    if (!(limit > 0)) {
      throw new RangeError(`Cannot make a budget of ${limit} bytes: it is not a positive number`);
    }
    this.limit = limit;
  }

  /** Bytes that are held now; a connection that holds less than 16 KiB counts for nothing. */
  get heldBytes(): number {
    return this.#total;
  }

  /** Connections that were ended because of it. */
  get endedConnections(): number {
    return this.#ended;
  }

  /** A holder holds so much now. To be told where that has changed by much, see {@linkcode MemoryAccount}. */
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

/** What one connection tells its budget. */
export class MemoryAccount {
  readonly #budget: MemoryBudget;
  readonly #holder: MemoryHolder;
  #told = 0;
  #closed = false;

  constructor(budget: MemoryBudget, holder: MemoryHolder) {
    this.#budget = budget;
    this.#holder = holder;
  }

  /** So much is held now. Costs a comparison, as long as it changes by little. */
  update(held: number): void {
    const change = held - this.#told;
    if (this.#closed || change < GRAIN && change > -GRAIN) return;
    // What is little is not told, so that it need not be told when it is gone.
    this.#told = held < GRAIN ? 0 : held;
    this.#budget.set(this.#holder, this.#told);
  }

  /** Nothing is held any more, nor will be. */
  close(): void {
    this.#closed = true;
    if (this.#told > 0) this.#budget.set(this.#holder, 0);
    this.#told = 0;
  }
}
