import type { RuntimeAdapter } from "../src/net/runtime.ts";
import { denoAdapter } from "./deno.ts";

/** The adapter of this runtime. Replaces `runtime.ts` in the npm package where the condition `deno` holds, so that the other adapters are not loaded. */
export function currentAdapter(): RuntimeAdapter {
  if ("Deno" in globalThis) return denoAdapter;
  throw new Error(
    'Cannot run here: this was bundled for Deno; bundle it with the condition "node" or "bun", or with none of the three',
  );
}
