/**
 * Requests and answers by UDP on loopback, compared with the runtime's own sockets:
 *
 *     udp.ts [SECONDS] [bare | library]
 *
 * Each runs five times, in turns; the median counts. CPU time is that of this process, which has both ends, for each
 * datagram sent and received. Runs with `node`, `bun`, `deno run -A` and `deno run -A --unstable-net`.
 */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import process from "node:process";
import { currentAdapter } from "../adapters/runtime.ts";
import { listenPacket } from "../mod.ts";

/** Length of a request, bytes. */
const SIZE = 64;
/** Number of requests in flight. */
const WINDOW = 16;
const ROUNDS = 5;

interface Result {
  perSecond: number;
  /** CPU time a datagram, microseconds. */
  cpu: number;
}

/** A client and server that exchange requests and answers until they are stopped. */
type Exchange = (until: number) => Promise<number>;

interface Bench {
  exchange: Exchange;
  stop(): Promise<void>;
}

async function measure({ exchange }: Bench, seconds: number): Promise<Result> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const count = await exchange(start + seconds * 1000);
  const elapsed = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  // Each exchange is two datagrams.
  return { perSecond: count / elapsed, cpu: (user + system) / count / 2 };
}

/** The library: tasks that share one socket, and a server that answers in a loop. */
async function library(): Promise<Bench> {
  const server = await listenPacket("udp4", "127.0.0.1:0");
  const client = await listenPacket("udp4", "127.0.0.1:0");
  const serving = (async () => {
    for await (const { data, addr } of server) await server.writeTo(data, addr);
  })();
  const request = new Uint8Array(SIZE);
  const to = server.localAddr;
  const exchange = async (until: number) => {
    let count = 0;
    const task = async () => {
      while (performance.now() < until) {
        await client.writeTo(request, to);
        await client.readFrom();
        count++;
      }
    };
    await Promise.all(Array.from({ length: WINDOW }, task));
    return count;
  };
  return {
    exchange,
    async stop() {
      await Promise.all([client.close(), server.close()]);
      await serving;
    },
  };
}

/** Plain `node:dgram`. */
async function bareNode(): Promise<Bench> {
  const [server, client] = await Promise.all([bound(), bound()]);
  server.on("message", (data: Uint8Array, { port, address }: RemoteInfo) => server.send(data, port, address));
  const { port } = server.address();
  const request = new Uint8Array(SIZE);
  const exchange = (until: number) =>
    windowed(until, () => client.send(request, port, "127.0.0.1"), (on) => client.on("message", on));
  const stop = async () => {
    for (const socket of [client, server]) await new Promise<void>((resolve) => socket.close(resolve));
  };
  return { exchange, stop };
}

function bound(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1", () => resolve(socket));
  });
}

/** Keeps a number of requests in flight with callbacks. */
function windowed(
  until: number,
  send: () => void,
  onAnswer: (listener: () => void) => unknown,
): Promise<number> {
  return new Promise((resolve) => {
    let [count, left] = [0, WINDOW];
    onAnswer(() => {
      count++;
      if (performance.now() < until) send();
      else if (--left === 0) resolve(count);
    });
    for (let i = 0; i < WINDOW; i++) send();
  });
}

interface BunSocket {
  readonly port: number;
  send(data: Uint8Array, port: number, address: string): boolean;
  close(): void;
}
type BunData = (socket: BunSocket, data: Uint8Array, port: number, address: string) => void;
interface BunApi {
  udpSocket(options: { hostname: string; socket: { data: BunData } }): Promise<BunSocket>;
}

async function bareBun({ udpSocket }: BunApi): Promise<Bench> {
  let answered = () => {};
  const open = (data: BunData) => udpSocket({ hostname: "127.0.0.1", socket: { data } });
  const server = await open((socket, data, port, address) => void socket.send(data, port, address));
  const client = await open(() => answered());
  const request = new Uint8Array(SIZE);
  const exchange = (until: number) =>
    windowed(until, () => client.send(request, server.port, "127.0.0.1"), (on) => answered = on);
  const stop = async () => [client, server].forEach((socket) => socket.close());
  return { exchange, stop };
}

interface DenoSocket {
  readonly addr: { transport: "udp"; hostname: string; port: number };
  receive(into?: Uint8Array): Promise<[Uint8Array, DenoSocket["addr"]]>;
  send(data: Uint8Array, addr: DenoSocket["addr"]): Promise<number>;
  close(): void;
}
interface DenoApi {
  listenDatagram?(addr: DenoSocket["addr"]): DenoSocket;
}

async function bareDeno(listenDatagram: NonNullable<DenoApi["listenDatagram"]>): Promise<Bench> {
  const open = () => listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const [server, client] = [open(), open()];
  const serving = (async () => {
    const into = new Uint8Array(65536);
    for (;;) await server.send(...await server.receive(into));
  })().catch(() => {});
  const request = new Uint8Array(SIZE);
  const exchange = async (until: number) => {
    const into = new Uint8Array(65536);
    let count = 0;
    for (let i = 0; i < WINDOW; i++) await client.send(request, server.addr);
    for (let left = WINDOW; left > 0; count++) {
      await client.receive(into);
      if (performance.now() < until) await client.send(request, server.addr);
      else left--;
    }
    return count;
  };
  const stop = async () => {
    client.close();
    server.close();
    await serving;
  };
  return { exchange, stop };
}

function bare(): Promise<Bench> {
  const { Bun, Deno } = globalThis as { Bun?: BunApi; Deno?: DenoApi };
  if (Bun !== undefined) return bareBun(Bun);
  if (Deno?.listenDatagram !== undefined) return bareDeno(Deno.listenDatagram);
  return bareNode();
}

function middle(results: Result[]): Result {
  return results.toSorted((a, b) => a.cpu - b.cpu)[results.length >> 1]!;
}

const [seconds = "2", only] = process.argv.slice(2);
const benches = { bare, library };
const results: Record<string, Result[]> = { bare: [], library: [] };
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, make] of Object.entries(benches)) {
    if (only !== undefined && only !== name) continue;
    const bench = await make();
    await measure(bench, 0.3);
    results[name]!.push(await measure(bench, Number(seconds)));
    await bench.stop();
  }
}
const shown = Object.entries(results).filter(([, each]) => each.length > 0);
for (const [name, each] of shown) {
  const { perSecond, cpu } = middle(each);
  console.log(
    `${currentAdapter().name} ${name}: ${Math.round(perSecond)} requests/s, ${
      cpu.toFixed(2)
    } us of CPU a datagram`,
  );
}
if (shown.length === 2) {
  const [a, b] = [middle(results.bare!), middle(results.library!)];
  console.log(
    `${(b.cpu / a.cpu).toFixed(2)} times the CPU, ${(a.perSecond / b.perSecond).toFixed(2)} times the time`,
  );
}
