import { checkBytes } from "../net/check_bytes.ts";
import type { Clock } from "../net/timer_queue.ts";

/** Bytes from which on the beginning of a body is long enough to be sent. */
const ENOUGH_AHEAD = 65_536;

/** The stream of a response's body failed; `cause` is its error. */
export class BodyError extends Error {
  override readonly name = "BodyError";

  constructor(cause: unknown) {
    super("Cannot send the response's body: its stream failed", { cause });
  }
}

/** The beginning of a body. */
export interface BodyStart {
  readonly parts: Uint8Array[];
  /** Sum of the parts' lengths, bytes. */
  readonly length: number;
  /** Whether the body has no more bytes. */
  readonly complete: boolean;
}

/** Reads the chunks of a response's body, and skips empty ones, which would end a body in chunked coding. */
export class BodyReader {
  readonly #reader: ReadableStreamDefaultReader<unknown> | null;
  /** The read in progress, or its result until a caller takes it. */
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

  /**
   * The beginning of the body, as far as each chunk comes within one turn of the event loop; ends once it has 64 KiB.
   */
  async readAhead(clock: Clock): Promise<BodyStart> {
    const parts: Uint8Array[] = [];
    let length = 0;
    // A single long chunk is often the whole body, so the end is looked for once more.
    while (length < ENOUGH_AHEAD || parts.length === 1) {
      const part = await this.#readInTurn(clock);
      if (part === undefined) break;
      if (part === null) return { parts, length, complete: true };
      parts.push(part);
      length += part.length;
    }
    return { parts, length, complete: false };
  }

  /** The next chunk, `null` at the end, `undefined` if neither comes in this turn. */
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
        const bytes = checkBytes("send the body", "a chunk", value);
        if (bytes.length > 0) return bytes;
      }
      return null;
    } catch (cause) {
      throw new BodyError(cause);
    }
  }

  /** Cancels the rest of the body. */
  cancel(): void {
    // The read in progress has no caller any more, so its failure is ignored.
    this.#next?.catch(() => {});
    if (!this.#ended) this.#reader!.cancel().catch(() => {});
  }
}
