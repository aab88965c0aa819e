import type { ByteBuffer } from "../bytes/byte_buffer.ts";
import { appendText } from "./append.ts";
import { brokenStream, checkLimit, type Codec, FrameFormatError, FrameTooLongError } from "./codec.ts";
import { isWhiteSpace, JsonScanner } from "./json_scanner.ts";
import { DEFAULT_MAX_DEPTH, isJson, parseJson, stringifyJson } from "./json_text.ts";
import { decodeUtf8 } from "../bytes/utf8_text.ts";

/** The longest text that is taken when nobody says otherwise, bytes. */
const DEFAULT_MAX_LENGTH = 65536;

/** Options of a {@linkcode JsonTextsCodec}. */
export interface JsonTextsOptions {
  /** The longest text, in bytes. Default: 64 KiB. */
  maxLength?: number;
  /** How deep arrays and objects may lie in each other; a plain object is 1 deep. Default: 64. */
  maxDepth?: number;
}

/**
 * JSON values one after the other, with white space between them or nothing at all: for the peer that just writes objects.
 *
 * An object, an array or a string ends where it closes; a number, `true` or `false` only where white space comes or the
 * stream ends. A text that is complete but no JSON, or `null`, fails with a {@linkcode FrameFormatError}, and reading can
 * go on; when nobody can say where a text ends, reading fails for good. What is read is what the peer sent, whatever
 * `In` says: check it. A key `__proto__` becomes a property like any other.
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
  /** The stream that is scanned, where in it the text starts, and how many of its bytes were looked at. */
  #src: ByteBuffer | null = null;
  #start = 0;
  #scanned = 0;

  /**
   * Makes one.
   *
   * @param options limits; see {@linkcode JsonTextsOptions}
   */
  constructor(options: JsonTextsOptions = {}) {
    this.#maxLength = checkLimit("maxLength", options.maxLength ?? DEFAULT_MAX_LENGTH);
    this.#maxDepth = checkLimit("maxDepth", options.maxDepth ?? DEFAULT_MAX_DEPTH);
    this.#scanner = new JsonScanner(this.#maxDepth);
  }

  /**
   * Removes the next value from `src`; `undefined` when more bytes must come first.
   *
   * @throws {FrameTooLongError} when a text is longer than `maxLength`, as soon as so many bytes have come; for good
   * @throws {FrameFormatError} when a text is no JSON, not UTF-8, or `null`; it is gone then
   * @throws {FrameError} when a text is too deep, its brackets do not match, or none can start there; for good
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

  /** The value that the end of the stream ends: a number, `true` or `false`. */
  decodeEof(src: ByteBuffer): In | undefined {
    const item = this.decode(src);
    if (item !== undefined || src.length === 0 || !this.#scanner.inScalar) return item;
    return isJson(decodeUtf8(src.view(src.length)) ?? "") ? this.#take(src, src.length) : undefined;
  }

  /**
   * Appends a value, and white space if it needs that to end.
   *
   * @throws {FrameTooLongError} when its text is longer than `maxLength`
   * @throws {FrameFormatError} when the value has no JSON, or is too deep, or `null`
   */
  encode(item: Out, dst: ByteBuffer): void {
    const text = stringifyJson("text", item, this.#maxDepth);
    const endsItself = text[0] === "{" || text[0] === "[" || text[0] === '"';
    appendText("text", text, endsItself ? "" : "\n", dst, this.#maxLength);
  }

  /** White space in front of a text goes at once, however much there is. */
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
    // The scanner has seen how deep it is.
    return parseJson("text", text, Infinity, offset) as In;
  }

  #restart(src: ByteBuffer): void {
    this.#src = src;
    this.#start = src.position;
    this.#scanned = 0;
    this.#scanner.reset();
  }
}
