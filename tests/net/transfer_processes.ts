/** Large transfers between two processes, with their size and mode from the environment. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { after } from "node:test";
import type { TransferReport } from "./transfer_peer.ts";

const { JACKFIELD_TRANSFER_MIB, JACKFIELD_TRANSFER_GARBAGE } = process.env;
/** Whether garbage counts as used memory. */
const countsGarbage = JACKFIELD_TRANSFER_GARBAGE !== undefined;
/** Megabytes to pass. */
export const size: number = Number(JACKFIELD_TRANSFER_MIB ?? 64);
/** Options of every test. */
export const limit: { timeout: number } = { timeout: 60_000 + size * 200 };

/** What one end may hold, whatever the size. */
const BOUND = 16;

const isDeno = process.versions.deno !== undefined;
const flags = [
  ...(isDeno ? ["run", "-A", "--no-check"] : []),
  ...(countsGarbage ? [] : [isDeno ? "--v8-flags=--expose-gc" : "--expose-gc"]),
];

const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) process.kill(child.pid!, "SIGKILL");
});

/** A process of this runtime; its lines come one by one. */
function start(...args: string[]): { nextLine(): Promise<string>; ended: Promise<unknown> } {
  const child = spawn(process.execPath, [...flags, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, "exit").then(([code]) => {
    running.delete(child);
    return code;
  });
  return { nextLine: async () => (await lines.next()).value ?? "", ended };
}

function growth({ start, most }: TransferReport): string {
  return `${(most - start).toFixed(1)} over ${start.toFixed(1)} MiB`;
}

/** Runs both ends of `program`; what is read must be what was written, and neither end may hold much of it. */
export async function checkTransfer(program: string, way: string): Promise<void> {
  const reader = start(program, "read", way, String(size));
  const writer = start(program, "write", way, String(size), await reader.nextLine());
  const lines = await Promise.all([reader.nextLine(), writer.nextLine()]);
  assert.deepEqual(await Promise.all([reader.ended, writer.ended]), [0, 0]);
  const [read, written] = lines.map((line) => JSON.parse(line) as TransferReport) as [
    TransferReport,
    TransferReport,
  ];
  if (JACKFIELD_TRANSFER_MIB !== undefined) {
    console.log(`${way}: reader ${growth(read)}, writer ${growth(written)}`);
  }
  assert.equal(read.checksum, written.checksum);
  if (countsGarbage) return;
  assert.ok(read.most < read.start + BOUND, `the reader took ${growth(read)}`);
  assert.ok(written.most < written.start + BOUND, `the writer took ${growth(written)}`);
}
