/** Random wires: the library compared with a model of RFC 6455 and with npm ws's receiver. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { BufferPool, POOL_BUFFER_SIZE } from "../../src/bytes/buffer_pool.ts";
import { isSendableCloseCode } from "../../src/protocol/close_code.ts";
import { PieceFlag } from "../../src/protocol/message_piece.ts";
import { Protocol, type ProtocolHandler } from "../../src/protocol/protocol.ts";
import { MessageTooBigError, type ProtocolError } from "../../src/protocol/protocol_error.ts";
import { Random } from "../bytes/random.ts";
import { frameTo, join, type Role, roles, toHex } from "../protocol/wire.ts";
import { type Frame, FrameParser } from "../websocket/raw_peer.ts";
import { limit, runCases } from "./cases.ts";
import { type Doubt, type Heard, readWire } from "./frame_model.ts";
import { encode, randomWire, READ_LIMITS, soundFrames } from "./frames.ts";
import { readByWs } from "./ws_receiver.ts";

const { text } = currentAdapter();

/** Control frames that may wait to be sent, and the pool's buffer that they wait behind. */
const MAX_WAITING = POOL_BUFFER_SIZE + 66 * (125 + 6);

/** A protocol, with the part of the layer above that puts messages together. */
class Receiver implements ProtocolHandler {
  readonly heard: Heard[] = [];
  readonly protocol: Protocol;
  readonly #frames = new FrameParser();
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(role: Role, readLimit: number) {
    const nextKey = () => 0x3d21fa37;
    this.protocol = new Protocol(this, { role, readLimit, nextKey, buffers: new BufferPool(), text });
  }

  /** Takes the chunk, and spoils it: nothing may be read from it later. */
  receive(chunk: Uint8Array): void {
    this.protocol.receiveData(chunk);
    chunk.fill(0xff);
    assert.ok(this.protocol.output.bufferedBytes <= MAX_WAITING, "too much waits to be sent");
  }

  /** Takes what waits to be sent. */
  drain(): void {
    const { output } = this.protocol;
    for (let run = output.take(); run !== null; run = output.take()) {
      this.#frames.push(run);
      output.release();
    }
  }

