/** Processes with one open resource, which must keep the process alive or must let it end. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Conn, dial, listen, listenAndServe, type Listener, type Server } from "../../mod.ts";
import { currentAdapter } from "../../adapters/runtime.ts";
import { limit } from "./support.ts";

const runtime = currentAdapter().name;
const program = fileURLToPath(new URL("lifetime_child.ts", import.meta.url));
const command = runtime === "deno" ? ["run", "-A", "--no-check", program] : [program];

const running = new Set<ChildProcess>();
const conns = new Set<Conn>();
let peer: Listener;
let webPeer: Server;

/** Sends a megabyte to whoever asks for it, and nothing to others. */
async function servePeer(): Promise<void> {
  for await (const conn of peer) {
    conns.add(conn);
    void conn.readChunk().then((chunk) => chunk && conn.write(new Uint8Array(1 << 20))).catch(() => {});
  }
}

before(async () => {
  peer = await listen("tcp", "127.0.0.1:0");
  void servePeer();
  webPeer = await listenAndServe("tcp", "127.0.0.1:0", {
    async websocket(conn) {
      await conn.readMessage().catch(() => {});
    },
  });
});
after(async () => {
  for (const child of running) child.kill("SIGKILL");
  for (const conn of conns) conn.closeNow();
  await peer.close();
  await webPeer.close();
});

/** Runs one to its end: whether it was still there to say so, or ended before. */
async function endOf(what: string, calls: string[], expected: Outcome): Promise<Outcome> {
  const address = String(what === "WebSocket" ? webPeer.addr : peer.addr);
  const args = [...command, what, calls.join(","), address, expected];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let [printed, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    printed += part;
    const address = /^127\.0\.0\.1:\d+$/m.exec(part)?.[0];
    if (address !== undefined) void dial("tcp", address).then((conn) => conns.add(conn));
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => errors += part);
  const [code] = await once(child, "close");
  running.delete(child);
  assert.equal(code, 0, errors);
  return /^held$/m.test(printed) ? "held" : "ends";
}

type Outcome = "held" | "ends";
const onBun = runtime === "bun" ? "held" : "ends";
const onNodeAndBun = runtime === "deno" ? "ends" : "held";

// Deno's `node:dgram` does not let go of a `receive` that waits: see the table of its adapter.
const offDeno = runtime === "deno" ? "held" : "ends";

const cases: [what: string, calls: string[], expected: Outcome][] = [
  ["listener", [], onNodeAndBun],
  ["listener", ["accept"], "held"],
  ["listener", ["accept", "deadline", "unref"], "ends"],
  ["listener", ["unref", "accept"], "ends"],
  ["listener", ["unref", "accept", "ref"], "held"],
  ["listener", ["accept", "unref", "ref", "unref"], "ends"],
  ["listener with reusePort", ["unref", "accept"], "ends"],
  ["listener on unix", ["accept"], "held"],
  ["listener on unix", ["accept", "unref"], "ends"],
  ["listener that is served", [], "held"],
  ["listener that is served", ["unref"], "ends"],
  ["server", [], "held"],
  ["dialled conn", [], "held"],
  ["dialled conn", ["unref"], "ends"],
  ["dialled conn", ["read", "deadline", "unref"], "ends"],
  ["dialled conn", ["unref", "read"], "ends"],
  ["dialled conn", ["unref", "read", "ref"], "held"],
  ["dialled conn with localAddress", ["unref", "read"], "ends"],
  ["accepted conn", [], "held"],
  ["accepted conn", ["unref", "read"], "ends"],
  ["accepted conn under maxConnections", ["unref", "read"], "ends"],
  ["conn that nobody reads", [], onBun],
  ["conn that nobody reads", ["unref"], "ends"],
  ["pipe", ["read", "deadline", "ref"], "ends"],
  ["UDP socket", [], "held"],
  ["UDP socket", ["unref"], offDeno],
  ["UDP socket", ["read", "deadline", "unref"], offDeno],
  ["UDP socket", ["unref", "read", "ref"], "held"],
  ["UDP socket with reuseAddress", ["read"], "held"],
  ["UDP socket with reuseAddress", ["unref", "read"], offDeno],
  ["dialled UDP conn", [], "held"],
  ["dialled UDP conn", ["unref", "read"], offDeno],
  ["WebSocket", [], "held"],
  ["WebSocket", ["read", "deadline", "unref"], "ends"],
];

describe("a process", () => {
  for (const [what, calls, expected] of cases) {
    const done = calls.length === 0 ? "" : ` after ${calls.join(", ")}`;
    it(`${expected === "held" ? "is held by" : "ends with"} one ${what}${done}`, limit, async () => {
      assert.equal(await endOf(what, calls, expected), expected);
    });
  }
});
