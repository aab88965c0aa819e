import type { RuntimeAdapter } from "../src/net/runtime.ts";
import { nodeAdapter } from "./node.ts";

/** The adapter of this runtime. Replaces `runtime.ts` in the npm package where the condition `node` holds, so that the other adapters are not loaded. */
export function currentAdapter(): RuntimeAdapter {
  if (!("Bun" in globalThis || "Deno" in globalThis)) return nodeAdapter;
  throw new Error(
    'Cannot run here: this was bundled for Node; bundle it with the condition "bun" or "deno", or with none of the three',
  );
}
