/**
 * SHA-1 (FIPS 180-4, 6.1) of short inputs.
 *
 * The opening handshake of RFC 6455 uses SHA-1 only to show that the server speaks WebSocket, so its weakness does not
 * matter. This implementation exists because no synchronous one is available on all three runtimes.
 */

/** Length of a digest, bytes. */
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
// Shared by all calls, which are synchronous.
const state = new Int32Array(5);
const twoBlocks = new Uint8Array(2 * BLOCK_LENGTH);
/** Message schedule of the current block. */
const schedule = new Int32Array(80);

/** The message, a one bit, zeros, and its length in bits: whole blocks (FIPS 180-4, 5.1.1). */
function pad(message: Uint8Array): Uint8Array {
  const blocks = Math.ceil((message.length + 9) / BLOCK_LENGTH);
  // A handshake's message takes two blocks. Allocating them each time would take V8 half of the digest's time.
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

/** The eighty rounds over one block (FIPS 180-4, 6.1.2). Signed constants keep all numbers in 32 bits. */
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

/** The 32-bit number in four bytes, the most significant first. */
function readWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
}

function writeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
