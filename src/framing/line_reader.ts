import type { ByteBuffer } from "../bytes/byte_buffer.ts";
import { FrameFormatError, FrameTooLongError } from "./codec.ts";
import { decodeUtf8 } from "../bytes/utf8_text.ts";

const LF = 0x0a;
const CR = 0x0d;

/**
 * Upper bound of a run, bytes: several whole lines that are decoded at once, which is three to ten times as fast as
 * line by line (`bench/framing.ts`; a quarter of this bound is a sixth slower). Not larger, because a line that the
 * application keeps may keep its whole run alive.
 */
export const KEPT_RUN = 16384;

/** Upper bound of a run whose lines are parsed at once and not kept, bytes: about what a connection reads at once. */
export const PASSING_RUN = 65536;

/** Treatment of a line that is too long; see `LinesOptions`. */
export type TooLongPolicy = "error" | "skip";

/** Splits a stream into lines of UTF-8, for codecs whose items are lines. */
export class LineReader {
  readonly #maxLength: number;
  readonly #onTooLong: TooLongPolicy;
  readonly #runSize: number;
  /** The stream being read. All positions below are offsets in it, bytes. */
  #src: ByteBuffer | null = null;
  #lineStart = 0;
  #firstCode = 0;
  /** Position before which the current line has no newline. */
  #searchedTo = 0;
  /** Whether the rest of a line that is too long is being dropped. */
  #discarding = false;

  /** The run: text of several whole lines whose bytes are still in `src`. */
  #run = "";
  /** Index in the run, and position in the stream, at which the next line starts; the position is -1 without a run. */
  #runIndex = 0;
  #runPosition = -1;
  /** Whether every character of the run is one byte. */
  #runIsAscii = false;
  /** Position before which no run is started, because a line before it is not UTF-8. */
  #noRunBefore = 0;

  constructor(maxLength: number, onTooLong: TooLongPolicy, runSize: number) {
    if (onTooLong !== "error" && onTooLong !== "skip") {
      throw new TypeError(`Cannot make the codec: onTooLong is ${onTooLong}, not "error" or "skip"`);
    }
    this.#maxLength = maxLength;
    this.#onTooLong = onTooLong;
    this.#runSize = runSize;
  }

  /** Position in the stream of the line that `next` returned last. */
  get lineStart(): number {
    return this.#lineStart;
  }

  /**
   * First code unit of the line that `next` returned last; a control character when it is empty. Looking at the text
   * itself makes some runtimes copy it, which adds half to the cost of reading it.
   */
  get firstCode(): number {
    return this.#firstCode;
  }

