/**
 * The WebAssembly module behind `mask_memory.ts`: `mask(start, stop, key)`, `ascii(start, stop)`, and their memory. Written
 * in the binary format, because fifty instructions are not worth a compiler among the tools.
 */

const I32 = 0x7f, V128 = 0x7b, NO_RESULT = 0x40, FUNCTION = 0x60;
const BLOCK = 0x02, LOOP = 0x03, IF = 0x04, END = 0x0b, BRANCH = 0x0c, BRANCH_IF = 0x0d, RETURN = 0x0f;
const LOCAL_GET = 0x20, LOCAL_SET = 0x21, I32_CONST = 0x41;
const I32_LESS = 0x49, I32_ADD = 0x6a, I32_SUB = 0x6b, I32_AND = 0x71, I32_XOR = 0x73, I32_ROTR = 0x78;
/** Instructions on memory: alignment of one byte, offset 0. */
const I32_LOAD8 = [0x2d, 0, 0], I32_STORE8 = [0x3a, 0, 0];
const V128_LOAD = [0xfd, 0x00, 0, 0], V128_STORE = [0xfd, 0x0b, 0, 0];
const I32X4_SPLAT = [0xfd, 0x11], V128_XOR = [0xfd, 0x51], I8X16_BITMASK = [0xfd, 0x64];

/** Indexes of the parameters, and of the local of `mask`, which holds the key four times. */
const START = 0, STOP = 1, KEY = 2, KEYS = 3;

/**
 * Makes the module.
 *
 * @param pages pages of its memory, 64 KiB each, at most 127
 */
export function maskModule(pages: number): Uint8Array {
  return new Uint8Array([
    ...[0x00, ...ascii("asm"), 1, 0, 0, 0],
    ...section(1, [2, FUNCTION, 3, I32, I32, I32, 0, FUNCTION, 2, I32, I32, 1, I32]),
    ...section(3, [2, 0, 1]),
    ...section(5, [1, 1, pages, pages]),
    ...section(7, [3, ...named("mask", 0, 0), ...named("ascii", 0, 1), ...named("memory", 2, 0)]),
    ...section(10, [2, ...sized([1, 1, V128, ...maskBody()]), ...sized([0, ...asciiBody()])]),
  ]);
}

function maskBody(): number[] {
  return [
    ...[LOCAL_GET, KEY, ...I32X4_SPLAT, LOCAL_SET, KEYS],
    // memory[start, start + 16) ^= keys
    ...whileLeft(16, [
      ...[LOCAL_GET, START, LOCAL_GET, START, ...V128_LOAD],
      ...[LOCAL_GET, KEYS, ...V128_XOR, ...V128_STORE],
    ]),
    // memory[start] ^= key; key = rotr(key, 8)
    ...whileLeft(1, [
      ...[LOCAL_GET, START, LOCAL_GET, START, ...I32_LOAD8, LOCAL_GET, KEY, I32_XOR, ...I32_STORE8],
      ...[LOCAL_GET, KEY, I32_CONST, 8, I32_ROTR, LOCAL_SET, KEY],
    ]),
    END,
  ];
}

function asciiBody(): number[] {
  const returnZeroIf = (condition: number[]) => [...condition, IF, NO_RESULT, I32_CONST, 0, RETURN, END];
  return [
    ...whileLeft(16, returnZeroIf([LOCAL_GET, START, ...V128_LOAD, ...I8X16_BITMASK])),
    ...whileLeft(1, returnZeroIf([LOCAL_GET, START, ...I32_LOAD8, I32_CONST, 0x80, 0x01, I32_AND])),
    ...[I32_CONST, 1, END],
  ];
}

/** `while (stop - start >= step) { body; start += step }` */
function whileLeft(step: number, body: number[]): number[] {
  return [
    ...[BLOCK, NO_RESULT, LOOP, NO_RESULT],
    ...[LOCAL_GET, STOP, LOCAL_GET, START, I32_SUB, I32_CONST, step, I32_LESS, BRANCH_IF, 1],
    ...body,
    ...[LOCAL_GET, START, I32_CONST, step, I32_ADD, LOCAL_SET, START],
    ...[BRANCH, 0, END, END],
  ];
}

function section(id: number, content: number[]): number[] {
  return [id, ...sized(content)];
}

/** Puts the length in front of `content`, in groups of seven bits. */
function sized(content: number[]): number[] {
  const { length } = content;
  return length < 128 ? [length, ...content] : [(length & 127) | 128, length >> 7, ...content];
}

function named(name: string, kind: number, index: number): number[] {
  return [...sized(ascii(name)), kind, index];
}

function ascii(text: string): number[] {
  return Array.from(text, (char) => char.charCodeAt(0));
}
