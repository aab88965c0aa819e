/** The header of a frame, RFC 6455, 5.2. */

/** Opcodes: the kinds of frames. */
export const Opcode = {
  Continuation: 0x0,
  Text: 0x1,
  Binary: 0x2,
  Close: 0x8,
  Ping: 0x9,
  Pong: 0xa,
} as const;

/** One of the opcodes. */
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** The bit of the first byte that marks the last frame of a message. */
export const FIN = 0x80;
/** The reserved bit of the first byte that marks a compressed message (RFC 7692, 6). */
export const RSV1 = 0x40;
/** The reserved bits of the first byte that no extension here uses. */
export const RSV2_RSV3 = 0x30;
/** The bit of the second byte that marks a masked payload. */
export const MASKED = 0x80;

/** The longest header, bytes: two, eight of length, four of masking key. */
export const MAX_HEADER_SIZE = 14;

/** The longest payload of a control frame, bytes (5.5). */
export const MAX_CONTROL_PAYLOAD = 125;

/** The length of a header, bytes. */
export function headerSize(payloadLength: number, masked: boolean): number {
  return (payloadLength < 126 ? 2 : payloadLength < 65536 ? 4 : 10) + (masked ? 4 : 0);
}

/**
 * Writes a header at `into[at]` and returns where it ends. The length takes the fewest bytes that hold it, as 5.2 asks.
 *
 * @param first FIN, reserved bits and opcode
 * @param key the masking key, the first byte lowest, or `null` for none
 */
export function writeHeader(
  into: Uint8Array,
  at: number,
  first: number,
  payloadLength: number,
  key: number | null,
): number {
  const mask = key === null ? 0 : MASKED;
  into[at++] = first;
  if (payloadLength < 126) {
    into[at++] = mask | payloadLength;
  } else if (payloadLength < 65536) {
    into[at++] = mask | 126;
    into[at++] = payloadLength >> 8;
    into[at++] = payloadLength;
  } else {
    into[at++] = mask | 127;
    at = writeUint32(into, at, Math.floor(payloadLength / 0x100000000));
    at = writeUint32(into, at, payloadLength);
  }
  if (key === null) return at;
  into[at++] = key;
  into[at++] = key >> 8;
  into[at++] = key >> 16;
  into[at++] = key >> 24;
  return at;
}

function writeUint32(into: Uint8Array, at: number, value: number): number {
  into[at++] = value >>> 24;
  into[at++] = value >>> 16;
  into[at++] = value >>> 8;
  into[at++] = value;
  return at;
}
