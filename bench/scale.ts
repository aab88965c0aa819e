/**
 * Growth of the CPU time a message with the number of connections, from ten to ten thousand: an echo of 128 bytes at
 * one total rate, with one message and then sixteen at once on each connection in turn.
 *
 *     ulimit -n 12000
 *     node bench/scale.ts node|bun|deno [--conns 10,100,1000,10000] [--rate 30000] [--rounds 3] [--seconds 2]
 *
 * Each connection takes a file descriptor of the generator, one of the server, and a port of the ephemeral range
 * (net.ipv4.ip_local_port_range; 28,232 ports by default). The growth of the bare socket is that of the kernel and the
 * runtime; the rest is the library's.
 */
import { execFileSync } from "node:child_process";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Contender, contendersOf, median } from "./contenders.ts";
import { ServerProcess } from "./server_process.ts";
import { SteadyLoad } from "./steady_load.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    conns: { type: "string", default: "10,100,1000,10000" },
    rate: { type: "string", default: "30000" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
  },
});
const runtime = positionals[0] ?? "node";
const rounds = Number(values.rounds), seconds = Number(values.seconds), rate = Number(values.rate);
const SIZE = 128;
const BURSTS = [1, 16];
const counts = values.conns.split(",").map(Number);

const files = Number(execFileSync("sh", ["-c", "ulimit -n"])) || Infinity;
const needed = Math.max(...counts) + 200;
if (files < needed) {
  throw new RangeError(
    `Cannot open ${needed} files: the limit is ${files}, raise it with ulimit -n ${needed}`,
  );
}

const { ours, bare, peer } = contendersOf(runtime);
const contenders = [ours, bare, peer];

/** CPU time of the server a message, nanoseconds, for each size of burst. */
async function measure({ command, bareTcp }: Contender, conns: number): Promise<number[]> {
  const server = await ServerProcess.start(command);
  const load = await SteadyLoad.connect({ conns, size: SIZE, port: server.port, bareTcp });
  try {
    const figures = [];
    for (const burst of BURSTS) {
      const seen = await load.run({ rate, burst, seconds, warmUp: 1.5 }, () => server.cpuSeconds);
      figures.push(seen.metered * 1e9 / (rate * seconds));
    }
    return figures;
  } finally {
    load.close();
    server.stop();
  }
}

/** Medians of all rounds, in which the servers take turns. */
async function compare(conns: number): Promise<Map<Contender, number[]>> {
  const all = new Map<Contender, number[][]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) all.get(contender)!.push(await measure(contender, conns));
  }
  const middle = (figures: number[][]) => BURSTS.map((_, i) => median(figures.map((each) => each[i]!)));
  return new Map(Array.from(all, ([contender, figures]) => [contender, middle(figures)]));
}

const columns = BURSTS.flatMap((burst) =>
  contenders.map(({ name }) => `${name}, ${burst === 1 ? "one by one" : `${burst} at once`}`)
);
console.log(`| ${runtime}, connections | ${columns.join(" | ")} |\n|${" --- |".repeat(columns.length + 1)}`);
for (const conns of counts) {
  const results = await compare(conns);
  const cells = BURSTS.flatMap((_, i) => contenders.map((contender) => results.get(contender)![i]!));
  console.log(`| ${conns} | ${cells.map((ns) => `${ns.toFixed(0)} ns`).join(" | ")} |`);
}
process.exit(0);
