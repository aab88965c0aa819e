import { uint8ArrayOf } from "../bytes/any_realm.ts";
import type { ByteBuffer } from "../bytes/byte_buffer.ts";
import { appendBytes, checkItem } from "./append.ts";
import { checkLimit, type Codec, FrameFormatError, FrameTooLongError } from "./codec.ts";
import { DelimiterSearch } from "./delimiter_search.ts";
import { encodeUtf8 } from "../bytes/utf8_text.ts";

/** Default of `maxLength`, bytes. */
const DEFAULT_MAX_LENGTH = 65536;

/** A delimiter: bytes, or a text that stands for its UTF-8. */
export type Delimiter = Uint8Array | string;

/** Options of a {@linkcode DelimiterCodec}. */
export interface DelimiterOptions {
  /** Upper bound of an item, in bytes without its delimiter. Default: 64 KiB. */
  maxLength?: number;
  /**
   * Meaning of bytes at the end of the stream without a delimiter: `"truncated"` (default), reading fails with
   * `UnexpectedEofError`; `"item"`, they are the last item, as in tokio.
   */
  atEnd?: "truncated" | "item";
}

/**
 * Items of bytes, each followed by a delimiter. tokio: `AnyDelimiterCodec`.
 *
 * Of several delimiters, the one that starts first ends the item; of those that start at the same byte, the longest.
 * With `"\r"` and `"\r\n"`, a CR LF is one delimiter, and a CR is only decided once the next byte has arrived. Items
 * are views of the received chunks where possible.
 *
 * @example
 * ```ts
 * import { DelimiterCodec, Framed, pipe } from "jackfield";
 *
 * const [here, there] = pipe();
 * await here.write(Uint8Array.of(104, 105, 0));
 * const nulTerminated = new Framed(there, new DelimiterCodec("\0"));
 * console.log(String(await nulTerminated.read())); // 104,105
 * await nulTerminated.close();
 * ```
 */
export class DelimiterCodec implements Codec<Uint8Array<ArrayBuffer>, Uint8Array> {
  readonly #maxLength: number;
  readonly #lastIsItem: boolean;
  readonly #written: Uint8Array;
  readonly #reading: DelimiterSearch;
  readonly #writing: DelimiterSearch;
  /** The stream being searched, and the position in it at which the search started. */
  #src: ByteBuffer | null = null;
  #start = 0;

  /**
   * Creates a codec.
   *
   * @param delimiters one or several, at most 4096 bytes in total. Items are written with the first one that is not the
   *   beginning of another
   * @param options limits; see {@linkcode DelimiterOptions}
   * @throws {TypeError} when there is no delimiter, or an empty one
   * @throws {RangeError} when the delimiters or `maxLength` are out of range
   */
  constructor(delimiters: Delimiter | readonly Delimiter[], options: DelimiterOptions = {}) {
    const all = listOf(delimiters);
    const { atEnd = "truncated" } = options;
    if (atEnd !== "truncated" && atEnd !== "item") {
      throw new TypeError(`Cannot make the codec: atEnd is ${atEnd}, not "truncated" or "item"`);
    }
    this.#maxLength = checkLimit("maxLength", options.maxLength ?? DEFAULT_MAX_LENGTH);
    this.#lastIsItem = atEnd === "item";
    this.#written = all.find((one) => !all.some((other) => isProperStart(one, other)))!;
    this.#reading = new DelimiterSearch(all);
    this.#writing = new DelimiterSearch(all);
  }

  /**
   * Removes the next item and its delimiter from `src`; `undefined` when the delimiter has not arrived.
   *
   * @throws {FrameTooLongError} when an item is longer than `maxLength`, as soon as more bytes than that have arrived;
   *   every later call fails too
   */
  decode(src: ByteBuffer): Uint8Array<ArrayBuffer> | undefined {
    if (src !== this.#src || src.position !== this.#start) this.#restart(src);
    const found = this.#reading.search(src);
    this.#check(this.#reading.length, src.position);
    return found ? this.#take(src, this.#reading.start, this.#reading.end) : undefined;
  }

  /** The last item: one whose delimiter could have been longer, or, with `atEnd: "item"`, one without a delimiter. */
  decodeEof(src: ByteBuffer): Uint8Array<ArrayBuffer> | undefined {
    const item = this.decode(src);
    if (item !== undefined || src.length === 0) return item;
    const { start, end } = this.#reading;
    if (start < 0 && !this.#lastIsItem) return undefined;
    const [length, size] = start < 0 ? [src.length, src.length] : [start, end];
    this.#check(length, src.position);
    return this.#take(src, length, size);
  }

  /**
   * Appends the item and a delimiter.
   *
   * @throws {FrameTooLongError} when the item is longer than `maxLength`
   * @throws {FrameFormatError} when it could not be read back as one item: it contains a delimiter, or its end and the
   *   delimiter written after it form an earlier one
   */
  encode(item: Uint8Array, dst: ByteBuffer): void {
    item = checkItem(item);
    if (item.length > this.#maxLength) throw new FrameTooLongError("item", this.#maxLength, null);
    const search = this.#writing;
    search.reset();
    const ends = search.searchBytes(item) || search.searchBytes(this.#written);
    if (!ends || search.start !== item.length) {
      throw new FrameFormatError("item", "it contains a delimiter, or ends with the start of one", null);
    }
    appendBytes(item, dst);
    appendBytes(this.#written, dst);
  }

  #take(src: ByteBuffer, length: number, size: number): Uint8Array<ArrayBuffer> {
    const item = src.view(length) as Uint8Array<ArrayBuffer>;
    src.skip(size);
    this.#restart(src);
    return item;
  }

  #check(length: number, offset: number): void {
    if (length > this.#maxLength) throw new FrameTooLongError("item", this.#maxLength, offset);
  }

  #restart(src: ByteBuffer): void {
    this.#src = src;
    this.#start = src.position;
    this.#reading.reset();
  }
}

function listOf(delimiters: Delimiter | readonly Delimiter[]): Uint8Array[] {
  const list = typeof delimiters === "string" || uint8ArrayOf(delimiters) !== null
    ? [delimiters as Delimiter]
    : delimiters as readonly Delimiter[];
  const all = list.map((one) => typeof one === "string" ? encodeUtf8(one) : one.slice());
  if (all.length === 0 || all.some((one) => one.length === 0)) {
    throw new TypeError("Cannot make the codec: there is no delimiter, or an empty one");
  }
  return all;
}

/** Whether `other` starts with `one` and is longer. */
function isProperStart(one: Uint8Array, other: Uint8Array): boolean {
  return one.length < other.length && one.every((byte, i) => byte === other[i]);
}
