import type { Clock } from "../net/timer_queue.ts";

/** A body's beginning that is longer than this is not gathered any further, bytes. */
const AHEAD = 65_536;

/** The body of a response failed in the hands of whoever makes it; `cause` is how. */
export class BodyError extends Error {
  override readonly name = "BodyError";

  constructor(cause: unknown) {
    super("The response's body failed", { cause });
  }
}

/** The beginning of a body. */
export interface BodyStart {
  readonly parts: Uint8Array[];
  readonly length: number;
  /** Whether it is all of it. */
  readonly complete: boolean;
}

/** A body's chunks, without the empty ones, which would end a chunked body. */
export class BodyReader {
  readonly #reader: ReadableStreamDefaultReader<unknown> | null;
  /** The chunk that was asked for and is not taken yet. */
  #next: Promise<Uint8Array | null> | null = null;
  #ended: boolean;

  constructor(response: Response) {
    this.#reader = response.body?.getReader() ?? null;
    this.#ended = this.#reader === null;
  }

  /** The next chunk, `null` at the end. */
  async read(): Promise<Uint8Array | null> {
    const chunk = await (this.#next ??= this.#pull());
    this.#next = null;
    return chunk;
  }

  /** What is there without waiting longer than this turn of the event loop, up to a bound. */
  async readAhead(clock: Clock): Promise<BodyStart> {
    const parts: Uint8Array[] = [];
    let length = 0;
    // One that is long may be all there is: the end is looked for once more.
    while (length < AHEAD || parts.length === 1) {
      const part = await this.#readInTurn(clock);
      if (part === undefined) break;
      if (part === null) return { parts, length, complete: true };
      parts.push(part);
      length += part.length;
    }
    return { parts, length, complete: false };
  }

  /** The next chunk, `undefined` when it does not come in this turn. */
  async #readInTurn(clock: Clock): Promise<Uint8Array | null | undefined> {
    const next = this.#next ??= this.#pull();
    const later = new Promise<undefined>((resolve) => clock.afterTurn(() => resolve(undefined)));
    const part = await Promise.race([next, later]);
    if (part !== undefined) this.#next = null;
    return part;
  }

  async #pull(): Promise<Uint8Array | null> {
    try {
      while (!this.#ended) {
        const { value, done } = await this.#reader!.read();
        this.#ended = done;
        if (done) return null;
        if (!(value instanceof Uint8Array)) throw new TypeError("A chunk of the body is not a Uint8Array");
        if (value.length > 0) return value;
      }
      return null;
    } catch (cause) {
      throw new BodyError(cause);
    }
  }

  /** Nobody reads any further. */
  cancel(): void {
    // A chunk that fails now fails for nobody.
    this.#next?.catch(() => {});
    if (!this.#ended) this.#reader!.cancel().catch(() => {});
  }
}
