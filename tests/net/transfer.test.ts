/**
 * Large transfers to a slow reader, in little memory. `JACKFIELD_TRANSFER_MIB` says how large; then the memory that they
 * took is printed. With `JACKFIELD_TRANSFER_GARBAGE` as well, garbage counts, and no bound is held.
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type TransferReport, transports } from "./transfer_peer.ts";

const { JACKFIELD_TRANSFER_MIB, JACKFIELD_TRANSFER_GARBAGE } = process.env;
const countsGarbage = JACKFIELD_TRANSFER_GARBAGE !== undefined;
const size = Number(JACKFIELD_TRANSFER_MIB ?? 64);
const limit = { timeout: 60_000 + size * 200 };

const program = fileURLToPath(new URL("./transfer_peer.ts", import.meta.url));
const isDeno = process.versions.deno !== undefined;
const flags = [
  ...(isDeno ? ["run", "-A", "--no-check"] : []),
  ...(countsGarbage ? [] : [isDeno ? "--v8-flags=--expose-gc" : "--expose-gc"]),
];

/** What one end may hold, whatever the size. */
const BOUND = 16;

const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) process.kill(child.pid!, "SIGKILL");
});

/** A process of this runtime; its lines come one by one. */
function start(...args: string[]): { nextLine(): Promise<string>; ended: Promise<unknown> } {
  const child = spawn(process.execPath, [...flags, program, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.add(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, "exit").then(([code]) => {
    running.delete(child);
    return code;
  });
  return { nextLine: async () => (await lines.next()).value ?? "", ended };
}

async function transfer(transport: string): Promise<{ reader: TransferReport; writer: TransferReport }> {
  const reader = start("read", transport, String(size));
  const writer = start("write", transport, String(size), await reader.nextLine());
  const lines = await Promise.all([reader.nextLine(), writer.nextLine()]);
  assert.deepEqual(await Promise.all([reader.ended, writer.ended]), [0, 0]);
  const [read, written] = lines.map((line) => JSON.parse(line) as TransferReport);
  return { reader: read!, writer: written! };
}

function growth({ start, most }: TransferReport): string {
  return `${(most - start).toFixed(1)} over ${start.toFixed(1)} MiB`;
}

describe(`transfer: ${size} MiB to a slow reader`, () => {
  for (const transport of Object.keys(transports)) {
    it(`over ${transport}`, limit, async () => {
      const { reader, writer } = await transfer(transport);
      if (JACKFIELD_TRANSFER_MIB !== undefined) {
        console.log(`${transport}: reader ${growth(reader)}, writer ${growth(writer)}`);
      }
      assert.equal(reader.checksum, writer.checksum);
      if (countsGarbage) return;
      assert.ok(reader.most < reader.start + BOUND, `the reader took ${growth(reader)}`);
      assert.ok(writer.most < writer.start + BOUND, `the writer took ${growth(writer)}`);
    });
  }
});
