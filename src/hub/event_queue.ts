import { reportRejection } from "../net/thenable.ts";

/**
 * Calls of the application's handlers, in order and one at a time, and never in the middle of a broadcast, whose
 * receivers they might change. Errors of handlers are reported.
 */
export class EventQueue {
  readonly #onError: (error: unknown) => void;
  readonly #waiting: (() => unknown)[] = [];
  #held = 0;
  #calling = false;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Holds handlers back until the matching `release`. */
  hold(): void {
    this.#held++;
  }

  /** Ends the matching `hold`; the last one calls the handlers that wait. */
  release(): void {
    if (--this.#held === 0 && this.#waiting.length > 0) this.#callAll();
  }

  /** Calls a handler now, or as soon as handlers are not held back. */
  add(event: () => unknown): void {
    this.#waiting.push(event);
    if (this.#held === 0) this.#callAll();
  }

  #callAll(): void {
    if (this.#calling) return;
    this.#calling = true;
    try {
      // A handler may cause further events, which are called after those that wait.
      for (let i = 0; i < this.#waiting.length; i++) {
        try {
          reportRejection(this.#waiting[i]!(), this.#onError);
        } catch (error) {
          this.#onError(error);
        }
      }
    } finally {
      this.#waiting.length = 0;
      this.#calling = false;
    }
  }
}
