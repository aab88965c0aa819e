/**
 * Cost of each operation of a hub, and its growth with the hub. A hub has as many members as rooms, and each member
 * is in a few rooms. Visitors register, join, broadcast, leave and go; bare collections do the equal steps for
 * comparison. Then a broadcast to 1,000 members is measured. The sockets are in memory and take all bytes.
 *
 * Runs with `node --expose-gc`, `bun --expose-gc` and `deno run -A --no-check --v8-flags=--expose-gc`; without the
 * collector to call, the garbage of one part costs time in the next.
 */

import { Hub } from "../src/hub/hub.ts";
import type { HubMember } from "../src/hub/hub_member.ts";
import { Runtime, type RuntimeAdapter } from "../src/net/runtime.ts";
import { BenchClock, NullSocket } from "./null_socket.ts";

const SIZES = [1_000, 10_000, 100_000];
/** Number of rooms of each member, which is also the number of members of each room. */
const ROOMS_EACH = 4;
/** Number of visitors that come together. */
const VISITORS = 1_000;
/** Number of times that such a group comes. */
const GROUPS = 30;
/** Number of broadcasts to one room in a turn. */
const BROADCASTS_A_TURN = 16;
const ROUNDS = 5;

const BROADCAST_MEMBERS = 1_000;
const BROADCAST_MESSAGES = 16;
const BROADCAST_TURNS = 200;

/** A hub whose turns end when the bench says so. */
function makeHub(): { hub: Hub<null>; clock: BenchClock } {
  const clock = new BenchClock();
  const adapter = { name: "memory", clock, fillRandom: () => {} } as unknown as RuntimeAdapter;
  return { hub: new Hub<null>(new Runtime(adapter)), clock };
}

/** Milliseconds spent in each step, and the number of its calls. */
class Stopwatch {
  readonly #spent: Map<string, { ms: number; count: number }> = new Map();

  measure(step: string, count: number, work: () => void): void {
    const start = performance.now();
    work();
    const ms = performance.now() - start;
    const spent = this.#spent.get(step) ?? { ms: 0, count: 0 };
    this.#spent.set(step, { ms: spent.ms + ms, count: spent.count + count });
  }

  /** Nanoseconds a call, by step. */
  get results(): [step: string, nanoseconds: number][] {
    return [...this.#spent].map(([step, { ms, count }]) => [step, ms * 1e6 / count]);
  }
}

const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});
const names = Array.from({ length: SIZES.at(-1)! }, (_, i) => `room ${i}`);
const payload = "x".repeat(128);

/** The subject of a measurement: the hub, or only the collections that any hub needs. */
interface Subject<Member> {
  register(): Member;
  join(member: Member, room: string): void;
  broadcast(room: string): void;
  endTurn(): void;
  leave(member: Member, room: string): void;
  unregister(member: Member): void;
}

class HubSubject implements Subject<HubMember<null>> {
  readonly #hub: Hub<null>;
  readonly #clock: BenchClock;

  constructor() {
    const { hub, clock } = makeHub();
    this.#hub = hub;
    this.#clock = clock;
  }

  register(): HubMember<null> {
    return this.#hub.register(new NullSocket(), null);
  }
  join(member: HubMember<null>, room: string): void {
    member.join(room);
  }
  broadcast(room: string): void {
    this.#hub.room(room).broadcast(payload);
  }
  endTurn(): void {
    this.#clock.endTurn();
  }
  leave(member: HubMember<null>, room: string): void {
    member.leave(room);
  }
  unregister(member: HubMember<null>): void {
    this.#hub.unregister(member);
  }
}

interface BareMember {
  readonly rooms: Set<string>;
  got: number;
}

/** The runtime's own collections, whose cost grows with their size too: a lower bound for the growth of a hub. */
class BareSubject implements Subject<BareMember> {
  readonly #members = new Set<BareMember>();
  readonly #rooms = new Map<string, Set<BareMember>>();

