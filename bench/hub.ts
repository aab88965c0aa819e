/**
 * What a hub's steps cost, and whether that grows with the hub: as many members as rooms, each member in a few of them,
 * and visitors who register, join, broadcast, leave and go, beside the same on bare collections; then a broadcast to
 * 1,000 members. The sockets are in memory, take everything and do nothing. On every runtime: `node --expose-gc`, `bun --expose-gc`,
 * `deno run -A --no-check --v8-flags=--expose-gc`; without the collector to call, the garbage of one part costs the next.
 */

import { Hub } from "../src/hub/hub.ts";
import type { HubMember } from "../src/hub/hub_member.ts";
import { Runtime, type RuntimeAdapter } from "../src/net/runtime.ts";
import { BenchClock, NullSocket } from "./null_socket.ts";

const SIZES = [1_000, 10_000, 100_000];
/** Rooms that each member is in, so members that each room has. */
const ROOMS_EACH = 4;
/** So many come at once, and so often. */
const VISITORS = 1_000;
const GROUPS = 30;
/** Broadcasts to one room in a turn. */
const BROADCASTS_A_TURN = 16;
const ROUNDS = 5;

const BROADCAST_MEMBERS = 1_000;
const BROADCAST_MESSAGES = 16;
const BROADCAST_TURNS = 200;

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

/** What is measured: the hub, or nothing but the collections that any hub needs. */
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

/** What the runtime's own collections cost at this size: the hub cannot be flatter than they are. */
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

/** Who is there all the time, and in which rooms: of each size the same share is empty, so that rooms come and go too. */
function populate<Member>(subject: Subject<Member>, size: number): void {
  for (let i = 0; i < size; i++) {
    const member = subject.register();
    for (let j = 0; j < ROOMS_EACH; j++) subject.join(member, names[(i * 2 + j * 337) % size]!);
  }
}

/** Visitors come to rooms all over the hub, talk and go: as many for every size. */
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
/** A number below `count`, in an order that is the same in each run. */
function random(count: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor(state / 2 ** 32 * count);
}

/** Nanoseconds a member and message. */
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
  // All the sizes stand at once, and are measured in turn: the collector has the same to do for each.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, size] of SIZES.entries()) {
      collect();
      const { results } = measureVisits(subjects[i]!, size);
      // The first round warms up.
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
