/**
 * Many short connections that end in every way there is, and what is left of them: `soak.ts [CONNECTIONS]`, 10,000 by
 * default. On every runtime: `node --expose-gc`, `bun --expose-gc`, `deno run -A --v8-flags=--expose-gc`; without the
 * collector to call, garbage counts.
 */

import assert from "node:assert/strict";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { currentAdapter } from "../adapters/runtime.ts";
import type { Conn, Listener } from "../src/net/conn.ts";
import { dialOn, listenOn } from "../src/net/dial.ts";
import { DeadlineExceededError, NetError } from "../src/net/errors.ts";
import { readFull } from "../src/net/io.ts";
import { Runtime } from "../src/net/runtime.ts";
import { openDescriptors } from "../tests/net/descriptors.ts";

/** Connections at a time. */
const BATCH = 50;
/** Bytes of a request; the first says how the connection is to end. */
const SIZE = 100;
const MEGABYTE = 1 << 20;

/** How the client ends, after one exchange where it comes to that. */
const endings: readonly ((conn: Conn) => void | Promise<void>)[] = [
  (conn) => conn.close(),
  (conn) => conn.closeNow(),
  async (conn) => {
    await conn.closeWrite();
    await untilEnd(conn);
    await conn.close();
  },
  // The server closes, or drops it.
  async (conn) => {
    await untilEnd(conn);
    await conn.close();
  },
  async (conn) => {
    await untilEnd(conn);
    conn.closeNow();
  },
];
const CLOSED_BY_SERVER = 3;
const DROPPED_BY_SERVER = 4;

/** Makes `count` connections to a listener of its own; resolves when all are closed. Every sixth is given up while dialling. */
export async function soak(runtime: Runtime, count: number): Promise<void> {
  const listener = await listenOn(runtime, "tcp", "127.0.0.1:0");
  const serving = serve(listener);
  for (let at = 0; at < count; at += BATCH) {
    const size = Math.min(BATCH, count - at);
    await Promise.all(
      Array.from({ length: size }, (_, i) => connect(runtime, String(listener.addr), at + i)),
    );
  }
  await listener.close();
  await serving;
}

async function connect(runtime: Runtime, address: string, index: number): Promise<void> {
  const ending = index % (endings.length + 1);
  if (ending === endings.length) return await giveUp(runtime, address);
  const conn = await dialOn(runtime, "tcp", address, { timeout: 30_000 });
  conn.setDeadline(Date.now() + 30_000);
  const request = new Uint8Array(SIZE).fill(index);
  request[0] = ending;
  await conn.write(request);
  const response = new Uint8Array(SIZE);
  await readFull(conn, response);
  assert.deepEqual(response, request);
  await endings[ending]!(conn);
}

async function giveUp(runtime: Runtime, address: string): Promise<void> {
  const abort = new AbortController();
  const dialling = dialOn(runtime, "tcp", address, { timeout: 30_000, signal: abort.signal });
  queueMicrotask(() => abort.abort());
  await dialling.then((conn) => conn.closeNow(), (error) => assert.equal(error, abort.signal.reason));
}

async function serve(listener: Listener): Promise<void> {
  const tasks = new Set<Promise<void>>();
  for await (const conn of listener) {
    const task: Promise<void> = answer(conn).finally(() => tasks.delete(task));
    tasks.add(task);
  }
  await Promise.all(tasks);
}

async function answer(conn: Conn): Promise<void> {
  conn.setDeadline(Date.now() + 30_000);
  try {
    const request = new Uint8Array(SIZE);
    await readFull(conn, request);
    await conn.write(request);
    if (request[0] === DROPPED_BY_SERVER) conn.closeNow();
    else if (request[0] !== CLOSED_BY_SERVER) await untilEnd(conn);
  } catch (error) {
    // The client gave up; but nobody is slow.
    if (error instanceof DeadlineExceededError) throw error;
  }
  await conn.close();
}

/** Reads up to the end, or to a reset. */
async function untilEnd(conn: Conn): Promise<void> {
  try {
    while (await conn.readChunk() !== null);
  } catch (error) {
    if (!(error instanceof NetError) || error.code !== "ECONNRESET") throw error;
  }
}

function figures(runtime: Runtime): Record<string, number> {
  (globalThis as { gc?: () => void }).gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  const mib = (bytes: number) => Number((bytes / MEGABYTE).toFixed(1));
  return {
    descriptors: openDescriptors(),
    alarms: runtime.timers.size,
    "rss MiB": mib(rss),
    "heap MiB": mib(heapUsed),
    "external MiB": mib(external),
  };
}

async function main(total: number): Promise<void> {
  // One of its own, whose alarms can be counted.
  const runtime = new Runtime(currentAdapter());
  const rows: Record<string, Record<string, number>> = { "0": figures(runtime) };
  for (let made = 0; made < total;) {
    const count = Math.min(made === 0 ? 500 : 2_500, total - made);
    await soak(runtime, count);
    // The runtime closes some descriptors a little later.
    await sleep(200);
    made += count;
    rows[made] = figures(runtime);
  }
  console.table(rows);
}

if (import.meta.main) await main(Number(process.argv[2] ?? 10_000));
