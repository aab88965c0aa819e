/**
 * WebSockets that open and end in all possible ways, and the memory, descriptors and timers left after them:
 * `websocket_soak.ts [--connections N] [--minutes M] [--faults]`, by default 50,000 connections. With `--faults`
 * every third connection goes through a proxy that cuts, stalls or slows it. Runs with `node --expose-gc`, `bun
 * --expose-gc` and `deno run -A --v8-flags=--expose-gc`; without the collector to call, garbage counts as memory.
 */

import assert from "node:assert/strict";
import process from "node:process";
import { parseArgs } from "node:util";
import { currentAdapter } from "../adapters/runtime.ts";
import { listenOn } from "../src/net/dial.ts";
import { NetError } from "../src/net/errors.ts";
import { Runtime } from "../src/net/runtime.ts";
import { CloseError } from "../src/websocket/close_error.ts";
import { dialWebSocketOn } from "../src/websocket/dial_web_socket.ts";
import { HandshakeError } from "../src/websocket/handshake_error.ts";
import { Server } from "../src/server/server.ts";
import type { WebSocketConn } from "../src/websocket/web_socket_conn.ts";
import { openDescriptors } from "../tests/net/descriptors.ts";
import { type Fault, FaultProxy } from "../tests/net/fault_proxy.ts";
import { pattern, randomNumbers } from "../tests/net/support.ts";

const { values: options } = parseArgs({
  options: {
    connections: { type: "string" },
    minutes: { type: "string" },
    faults: { type: "boolean", default: false },
  },
});
const minutes = Number(options.minutes ?? Infinity);
const connections = Number(options.connections ?? (options.minutes === undefined ? 50_000 : Infinity));

/** Number of connections at a time. */
const WORKERS = 20;
const MEGABYTE = 1 << 20;

const runtime = new Runtime(currentAdapter());
const random = randomNumbers(1);
const settings = {
  compression: true,
  closeTimeout: 500,
  keepalive: { pingInterval: 4_000, pongTimeout: 4_000 },
};

const listener = await listenOn(runtime, "tcp", "127.0.0.1:0");
const address = String(listener.addr);
const server = new Server(runtime, listener, {
  ...settings,
  // Long, because a slow handshake on a busy machine is not a fault.
  handshakeTimeout: 60_000,
  async websocket(conn) {
    for await (const { data } of conn) {
      if (data === "close") await conn.close(3000, "as you like");
      else if (data === "drop") conn.closeNow();
      else await conn.writeMessage(data);
    }
  },
});

/** Ways in which a client ends a connection. */
const endings: readonly ((conn: WebSocketConn) => unknown)[] = [
  (conn) => conn.close(),
  (conn) => conn.closeNow(),
  (conn) => conn.writeMessage("close"),
  (conn) => conn.writeMessage("drop"),
  (conn) => Promise.all([conn.close(), conn.close(3001, "twice")]),
  // In the middle of a message.
  (conn) => {
    void conn.writeMessage(new Uint8Array(500_000)).catch(() => {});
    conn.closeNow();
  },
];

async function talk(to: string, handshakeTimeout: number): Promise<void> {
  const conn = await dialWebSocketOn(runtime, `ws://${to}/`, {
    ...settings,
    handshakeTimeout,
    compression: random(2) === 0,
  });
  for (let messages = random(4); messages > 0; messages--) {
    const size = random(10) === 0 ? random(200_000) : random(2_000);
    const data = random(2) === 0 ? pattern(size, 2 * size) : "text ".repeat(size / 5);
    await conn.writeMessage(data);
    const answer = await conn.readMessage();
    assert.equal(answer.data.length, data.length);
  }
  await endings[random(endings.length)]!(conn);
  await conn.closed;
}

async function talkThroughFaults(): Promise<void> {
  const kinds = ["reset", "end", "close", "stall"] as const;
  const fault: Fault = { kind: kinds[random(kinds.length)]!, after: random(3_000), counting: "both" };
  const manner = { bytewise: random(8) === 0 };
  const proxy = await FaultProxy.open(address, { fault, toServer: manner, toClient: manner });
  try {
    await talk(proxy.address, 2_000);
  } catch (error) {
    const expected = error instanceof CloseError || error instanceof HandshakeError ||
      error instanceof NetError;
    if (!expected) throw error;
  } finally {
    await proxy.close();
  }
}

let begun = 0;
const start = Date.now();
const isOver = () => begun >= connections || Date.now() - start >= minutes * 60_000;

async function work(): Promise<void> {
  while (!isOver()) {
    const index = begun++;
    if (options.faults && index % 3 === 0) await talkThroughFaults();
    else await talk(address, 60_000);
  }
}

function report(): void {
  (globalThis as { gc?: () => void }).gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  const mib = (bytes: number) => (bytes / MEGABYTE).toFixed(1);
  console.log(
    `${begun} connections, ${((Date.now() - start) / 1000).toFixed(0)} s: ` +
      `${openDescriptors()} descriptors, ${runtime.timers.size} alarms, heap ${mib(heapUsed)} MiB, RSS ${
        mib(rss)
      } MiB`,
  );
}

report();
const reporting = setInterval(report, 30_000);
await Promise.all(Array.from({ length: WORKERS }, work));
clearInterval(reporting);
await server.shutdown();
// Time for the kernel and the runtime to release descriptors and memory.
await new Promise((resolve) => setTimeout(resolve, 1_000));
report();
process.exit(0);
