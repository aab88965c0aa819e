import type { ByteBuffer } from "../bytes/byte_buffer.ts";
import { FrameFormatError, FrameTooLongError } from "./codec.ts";
import { decodeUtf8 } from "../bytes/utf8_text.ts";

/** The newline. */
const LF = 0x0a;
const CR = 0x0d;

/**
 * Bytes that are decoded at once when they hold several lines, which is three to ten times as fast as line by line
 * (`bench/framing.ts`; a quarter of this is a sixth slower). Not more, because a line that the application keeps may keep
 * its whole run alive.
 */
export const KEPT_RUN = 16384;

/** The same where nobody keeps the lines: most of what a connection reads at once. */
export const PASSING_RUN = 65536;

/** What happens when a line is too long; see `LinesOptions`. */
export type TooLongPolicy = "error" | "skip";

/** Cuts a stream into lines of UTF-8, for the codecs that are made of lines. */
export class LineReader {
  readonly #maxLength: number;
  readonly #onTooLong: TooLongPolicy;
  readonly #runSize: number;
  /** The stream that what follows is about; positions are the stream's. */
  #src: ByteBuffer | null = null;
  #lineStart = 0;
  #firstCode = 0;
  /** Up to here there is no newline. */
  #searchedTo = 0;
  /** In the middle of a line that was too long. */
  #discarding = false;

  /** The text of several whole lines that are still in `src`. */
  #run = "";
  /** Where the next line starts in the run, and in the stream; -1 when there is no run. */
  #runIndex = 0;
  #runPosition = -1;
  /** In the run a character is a byte. */
  #runIsAscii = false;
  /** Up to here no run is tried again, because some line is not UTF-8. */
  #noRunBefore = 0;

  constructor(maxLength: number, onTooLong: TooLongPolicy, runSize: number) {
    if (onTooLong !== "error" && onTooLong !== "skip") {
      throw new TypeError(`Cannot make the codec: onTooLong is ${onTooLong}, not "error" or "skip"`);
    }
    this.#maxLength = maxLength;
    this.#onTooLong = onTooLong;
    this.#runSize = runSize;
  }

  /** Where in the stream the line starts that `next` returned last. */
  get lineStart(): number {
    return this.#lineStart;
  }

  /**
   * The code unit with which that line starts, or a control if it is empty. Whoever looks at the text itself makes some
   * runtimes give it memory of its own, for half as much again as it cost to read it.
   */
  get firstCode(): number {
    return this.#firstCode;
  }

  /** Removes the next line and returns it without its newline; `undefined` when the newline has not come. */
  next(src: ByteBuffer): string | undefined {
    // In a run nothing is discarded.
    if (src === this.#src && src.position === this.#runPosition) return this.#nextOfRun(src);
    if (src !== this.#src) this.#start(src);
    if (this.#discarding && !this.#discard(src)) return undefined;
    this.#lineStart = src.position;
    return this.#nextOfBytes(src);
  }

  /** Removes the lines that have come, as `next` does, and gives them one by one; a third faster for web streams. */
  nextEach(src: ByteBuffer, give: (line: string) => void): void {
    for (let line = this.next(src); line !== undefined; line = this.next(src)) {
      give(line);
      if (this.#runIsAscii && this.#runPosition === src.position) this.#giveRun(src, give);
    }
  }

  /** The line that the stream ended in, which stays in `src`; `null` when it is not UTF-8. */
  last(src: ByteBuffer): string | null {
    return decodeUtf8(src.view(lengthOfLine(src, src.length)));
  }

  /** A codec is for one stream. If it is used for another, no text of the first may show up there. */
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
    // A CR at the end may belong to the newline.
    if (src.length > this.#maxLength && lengthOfLine(src, src.length) > this.#maxLength) {
      this.#discarding = this.#onTooLong === "skip";
      throw this.#tooLong(src, src.length);
    }
    return undefined;
  }

  /** Removes a line of `size` bytes, of which `length` are its text. */
  #take(src: ByteBuffer, length: number, size: number): string {
    const text = decodeUtf8(src.view(length));
    src.skip(size);
    if (text === null) throw new FrameFormatError("line", "it is not UTF-8", this.#lineStart);
    this.#firstCode = size > 1 ? text.charCodeAt(0) : LF;
    return text;
  }

  /** A line is too long of which `size` bytes have come: it is skipped, or stays and will be refused again. */
  #tooLong(src: ByteBuffer, size: number): FrameTooLongError {
    const error = new FrameTooLongError("line", this.#maxLength, src.position);
    if (this.#onTooLong === "skip") src.skip(size);
    return error;
  }

  /** Drops the rest of a line that was too long; `false` when its newline has not come. */
  #discard(src: ByteBuffer): boolean {
    const newline = src.indexOf(LF);
    src.skip(newline < 0 ? src.length : newline + 1);
    this.#discarding = newline < 0;
    return newline >= 0;
  }

  // ── In runs ──

  /** Decodes the lines at once that are there already, as many as a run holds; there is no newline in the first `searched`. */
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

  /** Gives what is left of a run, up to a line that is too long: to move on once costs less than at each line. */
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

  /** The next line is `size` bytes further on, at `index`. */
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

/** How long the line is whose LF lies at `end`, or whose bytes end there, without a CR before that. */
function lengthOfLine(src: ByteBuffer, end: number): number {
  return end > 0 && src.peek(end - 1) === CR ? end - 1 : end;
}
