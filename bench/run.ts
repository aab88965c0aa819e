/**
 * The table of CPU times of Jackfield, bare sockets of the runtime, and its best-known WebSocket server:
 *
 *     npm run bench             (Node; bench:bun, bench:deno)
 *     node bench/run.ts node [--rounds 5] [--seconds 2] [--only "1 KiB"]
 *
 * Servers are ordinary programs, one process each, and take turns in every round. Results are medians of CPU time a
 * message; only ratios within one run carry over to other machines. This process generates the load.
 */
import { execFileSync } from "node:child_process";
import process from "node:process";
import { parseArgs } from "node:util";
import { Generator, type Load, openMany } from "./load.ts";
import { ServerProcess } from "./server_process.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    only: { type: "string", default: "" },
  },
});
const runtime = positionals[0] ?? "node";
const rounds = Number(values.rounds), seconds = Number(values.seconds);

const programs: Record<string, string> = { node: "node", bun: "bun", deno: "deno run -A --no-check" };
const run = programs[runtime];
if (run === undefined) throw new RangeError(`Cannot measure ${runtime}: it is not one of node, bun, deno`);

/** The servers of this runtime, by their work. npm `ws` runs on Node only, because Bun replaces it with its own. */
const peer = {
  node: "node bench/servers/ws.ts",
  bun: "bun bench/servers/bun_serve.ts",
  deno: `${run} bench/servers/deno_serve.ts`,
}[
  runtime
]!;
const bare = `${run} bench/servers/tcp_${runtime}.ts PORT`;
const names = {
  ours: "jackfield",
  bare: "bare TCP",
  peer: { node: "npm ws", bun: "Bun.serve", deno: "Deno.serve" }[runtime]!,
};

interface Row {
  readonly name: string;
  /** Command lines of servers, by name. */
  readonly servers: Record<string, string>;
  readonly load: Omit<Load, "port">;
}

const echo = (name: string, load: Omit<Load, "port">): Row => ({
  name: `echo ${name}`,
  servers: {
    [names.ours]: `${run} bench/servers/echo.ts PORT`,
    [names.bare]: bare,
    [names.peer]: `${peer} PORT echo`,
  },
  load,
});
const broadcast = (name: string, load: Omit<Load, "port" | "broadcast">): Row => ({
  name: `broadcast ${name}`,
  servers: { [names.ours]: `${run} bench/servers/broadcast.ts PORT`, [names.peer]: `${peer} PORT broadcast` },
  load: { ...load, broadcast: true },
});
/** The servers with compression. `Deno.serve` has none, so that Deno is compared with npm `ws` on Node. */
const compressed = (row: Row): Row => {
  const server = runtime === "deno" ? "node bench/servers/ws.ts PORT" : `${peer} PORT`;
  const work = row.load.broadcast ? "broadcast" : "echo";
  const name = runtime === "deno" ? "npm ws on Node" : names.peer;
  const ours = `${row.servers[names.ours]!} deflate`;
  return { ...row, servers: { [names.ours]: ours, [name]: `${server} ${work} deflate` } };
};

const table: readonly Row[] = [
  echo("16 B, 32 in flight, 50 connections", { conns: 50, size: 16, inFlight: 32 }),
  echo("1 KiB text, 32 in flight, 50 connections", { conns: 50, size: 1024, inFlight: 32, text: true }),
  echo("16 B, 1 in flight, 100 connections", { conns: 100, size: 16, inFlight: 1 }),
  echo("64 KiB, 4 in flight, 10 connections", { conns: 10, size: 65536, inFlight: 4 }),
  echo("1 MiB, 2 in flight, 4 connections", { conns: 4, size: 1 << 20, inFlight: 2 }),
  broadcast("128 B to 1,000, 1 in flight", { conns: 1000, size: 128, inFlight: 1 }),
  broadcast("128 B to 1,000, 16 in flight", { conns: 1000, size: 128, inFlight: 16 }),
  compressed(
    echo("deflate, 1 KiB JSON, 32 in flight", {
      conns: 50,
      size: 1024,
      inFlight: 32,
      text: true,
      deflate: true,
    }),
  ),
  compressed(
    broadcast("deflate, 1 KiB JSON to 1,000", {
      conns: 1000,
      size: 1024,
      inFlight: 4,
      text: true,
      deflate: true,
    }),
  ),
];

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** CPU time of the server a message, nanoseconds. */
async function measureLoad(command: string, load: Omit<Load, "port">): Promise<number> {
  const server = await ServerProcess.start(command);
  const generator = await Generator.start({ ...load, port: server.port });
  try {
    await pause(700);
    const [received, cpu] = [generator.received, server.cpuSeconds];
    await pause(seconds * 1000);
    return (server.cpuSeconds - cpu) * 1e9 / (generator.received - received);
  } finally {
    generator.stop();
    server.stop();
  }
}

