/**
 * Validates UTF-8 that arrives in pieces, and fails at the first byte that cannot be part of a valid text (RFC 3629,
 * section 4; Unicode, table 3-7).
 */
export class Utf8Validator {
  /** Number of continuation bytes that the current character still lacks. */
  #missing = 0;
  /** Smallest and largest valid next continuation byte; the range is narrower after E0, ED, F0 and F4. */
  #low = 0x80;
  #high = 0xbf;

  /** Whether the text may end here: its last character is complete. */
  get complete(): boolean {
    return this.#missing === 0;
  }

  /**
   * Checks `bytes[start, end)` as the text's next part. `false` when the text is not UTF-8, for this and all later
   * parts.
   */
  push(bytes: Uint8Array, start: number, end: number): boolean {
    // Local variables: writing a field for each byte would make the loop two to three times slower.
    let missing = this.#missing, low = this.#low, high = this.#high;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      if (missing > 0) {
        if (byte < low || byte > high) return this.#fail();
        missing--;
        low = 0x80;
        high = 0xbf;
      } else if (byte < 0x80) {
        if (at + 8 < end && areAscii(bytes, at + 1)) at += 8;
      } else {
        // C0 and C1 only occur in overlong forms, F5 and above only beyond U+10FFFF.
        if (byte < 0xc2 || byte > 0xf4) return this.#fail();
        missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
        if (byte === 0xe0) low = 0xa0;
        else if (byte === 0xed) high = 0x9f;
        else if (byte === 0xf0) low = 0x90;
        else if (byte === 0xf4) high = 0x8f;
      }
    }
    this.#missing = missing;
    this.#low = low;
    this.#high = high;
    return true;
  }

  /**
   * Checks all of `bytes` as the text's next part. When they are not UTF-8, returns `false` and leaves the state as it
   * was.
   */
  pushWhole(bytes: Uint8Array): boolean {
    const missing = this.#missing, low = this.#low, high = this.#high;
    if (this.push(bytes, 0, bytes.length)) return true;
    this.#missing = missing;
    this.#low = low;
    this.#high = high;
    return false;
  }

  /** Starts a new text. */
  reset(): void {
    this.#missing = 0;
    this.#low = 0x80;
    this.#high = 0xbf;
  }

  #fail(): false {
    // An empty range: every later byte fails too.
    this.#missing = 1;
    this.#low = 0x100;
    return false;
  }
}

/** Whether the eight bytes from index `at` on are ASCII. */
function areAscii(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at]! | bytes[at + 1]! | bytes[at + 2]! | bytes[at + 3]!;
  return (first | bytes[at + 4]! | bytes[at + 5]! | bytes[at + 6]! | bytes[at + 7]!) < 0x80;
}
