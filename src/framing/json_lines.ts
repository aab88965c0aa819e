import type { ByteBuffer } from "../bytes/byte_buffer.ts";
import { appendText } from "./append.ts";
import { checkLimit, type Codec } from "./codec.ts";
import { DEFAULT_MAX_DEPTH, isJson, parseJson, stringifyJson } from "./json_text.ts";
import { LineReader, PASSING_RUN } from "./line_reader.ts";
import { DEFAULT_MAX_LINE, type LinesOptions } from "./lines.ts";

/** The space: of JSON's white space, the character with the highest code. */
const SPACE = 0x20;

/** Options of a {@linkcode JsonLinesCodec}. */
export interface JsonLinesOptions extends LinesOptions {
  /** Upper bound of the nesting of arrays and objects; a flat object has depth 1. Default: 64. */
  maxDepth?: number;
}

/**
 * JSON values, one a line (NDJSON, JSON Lines). Blank lines are skipped, and the last line needs no newline.
 *
 * A line that is not JSON, or nested too deeply, fails with a {@linkcode FrameFormatError}, and reading can go on with
 * the next one. Values are whatever the peer sent, and `In` is not checked: validate them. A key `__proto__` becomes an
 * ordinary property. The value `null` is refused in both directions, because reading `null` means the end of the
 * stream.
 *
 * @example
 * ```ts
 * import { Framed, JsonLinesCodec, pipe } from "jackfield";
 *
 * const [here, there] = pipe();
 * const log = new Framed(here, new JsonLinesCodec<{ level: string; text: string }>());
 * await log.write({ level: "info", text: "ready" });
 * const line = await there.readChunk();
 * console.log(new TextDecoder().decode(line ?? undefined).trim()); // {"level":"info","text":"ready"}
 * await log.close();
 * ```
 */
export class JsonLinesCodec<In = unknown, Out = In> implements Codec<In, Out> {
  readonly #maxLength: number;
  readonly #maxDepth: number;
  readonly #lines: LineReader;

  /**
   * Creates a codec.
   *
   * @param options limits; see {@linkcode JsonLinesOptions}
   */
  constructor(options: JsonLinesOptions = {}) {
    this.#maxLength = checkLimit("maxLength", options.maxLength ?? DEFAULT_MAX_LINE);
    this.#maxDepth = checkLimit("maxDepth", options.maxDepth ?? DEFAULT_MAX_DEPTH);
    this.#lines = new LineReader(this.#maxLength, options.onTooLong ?? "error", PASSING_RUN);
  }

  /**
   * Removes the next value from `src`; `undefined` when more bytes are needed.
   *
   * @throws {FrameTooLongError} when a line is longer than `maxLength`
   * @throws {FrameFormatError} when a line is not UTF-8 or JSON, is nested too deeply, or is `null`; the line is
   *   consumed
   */
  decode(src: ByteBuffer): In | undefined {
    const lines = this.#lines;
    for (;;) {
      const line = lines.next(src);
      if (line === undefined) return undefined;
      if (lines.firstCode > SPACE || !isBlank(line)) return this.#parse(line, lines.lineStart);
    }
  }

  /** The value of a last line without a newline. A line that is not JSON was truncated, and stays in `src`. */
  decodeEof(src: ByteBuffer): In | undefined {
    const line = this.#lines.last(src);
    const blank = line !== null && isBlank(line);
    if (line === null || !blank && !isJson(line)) return undefined;
    const offset = src.position;
    src.skip(src.length);
    return blank ? undefined : this.#parse(line, offset);
  }

  /**
   * Appends a value as a line of JSON.
   *
   * @throws {FrameTooLongError} when the line is longer than `maxLength`
   * @throws {FrameFormatError} when the value cannot be represented as JSON, is nested too deeply, or is `null`
   */
  encode(item: Out, dst: ByteBuffer): void {
    appendText("line", stringifyJson("line", item, this.#maxDepth), "\n", dst, this.#maxLength);
  }

  #parse(line: string, offset: number): In {
    return parseJson("line", line, this.#maxDepth, offset) as In;
  }
}

/** Whether the line consists of JSON's white space. */
function isBlank(line: string): boolean {
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i);
    if (code !== SPACE && code !== 0x09 && code !== 0x0d) return false;
  }
  return true;
}
