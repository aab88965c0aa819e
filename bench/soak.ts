/**
 * Many short connections that end in all possible ways, and the memory, descriptors and timers left after them:
 * `soak.ts [CONNECTIONS]`, by default 10,000. Runs with `node --expose-gc`, `bun --expose-gc` and
 * `deno run -A --v8-flags=--expose-gc`; without the collector to call, garbage counts as memory.
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

/** Number of connections at a time. */
const BATCH = 50;
/** Length of a request, bytes. Its first byte says how the connection ends. */
const SIZE = 100;
const MEGABYTE = 1 << 20;

/** Ways in which a client ends a connection, most of them after one exchange. */
const endings: readonly ((conn: Conn) => void | Promise<void>)[] = [
  (conn) => conn.close(),
  (conn) => conn.closeNow(),
  async (conn) => {
    await conn.closeWrite();
    await untilEnd(conn);
    await conn.close();
  },
  // The server closes or drops the connection.
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

/** Makes `count` connections, of which every sixth is cancelled while dialling; resolves when all are closed. */
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
    // A cancelled connection may fail at its server, but not with a timeout.
    if (error instanceof DeadlineExceededError) throw error;
  }
  await conn.close();
}

/** Reads until the connection's end or a reset. */
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
  // A runtime of this bench's own, whose alarms can be counted.
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
