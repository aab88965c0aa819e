import { ChunkedDecoder } from "./chunked.ts";
import { HttpHeadError } from "./grammar.ts";

/** Reads a chunked body that must be empty: its last chunk and the trailer section, which is ignored. */
export class EmptyBody {
  readonly #decoder = new ChunkedDecoder();
  #failure: HttpHeadError | null = null;

  /**
   * Reads the next bytes.
   *
   * @returns what follows the body, once it is complete: a view of `bytes`
   * @throws {HttpHeadError} when the body has data, or is malformed, and again in each later call
   */
  receive(bytes: Uint8Array): Uint8Array | undefined {
    if (this.#failure === null) this.#check(bytes);
    if (this.#failure !== null) throw this.#failure;
    return this.#decoder.complete ? bytes.subarray(this.#decoder.consumed) : undefined;
  }

  #check(bytes: Uint8Array): void {
    const data = this.#decoder.receive(bytes);
    if (data.length > 0 || this.#decoder.inChunk) {
      this.#failure = new HttpHeadError(413, "The request has a body, which is not supported");
    } else if (this.#decoder.invalid) {
      this.#failure = new HttpHeadError(400, "The request's chunked body is malformed");
    }
  }
}
