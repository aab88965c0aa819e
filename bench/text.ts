/**
 * Cost of encoding and decoding text, ns, in each way that an adapter may use. `node bench/text.ts`
 *
 * This bench decided which way Node, Bun and Deno use, and up to which length Deno uses the one for short text.
 */
import { bufferText } from "../adapters/buffer_text.ts";
import { denoText } from "../adapters/deno_text.ts";
import { maskMemory } from "../adapters/mask_memory.ts";
import { webText } from "../adapters/web_text.ts";

const codecs = { web: webText, buffer: bufferText, deno: denoText };
const bytes = maskMemory!.bytes;
const out = new Uint8Array(65536);

function best(count: number, run: () => void): number {
  let least = Infinity;
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    for (let i = 0; i < count; i++) run();
    least = Math.min(least, (performance.now() - start) * 1e6 / count);
  }
  return least;
}

for (const unit of ["a", "é", "漢"]) {
  for (const length of [16, 32, 64, 256, 1024]) {
    const text = unit.repeat(length);
    const end = webText.encodeInto(text, bytes, 0);
    const figures = Object.entries(codecs).map(([name, codec]) => {
      const decode = best(50_000, () => codec.decode(bytes, 0, end));
      const encode = best(50_000, () => codec.encodeInto(text, out, 0));
      return `${name} ${decode.toFixed(0)} + ${encode.toFixed(0)}`;
    });
    console.log(`${String(length).padStart(5)} "${unit}": ${figures.join("   ")}`);
  }
}
