/**
 * Throughput of ways to unmask, GB/s: by bytes, by words, by four words a step, by sixteen bytes a step in the memory
 * of `mask_memory.ts`, and by the last one including a copy into that memory. `node bench/mask.ts`
 *
 * This bench decided how `src/bytes/mask.ts` steps through a payload, from which length on it makes a view of words,
 * and that chunks are copied into that memory.
 */
import { maskMemory } from "../adapters/mask_memory.ts";
import { applyMask } from "../src/bytes/mask.ts";

const KEY = 0x12345678;

const memory = maskMemory!.bytes;

function maskBytes(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) bytes[i]! ^= (KEY >>> ((i & 3) << 3)) & 255;
}

function maskWords(bytes: Uint8Array): void {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  for (let i = 0; i < words.length; i++) words[i]! ^= KEY;
}

const ways: readonly [string, (bytes: Uint8Array) => void][] = [
  ["bytes", maskBytes],
  ["words", maskWords],
  ["applyMask", (bytes) => applyMask(bytes, 0, bytes.length, KEY)],
  ["in the memory", (bytes) => maskMemory!.mask(0, bytes.length, KEY)],
  ["moved there", (bytes) => {
    memory.set(bytes);
    maskMemory!.mask(0, bytes.length, KEY);
  }],
];

function measure(mask: (bytes: Uint8Array) => void, size: number): number {
  const bytes = new Uint8Array(size);
  const count = (1 << 27) / size;
  let best = 0;
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    for (let i = 0; i < count; i++) mask(bytes);
    best = Math.max(best, (count * size) / (performance.now() - start) / 1e6);
  }
  return best;
}

for (const size of [16, 32, 64, 128, 1024, 65536, 1 << 19]) {
  const figures = ways.map(([name, mask]) => `${name} ${measure(mask, size).toFixed(2)}`);
  console.log(`${String(size).padStart(8)} B: ${figures.join("   ")} GB/s`);
}
