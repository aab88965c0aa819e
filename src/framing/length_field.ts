import type { ByteBuffer } from "../bytes/byte_buffer.ts";

/** The field of a frame's header that holds a length: a non-negative integer. */
export interface LengthField {
  /** Largest value that the field can hold, at most 2^53 - 1. */
  readonly max: number;
  /** Size of the field for `value`, bytes. */
  sizeOf(value: number): number;
  /** Writes `value` to the start of `into`. */
  write(value: number, into: Uint8Array): void;
  /** Size of the field at offset `at`, bytes; 0 when not all of it has arrived, -1 when it is longer than any field. */
  sizeAt(src: ByteBuffer, at: number): number;
  /** Value of the field of `size` bytes at offset `at`. A value above 2^53 is not exact, but still above 2^53. */
  read(src: ByteBuffer, at: number, size: number): number;
}

/** A field of one to eight bytes. */
export class FixedField implements LengthField {
  readonly max: number;
  readonly #size: number;
  readonly #littleEndian: boolean;

  constructor(size: number, littleEndian: boolean) {
    this.max = Math.min(256 ** size - 1, Number.MAX_SAFE_INTEGER);
    this.#size = size;
    this.#littleEndian = littleEndian;
  }

  sizeOf(): number {
    return this.#size;
  }

  write(value: number, into: Uint8Array): void {
    // Division, because shifts would truncate the value to 32 bits.
    for (let i = 0; i < this.#size; i++) {
      into[this.#littleEndian ? i : this.#size - 1 - i] = value % 256;
      value = Math.floor(value / 256);
    }
  }

  sizeAt(src: ByteBuffer, at: number): number {
    return src.length - at >= this.#size ? this.#size : 0;
  }

  read(src: ByteBuffer, at: number, size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) {
      value = value * 256 + src.peek(at + (this.#littleEndian ? size - 1 - i : i));
    }
    return value;
  }
}

/** Upper bound of a varint, bytes: 64 bits, seven in each byte. */
const MAX_VARINT = 10;

/**
 * A varint as in protobuf (LEB128): seven bits a byte, the lowest first; the high bit is set on all but the last byte.
 */
export class VarintField implements LengthField {
  readonly max: number = Number.MAX_SAFE_INTEGER;

  sizeOf(value: number): number {
    let size = 1;
    for (; value >= 128; value = Math.floor(value / 128)) size++;
    return size;
  }

  write(value: number, into: Uint8Array): void {
    let at = 0;
    for (; value >= 128; value = Math.floor(value / 128)) into[at++] = value % 128 + 128;
    into[at] = value;
  }

  sizeAt(src: ByteBuffer, at: number): number {
    for (let size = 1; size <= MAX_VARINT; size++) {
      if (at + size > src.length) return 0;
      if (src.peek(at + size - 1) < 128) return size;
    }
    return -1;
  }

  read(src: ByteBuffer, at: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 128 + src.peek(at + i) % 128;
    return value;
  }
}