  /** The frames that were sent. */
  sent(): Frame[] {
    this.drain();
    const frames = this.#frames.all();
    assert.equal(this.#frames.left, 0, "half a frame was sent");
    return frames;
  }

  onMessageData(chunk: Uint8Array, start: number, end: number, flags: number): void {
    const isText = (flags & PieceFlag.Text) !== 0;
    const first = (flags & PieceFlag.First) !== 0;
    const last = (flags & PieceFlag.Last) !== 0;
    assert.equal(first, this.#parts.length === 0, "a message begins when none is under way");
    this.#parts.push(chunk.slice(start, end));
    this.#length += end - start;
    assert.ok(this.#length <= this.protocol.messageLength, "more came than was announced");
    assert.ok(this.protocol.messageLength <= this.protocol.readLimit, "more was let in than is allowed");
    if (!last) return;
    const bytes = join(this.#parts);
    const inPieces = !first;
    this.#parts = [];
    this.#length = 0;
    const message = isText ? text.decode(bytes, 0, bytes.length) : toHex(bytes);
    assert.ok(message !== null || !inPieces, "text in pieces is checked as they come");
    if (message === null) this.protocol.fail(1007, "a text message is not UTF-8");
    else this.heard.push([isText ? "text" : "binary", message]);
  }

  onPing(payload: Uint8Array): void {
    this.heard.push(["ping", toHex(payload)]);
  }

  onPong(payload: Uint8Array): void {
    this.heard.push(["pong", toHex(payload)]);
  }

  onCloseFrame(code: number, reason: string): void {
    this.heard.push(["close", code, reason]);
    this.protocol.answerClose();
  }

  onFault(error: ProtocolError | MessageTooBigError): void {
    this.heard.push(["fault", error instanceof MessageTooBigError ? 1009 : error.closeCode]);
    this.protocol.answerClose();
  }
}

/** Ways to cut a wire: whole, by the byte where it is short, and twice at random. */
function chunkings(random: Random, wire: Uint8Array): Uint8Array[][] {
  const ways = [[wire.slice()], random.cut(wire, 5), random.cut(wire, 1 + random.below(2000))];
  if (wire.length <= 2000) ways.push(random.cut(wire, 1));
  return ways;
}

/** What must have been sent: an answer to each ping, and one close frame after a close or a fault. */
function answers(heard: readonly Heard[]): string[] {
  return heard.flatMap((event) =>
    event[0] === "ping"
      ? [`pong ${event[1]}`]
      : event[0] === "close" || event[0] === "fault"
      ? [`close ${event[1]}`]
      : []
  );
}

function described({ opcode, payload }: Frame): string {
  if (opcode !== 8) return `${opcode === 10 ? "pong" : opcode} ${toHex(payload)}`;
  if (payload.length === 0) return "close 1005";
  const code = payload[0]! << 8 | payload[1]!;
  assert.ok(isSendableCloseCode(code), `code ${code} was sent`);
  assert.notEqual(text.decode(payload, 2, payload.length), null, "a reason is not UTF-8");
  return `close ${code}`;
}

/** More that comes after the end: nobody hears of it, and nothing is sent. */
function staysEnded(receiver: Receiver, role: Role): void {
  const last = receiver.heard.at(-1)?.[0];
  if (last !== "fault" && last !== "close") return;
  const count = receiver.heard.length;
  receiver.receive(join([frameTo(role, "8101", "78"), frameTo(role, "8900"), frameTo(role, "8802", "03e8")]));
  receiver.protocol.sendClose(1000, "");
  receiver.protocol.fail(1002, "again");
  const more = receiver.heard.slice(count).filter(([kind]) => kind !== "fault");
  assert.deepEqual(more, [], "something was heard after the end");
  assert.deepEqual(receiver.sent(), [], "something was sent after the end");
}

function checkProtocol(role: Role, readLimit: number, wire: Uint8Array, random: Random): void {
  const { heard } = readWire(wire, { masked: role === "server", readLimit });
  for (const chunks of chunkings(random, wire)) {
    const receiver = new Receiver(role, readLimit);
    const sent: Frame[] = [];
    for (const chunk of chunks) {
      receiver.receive(chunk);
      // The network takes what waits, or it takes its time.
      if (random.oneIn(2)) sent.push(...receiver.sent());
    }
    sent.push(...receiver.sent());
    const how = `${role} of limit ${readLimit}, in ${chunks.length} chunks`;
    assert.deepEqual(receiver.heard, heard, how);
    assert.deepEqual(sent.map(described), answers(heard), how);
    assert.ok(sent.every(({ masked, fin }) => fin && masked === (role === "client")), how);
    staysEnded(receiver, role);
  }
}

/** This side says goodbye in the middle: what comes is heard all the same, and no second close frame goes out. */
function checkLeaving(role: Role, readLimit: number, wire: Uint8Array, random: Random): void {
  const { heard } = readWire(wire, { masked: role === "server", readLimit });
  const receiver = new Receiver(role, readLimit);
  const chunks = random.cut(wire, 1 + random.below(100));
  const leaveAt = random.below(chunks.length + 1);
  for (const [i, chunk] of chunks.entries()) {
    if (i === leaveAt) receiver.protocol.sendClose(4000, "leaving");
    receiver.receive(chunk);
  }
  if (leaveAt === chunks.length) receiver.protocol.sendClose(4000, "leaving");
  assert.deepEqual(receiver.heard, heard);
  const sent = receiver.sent().map(described);
  const pongs = answers(heard).filter((answer) => answer.startsWith("pong"));
  assert.match(sent.at(-1) ?? "", /^close /);
  assert.deepEqual(sent.slice(0, -1), pongs.slice(0, sent.length - 1));
}

/** A wire for a side of one of the limits, and that side. */
function randomCase(random: Random): { wire: Uint8Array; role: Role; readLimit: number } {
  const role = random.pick(roles);
  return { role, readLimit: random.pick(READ_LIMITS), wire: randomWire(random, role) };
}

describe("frames at random", () => {
  it("are read as the RFC says, however they are cut", limit, () =>
    runCases(2500, (random) => {
      const { wire, role, readLimit } = randomCase(random);
      const seed = random.uint32();
      return { wire, check: (wire) => checkProtocol(role, readLimit, wire, new Random(seed)) };
    }));

  it("are read by a side that is leaving, which says so once", limit, () =>
    runCases(1500, (random) => {
      const { wire, role, readLimit } = randomCase(random);
      const seed = random.uint32();
      return { wire, check: (wire) => checkLeaving(role, readLimit, wire, new Random(seed)) };
    }));

  it("leave bounded answers behind when they are pings that nobody lets out", limit, () => {
    const random = new Random(1);
    for (const role of roles) {
      const receiver = new Receiver(role, 1000);
      const ping = frameTo(role, "897d", random.bytes(125));
      for (let i = 0; i < 2000; i++) receiver.receive(ping.slice());
      assert.equal(receiver.heard.length, 2000);
    }
  });

  it("are sound when they were not spoiled", limit, () =>
    runCases(500, (random) => {
      const role = random.pick(roles);
      const wire = join(soundFrames(random, role).map(encode));
      const check = (wire: Uint8Array) => {
        const { heard } = readWire(wire, { masked: role === "server", readLimit: 1 << 20 });
        assert.ok(heard.every(([kind]) => kind !== "fault"), JSON.stringify(heard.at(-1)));
      };
      return { wire, check };
    }));
});

/** Where `ws` and we differ, and what RFC 6455 says there. In each of these, one of the two ends earlier. */
const DIFFERENCES: Readonly<Record<Doubt, string>> = {
  "shortest length": "5.2: a length takes the fewest bytes; ws reads others",
  "highest bit": "5.2: the highest bit of a 64-bit length must be 0, 7.4.1: 1002; ws says 1009, too big",
  "text so far": "8.1: text that is not UTF-8 fails; we say so when it comes, ws at the message's end",
  "half a head": "nothing is delivered; ws refuses a length before the masking key has come, we after it",
  "half a close": "5.5.1: a body has two bytes or none; ws refuses one by its length, we when it has come",
};

/** The same up to where the one that ends earlier does. */
function assertPrefix(ours: readonly Heard[], theirs: readonly Heard[], doubts: string): void {
  const [a, b] = [ours, theirs].map((heard) => heard.filter(([kind]) => kind !== "fault"));
  const length = Math.min(a!.length, b!.length);
  assert.deepEqual(a!.slice(0, length), b!.slice(0, length), doubts);
}

describe("frames at random, read by npm ws too", () => {
  it("mean the same", limit, async () => {
    const seen = new Map<string, number>();
    await runCases(2500, (random) => {
      const { wire, role, readLimit } = randomCase(random);
      const chunks = (wire: Uint8Array) => new Random(wire.length).cut(wire, 1 + wire.length % 97);
      const check = (wire: Uint8Array) => {
        const receiver = new Receiver(role, readLimit);
        for (const chunk of chunks(wire)) receiver.receive(chunk);
        const theirs = readByWs(chunks(wire), { isServer: role === "server", maxPayload: readLimit });
        const { doubts } = readWire(wire, { masked: role === "server", readLimit });
        const name = [...doubts].join(", ");
        if (doubts.size === 0) assert.deepEqual(receiver.heard, theirs);
        else assertPrefix(receiver.heard, theirs, [...doubts].map((doubt) => DIFFERENCES[doubt]).join("; "));
        const kind = doubts.size === 0 ? receiver.heard.at(-1)?.[0] ?? "nothing" : name;
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
      };
      return { wire, check };
    });
    const total = [...seen.values()].reduce((sum, count) => sum + count, 0);
    const doubtful = Object.keys(DIFFERENCES).reduce((sum, name) => sum + (seen.get(name) ?? 0), 0);
    assert.ok(doubtful < total / 3, `too many may differ: ${JSON.stringify([...seen])}`);
  });
});
