import type { Clock } from "./timer_queue.ts";

/** A connection, hub or datagram socket with output that is gathered until the end of the turn. */
export interface Flushable {
  /** Sends what was gathered. Called once for each {@linkcode FlushQueue.add}; must not throw. */
  flush(): void;
}

/**
 * The writers of this turn of the event loop, which are flushed at its end: the messages of a turn leave in one write.
 * One callback of the runtime serves all of them.
 */
export class FlushQueue {
  readonly #clock: Clock;
  readonly #end: () => void;
  #dirty: Flushable[] = [];
  #spare: Flushable[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#end = () => this.#flushAll();
  }

  /** Flushes `target` at the end of this turn. The caller adds each target at most once a turn. */
  add(target: Flushable): void {
    if (this.#dirty.push(target) === 1) this.#clock.afterTurn(this.#end);
  }

  #flushAll(): void {
    const targets = this.#dirty;
    // A target that is added while flushing belongs to the next turn. Two lists alternate, so that nothing is allocated.
    this.#dirty = this.#spare;
    this.#spare = targets;
    try {
      for (const target of targets) target.flush();
    } finally {
      targets.length = 0;
    }
  }
}
