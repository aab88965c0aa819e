import { ByteBuffer } from "../bytes/byte_buffer.ts";
import { UnexpectedEofError } from "../net/errors.ts";
import type { Decoder } from "./codec.ts";

/** The received bytes of a stream that are not decoded yet, and the items in them. */
export class FramedReceived<T> {
  readonly #decoder: Decoder<T>;
  readonly #bytes = new ByteBuffer();
  #ended = false;

  constructor(decoder: Decoder<T>) {
    this.#decoder = decoder;
  }

  /** Adds the next chunk; `null` is the end of the stream. */
  add(chunk: Uint8Array | null): void {
    if (chunk === null) this.#ended = true;
    else this.#bytes.append(chunk);
  }

  /**
   * Removes the next item and returns it; `undefined` when more bytes are needed, `null` at the end of the stream.
   *
   * @throws {FrameError} when the decoder refuses the item
   * @throws {UnexpectedEofError} when the stream ended within an item
   */
  take(): T | null | undefined {
    const item = this.#decoder.decode(this.#bytes);
    if (item !== undefined || !this.#ended) return item;
    return this.#takeLast();
  }

  /** Removes all complete items, as `take` does, and calls `give` with each. `true` when the stream has ended. */
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

  /** Releases memory that is not needed. Called before a wait. */
  compact(): void {
    this.#bytes.compact();
  }

  /** Drops all bytes. */
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
