import type { ByteBuffer } from "../bytes/byte_buffer.ts";
import { appendText } from "./append.ts";
import { checkLimit, type Codec, FrameFormatError } from "./codec.ts";
import { KEPT_RUN, LineReader, type TooLongPolicy } from "./line_reader.ts";

/** Default of `maxLength`, bytes. */
export const DEFAULT_MAX_LINE = 65536;

/** Options of a {@linkcode LinesCodec}. */
export interface LinesOptions {
  /** Upper bound of a line, in bytes without its newline. Default: 64 KiB. */
  maxLength?: number;
  /**
   * Treatment of a longer line. Either way reading fails with a {@linkcode FrameTooLongError} as soon as more bytes
   * than `maxLength` have arrived. `"error"` (default): all later reads fail too. `"skip"`: the line is dropped, and
   * the next read goes on with the next line, as in tokio.
   */
  onTooLong?: TooLongPolicy;
}

/**
 * Text, line by line. tokio: `LinesCodec`.
 *
 * A line ends with LF or CR LF, which is not part of it; the last line needs neither. A line that is not UTF-8 fails
 * with a {@linkcode FrameFormatError}, and reading can go on with the next one. Lines are written with LF.
 *
 * @example
 * ```ts
 * import { Framed, LinesCodec, pipe } from "jackfield";
 *
 * const [here, there] = pipe();
 * await here.write(new TextEncoder().encode("one\r\ntwo\n"));
 * await here.closeWrite();
 * for await (const line of new Framed(there, new LinesCodec({ maxLength: 1024 }))) {
 *   console.log(line); // one|two
 * }
 * ```
 */
export class LinesCodec implements Codec<string> {
  readonly #maxLength: number;
  readonly #lines: LineReader;

  /**
   * Creates a codec.
   *
   * @param options limits; see {@linkcode LinesOptions}
   */
  constructor(options: LinesOptions = {}) {
    this.#maxLength = checkLimit("maxLength", options.maxLength ?? DEFAULT_MAX_LINE);
    this.#lines = new LineReader(this.#maxLength, options.onTooLong ?? "error", KEPT_RUN);
  }

  /**
   * Removes the next line from `src`; `undefined` when its newline has not arrived.
   *
   * @throws {FrameTooLongError} when a line is longer than `maxLength`
   * @throws {FrameFormatError} when a line is not UTF-8; the line is consumed
   */
  decode(src: ByteBuffer): string | undefined {
    return this.#lines.next(src);
  }

  /** Removes all complete lines and calls `give` with each. Throws as `decode` does. */
  decodeEach(src: ByteBuffer, give: (line: string) => void): void {
    this.#lines.nextEach(src, give);
  }

  /** The last line, when it has no newline. A line that is not UTF-8 was truncated, and stays in `src`. */
  decodeEof(src: ByteBuffer): string | undefined {
    const line = this.#lines.last(src);
    if (line === null) return undefined;
    src.skip(src.length);
    return line === "" ? undefined : line;
  }

  /**
   * Appends a line. A lone surrogate is written as U+FFFD.
   *
   * @throws {FrameTooLongError} when the line is longer than `maxLength`
   * @throws {FrameFormatError} when it could not be read back as one line: it contains an LF, or ends with a CR
   */
  encode(item: string, dst: ByteBuffer): void {
    if (item.includes("\n") || item.endsWith("\r")) {
      throw new FrameFormatError("line", "it contains an LF, or ends with a CR", null);
    }
    appendText("line", item, "\n", dst, this.#maxLength);
  }
}
