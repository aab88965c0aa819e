/** Reads the header of a frame that came, and finds what RFC 6455 forbids in it. */

import { FIN, MASKED, MAX_CONTROL_PAYLOAD, Opcode, RSV1, RSV2_RSV3 } from "./frame_header.ts";

/** The length of a header whose second byte this is, bytes. */
export function receivedHeaderSize(second: number): number {
  const length = second & 0x7f;
  const size = length < 126 ? 2 : length === 126 ? 4 : 10;
  return (second & MASKED) !== 0 ? size + 4 : size;
}

/** The payload length of the header at `bytes[at]`, exact below 2^53. */
export function readPayloadLength(bytes: Uint8Array, at: number): number {
  const length = bytes[at + 1]! & 0x7f;
  if (length < 126) return length;
  if (length === 126) return (bytes[at + 2]! << 8) | bytes[at + 3]!;
  return readUint32(bytes, at + 2) * 0x100000000 + readUint32(bytes, at + 6);
}

/** The masking key at `bytes[at]`, its first byte lowest, as `applyMask` wants it. */
export function readKey(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/**
 * Fault of the first two bytes of a header; `null` when they are allowed. The order of the checks decides only which
 * reason the peer gets.
 *
 * @param maskBit the mask bit that the second byte must have: `MASKED`, or 0
 * @param extensionBits the reserved bits that an extension uses: `RSV1`, or 0
 * @param inMessage whether a message has begun and not ended
 */
export function firstBytesFault(
  first: number,
  second: number,
  maskBit: number,
  extensionBits: number,
  inMessage: boolean,
): string | null {
  const opcode = first & 0x0f;
  const startsMessage = opcode === Opcode.Text || opcode === Opcode.Binary;
  const reservedBits = first & (RSV1 | RSV2_RSV3);
  if (reservedBits !== 0 && !(startsMessage && reservedBits === extensionBits)) {
    return "a reserved bit is set";
  }
  if ((opcode > 2 && opcode < 8) || opcode > 10) return `opcode ${opcode} is unknown`;
  if ((second & MASKED) !== maskBit) {
    return maskBit === MASKED ? "a client's frame is not masked" : "a server's frame is masked";
  }
  if (opcode >= 8) return controlFault(first, second);
  if (startsMessage) return inMessage ? "a message begins inside another" : null;
  return inMessage ? null : "a continuation continues nothing";
}

/** 5.5: control frames are short and whole. */
function controlFault(first: number, second: number): string | null {
  if ((first & FIN) === 0) return "a control frame is fragmented";
  return (second & 0x7f) > MAX_CONTROL_PAYLOAD ? "a control frame is longer than 125 bytes" : null;
}

/** Fault of the length in the header at `bytes[at]`, which was read as `length`; `null` when it is allowed. */
export function lengthFault(bytes: Uint8Array, at: number, length: number): string | null {
  const announced = bytes[at + 1]! & 0x7f;
  if (announced < 126) return null;
  // 5.2: the most significant bit must be 0.
  if (announced === 127 && bytes[at + 2]! >= 0x80) return "a 64-bit length has its highest bit set";
  const least = announced === 126 ? 126 : 65536;
  return length < least ? "a length is not written in the fewest bytes" : null;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