/** Memory of an idle connection, bytes, and handshakes for each second of the server's CPU time. */
async function measureIdle(command: string): Promise<{ bytes: number; rate: number }> {
  const server = await ServerProcess.start(command);
  try {
    const before = server.memory;
    const first = await openMany(server.port, 5000);
    await pause(500);
    const bytes = (server.memory - before) / first.sockets.length;
    for (const socket of first.sockets) socket.destroy();
    await pause(1000);
    // The code is compiled by now, so that only connections are counted.
    const cpu = server.cpuSeconds;
    const { sockets } = await openMany(server.port, 5000);
    const seconds = server.cpuSeconds - cpu;
    for (const socket of sockets) socket.destroy();
    return { bytes, rate: sockets.length / seconds };
  } finally {
    server.stop();
  }
}

/** CPU time of a client a message, nanoseconds, with Jackfield's server on Bun as its peer. */
function measureClient(program: string, port: number): number {
  const args = [program, port, 50, 16, 32, seconds].join(" ").split(" ");
  const out = execFileSync(args[0]!, args.slice(1), {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { messages, cpuSeconds } = JSON.parse(out) as { messages: number; cpuSeconds: number };
  return cpuSeconds * 1e9 / messages;
}

/** Runs each measurement in turn, `rounds` times; returns the medians. */
async function medians(
  subjects: Record<string, string>,
  measure: (command: string) => Promise<number> | number,
): Promise<[string, number][]> {
  const figures = new Map<string, number[]>(Object.keys(subjects).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, command] of Object.entries(subjects)) {
      figures.get(name)!.push(await measure(command));
    }
  }
  return Array.from(figures, ([name, all]) => [name, all.sort((a, b) => a - b)[all.length >> 1]!]);
}

function print(name: string, unit: string, results: [string, number][]): void {
  const [, ours] = results[0]!;
  const others = results.slice(1).map(([other, figure]) =>
    `${other} ${figure.toFixed(0)} (${(ours / figure).toFixed(ours / figure < 0.1 ? 3 : 2)}×)`
  );
  console.log(`| ${name} | ${ours.toFixed(0)} ${unit} | ${others.join(" | ")} |`);
}

console.log(`| ${runtime} | jackfield | the others (Jackfield as a multiple of each) |\n| --- | --- | --- |`);
for (const { name, servers, load } of table) {
  if (!name.includes(values.only)) continue;
  const bareTcp = (command: string) => command === bare;
  print(
    name,
    "ns",
    await medians(servers, (command) => measureLoad(command, { ...load, bareTcp: bareTcp(command) })),
  );
}
if ("idle connection".includes(values.only) || "handshakes".includes(values.only)) {
  const rates = new Map<string, number[]>();
  const servers = {
    [names.ours]: `${run} bench/servers/echo.ts PORT`,
    [names.bare]: bare,
    [names.peer]: `${peer} PORT echo`,
  };
  const idle = await medians(
    { [names.ours]: servers[names.ours]!, [names.peer]: servers[names.peer]! },
    async (command) => {
      const { bytes, rate } = await measureIdle(command);
      if (!rates.has(command)) rates.set(command, []);
      rates.get(command)!.push(rate);
      return bytes;
    },
  );
  print("idle connection, memory of the server", "bytes", idle);
  const middle = (command: string) => rates.get(command)!.sort((a, b) => a - b)[rounds >> 1]!;
  print(
    "handshakes a second of CPU",
    "",
    [names.ours, names.peer].map((name) => [name, middle(servers[name]!)]),
  );
}
if ("client".includes(values.only)) {
  const server = await ServerProcess.start("bun bench/servers/echo.ts PORT");
  const clients = {
    [names.ours]: `${run} bench/clients/ours.ts`,
    "its own WebSocket": `${run} bench/clients/native.ts`,
  };
  const all = runtime === "node" ? { ...clients, "npm ws": `${run} bench/clients/ws.ts` } : clients;
  print(
    "client, 16 B, 32 in flight",
    "ns",
    await medians(all, (program) => measureClient(program, server.port)),
  );
  server.stop();
}
process.exit(0);
