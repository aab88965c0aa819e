/**
 * The chunked transfer coding, RFC 9112, 7.1, in both directions.
 *
 * @module
 */

import { encodeLatin1 } from "../bytes/latin1.ts";

/** The last chunk of a body: length zero, and an empty trailer section. */
export const LAST_CHUNK: Uint8Array = encodeLatin1("0\r\n\r\n");

/**
 * Encodes one chunk. The result is empty for a length of zero, because an empty chunk would end the body.
 *
 * @param parts the chunk's data
 * @param length sum of the parts' lengths, bytes
 * @returns the chunk's bytes as parts, of which those given are not copied
 */
export function encodeChunk(parts: readonly Uint8Array[], length: number): Uint8Array[] {
  if (length === 0) return [];
  return [encodeLatin1(`${length.toString(16)}\r\n`), ...parts, encodeLatin1("\r\n")];
}

/** Bound of one line, bytes: a chunk's size with its extensions, or a field of the trailer section. */
const MAX_LINE = 4_096;

/** Bound of the whole trailer section, bytes, line ends not counted. */
const MAX_TRAILER = 16_384;

/** Bound of a chunk size's hexadecimal digits; a number holds 13 of them exactly. */
const MAX_SIZE_DIGITS = 13;

/** The element of the coding that the next byte belongs to; `invalid` after a breach of the grammar or of a bound. */
type State = "size" | "data" | "data end" | "trailer" | "done" | "invalid";

/** Decodes a chunked body, in pieces of any size. Extensions and trailer fields are skipped. */
export class ChunkedDecoder {
  #state: State = "size";
  /** Bytes of the current chunk's data that are still to come. */
  #left = 0;
  /** The part of an incomplete line that earlier input ended with. */
  #line = "";
  #trailerBytes = 0;
  /** Bytes of the last input up to the body's end, or all of them. */
  #consumed = 0;

  /** Whether the body has been decoded up to its end, trailer section included. */
  get complete(): boolean {
    return this.#state === "done";
  }

  /** Whether the data of a chunk is to come, or its end. */
  get inChunk(): boolean {
    return this.#state === "data" || this.#state === "data end";
  }

  /** Bytes of the last input that belong to the body. */
  get consumed(): number {
    return this.#consumed;
  }

  /** Whether the input broke the grammar or a bound; later input is ignored. */
  get invalid(): boolean {
    return this.#state === "invalid";
  }

  /**
   * Decodes the next bytes of the body.
   *
   * @param bytes the next piece of the body; what follows the body's end is ignored
   * @returns the data in it, as views of `bytes`
   */
  receive(bytes: Uint8Array): Uint8Array[] {
    const data: Uint8Array[] = [];
    let at = 0;
    while (at < bytes.length && this.#state !== "done" && this.#state !== "invalid") {
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
    this.#consumed = at;
    return data;
  }

  /** Reads up to the end of a line, and acts on the line once it is complete; returns the next position. */
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

  /** The state after a complete line, given without its CRLF. */
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
