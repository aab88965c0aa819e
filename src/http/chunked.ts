/**
 * The chunked transfer coding, RFC 9112, 7.1, in both directions.
 *
 * @module
 */

import { encodeLatin1 } from "../bytes/latin1.ts";

/** The chunk of length zero that ends a body, with no trailer behind it. */
export const LAST_CHUNK: Uint8Array = encodeLatin1("0\r\n\r\n");

/**
 * One chunk of `length` bytes, given as parts. No bytes for a length of zero, because an empty chunk would end the body.
 *
 * @param parts the chunk's data
 * @param length bytes in all parts together
 */
export function encodeChunk(parts: readonly Uint8Array[], length: number): Uint8Array[] {
  if (length === 0) return [];
  return [encodeLatin1(`${length.toString(16)}\r\n`), ...parts, encodeLatin1("\r\n")];
}

/** The longest line with a chunk's size and extensions, and the longest line of a trailer, bytes. */
const MAX_LINE = 4_096;

/** The most that the lines of the trailer section may have in all, bytes. */
const MAX_TRAILER = 16_384;

/** The hexadecimal digits of the largest size that a number holds exactly. */
const MAX_SIZE_DIGITS = 13;

/** The element of the coding that the next byte belongs to; `done` is the end, `invalid` a body that breaks the grammar. */
type State = "size" | "data" | "data end" | "trailer" | "done" | "invalid";

/** A decoder of a chunked body, fed with the bytes as they come. Extensions and trailer fields are skipped. */
export class ChunkedDecoder {
  #state: State = "size";
  /** Bytes of the current chunk's data that have not come. */
  #left = 0;
  /** The line under way, without the bytes that are in the next chunk of input. */
  #line = "";
  #trailerBytes = 0;

  /** Whether the last chunk and the trailer section have come. */
  get complete(): boolean {
    return this.#state === "done";
  }

  /** Whether the input broke the grammar or a bound; bytes after that are not decoded. */
  get invalid(): boolean {
    return this.#state === "invalid";
  }

  /**
   * Decodes the next bytes of the body.
   *
   * @returns the data in them, as views of `bytes`
   */
  receive(bytes: Uint8Array): Uint8Array[] {
    const data: Uint8Array[] = [];
    for (let at = 0; at < bytes.length && this.#state !== "done" && this.#state !== "invalid";) {
      if (this.#state !== "data") {
        at = this.#readLine(bytes, at);
        continue;
      }
      const end = Math.min(at + this.#left, bytes.length);
      data.push(bytes.subarray(at, end));
      this.#left -= end - at;
      if (this.#left === 0) this.#state = "data end";
      at = end;
    }
    return data;
  }

  /** Reads up to the end of a line, and acts on the line if its end has come. */
  #readLine(bytes: Uint8Array, at: number): number {
    const lineFeed = bytes.indexOf(0x0a, at);
    const end = lineFeed < 0 ? bytes.length : lineFeed;
    if (this.#line.length + end - at > MAX_LINE) {
      this.#state = "invalid";
      return end;
    }
    for (let i = at; i < end; i++) this.#line += String.fromCharCode(bytes[i]!);
    if (lineFeed < 0) return end;
    const line = this.#line;
    this.#line = "";
    this.#state = line.endsWith("\r") ? this.#afterLine(line.slice(0, -1)) : "invalid";
    return lineFeed + 1;
  }

  #afterLine(line: string): State {
    if (this.#state === "data end") return line === "" ? "size" : "invalid";
    if (this.#state === "trailer") {
      this.#trailerBytes += line.length;
      if (this.#trailerBytes > MAX_TRAILER) return "invalid";
      return line === "" ? "done" : "trailer";
    }
    const digits = /^([0-9a-fA-F]+)[ \t]*(?:;|$)/.exec(line)?.[1]?.replace(/^0+(?=.)/, "");
    if (digits === undefined || digits.length > MAX_SIZE_DIGITS) return "invalid";
    this.#left = parseInt(digits, 16);
    return this.#left === 0 ? "trailer" : "data";
  }
}
