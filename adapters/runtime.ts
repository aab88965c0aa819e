import type { RuntimeAdapter } from "../src/net/runtime.ts";
import { bunAdapter } from "./bun.ts";
import { denoAdapter } from "./deno.ts";
import { nodeAdapter } from "./node.ts";

/** The adapter of this runtime. Bun and Deno look like Node too, so they are looked for first. */
export function currentAdapter(): RuntimeAdapter {
  if ("Bun" in globalThis) return bunAdapter;
  if ("Deno" in globalThis) return denoAdapter;
  return nodeAdapter;
}
