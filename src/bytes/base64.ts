/** Base64 with padding (RFC 4648, section 4), for short inputs such as handshake keys. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Encodes `bytes` as base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group = byteAt(bytes, i) << 16 | byteAt(bytes, i + 1) << 8 | byteAt(bytes, i + 2);
    const third = left > 1 ? digit(group >> 6 & 63) : PADDING;
    const fourth = left > 2 ? digit(group & 63) : PADDING;
    text += String.fromCharCode(digit(group >> 18), digit(group >> 12 & 63), third, fourth);
  }
  return text;
}

/**
 * Number of bytes that a base64 text decodes to; `null` when the text is not base64.
 *
 * Padding is required. The unused bits of the last character need not be zero: RFC 4648, section 3.5 leaves that to the
 * decoder, and some WebSocket clients choose the characters of their key at random.
 */
export function base64ByteLength(text: string): number | null {
  if (text.length % 4 !== 0) return null;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  for (let i = 0; i < text.length - padding; i++) {
    if (!isBase64Char(text.charCodeAt(i))) return null;
  }
  return text.length / 4 * 3 - padding;
}

const PADDING = 0x3d;

function digit(value: number): number {
  return ALPHABET.charCodeAt(value);
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}

function isBase64Char(code: number): boolean {
  return code >= 0x61 && code <= 0x7a || // a-z
    code >= 0x41 && code <= 0x5a || // A-Z
    code >= 0x30 && code <= 0x39 || // 0-9
    code === 0x2b || code === 0x2f; // + /
}
