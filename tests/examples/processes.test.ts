/** The example of several processes behind one port. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { dialWebSocket, listen } from "../../mod.ts";
import { holdProcess } from "../net/support.ts";

holdProcess();

const program = fileURLToPath(new URL("../../examples/processes.ts", import.meta.url));
const args = process.versions.deno === undefined ? [program] : ["run", "-A", "--no-check", program];

async function freeAddress(): Promise<string> {
  const listener = await listen("tcp", "127.0.0.1:0");
  const address = String(listener.addr);
  await listener.close();
  return address;
}

describe("examples/processes.ts", () => {
  it("shares a port among processes, and ends them all", { timeout: 60_000 }, async () => {
    const address = await freeAddress();
    const child = spawn(process.execPath, [...args, address, "2"], { stdio: ["ignore", "pipe", "inherit"] });
    after(() => child.kill("SIGKILL"));
    const ended = once(child, "exit");
    let printed = "";
    for await (const part of child.stdout!.setEncoding("utf8")) {
      printed += part;
      if (printed.split("\n").length > 2) break;
    }
    const workers = new Set(Array.from(printed.matchAll(/process (\d+) listens on (.+)/g), ([, pid]) => pid));
    assert.equal(workers.size, 2);

    // Which process a connection comes to is the kernel's choice: a hundred all to one of two would be a miracle.
    const seen = new Set<string>();
    for (let i = 0; i < 100; i++) {
      seen.add((await (await fetch(`http://${address}/`)).text()).trim());
    }
    assert.deepEqual(seen, workers);

    const conn = await dialWebSocket(`ws://${address}/`);
    await conn.writeMessage("hello");
    assert.equal((await conn.readMessage()).data, "hello");
    process.kill(child.pid!, "SIGTERM");
    await assert.rejects(conn.readMessage(), { code: 1001 });
    assert.deepEqual(await ended, [0, null]);
  });
});
