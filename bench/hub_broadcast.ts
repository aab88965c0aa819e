/**
 * Cost of a broadcast a member and message, with 16 messages a turn to members whose sockets are in memory and take
 * all bytes: `hub_broadcast.ts [CHECKOUT]`. With the path of another checkout, its hub is measured in turns with this
 * one, and the ratio of the medians is printed. Runs with `node`, `bun` and `deno run -A --no-check`.
 */

import process from "node:process";
import { pathToFileURL } from "node:url";
import { Hub } from "../src/hub/hub.ts";
import { Runtime, type RuntimeAdapter } from "../src/net/runtime.ts";
import { BenchClock, NullSocket } from "./null_socket.ts";

const MEMBERS = 1_000;
const MESSAGES = 16;
const TURNS = 100;
const ROUNDS = 25;

/** A hub with members, and a function that runs one turn of broadcasts. */
function makeTurn(hubOf: typeof Hub): () => void {
  const clock = new BenchClock();
  const adapter = { name: "memory", clock, fillRandom: () => {} } as unknown as RuntimeAdapter;
  const hub = new hubOf<null>(new Runtime(adapter));
  const members = Array.from({ length: MEMBERS }, () => new NullSocket());
  for (const member of members) hub.register(member, null).join("room");
  const room = hub.room("room");
  const payload = "x".repeat(128);
  return () => {
    for (let i = 0; i < MESSAGES; i++) room.broadcast(payload);
    clock.endTurn();
  };
}

function nanoseconds(turn: () => void): number {
  const start = performance.now();
  for (let i = 0; i < TURNS; i++) turn();
  return (performance.now() - start) * 1e6 / (TURNS * MESSAGES * MEMBERS);
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

const hubs: [name: string, hub: typeof Hub][] = [["this", Hub]];
const other = process.argv[2];
if (other !== undefined) {
  const module = await import(pathToFileURL(`${other}/src/hub/hub.ts`).href) as { Hub: typeof Hub };
  hubs.push(["other", module.Hub]);
}
const turns = hubs.map(([, hub]) => makeTurn(hub));
const measured: number[][] = hubs.map(() => []);
for (let round = 0; round < ROUNDS; round++) {
  // The first rounds are for the compilers to warm up; the order alternates.
  for (let i = 0; i < turns.length; i++) {
    const at = (i + round) % turns.length;
    const value = nanoseconds(turns[at]!);
    if (round >= 5) measured[at]!.push(value);
  }
}
const medians = measured.map(median);
for (const [i, [name]] of hubs.entries()) {
  console.log(`${name}: ${medians[i]!.toFixed(2)} ns a member and message`);
}
if (medians.length > 1) console.log(`ratio: ${(medians[0]! / medians[1]!).toFixed(2)}`);
