/** Starts a server and then a client over one transport, as processes of this runtime: `run.ts tcp|udp|ws`. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const kind = process.argv[2];
if (kind !== "tcp" && kind !== "udp" && kind !== "ws") {
  console.error("Usage: run.ts tcp|udp|ws");
  process.exit(2);
}
const flags = process.versions.deno === undefined ? [] : ["run", "--no-check", "--allow-net"];

/** Starts one side and prints its output line by line. */
function start(side: "server" | "client", address: string): ChildProcess {
  const program = fileURLToPath(new URL(`${kind}_${side}.ts`, import.meta.url));
  const child = spawn(process.execPath, [...flags, program, address], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  createInterface({ input: child.stdout! }).on("line", (line) => console.log(`${side}: ${line}`));
  return child;
}

const server = start("server", "127.0.0.1:0");
const lines = createInterface({ input: server.stdout! });
const [line] = await once(lines, "line") as [string];
const client = start("client", line.split(" ").at(-1)!);
const [code] = await once(client, "exit") as [number];
process.kill(server.pid!, "SIGTERM");
process.exitCode = code;
