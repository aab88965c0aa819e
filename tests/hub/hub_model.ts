/**
 * What a hub is to do, said a second time and without any haste: queues are arrays, looked through from the front. It
 * shares no code with the hub. It is told of each write that a socket gets, and checks that it is the one that must come.
 */

import assert from "node:assert/strict";
import type { OverflowPolicy } from "../../src/hub/queue_policy.ts";

/** Bounds and policy of a queue. */
export interface ModelPolicy {
  readonly overflow: OverflowPolicy;
  readonly maxQueuedMessages: number;
  readonly maxQueuedBytes: number;
}

/** A message on its way to members. */
export interface ModelMessage {
  /** Counts up over all hubs. */
  readonly id: number;
  /** The hub that it was sent on. */
  readonly origin: number;
  /** Who sent it: the hub's application, or a member. */
  readonly sender: string;
  readonly text: string;
  readonly rooms: readonly string[] | null;
  readonly key: string | null;
}

interface Entry {
  readonly message: ModelMessage;
  readonly label: string | null;
  readonly policy: ModelPolicy;
}

const keepsNewest = ({ overflow }: ModelPolicy) => overflow === "drop-oldest" || overflow === "coalesce";
const sizeOf = (entries: readonly Entry[]) =>
  entries.reduce((sum, { message }) => sum + message.text.length, 0);

/** One member of a hub. */
export class ModelMember {
  readonly rooms: Set<string> = new Set();
  readonly delivered: ModelMessage[] = [];
  gone = false;
  evicted = false;
  stalled = false;
  dropped = 0;
  coalesced = 0;
  readonly #hub: ModelHub;
  readonly #own: ModelPolicy | null;
  #waiting: Entry[] = [];
  #inFlight: Entry[] = [];
  /** Whether it is given what waited while its socket was busy. */
  #behind = false;
  /** What the hub is about to queue: whether it writes first what waits is told by the write. */
  #coming: Entry | null = null;
  #flushing = false;

  constructor(hub: ModelHub, own: ModelPolicy | null) {
    this.#hub = hub;
    this.#own = own;
  }

  get queued(): number {
    return this.#waiting.length + this.#inFlight.length;
  }

