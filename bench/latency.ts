/**
 * Latency of a message at half of the maximal load: an echo of 128 bytes over 100 connections, sent at a fixed rate.
 *
 *     node bench/latency.ts node|bun|deno [--rounds 5] [--seconds 3] [--rate MESSAGES_A_SECOND]
 *
 * The maximal load of a server is computed from its CPU time a message, with one message in flight on each connection.
 * Each server is measured at two rates: half of the maximal load of the runtime's best-known WebSocket server, and half
 * of its own. Latency counts from the time at which a message was due (bench/steady_load.ts). The last columns are the
 * share of its processor that the server used, and the lateness of the generator itself.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Contender, contendersOf, median } from "./contenders.ts";
import { Generator } from "./load.ts";
import { ServerProcess } from "./server_process.ts";
import { SteadyLoad } from "./steady_load.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    rate: { type: "string", default: "0" },
  },
});
const runtime = positionals[0] ?? "node";
const rounds = Number(values.rounds), seconds = Number(values.seconds);
const LOAD = { conns: 100, size: 128 };
/** Seconds before the measurement, in which the server's code is compiled. */
const WARM_UP = 3;

const { ours, bare, peer } = contendersOf(runtime);
const contenders = [ours, bare, peer];

/** Latencies and the generator's lateness, microseconds, and the server's share of its processor, 0 to 1. */
interface Figures {
  readonly middle: number;
  readonly p99: number;
  readonly late: number;
  readonly busy: number;
}

/** Messages for each second of the server's CPU time. */
async function measureMost({ command, bareTcp }: Contender): Promise<number> {
  const server = await ServerProcess.start(command);
  const generator = await Generator.start({ ...LOAD, inFlight: 1, port: server.port, bareTcp });
  try {
    await sleep(1000);
    const [received, cpu] = [generator.received, server.cpuSeconds];
    await sleep(2000);
    return (generator.received - received) / (server.cpuSeconds - cpu);
  } finally {
    generator.stop();
    server.stop();
  }
}

async function measureLatency({ command, bareTcp }: Contender, rate: number): Promise<Figures> {
  const server = await ServerProcess.start(command);
  const load = await SteadyLoad.connect({ ...LOAD, port: server.port, bareTcp });
  try {
    const seen = await load.run({ rate, burst: 1, seconds, warmUp: WARM_UP }, () => server.cpuSeconds);
    return {
      middle: quantile(seen.latencies, 0.5),
      p99: quantile(seen.latencies, 0.99),
      late: quantile(seen.lateness, 0.99),
      busy: seen.metered / seconds,
    };
  } finally {
    load.close();
    server.stop();
  }
}

function quantile(sorted: Float64Array, part: number): number {
  return sorted[Math.floor(sorted.length * part)] ?? NaN;
}

/** Measures each contender at its rate, in turns. */
async function compare(rates: ReadonlyMap<Contender, number>): Promise<Map<Contender, Figures[]>> {
  const all = new Map<Contender, Figures[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [contender, rate] of rates) all.get(contender)!.push(await measureLatency(contender, rate));
  }
  return all;
}

function print(rates: ReadonlyMap<Contender, number>, results: ReadonlyMap<Contender, Figures[]>): void {
  for (const [contender, figures] of results) {
    const of = (name: keyof Figures) => median(figures.map((each) => each[name]));
    const times = [of("middle"), of("p99"), of("late")].map((time) => `${time.toFixed(0)} µs`);
    const [middle, p99, late] = times;
    const rate = `${(rates.get(contender)! / 1000).toFixed(1)}k`;
    console.log(
      `| ${contender.name} | ${rate} | ${middle} | ${p99} | ${(of("busy") * 100).toFixed(0)} % | ${late} |`,
    );
  }
}

const halves = new Map<Contender, number>();
for (const contender of contenders) halves.set(contender, Math.round(await measureMost(contender) / 2));
const rate = Number(values.rate) || halves.get(peer)!;
console.log(`| ${runtime} | messages a second | median | p99 | server | generator late, p99 |`);
console.log("| --- | --- | --- | --- | --- | --- |");
for (const rates of [new Map(contenders.map((contender) => [contender, rate])), halves]) {
  print(rates, await compare(rates));
}
process.exit(0);
