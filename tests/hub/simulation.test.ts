/**
 * Hubs joined by a broker, with members that stall, break and go, for many short histories; each is made of a seed. After
 * every step each hub is what its model says: who is in it and where, what waits, what was lost, what was delivered.
 *
 * JACKFIELD_FUZZ_SEED and JACKFIELD_FUZZ_CASES say where to begin, and how many.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Broker, Subscription } from "../../src/hub/broker.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { HubMember } from "../../src/hub/hub_member.ts";
import type { MessageBatch } from "../../src/websocket/message_batch.ts";
import { Random } from "../bytes/random.ts";
import { limit, runSeeds } from "../fuzz/cases.ts";
import { ModelHub, ModelMember, type ModelMessage, type ModelPolicy } from "./hub_model.ts";
import { MemorySocket } from "./memory_socket.ts";
import { HubWorld } from "./support.ts";

const CASES = 1_500;
const STEPS = 60;
const ROOMS = ["a", "b", "c"];
const KEYS = ["x", "y"];

async function settled(): Promise<void> {
  for (let i = 0; i < 12; i++) await null;
}

/** Something on its way to a hub. */
interface Parcel {
  readonly message: ModelMessage;
  readonly room: string | null;
  readonly bytes: Uint8Array;
  readonly deliver: (bytes: Uint8Array) => void;
}

/** The end of the broker that one hub has. */
class SimBroker implements Broker {
  readonly inbox: Parcel[] = [];
  readonly subscribed: Map<string | null, (bytes: Uint8Array) => void> = new Map();
  /** Whether the hub cannot reach it: calls fail, and what others publish is lost to this hub. */
  down = false;
  /** Calls of `publish`, and of those what it took. */
  calls = 0;
  taken = 0;
  readonly #sim: Simulation;

  constructor(sim: Simulation) {
    this.#sim = sim;
  }

  subscribe(room: string | null, deliver: (bytes: Uint8Array) => void): Subscription | Promise<Subscription> {
    assert.ok(!this.subscribed.has(room), `subscribed twice to ${room}`);
    const { random } = this.#sim;
    if (this.down || random.oneIn(20)) throw new Error("Cannot subscribe");
    this.subscribed.set(room, deliver);
    const subscription = {
      unsubscribe: () => {
        assert.equal(this.subscribed.get(room), deliver, `unsubscribed twice from ${room}`);
        const end = () => void this.subscribed.delete(room);
        return random.oneIn(2) ? end() : this.#sim.later(end);
      },
    };
    return random.oneIn(2) ? subscription : this.#sim.later(() => subscription);
  }

  publish(room: string | null, bytes: Uint8Array): void | Promise<void> {
    const { random, message } = this.#sim;
    this.calls++;
    if (this.down || random.oneIn(20)) throw new Error("Cannot publish");
    this.taken++;
    for (const { broker } of this.#sim.hubs) {
      const deliver = broker.subscribed.get(room);
      if (deliver !== undefined && !broker.down) {
        broker.inbox.push({ message: message!, room, bytes, deliver });
      }
    }
    if (random.oneIn(3)) return this.#sim.later(() => {});
    if (random.oneIn(20)) return Promise.reject(new Error("Published, but it did not say so"));
  }

  close(): void {}
}

/** A member whose model sees its writes. */
class SimMember extends MemorySocket {
  readonly model: ModelMember;
  readonly name: string;
  member!: HubMember<string>;
  /** What was wrong with a write. */
  fault: unknown = null;
  /** Answers that its publishes wait for. */
  readonly answers: { readonly message: ModelMessage; answer: (allowed: boolean) => void }[] = [];

  constructor(model: ModelMember, name: string) {
    super();
    this.model = model;
    this.name = name;
  }

  override writeBatch(batch: MessageBatch): Promise<void> | null {
    try {
      this.model.onWrite(batch.messages().map((message) => message.text()));
    } catch (error) {
      // To the hub it would be a socket that fails.
      this.fault ??= error;
    }
    return super.writeBatch(batch);
  }
}

