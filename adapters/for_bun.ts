import type { RuntimeAdapter } from "../src/net/runtime.ts";
import { bunAdapter } from "./bun.ts";

/** The adapter of this runtime. Replaces `runtime.ts` in the npm package where the condition `bun` holds, so that the other adapters are not loaded. */
export function currentAdapter(): RuntimeAdapter {
  if ("Bun" in globalThis) return bunAdapter;
  throw new Error(
    'Cannot run here: this was bundled for Bun; bundle it with the condition "node" or "deno", or with none of the three',
  );
}
