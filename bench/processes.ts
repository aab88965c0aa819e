/**
 * Gain from a second process on one port (`reusePort`): an echo with compression of 1 KiB of JSON, which takes the
 * server much time and the generator little.
 *
 *     node bench/processes.ts node|bun|deno [--rounds 5] [--seconds 3]
 *
 * First one process runs on the second processor; then one on each, with a common port and, as a control, with a port
 * each. The generator shares the first processor with a server. Growth is linear if the cost of a message does not
 * change and the number of messages grows with the servers' CPU time.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { median, runnerOf } from "./contenders.ts";
import { Generator } from "./load.ts";
import { ServerProcess } from "./server_process.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "3" } },
});
const runtime = positionals[0] ?? "node";
const rounds = Number(values.rounds), seconds = Number(values.seconds);
const command = `${runnerOf(runtime)} bench/servers/shared_echo.ts PORT deflate`;
const CONNS = 64;
const LOAD = { size: 1024, inFlight: 32, text: true, deflate: true };

interface Figures {
  /** Messages a second, all processes together. */
  readonly rate: number;
  /** CPU time of the servers a message, nanoseconds. */
  readonly cost: number;
  /** CPU time a second, of the servers together and of the generator, seconds. */
  readonly servers: number;
  readonly generator: number;
  /** Number of connections of each process. */
  readonly spread: string;
}

/** Starts a server process on each of these processors, with a common port or a port each. */
async function startServers(processors: readonly number[], shared: boolean): Promise<ServerProcess[]> {
  const servers: ServerProcess[] = [];
  for (const processor of processors) {
    const port = shared ? servers[0]?.port : undefined;
    servers.push(
      await ServerProcess.start(command, port === undefined ? { processor } : { processor, port }),
    );
  }
  return servers;
}

async function measure(processors: readonly number[], shared: boolean): Promise<Figures> {
  const servers = await startServers(processors, shared);
  const ports = [...new Set(servers.map((server) => server.port))];
  const conns = CONNS / ports.length;
  const generators = await Promise.all(ports.map((port) => Generator.start({ ...LOAD, conns, port })));
  try {
    await sleep(1500);
    const spread = servers.map((server) => server.connections).join(" + ");
    return { ...await watch(servers, generators), spread };
  } finally {
    for (const each of [...generators, ...servers]) each.stop();
  }
}

async function watch(servers: ServerProcess[], generators: Generator[]): Promise<Omit<Figures, "spread">> {
  const received = () => generators.reduce((sum, generator) => sum + generator.received, 0);
  const cpuSeconds = () => servers.reduce((sum, server) => sum + server.cpuSeconds, 0);
  const [messages, cpu, own, start] = [received(), cpuSeconds(), process.cpuUsage(), performance.now()];
  await sleep(seconds * 1000);
  const elapsed = (performance.now() - start) / 1000;
  const count = received() - messages, used = cpuSeconds() - cpu;
  const { user, system } = process.cpuUsage(own);
  return {
    rate: count / elapsed,
    cost: used * 1e9 / count,
    servers: used / elapsed,
    generator: (user + system) / 1e6 / elapsed,
  };
}

const cases: Record<string, () => Promise<Figures>> = {
  "one process": () => measure([1], true),
  "two, one port": () => measure([1, 0], true),
  "two, a port each": () => measure([1, 0], false),
};

const results = new Map<string, Figures[]>(Object.keys(cases).map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const [name, run] of Object.entries(cases)) results.get(name)!.push(await run());
}
console.log(`| ${runtime} | messages a second | CPU a message | servers | generator | connections |`);
console.log("| --- | --- | --- | --- | --- | --- |");
for (const [name, figures] of results) {
  const of = (key: "rate" | "cost" | "servers" | "generator") => median(figures.map((each) => each[key]));
  const cores = [of("servers"), of("generator")].map((part) => `${part.toFixed(2)} cores`).join(" | ");
  const spread = figures.map((each) => each.spread).join(", ");
  console.log(`| ${name} | ${of("rate").toFixed(0)} | ${of("cost").toFixed(0)} ns | ${cores} | ${spread} |`);
}
process.exit(0);