  register(): BareMember {
    const member = { rooms: new Set<string>(), got: 0 };
    this.#members.add(member);
    return member;
  }
  join(member: BareMember, room: string): void {
    member.rooms.add(room);
    const members = this.#rooms.get(room);
    if (members === undefined) this.#rooms.set(room, new Set([member]));
    else members.add(member);
  }
  broadcast(room: string): void {
    for (const member of this.#rooms.get(room)!) member.got++;
  }
  endTurn(): void {}
  leave(member: BareMember, room: string): void {
    member.rooms.delete(room);
    const members = this.#rooms.get(room)!;
    members.delete(member);
    if (members.size === 0) this.#rooms.delete(room);
  }
  unregister(member: BareMember): void {
    this.#members.delete(member);
    for (const room of [...member.rooms]) this.leave(member, room);
  }
}

/** Adds the resident members. An equal share of rooms is empty at each size, so that rooms come and go too. */
function populate<Member>(subject: Subject<Member>, size: number): void {
  for (let i = 0; i < size; i++) {
    const member = subject.register();
    for (let j = 0; j < ROOMS_EACH; j++) subject.join(member, names[(i * 2 + j * 337) % size]!);
  }
}

/** Visitors come to rooms all over the hub, broadcast and go; their number does not depend on the hub's size. */
function measureVisits<Member>(subject: Subject<Member>, size: number): Stopwatch {
  const watch = new Stopwatch();
  for (let group = 0; group < GROUPS; group++) {
    const rooms = Array.from({ length: VISITORS * ROOMS_EACH }, () => names[random(size)]!);
    const visitors: Member[] = [];
    const forEachStay = (roomsEach: number, step: (visitor: Member, room: string) => void) => {
      for (let i = 0; i < VISITORS; i++) {
        for (let j = 0; j < roomsEach; j++) step(visitors[i]!, rooms[i * ROOMS_EACH + j]!);
      }
    };
    watch.measure("register", VISITORS, () => {
      for (let i = 0; i < VISITORS; i++) visitors.push(subject.register());
    });
    watch.measure(
      "join",
      VISITORS * ROOMS_EACH,
      () => forEachStay(ROOMS_EACH, (v, room) => subject.join(v, room)),
    );
    watch.measure("broadcast to one room", VISITORS * ROOMS_EACH, () => {
      for (let i = 0; i < rooms.length; i++) {
        subject.broadcast(rooms[i]!);
        if (i % BROADCASTS_A_TURN === BROADCASTS_A_TURN - 1) subject.endTurn();
      }
    });
    watch.measure("leave", VISITORS * 2, () => forEachStay(2, (v, room) => subject.leave(v, room)));
    watch.measure("unregister, in 2 rooms", VISITORS, () => {
      for (const visitor of visitors) subject.unregister(visitor);
    });
  }
  return watch;
}

let state = 1;
/** A whole number from 0 to `count` - 1, in an order that is equal in each run. */
function random(count: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor(state / 2 ** 32 * count);
}

/** Cost of a broadcast, nanoseconds a member and message. */
function makeBroadcast(): () => number {
  const { hub, clock } = makeHub();
  for (let i = 0; i < BROADCAST_MEMBERS; i++) hub.register(new NullSocket(), null).join("room");
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

type Columns = Map<number, Map<string, number[]>>;

function printTable(title: string, columns: Columns): void {
  const cell = (text: string) => text.padStart(10);
  console.log(
    `${title.padEnd(26)}${SIZES.map((size) => cell(size.toLocaleString("en"))).join("")}${cell("growth")}`,
  );
  for (const step of columns.get(SIZES[0]!)!.keys()) {
    const medians = SIZES.map((size) => median(columns.get(size)!.get(step)!));
    const growth = (medians.at(-1)! / medians[0]!).toFixed(1);
    console.log(
      `${step.padEnd(26)}${medians.map((value) => cell(value.toFixed(0))).join("")}${cell(growth)}`,
    );
  }
}

function measureSubject<Member>(title: string, make: () => Subject<Member>): void {
  const subjects = SIZES.map((size) => {
    const subject = make();
    populate(subject, size);
    return subject;
  });
  const columns: Columns = new Map(SIZES.map((size) => [size, new Map<string, number[]>()]));
  // Hubs of all sizes exist at once and are measured in turn, so that the collector has equal work for each.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, size] of SIZES.entries()) {
      collect();
      const { results } = measureVisits(subjects[i]!, size);
      // The first round is for the compilers to warm up.
      if (round === 0) continue;
      const column = columns.get(size)!;
      for (const [step, nanoseconds] of results) column.set(step, [...column.get(step) ?? [], nanoseconds]);
    }
  }
  printTable(title, columns);
}

measureSubject("hub: ns each, members:", () => new HubSubject());
measureSubject("Map and Set alone:", () => new BareSubject());

collect();
const broadcast = makeBroadcast();
const measured = Array.from({ length: 4 * ROUNDS }, broadcast).slice(ROUNDS);
console.log(
  `broadcast to ${BROADCAST_MEMBERS.toLocaleString("en")} members, ${BROADCAST_MESSAGES} messages a turn: ` +
    `${median(measured).toFixed(2)} ns a delivery`,
);
