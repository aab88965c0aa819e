/**
 * What a member that stops reading costs the others: 999 members on real sockets, one of which sends, and a thousandth that
 * comes, stalls and goes, round by round. `node bench/hub_slow_member.ts [RUNTIME…]`, all three by default. The server
 * runs on that runtime in a process of its own; the load is made on Node.
 */

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { Hub, type HubStats, listenAndServe, type WebSocketConn } from "../mod.ts";
import { Generator } from "./load.ts";
import { ServerProcess } from "./server_process.ts";

const OTHERS = 999;
const SIZE = 128;
const IN_FLIGHT = 16;
const ROUNDS = 8;
const ROUND_MS = 1_200;
/** Small, so that the policy decides on every message when the bound is reached. */
const QUEUE = { overflow: "drop-oldest", maxQueuedMessages: 1_024 } as const;
const COMMANDS: Record<string, string> = {
  node: "node",
  bun: "bun",
  deno: "deno run -A --no-check",
};

// ── The server ──

async function serveHub(port: string): Promise<void> {
  const hub = new Hub<undefined>({ ...QUEUE, pingInterval: 600_000 });
  const room = hub.room("room");
  await listenAndServe("tcp", `127.0.0.1:${port}`, {
    keepalive: false,
    fetch: () => Response.json(hub.stats),
    async websocket(conn, request) {
      if (new URL(request.url).pathname === "/stalled") await fill(conn);
      hub.register(conn, undefined).join("room");
      for await (const { data } of conn) room.broadcast(data);
    },
  });
}

/** Until the kernel takes no more for it. */
async function fill(conn: WebSocketConn): Promise<void> {
  const chunk = new Uint8Array(1 << 20);
  for (let stuck = 0; stuck < 20; await nextTurn()) {
    if (conn.bufferedAmount > 0) stuck++;
    else {
      stuck = 0;
      void conn.writeMessage(chunk).catch(() => {});
    }
  }
}

// ── The load ──

/** A member that never reads. */
async function stall(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(
    `GET /stalled HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  );
  return socket;
}

async function statsOf({ port }: ServerProcess): Promise<HubStats> {
  return await (await fetch(`http://127.0.0.1:${port}/`)).json() as HubStats;
}

/** Waits until the stalled member has lost something: the server is as slow for it as it will be. */
async function untilStalled(server: ServerProcess, dropped: number): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if ((await statsOf(server)).dropped > dropped) return;
    await sleep(50);
  }
  throw new Error("The stalled member loses nothing");
}

/** Deliveries a second. */
async function rate(generator: Generator): Promise<number> {
  const before = generator.received;
  const start = performance.now();
  await sleep(ROUND_MS);
  return (generator.received - before) * 1000 / (performance.now() - start);
}

async function measure(runtime: string): Promise<void> {
  const server = await ServerProcess.start(`${COMMANDS[runtime]} ${import.meta.filename} --serve PORT`);
  const generator = await Generator.start({
    port: server.port,
    conns: OTHERS,
    size: SIZE,
    inFlight: IN_FLIGHT,
    broadcast: true,
  });
  try {
    await sleep(2_000);
    const alone: number[] = [];
    const stalled: number[] = [];
    const memory: number[] = [];
    const first = server.memory;
    let last = await statsOf(server);
    let queued = 0;
    for (let round = 0; round < ROUNDS; round++) {
      alone.push(await rate(generator));
      const socket = await stall(server.port);
      await untilStalled(server, last.dropped);
      stalled.push(await rate(generator));
      last = await statsOf(server);
      queued = Math.max(queued, last.queuedMessages);
      memory.push(server.memory);
      socket.destroy();
      // It is gone when the server says so.
      while ((await statsOf(server)).members > OTHERS) await sleep(20);
    }
    const million = (perSecond: number) => (perSecond / 1e6).toFixed(3);
    const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
    const ratios = stalled.map((value, i) => value / alone[i]!);
    console.log(
      `${runtime}: ${million(median(alone))} M deliveries/s without, ${
        million(median(stalled))
      } M with the stalled ` +
        `member, ratio ${(median(stalled) / median(alone)).toFixed(3)} (median of pairs ${
          median(ratios).toFixed(3)
        }); ` +
        `dropped for it ${last.dropped}, queued at most ${queued}; RSS ${mib(first)} MiB before, ` +
        `${memory.map(mib).join(" ")} in the rounds with it`,
    );
  } finally {
    generator.stop();
    server.stop();
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const [first, ...rest] = process.argv.slice(2);
if (first === "--serve") await serveHub(rest[0]!);
else {
  for (const runtime of first === undefined ? Object.keys(COMMANDS) : [first, ...rest]) {
    await measure(runtime);
  }
  process.exit(0);
}
