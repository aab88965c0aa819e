import { ByteBuffer } from "../bytes/byte_buffer.ts";
import { appendBytes, checkItem } from "./append.ts";
import { brokenStream, checkLimit, type Codec, FrameFormatError, FrameTooLongError } from "./codec.ts";
import { FixedField, type LengthField, VarintField } from "./length_field.ts";

/** Default of `maxLength`, bytes. */
const DEFAULT_MAX_LENGTH = 1 << 20;

/** Options of a {@linkcode LengthDelimitedCodec}. */
export interface LengthDelimitedOptions {
  /**
   * Size of the length field, bytes; `"varint"` for one to ten bytes of seven bits, as in protobuf (LEB128).
   * Default: 4.
   */
  lengthFieldLength?: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | "varint";
  /** Number of bytes before the length field. Default: 0. */
  lengthFieldOffset?: number;
  /**
   * Number of bytes to add to the value of the length field to get the length of the payload, which starts after the
   * field; negative when the value includes the header. Default: 0.
   */
  lengthAdjustment?: number;
  /** Whether the length field is little-endian. Default: false. */
  littleEndian?: boolean;
  /** Whether items, both read and written, are whole frames with their headers instead of payloads. Default: false. */
  keepHeader?: boolean;
  /** Upper bound of the payload, bytes. Default: 1 MiB. */
  maxLength?: number;
}

/** Length of a frame's header and payload, bytes. */
interface Extent {
  header: number;
  payload: number;
}

/**
 * Items of bytes, each preceded by its length. tokio: `LengthDelimitedCodec`.
 *
 * ```text
 * lengthFieldOffset bytes │ the length │ the payload: length + lengthAdjustment bytes
 * ```
 *
 * Payloads are views of the received chunks where possible. Bytes before the length field are dropped when reading and
 * zero when writing, unless `keepHeader` makes them part of the item.
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
export class LengthDelimitedCodec implements Codec<Uint8Array<ArrayBuffer>, Uint8Array> {
  readonly #field: LengthField;
  readonly #offset: number;
  readonly #adjustment: number;
  readonly #keepHeader: boolean;
  readonly #maxLength: number;

  /**
   * Creates a codec.
   *
   * @param options layout of the header, and the limit; see {@linkcode LengthDelimitedOptions}
   * @throws {RangeError} when an option is out of range
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
   * Removes the next frame from `src`; `undefined` when more bytes are needed.
   *
   * @throws {FrameTooLongError} when the header announces a payload longer than `maxLength`; every later call fails too
   * @throws {FrameError} when the length after adjustment is negative, or a varint has more than ten bytes; every later
   *   call fails too
   */
  decode(src: ByteBuffer): Uint8Array<ArrayBuffer> | undefined {
    const extent = this.#extent(src, src.position);
    if (extent === undefined || src.length < extent.header + extent.payload) return undefined;
    if (this.#keepHeader) return src.take(extent.header + extent.payload);
    src.skip(extent.header);
    return src.take(extent.payload);
  }

  /** Number of bytes that a truncated frame lacks; `undefined` until its length field is complete. */
  missing(src: ByteBuffer): number | undefined {
    const extent = this.#extent(src, src.position);
    return extent === undefined ? undefined : extent.payload - (src.length - extent.header);
  }

  /**
   * Appends a frame.
   *
   * @param item the payload; with `keepHeader` the whole frame, with a matching header
   * @throws {FrameTooLongError} when the payload is longer than `maxLength`, or than the length field can express
   * @throws {FrameFormatError} when the payload is shorter than `lengthAdjustment`, or the frame's header does not
   *   match
   */
  encode(item: Uint8Array, dst: ByteBuffer): void {
    item = checkItem(item);
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
    if (payload < 0) throw brokenStream("frame", `its length is negative: ${payload}`, offset);
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

  /** Checks a frame before it is written: the peer could not read one whose header does not match. */
  #checkFrame(frame: Uint8Array): void {
    const src = new ByteBuffer();
    src.append(frame);
    let extent: Extent | undefined;
    try {
      extent = this.#extent(src, 0);
    } catch (error) {
      if (error instanceof FrameTooLongError) throw new FrameTooLongError("frame", this.#maxLength, null);
      throw new FrameFormatError("frame", "its header is not valid", null, error);
    }
    if (extent === undefined || extent.header + extent.payload !== frame.length) {
      throw new FrameFormatError("frame", "the length in its header is not that of the frame", null);
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
  throw new RangeError(`Cannot make the codec: lengthFieldOffset is ${offset}, not 0 or a positive integer`);
}
