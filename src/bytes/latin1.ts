/** ISO 8859-1: one byte a character, the encoding of HTTP heads. */

/** Encodes a text whose characters are all below U+0100. */
export function encodeLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  writeLatin1(text, bytes, 0);
  return bytes;
}

/** Writes the text into `into`, from `offset` on. */
export function writeLatin1(text: string, into: Uint8Array, offset: number): void {
  for (let i = 0; i < text.length; i++) into[offset + i] = text.charCodeAt(i);
}