  /** Removes the next line and returns it without its newline; `undefined` when the newline has not arrived. */
  next(src: ByteBuffer): string | undefined {
    // While there is a run, no line is being discarded.
    if (src === this.#src && src.position === this.#runPosition) return this.#nextOfRun(src);
    if (src !== this.#src) this.#start(src);
    if (this.#discarding && !this.#discard(src)) return undefined;
    this.#lineStart = src.position;
    return this.#nextOfBytes(src);
  }

  /** Removes all complete lines, as `next` does, and calls `give` with each; a third faster for web streams. */
  nextEach(src: ByteBuffer, give: (line: string) => void): void {
    for (let line = this.next(src); line !== undefined; line = this.next(src)) {
      give(line);
      if (this.#runIsAscii && this.#runPosition === src.position) this.#giveRun(src, give);
    }
  }

  /** The unfinished line at the end of the stream, which stays in `src`; `null` when it is not UTF-8. */
  last(src: ByteBuffer): string | null {
    return decodeUtf8(src.view(lengthOfLine(src, src.length)));
  }

  /**
   * Starts another stream. A codec is meant for one; if it is used for a second, text of the first must not appear
   * there.
   */
  #start(src: ByteBuffer): void {
    this.#src = src;
    this.#searchedTo = 0;
    this.#discarding = false;
    this.#noRunBefore = 0;
    this.#endRun();
  }

  // ── Line by line ──

  #nextOfBytes(src: ByteBuffer): string | undefined {
    const searched = Math.max(0, this.#searchedTo - src.position);
    if (this.#startRun(src, searched)) return this.#nextOfRun(src);
    const newline = src.indexOf(LF, searched);
    if (newline < 0) return this.#needMore(src);
    this.#searchedTo = src.position + newline;
    const length = lengthOfLine(src, newline);
    if (length > this.#maxLength) throw this.#tooLong(src, newline + 1);
    return this.#take(src, length, newline + 1);
  }

  #needMore(src: ByteBuffer): undefined {
    this.#searchedTo = src.position + src.length;
    // A CR at the end may be part of the newline, so it is not counted.
    if (src.length > this.#maxLength && lengthOfLine(src, src.length) > this.#maxLength) {
      this.#discarding = this.#onTooLong === "skip";
      throw this.#tooLong(src, src.length);
    }
    return undefined;
  }

  /** Removes a line of `size` bytes, whose text is the first `length` of them. */
  #take(src: ByteBuffer, length: number, size: number): string {
    const text = decodeUtf8(src.view(length));
    src.skip(size);
    if (text === null) throw new FrameFormatError("line", "it is not UTF-8", this.#lineStart);
    this.#firstCode = size > 1 ? text.charCodeAt(0) : LF;
    return text;
  }

  /**
   * The error for a line that is too long, of which `size` bytes have arrived: they are skipped, or stay and fail
   * again.
   */
  #tooLong(src: ByteBuffer, size: number): FrameTooLongError {
    const error = new FrameTooLongError("line", this.#maxLength, src.position);
    if (this.#onTooLong === "skip") src.skip(size);
    return error;
  }

  /** Drops the rest of a line that is too long; `false` when its newline has not arrived. */
  #discard(src: ByteBuffer): boolean {
    const newline = src.indexOf(LF);
    src.skip(newline < 0 ? src.length : newline + 1);
    this.#discarding = newline < 0;
    return newline >= 0;
  }

  // ── In runs ──

  /**
   * Starts a run with the complete lines in `src`, as many as fit; `false` when there is none.
   *
   * @param searched number of leading bytes known not to hold a newline
   */
  #startRun(src: ByteBuffer, searched: number): boolean {
    const { position } = src;
    if (position < this.#noRunBefore) return false;
    const bytes = src.headUpToLast(LF, this.#runSize, searched);
    if (bytes === null) return false;
    const text = decodeUtf8(bytes);
    if (text === null) {
      this.#noRunBefore = position + bytes.length;
      return false;
    }
    this.#run = text;
    this.#runIndex = 0;
    this.#runPosition = position;
    this.#runIsAscii = text.length === bytes.length;
    return true;
  }

  #nextOfRun(src: ByteBuffer): string {
    const run = this.#run;
    const start = this.#runIndex;
    const end = run.indexOf("\n", start);
    const newline = this.#runIsAscii ? end - start : src.indexOf(LF);
    const cr = newline > 0 && run.charCodeAt(end - 1) === CR ? 1 : 0;
    this.#lineStart = this.#runPosition;
    this.#firstCode = run.charCodeAt(start);
    if (newline - cr > this.#maxLength) throw this.#tooLongInRun(src, newline + 1, end + 1);
    src.skip(newline + 1);
    this.#moveRun(newline + 1, end + 1);
    return run.slice(start, end - cr);
  }

  /**
   * Calls `give` with the rest of a run, up to a line that is too long. Skipping the bytes once is cheaper than by
   * line.
   */
  #giveRun(src: ByteBuffer, give: (line: string) => void): void {
    const run = this.#run;
    const start = this.#runIndex;
    let at = start;
    while (at < run.length) {
      const end = run.indexOf("\n", at);
      const cr = end > at && run.charCodeAt(end - 1) === CR ? 1 : 0;
      if (end - cr - at > this.#maxLength) break;
      give(run.slice(at, end - cr));
      at = end + 1;
    }
    src.skip(at - start);
    this.#moveRun(at - start, at);
  }

  #tooLongInRun(src: ByteBuffer, size: number, next: number): FrameTooLongError {
    const error = this.#tooLong(src, size);
    if (src.position !== this.#runPosition) this.#moveRun(size, next);
    return error;
  }

  /** Moves `size` bytes on in the stream, to the line that starts at `index` in the run. */
  #moveRun(size: number, index: number): void {
    this.#runIndex = index;
    this.#runPosition += size;
    if (index === this.#run.length) this.#endRun();
  }

  #endRun(): void {
    this.#run = "";
    this.#runPosition = -1;
  }
}

/** Length of the line that ends at offset `end`, bytes; a CR just before `end` does not count. */
function lengthOfLine(src: ByteBuffer, end: number): number {
  return end > 0 && src.peek(end - 1) === CR ? end - 1 : end;
}
