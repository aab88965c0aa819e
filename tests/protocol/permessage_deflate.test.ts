/** permessage-deflate on the wire, RFC 7692, 6 and 7.2. */

import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { currentAdapter } from "../../adapters/runtime.ts";
import { BufferPool } from "../../src/bytes/buffer_pool.ts";
import type { DeflateParameters } from "../../src/protocol/deflate_negotiation.ts";
import { DeflatePool } from "../../src/protocol/deflate_pool.ts";
import { Opcode } from "../../src/protocol/frame_header.ts";
import { PieceFlag } from "../../src/protocol/message_piece.ts";
import { Protocol, type ProtocolHandler } from "../../src/protocol/protocol.ts";
import { assertBytes, limit, pattern } from "../net/support.ts";
import {
  cuts,
  frameFrom,
  frameTo,
  head,
  hex,
  join,
  KEY_NUMBER,
  type Role,
  roles,
  toHex,
  utf8,
} from "./wire.ts";

const adapter = currentAdapter();
const pool = new DeflatePool(adapter.deflate!);

const PLAIN: DeflateParameters = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const ALONE = { ...PLAIN, serverNoContextTakeover: true, clientNoContextTakeover: true };

class Heard implements ProtocolHandler {
  readonly messages: (string | Uint8Array)[] = [];
  readonly faults: string[] = [];
  #pieces: Uint8Array[] = [];
  protocol!: Protocol;

  onMessageData(chunk: Uint8Array, start: number, end: number, flags: number): void {
    const text = (flags & PieceFlag.Text) !== 0;
    const first = (flags & PieceFlag.First) !== 0;
    const last = (flags & PieceFlag.Last) !== 0;
    assert.equal(first, this.#pieces.length === 0, "first");
    this.#pieces.push(new Uint8Array(chunk.subarray(start, end)));
    if (!last) return;
    const bytes = join(this.#pieces);
    this.#pieces = [];
    const message = text ? adapter.text.decode(bytes, 0, bytes.length) : bytes;
    // Text that comes whole is checked by whoever decodes it.
    if (message === null) return this.protocol.fail(1007, "not UTF-8");
    this.messages.push(message);
  }
  onPing(): void {}
  onPong(): void {}
  onCloseFrame(): void {
    this.protocol.answerClose();
  }
  onFault(error: Error & { closeCode?: number }): void {
    this.faults.push(`${error.closeCode ?? error.name}: ${error.message}`);
    this.protocol.answerClose();
  }
}

function side(
  role: Role,
  parameters: DeflateParameters = PLAIN,
  readLimit = 1 << 24,
): { protocol: Protocol; heard: Heard } {
  const heard = new Heard();
  const protocol = new Protocol(heard, {
    role,
    readLimit,
    nextKey: () => KEY_NUMBER,
    buffers: new BufferPool(),
    text: adapter.text,
    deflate: { parameters, level: 6, pool },
  });
  heard.protocol = protocol;
  return { protocol, heard };
}

function output(protocol: Protocol): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let bytes = protocol.output.take(); bytes !== null; bytes = protocol.output.take()) {
    parts.push(new Uint8Array(bytes));
    protocol.output.release();
  }
  return join(parts);
}

/** What a role reads, however the wire is cut. */
function reads(role: Role, wire: Uint8Array, expected: (string | Uint8Array)[], parameters = PLAIN): void {
  for (const { name, chunks } of cuts(wire)) {
    const { protocol, heard } = side(role, parameters);
    for (const chunk of chunks) protocol.receiveData(chunk);
    assert.deepEqual(heard.faults, [], name);
    assert.deepEqual(heard.messages, expected, name);
    protocol.close();
  }
}

function failsWith(role: Role, wire: Uint8Array, code: number, readLimit?: number): void {
  for (const { name, chunks } of cuts(wire)) {
    const { protocol, heard } = side(role, PLAIN, readLimit);
    for (const chunk of chunks) protocol.receiveData(chunk);
    assert.equal(heard.faults.length, 1, name);
    assert.deepEqual(heard.messages, [], name);
    const close = output(protocol);
    const start = role === "client" ? 6 : 2;
    const key = role === "client" ? [0x37, 0xfa] : [0, 0];
    assert.equal(((close[start]! ^ key[0]!) << 8) | (close[start + 1]! ^ key[1]!), code, name);
    protocol.close();
  }
}

/** A message as a foreign zlib makes it. */
function deflated(data: Uint8Array, windowBits = 15): Uint8Array {
  const bytes = deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH, windowBits });
  return new Uint8Array(bytes.subarray(0, bytes.length - 4));
}

