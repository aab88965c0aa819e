/** Real sockets: one member of many stops reading. The others miss nothing, and it gets just what its policy says. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { HubMember } from "../../mod.ts";
import type { OverflowPolicy } from "../../src/hub/queue_policy.ts";
import { holdProcess } from "../net/support.ts";
import { Crowd, numbered } from "./crowd.ts";
import { QueueModel, ReportingSocket } from "./queue_model.ts";

const limit = { timeout: 60_000 };

/** What is sent to the slow member alone, until its socket takes no more. */
const FILLER = 262_144;
/** More than any kernel keeps for a connection, in such messages. */
const MOST_FILLERS = 256;
/** Messages to everybody in a turn, once it does not. */
const BURST = 16;
/** So many are lost before it reads again. */
const LOSSES = 100;

interface Case {
  readonly overflow: OverflowPolicy;
  readonly members: number;
  /** Bytes of a message to everybody. */
  readonly size: number;
  readonly maxQueuedMessages: number;
  readonly maxQueuedBytes: number;
}

const byCount = { size: 128, maxQueuedMessages: 64, maxQueuedBytes: 1_048_576 };
const byBytes = { size: 8_192, maxQueuedMessages: 16_384, maxQueuedBytes: 1_048_576 };
const cases: Case[] = [
  { overflow: "close", members: 1_000, ...byCount },
  { overflow: "drop-oldest", members: 1_000, ...byCount },
  { overflow: "drop-newest", members: 100, ...byCount },
  { overflow: "coalesce", members: 100, ...byCount },
  { overflow: "close", members: 100, ...byBytes },
  { overflow: "drop-oldest", members: 100, ...byBytes },
  { overflow: "drop-newest", members: 100, ...byBytes },
  { overflow: "coalesce", members: 100, ...byBytes },
];

/** A crowd of which the first does not read, and what it is to get. */
class SlowMemberRun {
  readonly model: QueueModel;
  readonly #case: Case;
  #crowd!: Crowd;
  #socket!: ReportingSocket;
  #sent = 0;
  /** What is for everybody. */
  readonly #broadcast: number[] = [];

  private constructor(options: Case) {
    this.#case = options;
    this.model = new QueueModel(options);
  }