interface SimHub {
  readonly index: number;
  readonly hub: Hub<string>;
  readonly model: ModelHub;
  readonly broker: SimBroker;
  readonly members: SimMember[];
  /** Who is where, by what the hub told. */
  readonly presence: Set<string>;
  /** Calls of the broker that what was sent asks for: one for each room. */
  publishes: number;
}

/** One history. */
class Simulation {
  readonly random: Random;
  readonly hubs: SimHub[] = [];
  /** What is being sent. */
  message: ModelMessage | null = null;
  readonly #world: HubWorld;
  readonly #later: (() => void)[] = [];
  readonly #waitingAnswers: Map<HubMember<string>, SimMember> = new Map();
  #next = 1;

  constructor(seed: number) {
    this.random = new Random(seed);
    this.#world = new HubWorld(seed);
    const count = 1 + this.random.below(3);
    for (let i = 0; i < count; i++) this.hubs.push(this.#makeHub(i));
  }

  /** Resolves when the simulation gets to it. */
  later<T>(value: () => T): Promise<T> {
    return new Promise((resolve) => this.#later.push(() => resolve(value())));
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      await this.#step(this.random.pick(this.hubs));
      await settled();
      for (const hub of this.hubs) this.#check(hub);
    }
    await this.#quiesce();
  }

  #policy(): ModelPolicy {
    return {
      overflow: this.random.pick(["close", "drop-oldest", "drop-newest", "coalesce"]),
      maxQueuedMessages: 1 + this.random.below(8),
      maxQueuedBytes: 10 + this.random.below(100),
    };
  }