for (const role of roles) {
  describe(`RFC 7692, 7.2.3: the examples, read by a ${role}`, () => {
    it("7.2.3.1 one compressed block", () => reads(role, frameTo(role, "c107", "f248cdc9c90700"), ["Hello"]));
    it("7.2.3.1 in two fragments", () =>
      reads(role, join([frameTo(role, "4103", "f248cd"), frameTo(role, "8004", "c9c90700")]), ["Hello"]));
    it("7.2.3.2 a second message refers to the first", () =>
      reads(role, join([frameTo(role, "c107", "f248cdc9c90700"), frameTo(role, "c105", "f200110000")]), [
        "Hello",
        "Hello",
      ]));
    it("7.2.3.3 a block without compression", () =>
      reads(role, frameTo(role, "c10b", "000500faff48656c6c6f00"), ["Hello"]));
    it("7.2.3.4 a block that says it is the last", () =>
      reads(role, frameTo(role, "c108", "f348cdc9c9070000"), ["Hello"]));
    it("7.2.3.4 and what comes after it", () =>
      reads(
        role,
        join([
          frameTo(role, "c108", "f348cdc9c9070000"),
          frameTo(role, "c108", "f348cdc9c9070000"),
          frameTo(role, "c107", "f248cdc9c90700"),
        ]),
        ["Hello", "Hello", "Hello"],
      ));
    it("7.2.3.4 a block that says it is the last, without the empty one behind it", () =>
      reads(
        role,
        join([
          frameTo(role, "c107", "f348cdc9c90700"),
          frameTo(role, "c107", "f348cdc9c90700"),
          frameTo(role, "c107", "f248cdc9c90700"),
        ]),
        ["Hello", "Hello", "Hello"],
      ));
    it("7.2.3.5 two blocks in a message", () =>
      reads(role, frameTo(role, "c10d", "f248050000 00ffffcac9c90700".replaceAll(" ", "")), ["Hello"]));
    it("7.2.3.6 an empty message", () => reads(role, frameTo(role, "c101", "00"), [""]));
    it("an empty message of no bytes", () => reads(role, frameTo(role, "c100"), [""]));
    it("6.2 a message that is not compressed, among others that are", () =>
      reads(
        role,
        join([
          frameTo(role, "c107", "f248cdc9c90700"),
          frameTo(role, "8105", "48656c6c6f"),
          frameTo(role, "c105", "f200110000"),
        ]),
        ["Hello", "Hello", "Hello"],
      ));
    it("7.1.1 messages that are compressed by themselves", () =>
      reads(role, join([frameTo(role, "c107", "f248cdc9c90700"), frameTo(role, "c107", "f248cdc9c90700")]), [
        "Hello",
        "Hello",
      ], ALONE));
    it("binary, with a ping between its fragments", () =>
      reads(
        role,
        join([frameTo(role, "4203", "f248cd"), frameTo(role, "8900"), frameTo(role, "8004", "c9c90700")]),
        [utf8("Hello")],
      ));
  });

  describe(`RFC 7692: a ${role} fails the connection`, () => {
    it("6.1 RSV1 on a continuation", () =>
      failsWith(role, join([frameTo(role, "4103", "f248cd"), frameTo(role, "c004", "c9c90700")]), 1002));
    it("6.1 RSV1 on a control frame", () => failsWith(role, frameTo(role, "c900"), 1002));
    it("RSV2 and RSV3 all the same", () => {
      failsWith(role, frameTo(role, "a100"), 1002);
      failsWith(role, frameTo(role, "9100"), 1002);
    });
    it("7.2.2 what is not DEFLATE", () => failsWith(role, frameTo(role, "c104", "ffffffff"), 1007));
    it("7.2.2 a reference to before the beginning", () =>
      failsWith(role, frameTo(role, "c105", "f200110000"), 1007));
    it("RFC 6455, 8.1 text that is not UTF-8", () =>
      failsWith(role, frameOf(role, deflated(Uint8Array.of(0x48, 0xff)), 0xc1), 1007));
    it("RFC 6455, 8.1 text that is not UTF-8, in the first of many pieces", () => {
      const bytes = new Uint8Array(300_000).fill(0x61);
      bytes[10] = 0xff;
      failsWith(role, frameOf(role, deflated(bytes), 0xc1), 1007);
    });
    it("a message that is larger when it is inflated than the limit", () =>
      failsWith(role, frameOf(role, deflated(new Uint8Array(100_001)), 0xc2), 1009, 100_000));
  });
}

function frameOf(role: Role, payload: Uint8Array, first: number): Uint8Array {
  return frameTo(role, head(first, payload.length), payload);
}

