const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** State of the scanner within a text. */
type Place = "start" | "structure" | "string" | "scalar" | "end";

/**
 * Finds the end of each JSON text in a sequence of them that arrives in pieces, looking at each byte once. Only strings
 * and brackets are followed; whether the text is valid is left to the parser.
 */
export class JsonScanner {
  readonly #maxDepth: number;
  #place: Place = "start";
  /** Closing brackets that are still expected, the innermost last. */
  readonly #closers: number[] = [];
  /** Whether the last byte was a backslash within a string. */
  #escaped = false;
  #fault: string | null = null;

  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
  }

  /** The error because of which the text's end cannot be found; `null` when there is none. */
  get fault(): string | null {
    return this.#fault;
  }

  /** Whether the text so far is a number, `true`, `false` or `null`, which the end of the stream may complete. */
  get inScalar(): boolean {
    return this.#place === "scalar";
  }

  /** Whether the text is complete. */
  get ended(): boolean {
    return this.#place === "end";
  }

  /**
   * Scans `bytes` and returns the number of bytes that belong to the text: fewer when it ends in them, or is faulty.
   */
  scan(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && this.#fault === null && this.#place !== "end") {
      if (this.#place === "string") at = this.#string(bytes, at);
      else if (this.#place === "structure") at = this.#structure(bytes, at);
      else if (this.#place === "scalar") at = this.#scalar(bytes, at);
      else at = this.#start(bytes[at]!, at);
    }
    return at;
  }

  /** Starts a new text. */
  reset(): void {
    this.#place = "start";
    this.#closers.length = 0;
    this.#escaped = false;
    this.#fault = null;
  }

  #start(byte: number, at: number): number {
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      this.#place = "structure";
      return at;
    }
    if (byte === QUOTE) this.#place = "string";
    else if (isScalar(byte)) this.#place = "scalar";
    else this.#fault = `a JSON text cannot start with byte ${byte}`;
    return at + 1;
  }

  #scalar(bytes: Uint8Array, at: number): number {
    while (at < bytes.length && isScalar(bytes[at]!)) at++;
    if (at === bytes.length) return at;
    // The white space that ends a scalar is not part of it.
    if (isWhiteSpace(bytes[at]!)) this.#place = "end";
    else this.#fault = "no white space follows the number, true, false or null";
    return at;
  }

  #string(bytes: Uint8Array, at: number): number {
    let escaped = this.#escaped;
    for (; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (escaped) {
        escaped = false;
      } else if (byte === BACKSLASH) {
        escaped = true;
      } else if (byte === QUOTE) {
        this.#place = this.#closers.length === 0 ? "end" : "structure";
        at++;
        break;
      }
    }
    this.#escaped = escaped;
    return at;
  }

  #structure(bytes: Uint8Array, at: number): number {
    while (at < bytes.length) {
      const byte = bytes[at++]!;
      if (byte === QUOTE) {
        this.#place = "string";
        break;
      }
      // All four brackets, and few other bytes, have these bits in common.
      if ((byte & 0xd9) !== 0x59) continue;
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#open(byte + 2);
      else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) this.#close(byte);
      if (this.#fault !== null || this.#place === "end") break;
    }
    return at;
  }

  #open(closer: number): void {
    if (this.#closers.push(closer) > this.#maxDepth) {
      this.#fault = `it is nested deeper than ${this.#maxDepth}`;
    }
  }

  #close(byte: number): void {
    if (this.#closers.pop() !== byte) this.#fault = "its brackets do not match";
    else if (this.#closers.length === 0) this.#place = "end";
  }
}

/** Whether the byte is JSON's white space. */
export function isWhiteSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Whether the byte is a letter, a digit, or another character of a number. */
function isScalar(byte: number): boolean {
  if (byte >= 0x30 && byte <= 0x39) return true;
  if (byte === 0x2d || byte === 0x2b || byte === 0x2e) return true;
  return (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
}
