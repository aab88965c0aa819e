import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { webText } from "../../adapters/web_text.ts";
import { BufferPool } from "../../src/bytes/buffer_pool.ts";
import { applyMask } from "../../src/bytes/mask.ts";
import type { MaskMemory } from "../../src/bytes/mask_memory.ts";
import { PieceFlag } from "../../src/protocol/message_piece.ts";
import { Protocol, type ProtocolHandler } from "../../src/protocol/protocol.ts";
import { Random } from "../bytes/random.ts";
import { frameTo, head, join, KEY_NUMBER, toHex, utf8 } from "./wire.ts";

/** A mask memory without any fast path. */
class SlowMemory implements MaskMemory {
  readonly bytes: Uint8Array;
  readonly workspace: number;
  inUse = false;
  /** Bytes that were masked here. */
  masked = 0;

  constructor(workspace: number, size: number) {
    this.workspace = workspace;
    this.bytes = new Uint8Array(workspace + size);
  }

  mask(start: number, end: number, key: number): void {
    this.masked += end - start;
    applyMask(this.bytes, start, end, key);
  }
}

/** Puts messages together. What is lent is spoiled when the call is over. */
class Receiver implements ProtocolHandler {
  readonly messages: string[] = [];
  readonly protocol: Protocol;
  /** Of each piece. */
  readonly lent: boolean[] = [];
  readonly faults: string[] = [];
  /** Called with each message. */
  onMessage: (() => void) | null = null;
  #parts: Uint8Array[] = [];

  constructor(maskMemory: MaskMemory | null, role: "client" | "server" = "server") {
    const nextKey = () => KEY_NUMBER;
    const buffers = new BufferPool();
    this.protocol = new Protocol(this, {
      role,
      readLimit: 1 << 20,
      nextKey,
      buffers,
      text: webText,
      maskMemory,
    });
  }

  onMessageData(chunk: Uint8Array, start: number, end: number, flags: number): void {
    this.lent.push((flags & PieceFlag.Lent) !== 0);
    this.#parts.push(chunk.slice(start, end));
    if ((flags & PieceFlag.Last) === 0) return;
    this.messages.push(toHex(join(this.#parts)));
    this.#parts = [];
    this.onMessage?.();
  }
  onPing(): void {}
  onPong(): void {}
  onCloseFrame(): void {}
  onFault(error: Error): void {
    this.faults.push(error.message);
  }
}

/** Chunks of at least this many bytes are moved, */
const MOVED_FROM = 1024;
/** and shorter ones that begin with a frame of at least this many bytes. */
const LONG_FRAME = 64;

const binary = (payload: Uint8Array) => frameTo("server", head(0x82, payload.length), payload);

/** Messages of all sizes up to 3,000, and the wire that carries them. */
function conversation(random: Random): { readonly wire: Uint8Array; readonly messages: string[] } {
  const payloads = Array.from({ length: 40 }, (_, i) => random.bytes(random.below(i % 4 === 0 ? 3000 : 80)));
  return { wire: join(payloads.map(binary)), messages: payloads.map(toHex) };
}

describe("chunks and the memory where they are unmasked", () => {
  it("messages are the same however they come, and however little of them fits", () => {
    const random = new Random(3);
    for (const size of [64, 1000, 1024, 4096, 1 << 20]) {
      for (let round = 0; round < 20; round++) {
        const { wire, messages } = conversation(random);
        const memory = new SlowMemory(round % 3 * 7, size);
        const receiver = new Receiver(memory);
        for (let at = 0; at < wire.length;) {
          const chunk = wire.slice(at, at += 1 + random.below(5000));
          receiver.protocol.receiveData(chunk, random.below(2) === 1);
          memory.bytes.fill(0xee);
        }
        assert.deepEqual(receiver.messages, messages);
        assert.deepEqual(receiver.faults, []);
        assert.ok(memory.masked > 0);
      }
    }
  });

  it("what was moved is lent, whosever the chunk was, which stays as it came", () => {
    const memory = new SlowMemory(0, 4096);
    const receiver = new Receiver(memory);
    const wire = binary(new Uint8Array(MOVED_FROM));
    const chunk = wire.slice();
    receiver.protocol.receiveData(chunk, false);
    assert.deepEqual(receiver.lent, [true]);
    assert.deepEqual(chunk, wire);
  });

  it("a short chunk is moved when its first frame is not short", () => {
    for (const length of [LONG_FRAME, 125, 126, MOVED_FROM - 20]) {
      const memory = new SlowMemory(0, 4096);
      const receiver = new Receiver(memory);
      const payload = new Random(length).bytes(length);
      receiver.protocol.receiveData(binary(payload), false);
      assert.deepEqual([receiver.messages, receiver.lent, memory.masked], [[toHex(payload)], [true], length]);
    }
  });

  it("short frames in a short chunk are unmasked where they lie", () => {
    const memory = new SlowMemory(0, 4096);
    const receiver = new Receiver(memory);
    const short = binary(new Uint8Array(LONG_FRAME - 1));
    receiver.protocol.receiveData(join(new Array<Uint8Array>(10).fill(short)), false);
    receiver.protocol.receiveData(short.slice(0, 1), false);
    receiver.protocol.receiveData(short.slice(1), false);
    assert.deepEqual(receiver.lent, new Array(11).fill(false));
    assert.equal(memory.masked, 0);
  });

  it("what was read into it is not moved", () => {
    const memory = new SlowMemory(6000, 4096);
    const receiver = new Receiver(memory);
    const payload = new Random(5).bytes(5000);
    const wire = binary(payload);
    memory.bytes.set(wire, 77);
    memory.bytes.fill(0xee, memory.workspace);
    receiver.protocol.receiveData(memory.bytes.subarray(77, 77 + wire.length), true);
    assert.deepEqual(receiver.messages, [toHex(payload)]);
    assert.equal(memory.masked, 5000);
    assert.ok(memory.bytes.subarray(memory.workspace).every((byte) => byte === 0xee));
  });

  it("two connections do not use it at once", () => {
    const memory = new SlowMemory(0, 1 << 16);
    const outer = new Receiver(memory), inner = new Receiver(memory);
    const payload = new Random(9).bytes(2000);
    const wire = binary(payload);
    // A message of the one leads to one of the other, in the same call.
    outer.onMessage = () => inner.protocol.receiveData(wire.slice(), false);
    outer.protocol.receiveData(join([wire, wire, wire]), false);
    for (const { messages, faults } of [outer, inner]) {
      assert.deepEqual(messages, [payload, payload, payload].map(toHex));
      assert.deepEqual(faults, []);
    }
    assert.deepEqual([outer.lent, inner.lent], [[true, true, true], [false, false, false]]);
  });

  it("it is free again when a handler has thrown", () => {
    const memory = new SlowMemory(0, 1 << 16);
    const receiver = new Receiver(memory);
    receiver.onMessage = () => {
      throw new Error("no");
    };
    assert.throws(() => receiver.protocol.receiveData(binary(new Uint8Array(2000)), false), /no/);
    assert.equal(memory.inUse, false);
  });

  it("a client, to whom nothing comes masked, does without", () => {
    const memory = new SlowMemory(0, 1 << 16);
    const receiver = new Receiver(memory, "client");
    const payload = utf8("x".repeat(2000));
    receiver.protocol.receiveData(frameTo("client", head(0x82, 2000), payload), false);
    assert.deepEqual([receiver.messages, receiver.lent], [[toHex(payload)], [false]]);
  });
});
