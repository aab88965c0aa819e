/**
 * Tells the application what happened, in order and one at a time, but never in the middle of something: what it does
 * then must not come between the receivers of a broadcast. What it throws is its own, and reported.
 */
export class EventQueue {
  readonly #onError: (error: unknown) => void;
  readonly #waiting: (() => void)[] = [];
  #held = 0;
  #telling = false;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Something begins that must not be interrupted. */
  hold(): void {
    this.#held++;
  }

  /** It ended: what happened meanwhile is told. */
  release(): void {
    if (--this.#held === 0 && this.#waiting.length > 0) this.#tell();
  }

  /** Tells of an event, now or as soon as may be. */
  add(event: () => void): void {
    this.#waiting.push(event);
    if (this.#held === 0) this.#tell();
  }

  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    try {
      // An event that is told may lead to others: they come after those that wait.
      for (let i = 0; i < this.#waiting.length; i++) {
        try {
          this.#waiting[i]!();
        } catch (error) {
          this.#onError(error);
        }
      }
    } finally {
      this.#waiting.length = 0;
      this.#telling = false;
    }
  }
}
