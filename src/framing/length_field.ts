import type { ByteBuffer } from "../bytes/byte_buffer.ts";

/** A number in front of a frame that says how long it is. Numbers are not negative. */
export interface LengthField {
  /** The largest number it can hold, and that is safe: 2^53 - 1 at the most. */
  readonly max: number;
  /** How many bytes it takes to write the number. */
  sizeOf(value: number): number;
  /** Writes the number to the start of `into`. */
  write(value: number, into: Uint8Array): void;
  /** How many bytes the field takes at `at`; 0 when it is not all there, -1 when it never ends. */
  sizeAt(src: ByteBuffer, at: number): number;
  /** The number in the `size` bytes at `at`. Above 2^53 it is not exact, but above 2^53 all the same. */
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
    // By division: shifts would cut the number to 32 bits.
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

/** What a varint takes at the most, however it is written: 64 bits, seven a byte. */
const MAX_VARINT = 10;

/** LEB128 as protobuf has it: seven bits a byte, the lowest first, and a high bit while more follow. */
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
