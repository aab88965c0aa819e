import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { currentAdapter } from "../../adapters/runtime.ts";
import { streamWrap } from "../../adapters/stream_wrap.ts";

const run = promisify(execFile);
const skip = currentAdapter().name !== "node" && "only Node has its handles";
/** Each starts Node, with tests of its own. */
const slow = { timeout: 120_000, skip };

/** Without what a runner of tests tells its own. */
const env = { ...process.env, NODE_TEST_CONTEXT: undefined };

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

describe("Node's handles", () => {
  it("are used on this version of Node", { skip }, () => {
    assert.notEqual(streamWrap, null);
  });

  it("are done without where Node does not show them", slow, async () => {
    const hidden = "data:text/javascript,process.binding = undefined";
    const files = ["tcp", "unix", "listener", "options"].map((name) => pathOf(`../net/${name}.test.ts`));
    const { stdout } = await run(process.execPath, ["--import", hidden, "--test", ...files], { env });
    assert.match(stdout, /^(ℹ|#) fail 0$/m);
  });

  it("warn nobody", slow, async () => {
    const program = `
      const { dial, listen } = await import(${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)});
      const listener = await listen("tcp", "127.0.0.1:0");
      const [there, here] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
      await here.write(Uint8Array.of(1));
      console.log((await there.readChunk()).length);
      await Promise.all([here.close(), there.close(), listener.close()]);
    `;
    const args = ["--pending-deprecation", "--input-type=module", "--eval", program];
    const { stdout, stderr } = await run(process.execPath, args, { env });
    assert.equal(stdout, "1\n");
    assert.doesNotMatch(stderr, /Deprecation/);
  });

  it("leave warnings of others as they were", { skip }, () => {
    assert.equal("noDeprecation" in process && process.noDeprecation !== undefined, false);
  });
});
