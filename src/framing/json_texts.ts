import type { ByteBuffer } from "../bytes/byte_buffer.ts";
import { appendText } from "./append.ts";
import { brokenStream, checkLimit, type Codec, FrameFormatError, FrameTooLongError } from "./codec.ts";
import { isWhiteSpace, JsonScanner } from "./json_scanner.ts";
import { DEFAULT_MAX_DEPTH, isJson, parseJson, stringifyJson } from "./json_text.ts";
import { decodeUtf8 } from "../bytes/utf8_text.ts";

/** Default of `maxLength`, bytes. */
const DEFAULT_MAX_LENGTH = 65536;

/** Options of a {@linkcode JsonTextsCodec}. */
export interface JsonTextsOptions {
  /** Upper bound of a text, bytes. Default: 64 KiB. */
  maxLength?: number;
  /** Upper bound of the nesting of arrays and objects; a flat object has depth 1. Default: 64. */
  maxDepth?: number;
}

/**
 * JSON values one after the other, with or without white space between them: for peers that simply write objects.
 *
 * An object, an array or a string ends with its closing character; a number, `true` or `false` only at white space or
 * the end of the stream. A complete text that is not JSON, or is `null`, fails with a {@linkcode FrameFormatError}, and
 * reading can go on; when the end of a text cannot be found, all later reads fail. Values are whatever the peer sent,
 * and `In` is not checked: validate them. A key `__proto__` becomes an ordinary property.
 *
 * @example
 * ```ts
 * import { Framed, JsonTextsCodec, pipe } from "jackfield";
 *
 * const [here, there] = pipe();
 * await here.write(new TextEncoder().encode('{"id":1}{"id":2}'));
 * await here.closeWrite();
 * for await (const { id } of new Framed(there, new JsonTextsCodec<{ id: number }>())) {
 *   console.log(id); // 1|2
 * }
 * ```
 */
export class JsonTextsCodec<In = unknown, Out = In> implements Codec<In, Out> {
  readonly #maxLength: number;
  readonly #maxDepth: number;
  readonly #scanner: JsonScanner;
  /** The stream being scanned, the position at which the current text starts, and the number of its bytes scanned. */
  #src: ByteBuffer | null = null;
  #start = 0;
  #scanned = 0;

  /**
   * Creates a codec.
   *
   * @param options limits; see {@linkcode JsonTextsOptions}
   */
  constructor(options: JsonTextsOptions = {}) {
    this.#maxLength = checkLimit("maxLength", options.maxLength ?? DEFAULT_MAX_LENGTH);
    this.#maxDepth = checkLimit("maxDepth", options.maxDepth ?? DEFAULT_MAX_DEPTH);
    this.#scanner = new JsonScanner(this.#maxDepth);
  }

  /**
   * Removes the next value from `src`; `undefined` when more bytes are needed.
   *
   * @throws {FrameTooLongError} when a text is longer than `maxLength`, as soon as more bytes than that have arrived;
   *   every later call fails too
   * @throws {FrameFormatError} when a text is not UTF-8 or JSON, or is `null`; the text is consumed
   * @throws {FrameError} when a text is nested too deeply, its brackets do not match, or its first byte cannot start
   *   one; every later call fails too
   */
  decode(src: ByteBuffer): In | undefined {
    if (src !== this.#src || src.position !== this.#start) this.#restart(src);
    this.#skipWhiteSpace(src);
    this.#scan(src);
    const { ended, fault } = this.#scanner;
    if (this.#scanned > this.#maxLength) throw new FrameTooLongError("text", this.#maxLength, src.position);
    if (fault !== null) throw brokenStream("text", fault, src.position);
    return ended ? this.#take(src, this.#scanned) : undefined;
  }

  /** The value that the end of the stream completes: a number, `true` or `false`. */
  decodeEof(src: ByteBuffer): In | undefined {
    const item = this.decode(src);
    if (item !== undefined || src.length === 0 || !this.#scanner.inScalar) return item;
    return isJson(decodeUtf8(src.view(src.length)) ?? "") ? this.#take(src, src.length) : undefined;
  }

  /**
   * Appends a value, and a newline when it is a number, `true` or `false`.
   *
   * @throws {FrameTooLongError} when its text is longer than `maxLength`
   * @throws {FrameFormatError} when the value cannot be represented as JSON, is nested too deeply, or is `null`
   */
  encode(item: Out, dst: ByteBuffer): void {
    const text = stringifyJson("text", item, this.#maxDepth);
    const endsItself = text[0] === "{" || text[0] === "[" || text[0] === '"';
    appendText("text", text, endsItself ? "" : "\n", dst, this.#maxLength);
  }

  /** Removes white space before a text as it arrives, so that any amount of it takes no memory. */
  #skipWhiteSpace(src: ByteBuffer): void {
    while (src.length > 0) {
      const piece = src.pieceAt(0);
      let count = 0;
      while (count < piece.length && isWhiteSpace(piece[count]!)) count++;
      src.skip(count);
      if (count < piece.length) break;
    }
    this.#start = src.position;
  }

  #scan(src: ByteBuffer): void {
    const scanner = this.#scanner;
    while (this.#scanned < src.length && this.#scanned <= this.#maxLength) {
      this.#scanned += scanner.scan(src.pieceAt(this.#scanned));
      if (scanner.ended || scanner.fault !== null) return;
    }
  }

  #take(src: ByteBuffer, length: number): In {
    const offset = src.position;
    const text = decodeUtf8(src.view(length));
    src.skip(length);
    this.#restart(src);
    if (text === null) throw new FrameFormatError("text", "it is not UTF-8", offset);
    // The scanner has checked the depth.
    return parseJson("text", text, Infinity, offset) as In;
  }

  #restart(src: ByteBuffer): void {
    this.#src = src;
    this.#start = src.position;
    this.#scanned = 0;
    this.#scanner.reset();
  }
}
