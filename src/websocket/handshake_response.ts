import type { ResponseHead } from "../http/head.ts";

/** The server's 101 response. Not a `Response`, whose class refuses that status. */
export class HandshakeResponse {
  /** Status of the response: 101. */
  readonly status: number;
  readonly #head: ResponseHead;
  /** Made by the first access. */
  #headers: Headers | null = null;

  /** Called by `dialWebSocket`. */
  constructor(head: ResponseHead) {
    this.status = head.status;
    this.#head = head;
  }

  /** Headers of the response, such as cookies. */
  get headers(): Headers {
    return this.#headers ??= new Headers([...this.#head.headers]);
  }
}
