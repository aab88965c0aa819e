/**
 * SHA-1 (FIPS 180-4, 6.1) of short inputs.
 *
 * RFC 6455 asks for it in the opening handshake, where it only shows that the server speaks
 * WebSocket: nothing here rests on its strength. It is synchronous, which no runtime's own is on all three.
 */

/** Bytes of a digest. */
export const SHA1_LENGTH = 20;

/** The SHA-1 digest of the message: 20 bytes. */
export function sha1(message: Uint8Array): Uint8Array {
  const padded = pad(message);
  state.set(INITIAL);
  for (let offset = 0; offset < padded.length; offset += BLOCK_LENGTH) {
    loadSchedule(padded, offset);
    mixBlock(state);
  }
  const digest = new Uint8Array(SHA1_LENGTH);
  for (let i = 0; i < 5; i++) writeWord(digest, i * 4, word(state, i));
  return digest;
}

const BLOCK_LENGTH = 64;
const INITIAL: readonly number[] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
// A call never suspends, so that one of each is enough.
const state = new Int32Array(5);
const twoBlocks = new Uint8Array(2 * BLOCK_LENGTH);
/** The message schedule of the block in work. */
const schedule = new Int32Array(80);

/** The message, a one bit, zeros, and its length in bits: whole blocks (FIPS 180-4, 5.1.1). */
function pad(message: Uint8Array): Uint8Array {
  const blocks = Math.ceil((message.length + 9) / BLOCK_LENGTH);
  // A handshake's takes two: memory of its own would cost V8 half of what the digest does.
  const bytes = blocks === 2 ? twoBlocks.fill(0) : new Uint8Array(blocks * BLOCK_LENGTH);
  bytes.set(message);
  bytes[message.length] = 0x80;
  writeWord(bytes, bytes.length - 8, Math.floor(message.length / 2 ** 29));
  writeWord(bytes, bytes.length - 4, message.length << 3);
  return bytes;
}

function loadSchedule(padded: Uint8Array, offset: number): void {
  for (let i = 0; i < 16; i++) schedule[i] = readWord(padded, offset + i * 4);
  for (let i = 16; i < 80; i++) {
    const mixed = word(schedule, i - 3) ^ word(schedule, i - 8) ^ word(schedule, i - 14) ^
      word(schedule, i - 16);
    schedule[i] = mixed << 1 | mixed >>> 31;
  }
}

/** The eighty rounds over one block (FIPS 180-4, 6.1.2); signed constants keep it among small integers. */
function mixBlock(state: Int32Array): void {
  let a = word(state, 0), b = word(state, 1), c = word(state, 2), d = word(state, 3), e = word(state, 4);
  for (let i = 0; i < 80; i++) {
    let f: number;
    if (i < 20) f = (b & c | ~b & d) + 0x5a827999 | 0;
    else if (i < 40) f = (b ^ c ^ d) + 0x6ed9eba1 | 0;
    else if (i < 60) f = (b & c | b & d | c & d) - 0x70e44324 | 0;
    else f = (b ^ c ^ d) - 0x359d3e2a | 0;
    const next = (a << 5 | a >>> 27) + f + e + word(schedule, i) | 0;
    e = d;
    d = c;
    c = b << 30 | b >>> 2;
    b = a;
    a = next;
  }
  state[0] = word(state, 0) + a;
  state[1] = word(state, 1) + b;
  state[2] = word(state, 2) + c;
  state[3] = word(state, 3) + d;
  state[4] = word(state, 4) + e;
}

function word(words: Int32Array, index: number): number {
  return words[index] as number;
}

/** Four bytes, the first one highest. */
function readWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
}

function writeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
