import { ByteBuffer } from "../bytes/byte_buffer.ts";
import { appendBytes } from "./append.ts";
import { brokenStream, checkLimit, type Codec, FrameFormatError, FrameTooLongError } from "./codec.ts";
import { FixedField, type LengthField, VarintField } from "./length_field.ts";

/** The longest payload that is taken when nobody says otherwise, bytes. */
const DEFAULT_MAX_LENGTH = 1 << 20;

/** Options of a {@linkcode LengthDelimitedCodec}. */
export interface LengthDelimitedOptions {
  /** Bytes of the length, or `"varint"`: one to ten, seven bits a byte, as in protobuf (LEB128). Default: 4. */
  lengthFieldLength?: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | "varint";
  /** Bytes in front of the length. Default: 0. */
  lengthFieldOffset?: number;
  /**
   * What to add to the length that was read to get the payload's, which starts behind the length; negative when the
   * length counts the header too. Default: 0.
   */
  lengthAdjustment?: number;
  /** The length's lowest byte comes first. Default: false. */
  littleEndian?: boolean;
  /** Items are frames with their header, not payloads: both those that are read and those to write. Default: false. */
  keepHeader?: boolean;
  /** The longest payload, in bytes. Default: 1 MiB. */
  maxLength?: number;
}

/** What the header of a frame says, bytes. */
interface Extent {
  header: number;
  payload: number;
}

/**
 * Bytes with their length in front. tokio: `LengthDelimitedCodec`.
 *
 * ```text
 * lengthFieldOffset bytes │ the length │ the payload: length + lengthAdjustment bytes
 * ```
 *
 * Payloads are read as views of what came. Bytes in front of the length are dropped and written as zeros, unless
 * `keepHeader` hands them over.
 *
 * @example
 * ```ts
 * import { Framed, LengthDelimitedCodec, pipe } from "jackfield";
 *
 * const [here, there] = pipe();
 * const frames = new Framed(here, new LengthDelimitedCodec({ lengthFieldLength: 2, maxLength: 4096 }));
 * await frames.write(Uint8Array.of(7, 7, 7));
 * console.log(String(await there.readChunk())); // 0,3,7,7,7
 * await frames.close();
 * ```
 */
export class LengthDelimitedCodec implements Codec<Uint8Array> {
  readonly #field: LengthField;
  readonly #offset: number;
  readonly #adjustment: number;
  readonly #keepHeader: boolean;
  readonly #maxLength: number;

  /**
   * Makes one.
   *
   * @param options the header's shape, and the limit; see {@linkcode LengthDelimitedOptions}
   * @throws {RangeError} when there is no such header
   */
  constructor(options: LengthDelimitedOptions = {}) {
    this.#field = fieldOf(options.lengthFieldLength ?? 4, options.littleEndian ?? false);
    this.#offset = options.lengthFieldOffset ?? 0;
    this.#adjustment = options.lengthAdjustment ?? 0;
    this.#keepHeader = options.keepHeader ?? false;
    this.#maxLength = checkLimit("maxLength", options.maxLength ?? DEFAULT_MAX_LENGTH);
    checkOffset(this.#offset);
    if (!Number.isSafeInteger(this.#adjustment)) {
      throw new RangeError(`Cannot make the codec: lengthAdjustment is ${this.#adjustment}, not an integer`);
    }
  }

  /**
   * Removes the next frame from `src`; `undefined` when more bytes must come first.
   *
   * @throws {FrameTooLongError} when the header announces more than `maxLength`; for good
   * @throws {FrameError} when the length is negative after adjustment, or a varint longer than ten bytes; for good
   */
  decode(src: ByteBuffer): Uint8Array | undefined {
    const extent = this.#extent(src, src.position);
    if (extent === undefined || src.length < extent.header + extent.payload) return undefined;
    if (this.#keepHeader) return src.take(extent.header + extent.payload);
    src.skip(extent.header);
    return src.take(extent.payload);
  }

  /** How much of a truncated frame is missing; nobody knows before its length is there. */
  missing(src: ByteBuffer): number | undefined {
    const extent = this.#extent(src, src.position);
    return extent === undefined ? undefined : extent.payload - (src.length - extent.header);
  }

  /**
   * Appends a frame.
   *
   * @param item the payload; with `keepHeader` the whole frame, whose length must be right
   * @throws {FrameTooLongError} when the payload is longer than `maxLength`, or than the length can say
   * @throws {FrameFormatError} when it is too short for the adjustment, or its own header says another length
   */
  encode(item: Uint8Array, dst: ByteBuffer): void {
    if (this.#keepHeader) this.#checkFrame(item);
    else this.#appendHeader(item.length, dst);
    appendBytes(item, dst);
  }

  #extent(src: ByteBuffer, offset: number): Extent | undefined {
    if (src.length <= this.#offset) return undefined;
    const size = this.#field.sizeAt(src, this.#offset);
    if (size < 0) throw brokenStream("frame", "its length is a varint of more than 10 bytes", offset);
    if (size === 0) return undefined;
    const length = this.#field.read(src, this.#offset, size);
    const payload = length + this.#adjustment;
    if (length > Number.MAX_SAFE_INTEGER || payload > this.#maxLength) {
      throw new FrameTooLongError("frame", this.#maxLength, offset);
    }
    if (payload < 0) throw brokenStream("frame", `its length is ${payload}`, offset);
    return { header: this.#offset + size, payload };
  }

  #appendHeader(payload: number, dst: ByteBuffer): void {
    const limit = Math.min(this.#maxLength, this.#field.max + this.#adjustment);
    if (payload > limit) throw new FrameTooLongError("frame", limit, null);
    const length = payload - this.#adjustment;
    if (length < 0) throw new FrameFormatError("frame", `it is shorter than ${this.#adjustment} bytes`, null);
    const header = this.#offset + this.#field.sizeOf(length);
    const room = dst.reserve(header).fill(0, 0, this.#offset);
    this.#field.write(length, room.subarray(this.#offset));
    dst.commit(header);
  }

  /** What the peer could not read must not be written. */
  #checkFrame(frame: Uint8Array): void {
    const src = new ByteBuffer();
    src.append(frame);
    let extent: Extent | undefined;
    try {
      extent = this.#extent(src, 0);
    } catch (error) {
      if (error instanceof FrameTooLongError) throw new FrameTooLongError("frame", this.#maxLength, null);
      throw new FrameFormatError("frame", "its header is wrong", null, error);
    }
    if (extent === undefined || extent.header + extent.payload !== frame.length) {
      throw new FrameFormatError("frame", "its header says another length", null);
    }
  }
}

function fieldOf(size: number | "varint", littleEndian: boolean): LengthField {
  if (size === "varint") return new VarintField();
  if (Number.isInteger(size) && size >= 1 && size <= 8) return new FixedField(size, littleEndian);
  throw new RangeError(`Cannot make the codec: lengthFieldLength is ${size}, not 1 to 8 or "varint"`);
}

function checkOffset(offset: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0) return;
  throw new RangeError(`Cannot make the codec: lengthFieldOffset is ${offset}, not a positive integer or 0`);
}
