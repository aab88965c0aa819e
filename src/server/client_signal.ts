/** The `AbortSignal` of a request, which aborts when the client leaves before it is answered. Made when it is asked for. */
export class ClientSignal {
  #controller: AbortController | null = null;
  #reason: DOMException | null = null;
  #settled = false;

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#reason !== null) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Aborts the signal; only the first call counts. */
  abort(message = "The client has left"): void {
    if (this.#reason !== null || this.#settled) return;
    this.#reason = new DOMException(message, "AbortError");
    this.#controller?.abort(this.#reason);
  }

  /** The request is answered: the signal does not abort any more. */
  settle(): void {
    this.#settled = true;
  }

  /** Whether the error is the signal's reason, so that a callback failed because the client left. */
  caused(error: unknown): boolean {
    return error === this.#reason && error !== null;
  }
}
