import type { RuntimeAdapter } from "../src/net/runtime.ts";
import { bunAdapter } from "./bun.ts";
import { denoAdapter } from "./deno.ts";
import { nodeAdapter } from "./node.ts";

/** The adapter of the runtime that this is. Bun and Deno both look like Node too, so they are asked first. */
export function currentAdapter(): RuntimeAdapter {
  if ("Bun" in globalThis) return bunAdapter;
  if ("Deno" in globalThis) return denoAdapter;
  return nodeAdapter;
}
