/**
 * What a hub's steps cost, and whether that grows with the hub: as many members as rooms, each member in a few of them.
 * To register and join, to broadcast to one room, to leave, to unregister; and a broadcast to 1,000 members. The sockets
 * are in memory, take everything and do nothing. On every runtime: `node --expose-gc`, `bun --expose-gc`,
 * `deno run -A --no-check --v8-flags=--expose-gc`; without the collector to call, the garbage of one part costs the next.
 */

import { Hub } from "../src/hub/hub.ts";
import type { HubClient } from "../src/hub/hub_client.ts";
import type { HubSocket } from "../src/hub/member.ts";
import { PIPE_ADDR } from "../src/net/addr.ts";
import { Runtime, type RuntimeAdapter } from "../src/net/runtime.ts";

const SIZES = [1_000, 10_000, 100_000];
/** Rooms that each member is in, so members that each room has. */
const ROOMS_EACH = 4;
/** So many members are made and let go of for one figure, in as many hubs as that takes. */
const MEMBERS = 100_000;
const BROADCASTS = 100_000;
/** Broadcasts to one room in a turn. */
const BROADCASTS_A_TURN = 16;
const ROUNDS = 5;

const BROADCAST_MEMBERS = 1_000;
const BROADCAST_MESSAGES = 16;
const BROADCAST_TURNS = 200;

/** Ends turns when it is told to. */
class BenchClock {
  #afterTurn: (() => void)[] = [];
  now(): number {
    return performance.now();
  }
  startTimer(): unknown {
    return null;
  }
  stopTimer(): void {}
  afterTurn(callback: () => void): void {
    this.#afterTurn.push(callback);
  }
  endTurn(): void {
    for (const callback of this.#afterTurn.splice(0)) callback();
  }
}

class NullMember implements HubSocket {
  readonly remoteAddr = PIPE_ADDR;
  readonly closed: Promise<unknown> = new Promise(() => {});
  writeBatch(): Promise<void> | null {
    return null;
  }
  close(): Promise<unknown> {
    return Promise.resolve();
  }
  closeNow(): void {}
}

/** A hub whose turns end by hand. */
function makeHub(): { hub: Hub<null>; clock: BenchClock } {
  const clock = new BenchClock();
  const adapter = { name: "memory", clock, fillRandom: () => {} } as unknown as RuntimeAdapter;
  return { hub: new Hub<null>(new Runtime(adapter)), clock };
}

/** Milliseconds spent in each step, and how often it was done. */
class Stopwatch {
  readonly #spent: Map<string, { ms: number; count: number }> = new Map();

  measure(step: string, count: number, work: () => void): void {
    const start = performance.now();
    work();
    const ms = performance.now() - start;
    const spent = this.#spent.get(step) ?? { ms: 0, count: 0 };
    this.#spent.set(step, { ms: spent.ms + ms, count: spent.count + count });
  }

  /** Nanoseconds each, by step. */
  get results(): [step: string, nanoseconds: number][] {
    return [...this.#spent].map(([step, { ms, count }]) => [step, ms * 1e6 / count]);
  }
}

const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});
const names = Array.from({ length: SIZES.at(-1)! }, (_, i) => `room ${i}`);
const payload = "x".repeat(128);

/** The steps in hubs of one size, which do as much in all as the others. */
function measureSize(size: number): Stopwatch {
  const watch = new Stopwatch();
  for (let hubs = MEMBERS / size; hubs > 0; hubs--) measureHub(size, watch);
  return watch;
}

function measureHub(size: number, watch: Stopwatch): void {
  const { hub, clock } = makeHub();
  const sockets = Array.from({ length: size }, () => new NullMember());
  const clients: HubClient<null>[] = [];
  const shuffled = shuffle(size);
  watch.measure("register", size, () => {
    for (const socket of sockets) clients.push(hub.register(socket, null));
  });
  watch.measure("join", size * ROOMS_EACH, () => {
    // A room's members are far from each other in memory, as they are where they come and go.
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < ROOMS_EACH; j++) clients[i]!.join(names[shuffled[(i + j * 337) % size]!]!);
    }
  });
  const broadcasts = BROADCASTS * size / MEMBERS;
  watch.measure(`broadcast to a room of ${ROOMS_EACH}`, broadcasts, () => {
    for (let i = 0; i < broadcasts; i++) {
      hub.room(names[shuffled[i % size]!]!).broadcast(payload);
      if (i % BROADCASTS_A_TURN === BROADCASTS_A_TURN - 1) clock.endTurn();
    }
    clock.endTurn();
  });
  // Half of the rooms are left by hand, half when the member goes.
  watch.measure("leave", size * ROOMS_EACH / 2, () => {
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < ROOMS_EACH / 2; j++) clients[i]!.leave(names[shuffled[(i + j * 337) % size]!]!);
    }
  });
  watch.measure(`unregister, in ${ROOMS_EACH / 2} rooms`, size, () => {
    for (const at of shuffled) hub.unregister(clients[at]!);
  });
  if (hub.size !== 0 || hub.stats.rooms !== 0) throw new Error("The hub is not empty");
}

/** The numbers below `count`, in an order that is the same in each run. */
function shuffle(count: number): number[] {
  const numbers = Array.from({ length: count }, (_, i) => i);
  let state = 1;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor(state / 2 ** 32 * (i + 1));
    [numbers[i], numbers[j]] = [numbers[j]!, numbers[i]!];
  }
  return numbers;
}

/** Nanoseconds a member and message. */
function makeBroadcast(): () => number {
  const { hub, clock } = makeHub();
  for (let i = 0; i < BROADCAST_MEMBERS; i++) hub.register(new NullMember(), null).join("room");
  const room = hub.room("room");
  return () => {
    const start = performance.now();
    for (let turn = 0; turn < BROADCAST_TURNS; turn++) {
      for (let i = 0; i < BROADCAST_MESSAGES; i++) room.broadcast(payload);
      clock.endTurn();
    }
    return (performance.now() - start) * 1e6 / (BROADCAST_TURNS * BROADCAST_MESSAGES * BROADCAST_MEMBERS);
  };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

function printTable(columns: Map<number, Map<string, number[]>>): void {
  const cell = (text: string) => text.padStart(12);
  console.log(
    `${"ns each, members:".padEnd(26)}${SIZES.map((size) => cell(size.toLocaleString("en"))).join("")}`,
  );
  for (const step of columns.get(SIZES[0]!)!.keys()) {
    const medians = SIZES.map((size) => median(columns.get(size)!.get(step)!));
    console.log(`${step.padEnd(26)}${medians.map((value) => cell(value.toFixed(0))).join("")}`);
  }
}

const columns = new Map(SIZES.map((size) => [size, new Map<string, number[]>()]));
for (let round = 0; round <= ROUNDS; round++) {
  for (const size of SIZES) {
    collect();
    const { results } = measureSize(size);
    // The first round warms up.
    if (round === 0) continue;
    const column = columns.get(size)!;
    for (const [step, nanoseconds] of results) column.set(step, [...column.get(step) ?? [], nanoseconds]);
  }
}
printTable(columns);

collect();
const broadcast = makeBroadcast();
const measured = Array.from({ length: 4 * ROUNDS }, broadcast).slice(ROUNDS);
console.log(
  `broadcast to ${BROADCAST_MEMBERS.toLocaleString("en")} members, ${BROADCAST_MESSAGES} messages a turn: ` +
    `${median(measured).toFixed(2)} ns a delivery`,
);
