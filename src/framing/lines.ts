import type { ByteBuffer } from "../bytes/byte_buffer.ts";
import { appendText } from "./append.ts";
import { checkLimit, type Codec, FrameFormatError } from "./codec.ts";
import { KEPT_RUN, LineReader, type TooLongPolicy } from "./line_reader.ts";

/** The longest line that is taken when nobody says otherwise, bytes. */
export const DEFAULT_MAX_LINE = 65536;

/** Options of a {@linkcode LinesCodec}. */
export interface LinesOptions {
  /** The longest line, in bytes without its newline. Default: 64 KiB. */
  maxLength?: number;
  /**
   * What happens when a longer line comes. Either way reading fails with a {@linkcode FrameTooLongError} as soon as
   * it is known, before the rest has come. `"error"` (default): for good. `"skip"`: once, and the next read goes
   * on with the next line, as in tokio.
   */
  onTooLong?: TooLongPolicy;
}

/**
 * Text, line by line. tokio: `LinesCodec`.
 *
 * A line ends with LF or CR LF, neither of which is part of it; the last one may end with the stream. A line that is not
 * UTF-8 fails with a {@linkcode FrameFormatError}, and reading can go on with the next one. Lines are written with LF.
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
   * Makes one.
   *
   * @param options limits; see {@linkcode LinesOptions}
   */
  constructor(options: LinesOptions = {}) {
    this.#maxLength = checkLimit("maxLength", options.maxLength ?? DEFAULT_MAX_LINE);
    this.#lines = new LineReader(this.#maxLength, options.onTooLong ?? "error", KEPT_RUN);
  }

  /**
   * Removes the next line from `src`; `undefined` when its newline has not come.
   *
   * @throws {FrameTooLongError} when a line is longer than `maxLength`
   * @throws {FrameFormatError} when a line is not UTF-8; it is gone then
   */
  decode(src: ByteBuffer): string | undefined {
    return this.#lines.next(src);
  }

  /** Removes all lines that have come, and gives them one by one. Throws as `decode` does. */
  decodeEach(src: ByteBuffer, give: (line: string) => void): void {
    this.#lines.nextEach(src, give);
  }

  /** The last line, without a newline. If that is not UTF-8, it was truncated, and stays in `src`. */
  decodeEof(src: ByteBuffer): string | undefined {
    const line = this.#lines.last(src);
    if (line === null) return undefined;
    src.skip(src.length);
    return line === "" ? undefined : line;
  }

  /**
   * Appends a line. A lone surrogate leaves as U+FFFD.
   *
   * @throws {FrameTooLongError} when it is longer than `maxLength`
   * @throws {FrameFormatError} when it could not be read as one line: it holds an LF, or ends with a CR
   */
  encode(item: string, dst: ByteBuffer): void {
    if (item.includes("\n") || item.endsWith("\r")) {
      throw new FrameFormatError("line", "it holds a newline", null);
    }
    appendText("line", item, "\n", dst, this.#maxLength);
  }
}
