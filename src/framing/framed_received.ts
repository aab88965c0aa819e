import { ByteBuffer } from "../bytes/byte_buffer.ts";
import { UnexpectedEofError } from "../net/errors.ts";
import type { Decoder } from "./codec.ts";

/** What has come of a stream, and the items in it. */
export class FramedReceived<T> {
  readonly #decoder: Decoder<T>;
  readonly #bytes = new ByteBuffer();
  #ended = false;

  constructor(decoder: Decoder<T>) {
    this.#decoder = decoder;
  }

  /** Adds what came next; `null` is the end of the stream. */
  add(chunk: Uint8Array | null): void {
    if (chunk === null) this.#ended = true;
    else this.#bytes.append(chunk);
  }

  /**
   * Removes the next item and returns it; `undefined` when more must come first, `null` at the end of the stream.
   *
   * @throws {FrameError} what the decoder throws
   * @throws {UnexpectedEofError} when the stream ended within an item
   */
  take(): T | null | undefined {
    const item = this.#decoder.decode(this.#bytes);
    if (item !== undefined || !this.#ended) return item;
    return this.#takeLast();
  }

  /** Takes all items that can be had now, as `take` does, and gives them one by one; whether that was the end. */
  takeEach(give: (item: T) => void): boolean {
    const decoder = this.#decoder;
    if (decoder.decodeEach !== undefined && !this.#ended) {
      decoder.decodeEach(this.#bytes, give);
      return false;
    }
    for (let item = this.take(); item !== undefined; item = this.take()) {
      if (item === null) return true;
      give(item);
    }
    return false;
  }

  /** Lets go of memory that is not needed. For before a wait. */
  compact(): void {
    this.#bytes.compact();
  }

  /** Forgets what was not taken. */
  drop(): void {
    this.#bytes.skip(this.#bytes.length);
  }

  #takeLast(): T | null {
    const bytes = this.#bytes;
    const item = bytes.length > 0 ? this.#decoder.decodeEof?.(bytes) : undefined;
    if (item !== undefined) return item;
    if (bytes.length === 0) return null;
    const missing = this.#decoder.missing?.(bytes) ?? null;
    const rest = missing === null ? "" : `, ${missing} are missing`;
    throw new UnexpectedEofError(
      `Cannot read the item at byte ${bytes.position}: the stream ended after ${bytes.length} bytes of it${rest}`,
      missing,
    );
  }
}