  get queuedBytes(): number {
    return sizeOf(this.#waiting) + sizeOf(this.#inFlight);
  }

  /** A message comes. */
  begin(message: ModelMessage, room: string | null): void {
    const policy = this.#own ?? (room === null ? null : this.#hub.roomPolicies.get(room)) ?? this.#hub.policy;
    const label = message.key === null ? null : `${room}\n${message.key}`;
    this.#coming = { message, label: policy.overflow === "coalesce" ? label : null, policy };
  }

  /** It has been queued, or not; tells which. */
  end(): boolean {
    const coming = this.#coming;
    this.#coming = null;
    this.#flushing = false;
    return coming !== null && this.#queue(coming);
  }

  /** Its socket got a write. */
  onWrite(texts: readonly string[]): void {
    if (this.#coming !== null) {
      // All that waits is written, in as many writes as that takes, before it is looked for room again.
      this.#flushing ||= this.#flushesFirst(this.#coming);
      if (!this.#flushing) this.#hub.sent += this.end() ? 1 : 0;
    }
    assert.equal(this.#inFlight.length, 0, "a write while one is under way");
    const batch = this.#waiting.splice(0, texts.length);
    assert.deepEqual(texts, batch.map(({ message }) => message.text));
    this.#checkSize(batch);
    this.delivered.push(...batch.map(({ message }) => message));
    if (this.stalled) this.#inFlight = batch;
  }

  /**
   * One write takes no more than half of what a policy that keeps what is newest lets wait. A room's policy counts for
   * who is behind: its socket was busy until now.
   */
  #checkSize(batch: readonly Entry[]): void {
    if (batch.length === 1) return;
    const base = this.#own ?? this.#hub.policy;
    for (const { policy } of batch) {
      if (!keepsNewest(policy) || policy !== base && !this.#behind) continue;
      assert.ok(batch.length * 2 <= policy.maxQueuedMessages, "too many messages in one write");
      assert.ok(sizeOf(batch) * 2 <= policy.maxQueuedBytes, "too many bytes in one write");
    }
  }

  /** Its socket takes what was in flight, while `act` has it do so. */
  async take(act: () => unknown): Promise<void> {
    this.#behind = this.#inFlight.length > 0;
    this.#inFlight = [];
    await act();
    this.#behind = false;
  }

  /** The turn has ended. */
  checkFlushed(): void {
    if (this.#inFlight.length === 0) {
      assert.equal(this.#waiting.length, 0, "something waits, and for nothing");
    }
  }

  /** It is no member any more. */
  release(): void {
    this.gone = true;
    this.rooms.clear();
    this.#waiting = [];
    this.#inFlight = [];
  }

  #fits(entries: readonly Entry[], { maxQueuedMessages, maxQueuedBytes }: ModelPolicy): boolean {
    return entries.length + this.#inFlight.length <= maxQueuedMessages &&
      sizeOf(entries) + sizeOf(this.#inFlight) <= maxQueuedBytes;
  }

  /** What would wait with this message, were there no bound. */
  #with(entry: Entry): Entry[] {
    return [...this.#waiting.filter(({ label }) => label === null || label !== entry.label), entry];
  }

  #flushesFirst(entry: Entry): boolean {
    return this.#inFlight.length === 0 && this.#waiting.length > 0 &&
      !this.#fits(this.#with(entry), entry.policy);
  }

  #queue(entry: Entry): boolean {
    if (this.gone) return false;
    const { policy } = entry;
    const after = this.#with(entry);
    assert.ok(!this.#flushesFirst(entry), "there is no room, and what waits could have been written");
    if (this.#fits(after, policy)) return this.#replaceBy(after);
    if (policy.overflow === "close") {
      this.#hub.drop("close", this.#waiting.length + 1);
      this.dropped += this.#waiting.length + 1;
      this.evicted = true;
      this.release();
      return false;
    }
    const kept = this.#waiting.filter((waiting) => waiting.policy.overflow === "close");
    if (policy.overflow === "drop-newest" || !this.#fits([...kept, entry], policy)) {
      this.#hub.drop(policy.overflow, 1);
      this.dropped++;
      return false;
    }
    let lost = 0;
    while (!this.#fits(after, policy)) {
      after.splice(after.findIndex((waiting) => waiting.policy.overflow !== "close"), 1);
      lost++;
    }
    this.#hub.drop(policy.overflow, lost);
    this.dropped += lost;
    this.#replaceBy(after, lost);
    return true;
  }

  #replaceBy(after: Entry[], lost = 0): true {
    const replaced = this.#waiting.length + 1 - after.length - lost;
    this.coalesced += replaced;
    this.#hub.coalesced += replaced;
    this.#waiting = after;
    return true;
  }
}

/** A hub: its members, and who gets what. */
export class ModelHub {
  readonly members: Set<ModelMember> = new Set();
  readonly policy: ModelPolicy;
  readonly roomPolicies: ReadonlyMap<string, ModelPolicy>;
  readonly drops: Record<OverflowPolicy, number> = {
    "close": 0,
    "drop-oldest": 0,
    "drop-newest": 0,
    "coalesce": 0,
  };
  sent = 0;
  coalesced = 0;
  evicted = 0;
  received = 0;
  readonly #seen: Set<number> = new Set();

  constructor(policy: ModelPolicy, roomPolicies: ReadonlyMap<string, ModelPolicy>) {
    this.policy = policy;
    this.roomPolicies = roomPolicies;
  }

  drop(policy: OverflowPolicy, messages: number): void {
    this.drops[policy] += messages;
  }

  /** Whether somebody is there for it; `null`: for anything. */
  has(room: string | null): boolean {
    return room === null ? this.members.size > 0 : this.roomNames.has(room);
  }

  get roomNames(): Set<string> {
    return new Set([...this.members].flatMap(({ rooms }) => [...rooms]));
  }

  /** Queues a message while `act` has the hub do it. */
  async queue(message: ModelMessage, act: () => unknown, except: ModelMember | null = null): Promise<void> {
    const { rooms } = message;
    await this.#queueFor(
      [...this.members].filter((member) =>
        member !== except && (rooms === null || rooms.some((room) => member.rooms.has(room)))
      ),
      message,
      rooms?.length === 1 ? rooms[0]! : null,
      act,
    );
  }

  /** Queues a message for one member. */
  send(member: ModelMember, message: ModelMessage, act: () => unknown): Promise<void> {
    return this.#queueFor([member], message, null, act);
  }

  /** A message comes by the broker, for a room that the hub had subscribed to. */
  async receive(message: ModelMessage, room: string | null, self: number, act: () => unknown): Promise<void> {
    if (message.origin === self || !this.has(room) || this.#seen.has(message.id)) {
      await act();
      return;
    }
    this.#seen.add(message.id);
    this.received++;
    await this.queue(message, act);
  }

  async #queueFor(
    receivers: readonly ModelMember[],
    message: ModelMessage,
    room: string | null,
    act: () => unknown,
  ): Promise<void> {
    for (const member of receivers) member.begin(message, room);
    await act();
    for (const member of receivers) if (member.end()) this.sent++;
    for (const member of receivers) {
      if (member.evicted && this.members.delete(member)) this.evicted++;
    }
  }

  /** Somebody is no member any more. */
  remove(member: ModelMember): void {
    member.release();
    this.members.delete(member);
  }
}