describe("RFC 7692, 7.2.1: what is sent", () => {
  it("is the example", () => {
    for (const role of roles) {
      const { protocol } = side(role);
      protocol.sendCompressed(Opcode.Text, utf8("Hello"));
      assert.equal(toHex(output(protocol)), toHex(frameFrom(role, "c107", "f248cdc9c90700")));
      protocol.close();
    }
  });

  it("refers to the message before it, unless that was agreed", () => {
    const data = pattern(0, 1000);
    for (const [parameters, isSmaller] of [[PLAIN, true], [ALONE, false]] as const) {
      const { protocol } = side("server", parameters);
      protocol.sendCompressed(Opcode.Binary, data);
      const first = output(protocol).length;
      protocol.sendCompressed(Opcode.Binary, data);
      assert.equal(output(protocol).length < first / 4, isSmaller);
      protocol.close();
    }
  });

  const shared = deflated(utf8("something that everybody gets, everybody"));
  const sharedFrame = join([hex(head(0xc1, shared.length)), shared]);

  /** Each way in which a message leaves that was compressed elsewhere; gives what the wire has got. */
  const ways: readonly [name: string, send: (protocol: Protocol) => Uint8Array][] = [
    ["as a payload", (protocol) => {
      protocol.sendPrecompressed(Opcode.Text, shared);
      return output(protocol);
    }],
    ["as a frame, queued", (protocol) => {
      protocol.sendEncoded(sharedFrame);
      return output(protocol);
    }],
    ["as a frame, straight to the socket", (protocol) => {
      const writes: Uint8Array[] = [];
      protocol.sendEncoded(sharedFrame, { write: (bytes) => writes.push(bytes) > 0 });
      assert.ok(!protocol.output.pending);
      return join(writes);
    }],
  ];
  for (const [name, send] of ways) {
    it(`refers to nothing before one that was compressed elsewhere: ${name}`, () => assertFresh(send));
  }

  function assertFresh(send: (protocol: Protocol) => Uint8Array): void {
    const server = side("server");
    const client = side("client");
    const own = utf8("something of its own, of its own");
    for (let i = 0; i < 3; i++) {
      server.protocol.sendCompressed(Opcode.Text, own);
      client.protocol.receiveData(output(server.protocol));
      client.protocol.receiveData(send(server.protocol));
    }
    assert.deepEqual(client.heard.faults, []);
    assert.equal(client.heard.messages.length, 6);
    assert.equal(client.heard.messages[4], "something of its own, of its own");
    server.protocol.close();
    client.protocol.close();
  }
});

describe("RFC 7692: both roles together", () => {
  const sizes = [0, 1, 125, 126, 1000, 65535, 65536, 65537, 131072, 1_000_000];
  for (const bits of [8, 9, 10, 11, 12, 13, 14, 15]) {
    for (const takeover of [true, false]) {
      it(`a window of ${bits} bits, ${takeover ? "with" : "without"} context takeover`, limit, () => {
        const parameters = {
          serverNoContextTakeover: !takeover,
          clientNoContextTakeover: !takeover,
          serverMaxWindowBits: bits,
          clientMaxWindowBits: bits,
        };
        for (const role of roles) {
          const sender = side(role, parameters);
          const receiver = side(role === "client" ? "server" : "client", parameters);
          for (const size of sizes) {
            const data = size % 2 === 0
              ? pattern(0, size)
              : utf8("hello, ".repeat(size / 7 + 1)).slice(0, size);
            sender.protocol.sendCompressed(Opcode.Binary, data);
            receiver.protocol.receiveData(output(sender.protocol));
            assert.deepEqual(receiver.heard.faults, []);
            assertBytes(receiver.heard.messages.pop() as Uint8Array, data);
          }
          sender.protocol.close();
          receiver.protocol.close();
        }
      });
    }
  }

  it("what zlib makes is read, and what is sent zlib reads", limit, () => {
    for (const bits of [9, 12, 15]) {
      const { protocol, heard } = side("client", { ...PLAIN, serverMaxWindowBits: bits });
      for (const size of sizes) {
        const data = pattern(0, size);
        const payload = deflated(data, bits);
        protocol.receiveData(frameOf("client", payload, 0xc2));
        assertBytes(heard.messages.pop() as Uint8Array, data);
      }
      protocol.close();
      const { protocol: sender } = side("server", { ...ALONE, serverMaxWindowBits: bits });
      sender.sendCompressed(Opcode.Binary, pattern(0, 60_000));
      const frame = output(sender);
      const payload = frame.subarray(frame.length < 65540 ? 4 : 10);
      const whole = join([payload, hex("0000ffff")]);
      const inflated = inflateRawSync(whole, { finishFlush: constants.Z_SYNC_FLUSH, windowBits: bits });
      assertBytes(new Uint8Array(inflated), pattern(0, 60_000));
      sender.close();
    }
  });
});

describe("a bomb", () => {
  it("is not inflated beyond the limit", limit, () => {
    const bomb = deflated(new Uint8Array(200 << 20));
    const { protocol, heard } = side("server", PLAIN, 1 << 20);
    const before = process.memoryUsage().rss;
    protocol.receiveData(frameOf("server", bomb, 0xc2));
    assert.equal(heard.faults.length, 1);
    assert.ok(process.memoryUsage().rss - before < 64 << 20);
    protocol.close();
  });
});