  #makeHub(index: number): SimHub {
    const policy = this.#policy();
    const roomPolicies = new Map(
      ROOMS.filter(() => this.random.oneIn(3)).map((room) => [room, this.#policy()]),
    );
    const presence = new Set<string>();
    const broker = new SimBroker(this);
    const ids = new Map<HubMember<string>, number>();
    const place = (member: HubMember<string>, room: string) => {
      if (!ids.has(member)) ids.set(member, ids.size);
      return `${ids.get(member)} in ${room}`;
    };
    const hub = this.#world.hub({
      ...policy,
      broker,
      pingInterval: Infinity,
      roomQueue: (room) => roomPolicies.get(room),
      onJoin: (member, room) => {
        assert.ok(!presence.has(place(member, room)), "told of a join twice");
        presence.add(place(member, room));
      },
      onLeave: (member, room) =>
        assert.ok(presence.delete(place(member, room)), "told of a leave that was none"),
      authorizePublish: (member, _room, message) => {
        const { answers } = this.#waitingAnswers.get(member)!;
        const asked = answers.find(({ message: { text } }) => text === message.text())!;
        return new Promise((resolve) => void (asked.answer = resolve));
      },
      onError: () => {},
    });
    return {
      index,
      hub,
      model: new ModelHub(policy, roomPolicies),
      broker,
      members: [],
      presence,
      publishes: 0,
    };
  }

  #makeMessage({ index }: SimHub, rooms: readonly string[] | null, sender = `hub ${index}`): ModelMessage {
    const id = this.#next++;
    const text = `${id}:`.padEnd(3 + this.random.below(30), "x");
    return {
      id,
      origin: index,
      sender,
      text,
      rooms,
      key: this.random.oneIn(2) ? this.random.pick(KEYS) : null,
    };
  }

  async #step(sim: SimHub): Promise<void> {
    const { random } = this;
    const { hub, model, members } = sim;
    const what = random.below(100);
    if (what < 8 || members.length === 0) return this.#register(sim);
    const socket = random.pick(members);
    const room = random.pick(ROOMS);
    if (what < 18) {
      socket.member.join(room);
      if (!socket.model.gone) socket.model.rooms.add(room);
    } else if (what < 23) {
      socket.member.leave(room);
      socket.model.rooms.delete(room);
    } else if (what < 43) {
      const rooms = random.oneIn(3) ? null : random.oneIn(3) ? [room, random.pick(ROOMS)] : [room];
      await this.#broadcast(sim, rooms === null ? null : [...new Set(rooms)]);
    } else if (what < 49) {
      const message = this.#makeMessage(sim, null);
      await model.send(socket.model, message, () => socket.member.send(message.text, keyOf(message)));
    } else if (what < 55) {
      this.#publish(sim, socket, room);
    } else if (what < 61) {
      await this.#answer(sim, socket);
    } else if (what < 66) {
      socket.stall();
      socket.model.stalled = true;
    } else if (what < 74) {
      if (random.oneIn(2)) socket.model.stalled = false;
      await this.#take(socket);
    } else if (what < 76) {
      if (random.oneIn(2)) hub.unregister(socket.member);
      else socket.closeNow();
      await settled();
      this.#remove(sim, socket);
    } else if (what < 77 && socket.busy) {
      socket.breakWrite();
      await settled();
      this.#remove(sim, socket);
    } else if (what < 87) {
      await this.#deliver(sim);
    } else if (what < 93) {
      this.#later.splice(random.below(Math.max(1, this.#later.length)), 1)[0]?.();
    } else if (what < 95) {
      sim.broker.down = !sim.broker.down;
    } else {
      this.#endTurn();
    }
  }

  #register({ hub, model, members }: SimHub): void {
    if (members.length >= 6) return;
    const own = this.random.oneIn(3) ? this.#policy() : null;
    const socket = new SimMember(new ModelMember(model, own), `member ${this.#next++}`);
    socket.member = hub.register(socket, "", own ?? {});
    this.#waitingAnswers.set(socket.member, socket);
    model.members.add(socket.model);
    members.push(socket);
  }

  #remove({ model, members }: SimHub, socket: SimMember): void {
    model.remove(socket.model);
    members.splice(members.indexOf(socket), 1);
  }

  async #broadcast(sim: SimHub, rooms: readonly string[] | null): Promise<void> {
    const message = this.#makeMessage(sim, rooms);
    const except = this.random.oneIn(4) ? this.random.pick(sim.members) : null;
    this.message = message;
    sim.publishes += rooms?.length ?? 1;
    await sim.model.queue(message, () => {
      sim.hub.broadcast(message.text, {
        ...keyOf(message),
        ...rooms === null ? {} : { rooms },
        ...except === null ? {} : { except: except.member },
        ...this.random.oneIn(4) ? { filter: () => true } : {},
      });
    }, except?.model);
    this.message = null;
  }

  #publish(sim: SimHub, socket: SimMember, room: string): void {
    // One that is not in the room is refused without the hook, when its turn comes.
    if (socket.answers.length === 0 && !socket.model.rooms.has(room) || socket.answers.length > 3) return;
    const message = this.#makeMessage(sim, [room], socket.name);
    socket.answers.push({ message, answer: () => {} });
    void socket.member.publish(room, message.text, keyOf(message));
  }

  /** The hook answers: what it allows is broadcast now, if its sender is still in the room. */
  async #answer(sim: SimHub, socket: SimMember): Promise<void> {
    const first = socket.answers.shift();
    if (first === undefined) return;
    const { message, answer } = first;
    const allowed = !this.random.oneIn(4);
    const done = allowed && !socket.model.gone && socket.model.rooms.has(message.rooms![0]!);
    if (done) sim.publishes++;
    const act = async () => {
      answer(allowed);
      await settled();
    };
    this.message = message;
    if (done) await sim.model.queue(message, act);
    else await act();
    this.message = null;
    // The hook has been asked about the next, but not about those that are refused without it.
    const { answers, model } = socket;
    while (answers.length > 0 && !model.rooms.has(answers[0]!.message.rooms![0]!)) answers.shift();
  }

  async #deliver(sim: SimHub): Promise<void> {
    const parcel = sim.broker.inbox.shift();
    if (parcel === undefined) return;
    const { message, room, bytes, deliver } = parcel;
    // What comes by a subscription that has ended is ignored, also where there is a new one.
    const late = sim.broker.subscribed.get(room) !== deliver;
    for (let times = this.random.oneIn(6) ? 2 : 1; times > 0; times--) {
      if (late) deliver(bytes.slice());
      else await sim.model.receive(message, room, sim.index, () => deliver(bytes.slice()));
    }
  }

  /** The socket has room again: for one write, or for all that comes. */
  #take(socket: SimMember): Promise<void> {
    return socket.model.take(() => {
      if (socket.model.stalled) socket.takeOne();
      else socket.recover();
      return settled();
    });
  }

  #endTurn(): void {
    this.#world.clock.endTurn();
    for (const { members } of this.hubs) for (const { model } of members) model.checkFlushed();
  }

  #check({ hub, model, members, presence, broker, publishes }: SimHub): void {
    for (const socket of [...members]) {
      const { member, model: expected } = socket;
      if (socket.fault !== null) throw socket.fault;
      assert.deepEqual(
        [member.registered, member.queuedMessages, member.queuedBytes, member.dropped, member.coalesced],
        [!expected.gone, expected.queued, expected.queuedBytes, expected.dropped, expected.coalesced],
      );
      assert.deepEqual([...member.rooms].sort(), [...expected.rooms].sort());
      assert.equal(socket.closedBy === 1013, expected.evicted);
      if (expected.gone) members.splice(members.indexOf(socket), 1);
    }
    const stats = hub.stats;
    assert.deepEqual([broker.calls, stats.published, stats.publishDropped], [publishes, broker.taken, 0]);
    const queued = [...model.members].reduce((sum, { queued }) => sum + queued, 0);
    const bytes = [...model.members].reduce((sum, { queuedBytes }) => sum + queuedBytes, 0);
    assert.deepEqual(
      [stats.members, stats.rooms, stats.queuedMessages, stats.queuedBytes, stats.sent, stats.evicted],
      [model.members.size, model.roomNames.size, queued, bytes, model.sent, model.evicted],
    );
    assert.deepEqual([stats.drops, stats.coalesced, stats.received], [
      model.drops,
      model.coalesced,
      model.received,
    ]);
    assert.deepEqual([...hub.rooms].sort(), [...model.roomNames].sort());
    assert.equal(presence.size, [...model.members].reduce((sum, { rooms }) => sum + rooms.size, 0));
  }

  /** Everybody catches up: nothing waits, and each hub is subscribed to just what it has members for. */
  async #quiesce(): Promise<void> {
    for (const { broker, members } of this.hubs) {
      broker.down = false;
      for (const socket of members) {
        socket.model.stalled = false;
        await this.#take(socket);
      }
    }
    await settled();
    for (let round = 0; round < 20; round++) {
      for (const later of this.#later.splice(0)) later();
      await settled();
      for (const sim of this.hubs) while (sim.broker.inbox.length > 0) await this.#deliver(sim);
      this.#endTurn();
      this.#world.clock.advance(60_000);
      await settled();
    }
    for (const sim of this.hubs) {
      this.#check(sim);
      const wanted = sim.hub.size === 0 ? [] : [null, ...sim.hub.rooms];
      assert.deepEqual([...sim.broker.subscribed.keys()].map(String).sort(), wanted.map(String).sort());
      for (const { model } of sim.members) {
        assert.equal(model.queued, 0);
        checkOrder(model.delivered);
      }
    }
  }
}

/** What came from one sender is in the order in which it sent it, and nothing is there twice. */
function checkOrder(delivered: readonly ModelMessage[]): void {
  const last = new Map<string, number>();
  for (const { id, sender } of delivered) {
    assert.ok(id > (last.get(sender) ?? 0), `message ${id} of ${sender} after ${last.get(sender)}`);
    last.set(sender, id);
  }
}

function keyOf({ key }: ModelMessage): { key?: string } {
  return key === null ? {} : { key };
}

describe("Hub: simulation", () => {
  it("is what its model says, whatever happens", limit, async () => {
    await runSeeds(CASES, (seed) => new Simulation(seed).run());
  });
});
