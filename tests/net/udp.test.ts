import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { currentAdapter } from "../../adapters/runtime.ts";
import { dial, listenPacket } from "../../mod.ts";
import { type PacketMaker, testPacketConn } from "./packet_conformance.ts";

const { name } = currentAdapter();
const { Deno } = globalThis as { Deno?: object };
const native = Deno !== undefined && "listenDatagram" in Deno;

/** Sockets with options that only `node:dgram` has, or with none. */
function maker(options: { writeBuffer?: number }): PacketMaker {
  return {
    listen: (address, more) => listenPacket("udp", address, { ...options, ...more }),
    dial: (address, more) => dial("udp", address, { ...options, ...more }),
  };
}

const refuses = name !== "deno";
testPacketConn("udp", maker({}), { refuses });
if (name === "bun" || native) {
  testPacketConn("udp through node:dgram", maker({ writeBuffer: 200_000 }), { refuses });
}

describe("udp", () => {
  it("holds all that through Deno.listenDatagram too", {
    timeout: 180_000,
    skip: name === "deno" && !native ? false : "only Deno has two, and one of them only when asked for",
  }, async () => {
    const file = fileURLToPath(import.meta.url);
    const args = ["test", "-A", "--no-check", "--unstable-net", file];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (part: string) => output += part);
    }
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(code, 0, output);
    assert.match(output, /udp through node:dgram/);
  });
});
