import type { ByteBuffer } from "../bytes/byte_buffer.ts";
import { appendBytes } from "./append.ts";
import { checkLimit, type Codec, FrameFormatError } from "./codec.ts";

/**
 * Bytes in items that are all of one length. They are read as views of what came.
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
export class FixedLengthCodec implements Codec<Uint8Array> {
  readonly #length: number;

  /**
   * Makes one.
   *
   * @param length of each item, bytes
   * @throws {RangeError} when that is no positive integer
   */
  constructor(length: number) {
    this.#length = checkLimit("length", length);
  }

  /** Removes the next item from `src`; `undefined` when it is not all there. */
  decode(src: ByteBuffer): Uint8Array | undefined {
    return src.length < this.#length ? undefined : src.take(this.#length);
  }

  /** How much of a truncated item is missing. */
  missing(src: ByteBuffer): number {
    return this.#length - src.length;
  }

  /**
   * Appends an item.
   *
   * @throws {FrameFormatError} when it is of another length
   */
  encode(item: Uint8Array, dst: ByteBuffer): void {
    if (item.length !== this.#length) {
      throw new FrameFormatError("item", `it is ${item.length} bytes, not ${this.#length}`, null);
    }
    appendBytes(item, dst);
  }
}
