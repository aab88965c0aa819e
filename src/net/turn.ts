import type { Clock } from "./timer_queue.ts";

/** Something that may have output to send. */
export interface Flushable {
  /** Sends what was gathered. Called once for each time it was added; must not throw. */
  flush(): void;
}

/**
 * Gathers who wrote during this turn of the event loop and flushes them at its end, so that the messages of a turn
 * leave in one write. One callback of the runtime serves all connections of the turn.
 */
export class Turn {
  readonly #clock: Clock;
  readonly #end: () => void;
  #dirty: Flushable[] = [];
  #spare: Flushable[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#end = () => this.#flushAll();
  }

  /** Flushes `target` at the end of this turn. The caller adds it once a turn. */
  add(target: Flushable): void {
    if (this.#dirty.push(target) === 1) this.#clock.afterTurn(this.#end);
  }

  #flushAll(): void {
    const targets = this.#dirty;
    // What is added while flushing belongs to the next turn. The two lists take turns, to allocate nothing.
    this.#dirty = this.#spare;
    this.#spare = targets;
    try {
      for (const target of targets) target.flush();
    } finally {
      targets.length = 0;
    }
  }
}