  static async start(options: Case): Promise<SlowMemberRun> {
    const run = new SlowMemberRun(options);
    const { overflow, maxQueuedMessages, maxQueuedBytes } = options;
    const queue = { overflow, maxQueuedMessages, maxQueuedBytes };
    run.#crowd = await Crowd.gather(options.members, queue, (hub, conn, index) => {
      const socket = index === 0 ? run.#socket = new ReportingSocket(conn, run.model) : conn;
      const member = hub.register(socket, index);
      member.join("room");
      return member;
    });
    for (const peer of run.#others) peer.read();
    return run;
  }

  get #slow(): HubMember<number> {
    return this.#crowd.members[0]!;
  }

  get #others() {
    return this.#crowd.peers.slice(1);
  }

  /** Until the slow member has lost enough, and then a little more. */
  async sendTooMuch(): Promise<void> {
    for (let fillers = 0; this.model.dropped < LOSSES && !this.model.evicted;) {
      if (this.#slow.queuedMessages > 0) {
        await this.#turn(BURST);
        continue;
      }
      assert.ok(fillers++ < MOST_FILLERS, "the socket takes more than any kernel keeps");
      this.#fill();
      await nextTurn();
    }
    await this.#turn(BURST);
  }

  #fill(): void {
    const number = this.#sent++;
    this.model.push({ number, size: FILLER, key: null });
    assert.equal(this.#slow.send(numbered(number, FILLER)), true);
  }

  /** Messages to everybody, half of them with keys, none twice in a turn: the others miss none. */
  async #turn(messages: number): Promise<void> {
    const { size, members } = this.#case;
    const { hub } = this.#crowd;
    for (let i = 0; i < messages; i++) {
      const number = this.#sent++;
      const key = i % 2 === 0 ? null : `key ${i}`;
      const { dropped } = this.model;
      this.model.push({ number, size, key });
      const taken = hub.room("room").broadcast(numbered(number, size), key === null ? {} : { key });
      this.#broadcast.push(number);
      const lostIt = this.model.evicted ||
        this.#case.overflow === "drop-newest" && this.model.dropped > dropped;
      assert.equal(taken, lostIt ? members - 1 : members);
      assert.equal(hub.stats.dropped, this.model.dropped);
    }
    this.#check();
    await this.#crowd.haveReceived(this.#others, this.#broadcast.length);
    // What the sockets took is heard of.
    await nextTurn();
    this.#check();
  }

  /** The hub and the model have the same to say of the slow member, and nobody else loses anything. */
  #check(): void {
    const { model } = this;
    const slow = this.#slow;
    const { stats } = this.#crowd.hub;
    this.#socket.check();
    assert.ok(slow.queuedMessages <= this.#case.maxQueuedMessages, `${slow.queuedMessages} messages wait`);
    assert.ok(slow.queuedBytes <= this.#case.maxQueuedBytes, `${slow.queuedBytes} bytes wait`);
    assert.deepEqual([slow.dropped, slow.coalesced], [model.dropped, model.coalesced]);
    assert.deepEqual([stats.dropped, stats.drops[this.#case.overflow]], [model.dropped, model.dropped]);
    assert.equal(stats.coalesced, model.coalesced);
    assert.equal(stats.evicted, model.evicted ? 1 : 0);
    if (model.evicted) return;
    assert.equal(slow.queuedMessages, model.queuedMessages);
    assert.equal(slow.queuedBytes, model.queuedBytes);
  }

  /** The slow member reads again: it gets what was taken for it, then the rest. */
  async readAgain(): Promise<void> {
    const { expected } = this.model;
    const peer = this.#crowd.peers[0]!;
    peer.read();
    if (this.model.evicted) {
      await peer.reading;
      assert.deepEqual(peer.received, expected);
      assert.deepEqual([peer.closedWith, this.#socket.closedWith], [1013, 1013]);
      assert.equal(this.#slow.registered, false);
      assert.equal(this.#crowd.hub.size, this.#case.members - 1);
    } else {
      await this.#crowd.haveReceived([peer], expected.length);
      assert.deepEqual(peer.received, expected);
      // It is as the others again, once the hub has heard that its socket took everything.
      while (this.#slow.queuedMessages > 0) await nextTurn();
      await this.#turn(BURST);
      await this.#crowd.haveReceived([peer], expected.length + BURST);
      assert.deepEqual(peer.received, this.model.expected);
    }
    // All has come, and the hub is to hear that the sockets took it.
    while (this.#crowd.hub.stats.queuedMessages > 0) await nextTurn();
    this.#socket.check();
  }

  /** Each of the others has every message, in order, and what the slow one lacks was counted. */
  checkAll(): void {
    for (const peer of this.#others) assert.deepEqual(peer.received, this.#broadcast);
    const { evicted, dropped, coalesced } = this.model;
    const { received } = this.#crowd.peers[0]!;
    // Who is gone is sent nothing, so loses nothing more.
    if (!evicted) assert.equal(this.#sent - received.length, dropped + coalesced);
    const { stats } = this.#crowd.hub;
    assert.deepEqual([stats.queuedMessages, stats.queuedBytes], [0, 0]);
  }

  leave(): Promise<void> {
    return this.#crowd.leave();
  }
}

describe("Hub: a member of many that stops reading", () => {
  holdProcess();

  for (const options of cases) {
    const { overflow, members, maxQueuedMessages, size } = options;
    const bound = options.maxQueuedMessages < 1_000 ? `${maxQueuedMessages} messages` : "bytes";
    it(`${overflow}, among ${members}, bounded by ${bound}, ${size} bytes a message`, limit, async () => {
      const run = await SlowMemberRun.start(options);
      try {
        await run.sendTooMuch();
        await run.readAgain();
        run.checkAll();
      } finally {
        // A failure must not keep the process from ending.
        await run.leave();
      }
    });
  }
});
