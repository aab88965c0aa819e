/** A second decoder of DEFLATE (RFC 1951), which shares no code with zlib and reports how far references reach back. */

export interface Blocks {
  readonly text: Uint8Array;
  /** The farthest that any reference reaches back; 0 without references. */
  readonly farthest: number;
}

type Code = Map<number, number>;

const lengthBase = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115]
  .concat([131, 163, 195, 227, 258]);
const lengthBits = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const orderOfLengths = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const fixedLengths = Array.from({ length: 288 }, (_, i) => i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);

/** Reads whole blocks up to the end of `bytes`; those that say they are the last are read as any other. */
export function readBlocks(bytes: Uint8Array): Blocks {
  const text: number[] = [];
  let farthest = 0;
  let at = 0;
  const bits = (count: number): number => {
    let value = 0;
    for (let i = 0; i < count; i++, at++) {
      if (at >> 3 >= bytes.length) throw new Error("a block is cut off");
      value |= (bytes[at >> 3]! >> (at & 7) & 1) << i;
    }
    return value;
  };
  const symbol = (code: Code): number => {
    // A leading one tells codes of different lengths apart.
    for (let word = 1; word < 1 << 16;) {
      word = word << 1 | bits(1);
      const found = code.get(word);
      if (found !== undefined) return found;
    }
    throw new Error("no such code");
  };
  const stored = (): void => {
    at = (at + 7) & ~7;
    const length = bits(16);
    if ((bits(16) ^ 0xffff) !== length) throw new Error("a stored block's length is wrong");
    for (let i = 0; i < length; i++) text.push(bits(8));
  };
  const packed = (literals: Code, distances: Code): void => {
    for (let word = symbol(literals); word !== 256; word = symbol(literals)) {
      if (word < 256) {
        text.push(word);
        continue;
      }
      const length = lengthBase[word - 257]! + bits(lengthBits[word - 257]!);
      const far = symbol(distances);
      const distance = far < 4 ? far + 1 : ((2 + (far & 1)) << ((far >> 1) - 1)) + 1 + bits((far >> 1) - 1);
      if (distance > text.length) throw new Error("a reference to before the beginning");
      farthest = Math.max(farthest, distance);
      for (let i = 0; i < length; i++) text.push(text[text.length - distance]!);
    }
  };
  const dynamic = (): void => {
    const [literals, distances, given] = [bits(5) + 257, bits(5) + 1, bits(4) + 4];
    const lengthsOfLengths = new Array<number>(19).fill(0);
    for (const i of orderOfLengths.slice(0, given)) lengthsOfLengths[i] = bits(3);
    const code = codeOf(lengthsOfLengths);
    const lengths: number[] = [];
    while (lengths.length < literals + distances) {
      const word = symbol(code);
      if (word < 16) lengths.push(word);
      else if (word === 16) lengths.push(...new Array<number>(3 + bits(2)).fill(lengths.at(-1)!));
      else lengths.push(...new Array<number>(word === 17 ? 3 + bits(3) : 11 + bits(7)).fill(0));
    }
    packed(codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals)));
  };
  while (at + 7 >> 3 < bytes.length) {
    bits(1);
    const kind = bits(2);
    if (kind === 0) stored();
    else if (kind === 1) packed(codeOf(fixedLengths), codeOf(new Array<number>(30).fill(5)));
    else if (kind === 2) dynamic();
    else throw new Error("no such block");
  }
  return { text: Uint8Array.from(text), farthest };
}

function codeOf(lengths: readonly number[]): Code {
  const code: Code = new Map();
  let next = 0;
  for (let length = 1; length < 16; length++, next <<= 1) {
    lengths.forEach((it, value) => it === length && code.set(1 << length | next++, value));
  }
  return code;
}
