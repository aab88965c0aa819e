/** Text of one byte a character (ISO 8859-1), as heads of HTTP are. */

/** The bytes of the text. */
export function encodeLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  writeLatin1(text, bytes, 0);
  return bytes;
}

/** Writes the bytes of the text at `offset`. */
export function writeLatin1(text: string, into: Uint8Array, offset: number): void {
  for (let i = 0; i < text.length; i++) into[offset + i] = text.charCodeAt(i);
}
