/** UTF-8 as adapters provide it: a runtime's own calls are several times as fast as the portable ones. */
export interface TextCodec {
  /** The text of `bytes[start, end)`, or `null` when it is not UTF-8. A byte order mark is kept. */
  decode(bytes: Uint8Array, start: number, end: number): string | null;
  /** The UTF-8 bytes of `text`; a lone surrogate becomes U+FFFD. */
  encode(text: string): Uint8Array;
  /**
   * Writes the UTF-8 bytes of `text` into `into` from `offset` on, and returns their number. `into` must have room for
   * three bytes for each code unit.
   */
  encodeInto(text: string, into: Uint8Array, offset: number): number;
}
