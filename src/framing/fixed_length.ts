import type { ByteBuffer } from "../bytes/byte_buffer.ts";
import { appendBytes, checkItem } from "./append.ts";
import { checkLimit, type Codec, FrameFormatError } from "./codec.ts";

/**
 * Items of bytes that all have one length. Items are views of the received chunks where possible.
 *
 * @example
 * ```ts
 * import { FixedLengthCodec, Framed, pipe } from "jackfield";
 *
 * const [here, there] = pipe();
 * await here.write(Uint8Array.of(1, 2, 3, 4));
 * const samples = new Framed(there, new FixedLengthCodec(2));
 * console.log(String(await samples.read())); // 1,2
 * console.log(String(await samples.read())); // 3,4
 * await samples.close();
 * ```
 */
export class FixedLengthCodec implements Codec<Uint8Array<ArrayBuffer>, Uint8Array> {
  readonly #length: number;

  /**
   * Creates a codec.
   *
   * @param length length of each item, bytes
   * @throws {RangeError} when `length` is not a positive integer
   */
  constructor(length: number) {
    this.#length = checkLimit("length", length);
  }

  /** Removes the next item from `src`; `undefined` when not all of it has arrived. */
  decode(src: ByteBuffer): Uint8Array<ArrayBuffer> | undefined {
    return src.length < this.#length ? undefined : src.take(this.#length);
  }

  /** Number of bytes that a truncated item lacks. */
  missing(src: ByteBuffer): number {
    return this.#length - src.length;
  }

  /**
   * Appends an item.
   *
   * @throws {FrameFormatError} when the item has another length
   */
  encode(item: Uint8Array, dst: ByteBuffer): void {
    item = checkItem(item);
    if (item.length !== this.#length) {
      throw new FrameFormatError("item", `it is ${item.length} bytes, not ${this.#length}`, null);
    }
    appendBytes(item, dst);
  }
}
