import type { Runtime } from "../net/runtime.ts";
import { MemoryBudget, type MemoryHolder } from "./memory_budget.ts";

/**
 * Bytes by which the memory of a connection changes before the budget gets the new number. Less than this counts as nothing,
 * so that most connections never report.
 */
export const REPORT_STEP = 16_384;

/** Bytes of the budget that the connections of a runtime share by default. */
const DEFAULT_BUDGET = 1 << 30;

const defaultBudgets = new WeakMap<Runtime, MemoryBudget>();

/** The budget of the connections that were given none. */
export function defaultBudget(runtime: Runtime): MemoryBudget {
  let budget = defaultBudgets.get(runtime);
  if (budget === undefined) defaultBudgets.set(runtime, budget = new MemoryBudget(DEFAULT_BUDGET));
  return budget;
}

/** Reports what one connection holds to its budget, in steps. */
export class MemoryAccount {
  readonly #budget: MemoryBudget;
  readonly #holder: MemoryHolder;
  /** Bytes that the budget counts for this connection. */
  #reported = 0;
  #closed = false;

  constructor(budget: MemoryBudget, holder: MemoryHolder) {
    this.#budget = budget;
    this.#holder = holder;
  }

  /** Sets the bytes that the connection holds now. A change by less than `REPORT_STEP` costs only a comparison. */
  update(bytes: number): void {
    const change = bytes - this.#reported;
    if (this.#closed || change < REPORT_STEP && change > -REPORT_STEP) return;
    this.#reported = bytes < REPORT_STEP ? 0 : bytes;
    this.#budget.set(this.#holder, this.#reported);
  }

  /** The connection holds nothing, now and later. */
  close(): void {
    this.#closed = true;
    if (this.#reported > 0) this.#budget.set(this.#holder, 0);
    this.#reported = 0;
  }
}
