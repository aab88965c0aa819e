import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { webText } from "../../adapters/web_text.ts";
import { BufferPool } from "../../src/bytes/buffer_pool.ts";
import { Opcode } from "../../src/protocol/frame_header.ts";
import { PieceFlag } from "../../src/protocol/message_piece.ts";
import { Protocol, type ProtocolHandler } from "../../src/protocol/protocol.ts";
import { MessageTooBigError, ProtocolError } from "../../src/protocol/protocol_error.ts";
import { Random } from "../bytes/random.ts";
import {
  concat,
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

/** What a handler hears: text as it is, bytes in hexadecimal, a fault's code. */
type Event =
  | readonly [kind: "text" | "binary" | "ping" | "pong", what: string]
  | readonly [kind: "close", code: number, reason: string]
  | readonly [kind: "fault", code: number];

interface Settings {
  readLimit?: number;
  nextKey?: () => number;
}

/** One side of a connection, with the part of the layer above that puts messages together. */
class Side implements ProtocolHandler {
  readonly events: Event[] = [];
  readonly protocol: Protocol;
  fault: ProtocolError | MessageTooBigError | null = null;
  #parts: Uint8Array[] = [];

  constructor(role: Role, { readLimit = 1 << 20, nextKey = () => KEY_NUMBER }: Settings = {}) {
    this.protocol = new Protocol(this, {
      role,
      readLimit,
      nextKey,
      buffers: new BufferPool(),
      text: webText,
    });
  }

  /** Receives the chunk, and spoils it. */
  receive(chunk: Uint8Array): this {
    this.protocol.receiveData(chunk);
    chunk.fill(0xff);
    return this;
  }

  /** All that waits to be sent. */
  sent(): Uint8Array {
    const { output } = this.protocol;
    const runs: Uint8Array[] = [];
    for (let run = output.take(); run !== null; run = output.take()) {
      runs.push(run.slice());
      output.release();
    }
    return join(runs);
  }

  onMessageData(chunk: Uint8Array, start: number, end: number, flags: number): void {
    const text = (flags & PieceFlag.Text) !== 0;
    const first = (flags & PieceFlag.First) !== 0;
    const last = (flags & PieceFlag.Last) !== 0;
    assert.equal(first, this.#parts.length === 0);
    this.#parts.push(chunk.slice(start, end));
    if (!last) return;
    const bytes = join(this.#parts);
    this.#parts = [];
    if (!text) return void this.events.push(["binary", toHex(bytes)]);
    const decoded = webText.decode(bytes, 0, bytes.length);
    assert.ok(decoded !== null || first, "text that came in pieces was checked");
    if (decoded === null) this.protocol.fail(1007, "a text message is not UTF-8");
    else this.events.push(["text", decoded]);
  }

  onPing(payload: Uint8Array): void {
    this.events.push(["ping", toHex(payload)]);
  }

  onPong(payload: Uint8Array): void {
    this.events.push(["pong", toHex(payload)]);
  }

  onCloseFrame(code: number, reason: string): void {
    this.events.push(["close", code, reason]);
    this.protocol.answerClose();
  }

  onFault(error: ProtocolError | MessageTooBigError): void {
    this.fault = error;
    this.events.push(["fault", error instanceof ProtocolError ? error.closeCode : 1009]);
    this.protocol.answerClose();
  }
}

/** Receives the wire however it is cut; each time this is heard, and this sent. */
function receives(
  role: Role,
  wire: Uint8Array,
  events: readonly Event[],
  sent: Uint8Array,
  settings?: Settings,
): void {
  for (const { name, chunks } of cuts(wire)) {
    const side = new Side(role, settings);
    for (const chunk of chunks) side.receive(chunk);
    assert.deepEqual(side.events, events, `${role}, ${name}`);
    assert.equal(toHex(side.sent()), toHex(sent), `${role}, ${name}`);
  }
}

const nothing = new Uint8Array(0);

/** The close frame that `role` sends. */
function closeFrom(role: Role, code: number, reason: string): Uint8Array {
  const body = closeBody(code, reason);
  return frameFrom(role, head(0x88, body.length), body);
}

function closeBody(code: number, reason: string | Uint8Array = ""): Uint8Array {
  return concat(Uint8Array.of(code >> 8, code), typeof reason === "string" ? utf8(reason) : reason);
}

/** The wire is refused: the fault is told to the handler and, with its code, to the peer. */
function refuses(role: Role, wire: Uint8Array, code: number, reason: string, settings?: Settings): void {
  receives(role, wire, [["fault", code]], closeFrom(role, code, reason), settings);
}

function forRoles(name: string, run: (role: Role) => void): void {
  for (const role of roles) it(`${role}: ${name}`, () => run(role));
}

const textTo = (role: Role, first: number, bytes: Uint8Array) =>
  frameTo(role, head(first, bytes.length), bytes);

describe("RFC 6455, 5.2 and 5.4: faults are told to the peer", () => {
  forRoles("a reserved bit, though an extension might mean something by it", (role) => {
    refuses(role, frameTo(role, "c1 01", "78"), 1002, "a reserved bit is set");
  });

  forRoles("an unknown opcode", (role) => refuses(role, frameTo(role, "83 00"), 1002, "opcode 3 is unknown"));

  forRoles("a message inside another", (role) => {
    const wire = concat(frameTo(role, "01 00"), frameTo(role, "82 00"));
    refuses(role, wire, 1002, "a message begins inside another");
  });

  forRoles("a length of 2^63 and of 2^63 - 1", (role) => {
    refuses(role, frameTo(role, "82 7f 8000000000000000"), 1002, "a 64-bit length has its highest bit set");
    const settings = { readLimit: 10 };
    refuses(
      role,
      frameTo(role, "82 7f 7fffffffffffffff"),
      1009,
      "a message is larger than 10 bytes",
      settings,
    );
  });

  it("server: a frame that is not masked", () => {
    refuses("server", hex("8100"), 1002, "a client's frame is not masked");
  });

  it("client: a frame that is masked", () => {
    refuses("client", hex("8180 00000000"), 1002, "a server's frame is masked");
  });

  forRoles("the handler gets an error that names code or limit", (role) => {
    const bad = new Side(role).receive(frameTo(role, "83 00"));
    assert.ok(bad.fault instanceof ProtocolError);
    assert.deepEqual([bad.fault.name, bad.fault.closeCode], ["ProtocolError", 1002]);
    assert.equal(bad.fault.message, "Cannot read from the peer: opcode 3 is unknown");
    const big = new Side(role, { readLimit: 10 });
    big.protocol.setReadLimit(9);
    assert.equal(big.protocol.readLimit, 9);
    big.receive(frameTo(role, "82 0a"));
    assert.ok(big.fault instanceof MessageTooBigError);
    assert.deepEqual([big.fault.name, big.fault.limit], ["MessageTooBigError", 9]);
    assert.equal(big.fault.message, "Cannot read the message: it is larger than 9 bytes");
    assert.equal(big.protocol.messageLength, 10);
  });
});

describe("RFC 6455, 5.5.1: close", () => {
  forRoles("a close frame is answered with its code, and its reason", (role) => {
    const codes = [
      1000,
      1001,
      1002,
      1003,
      1007,
      1008,
      1009,
      1010,
      1011,
      1012,
      1013,
      1014,
      3000,
      3999,
      4000,
      4999,
    ];
    for (const code of codes) {
      const body = closeBody(code, "bye");
      receives(role, textTo(role, 0x88, body), [["close", code, "bye"]], closeFrom(role, code, "bye"));
    }
  });

  forRoles("a close frame without a body is answered without one", (role) => {
    receives(role, frameTo(role, "88 00"), [["close", 1005, ""]], frameFrom(role, "88 00"));
  });

  forRoles("a body of two bytes is a code without a reason", (role) => {
    receives(role, frameTo(role, "88 02", "03e8"), [["close", 1000, ""]], frameFrom(role, "88 02", "03e8"));
  });

  forRoles("a body of one byte", (role) => {
    refuses(role, frameTo(role, "88 01", "03"), 1002, "a close frame has one byte");
  });

  forRoles("a reason of 123 bytes", (role) => {
    for (const reason of ["x".repeat(123), "\u20ac".repeat(41), "\ufeffa\0b"]) {
      const wire = textTo(role, 0x88, closeBody(1000, reason));
      receives(role, wire, [["close", 1000, reason]], closeFrom(role, 1000, reason));
    }
  });

  forRoles("a reason of 124 bytes is a control frame that is too long", (role) => {
    const wire = textTo(role, 0x88, closeBody(1000, "x".repeat(124)));
    refuses(role, wire, 1002, "a control frame is longer than 125 bytes");
  });

  forRoles("a reason that is not UTF-8", (role) => {
    for (const reason of ["ff", "c0af", "eda080", "f4908080", "e282", "61c3"]) {
      const wire = textTo(role, 0x88, closeBody(1000, hex(reason)));
      refuses(role, wire, 1007, "a close reason is not UTF-8");
    }
  });

  forRoles("data after a close frame is ignored", (role) => {
    const after = concat(
      frameTo(role, "81 01", "78"),
      frameTo(role, "89 00"),
      frameTo(role, "88 02", "03e9"),
      frameTo(role, "83 00"),
      frameTo(role, "82 7f 7fffffffffffffff"),
    );
    const wire = concat(frameTo(role, "81 01", "61"), frameTo(role, "88 02", "03e8"), after);
    receives(role, wire, [["text", "a"], ["close", 1000, ""]], closeFrom(role, 1000, ""));
  });

  forRoles("a close frame inside a message ends it", (role) => {
    const wire = concat(
      frameTo(role, "01 01", "61"),
      frameTo(role, "88 02", "03e8"),
      frameTo(role, "80 01", "62"),
    );
    receives(role, wire, [["close", 1000, ""]], closeFrom(role, 1000, ""));
  });

  forRoles("this side closes, the peer answers", (role) => {
    const side = new Side(role);
    assert.equal(side.protocol.closeHandshake, "not begun");
    side.protocol.sendText("last");
    side.protocol.sendClose(1001, "bye");
    assert.equal(side.protocol.closeHandshake, "begun");
    assert.ok(side.protocol.closeSent);
    const expected = concat(frameFrom(role, "81 04", utf8("last")), closeFrom(role, 1001, "bye"));
    assert.equal(toHex(side.sent()), toHex(expected));
    side.receive(concat(frameTo(role, "81 01", "61"), frameTo(role, "88 02", "03e9")));
    assert.equal(side.protocol.closeHandshake, "complete");
    assert.deepEqual(
      side.events,
      [["text", "a"], ["close", 1001, ""]],
      "what the peer sent before is still read",
    );
    assert.equal(side.sent().length, 0);
    assert.ok(!side.protocol.failed);
  });

  forRoles("the peer closes, this side answers", (role) => {
    const side = new Side(role).receive(frameTo(role, "88 02", "03e8"));
    assert.equal(side.protocol.closeHandshake, "complete");
    assert.ok(side.protocol.closeSent);
    side.protocol.sendClose(1011, "too late");
    assert.equal(toHex(side.sent()), toHex(closeFrom(role, 1000, "")));
  });

  forRoles("both close at once: one close frame each way", (role) => {
    const side = new Side(role);
    side.protocol.sendClose(1001, "");
    side.receive(frameTo(role, "88 02", "0fa0"));
    assert.equal(side.protocol.closeHandshake, "complete");
    assert.deepEqual(side.events, [["close", 4000, ""]], "what the peer said is kept");
    assert.equal(toHex(side.sent()), toHex(closeFrom(role, 1001, "")));
  });

  forRoles("a second sendClose() does nothing", (role) => {
    const side = new Side(role);
    side.protocol.sendClose(1000, "first");
    side.protocol.sendClose(1001, "second");
    assert.equal(toHex(side.sent()), toHex(closeFrom(role, 1000, "first")));
  });

  forRoles("nothing is sent after a close frame", (role) => {
    const side = new Side(role);
    side.protocol.sendClose(1000, "");
    const { protocol } = side;
    const sends = [
      () => protocol.sendText("x"),
      () => protocol.sendBytes(Opcode.Binary, hex("78")),
      () => protocol.sendPing(nothing),
      () => protocol.sendPong(nothing),
    ];
    for (const send of sends) assert.throws(send, { message: "Cannot send: a close frame was sent" });
    assert.equal(toHex(side.sent()), toHex(closeFrom(role, 1000, "")));
  });

  forRoles("a reason that is too long is cut between code points", (role) => {
    const cases: [reason: string, sent: string][] = [
      ["x".repeat(124), "x".repeat(123)],
      ["x".repeat(122) + "\u00e9", "x".repeat(122)],
      ["x".repeat(121) + "\u00e9", "x".repeat(121) + "\u00e9"],
      ["x".repeat(121) + "\u20ac", "x".repeat(121)],
      ["x".repeat(120) + "\u{1f600}y", "x".repeat(120)],
      ["\u20ac".repeat(42), "\u20ac".repeat(41)],
      ["\u{1f600}".repeat(50), "\u{1f600}".repeat(30)],
      ["\ud800", "\ufffd"],
    ];
    for (const [reason, sent] of cases) {
      const side = new Side(role);
      side.protocol.sendClose(1000, reason);
      assert.equal(toHex(side.sent()), toHex(closeFrom(role, 1000, sent)), reason);
    }
  });
});

describe("RFC 6455, 5.5.2 and 5.5.3: ping and pong", () => {
  forRoles("a ping is answered with its payload", (role) => {
    for (const length of [0, 1, 5, 125]) {
      const payload = Uint8Array.from({ length }, (_, i) => i * 3);
      const digits = length.toString(16).padStart(2, "0");
      const wire = frameTo(role, `89${digits}`, payload);
      receives(role, wire, [["ping", toHex(payload)]], frameFrom(role, `8a${digits}`, payload));
    }
  });

  forRoles("pings between fragments are answered in order", (role) => {
    const wire = concat(
      frameTo(role, "01 01", "61"),
      frameTo(role, "89 01", "31"),
      frameTo(role, "00 01", "62"),
      frameTo(role, "89 01", "32"),
      frameTo(role, "80 01", "63"),
    );
    const events: Event[] = [["ping", "31"], ["ping", "32"], ["text", "abc"]];
    receives(role, wire, events, concat(frameFrom(role, "8a 01", "31"), frameFrom(role, "8a 01", "32")));
  });

  forRoles("a pong that nobody asked for is no fault, and has no answer", (role) => {
    receives(role, frameTo(role, "8a 01", "31"), [["pong", "31"]], nothing);
  });

  forRoles("a ping after this side's close frame is not answered", (role) => {
    const side = new Side(role);
    side.protocol.sendClose(1000, "");
    side.receive(frameTo(role, "89 01", "31"));
    assert.deepEqual(side.events, [["ping", "31"]]);
    assert.equal(toHex(side.sent()), toHex(closeFrom(role, 1000, "")));
  });

  forRoles("sendPing() and sendPong() take 125 bytes and no more", (role) => {
    const side = new Side(role);
    side.protocol.sendPing(new Uint8Array(125));
    side.protocol.sendPong(hex("31"));
    assert.throws(() => side.protocol.sendPing(new Uint8Array(126)), RangeError);
    assert.throws(() => side.protocol.sendPong(new Uint8Array(126)), RangeError);
    const expected = concat(frameFrom(role, "89 7d", new Uint8Array(125)), frameFrom(role, "8a 01", "31"));
    assert.equal(toHex(side.sent()), toHex(expected));
  });

  forRoles("pings and a peer that reads no answer: what waits is bounded", (role) => {
    const side = new Side(role);
    side.protocol.sendBytes(Opcode.Binary, new Uint8Array(100_000));
    const before = side.protocol.output.bufferedBytes;
    side.protocol.output.take();
    const pings = join(Array.from({ length: 100 }, () => frameTo(role, "89 7d", new Uint8Array(125))));
    for (let i = 0; i < 1000; i++) side.receive(pings.slice());
    assert.ok(side.protocol.output.bufferedBytes < before + 10_000);
  });
});

describe("RFC 6455, 5.6 and 5.4: messages that are sent", () => {
  forRoles("text and bytes", (role) => {
    const side = new Side(role);
    side.protocol.sendText("Hello");
    side.protocol.sendBytes(Opcode.Binary, hex("ff"));
    side.protocol.sendBytes(Opcode.Text, utf8("Hello"));
    const expected = concat(
      frameFrom(role, "81 05", "48656c6c6f"),
      frameFrom(role, "82 01", "ff"),
      frameFrom(role, "81 05", "48656c6c6f"),
    );
    assert.equal(toHex(side.sent()), toHex(expected));
  });

  forRoles("fragments", (role) => {
    const side = new Side(role);
    side.protocol.sendText("a", true, false);
    side.protocol.sendText("", false, false);
    side.protocol.sendPing(hex("31"));
    side.protocol.sendText("b", false, true);
    side.protocol.sendBytes(Opcode.Binary, hex("01"), true, false);
    side.protocol.sendBytes(Opcode.Binary, hex("02"), false, true);
    const expected = concat(
      frameFrom(role, "01 01", "61"),
      frameFrom(role, "00 00"),
      frameFrom(role, "89 01", "31"),
      frameFrom(role, "80 01", "62"),
      frameFrom(role, "02 01", "01"),
      frameFrom(role, "80 01", "02"),
    );
    assert.equal(toHex(side.sent()), toHex(expected));
  });

  it("the examples of 5.7", () => {
    const server = new Side("server");
    server.protocol.sendText("Hello");
    server.protocol.sendText("Hel", true, false);
    server.protocol.sendText("lo", false, true);
    server.protocol.sendPing(utf8("Hello"));
    assert.equal(toHex(server.sent()), "810548656c6c6f" + "010348656c" + "80026c6f" + "890548656c6c6f");
    const client = new Side("client");
    client.protocol.sendText("Hello");
    client.receive(hex("890548656c6c6f"));
    assert.equal(toHex(client.sent()), "818537fa213d7f9f4d5158" + "8a8537fa213d7f9f4d5158");
  });
});

describe("RFC 6455, 7.1.7: fail()", () => {
  forRoles("sends the code once, after what was sent before, and reads nothing more", (role) => {
    const side = new Side(role);
    side.protocol.sendText("x");
    side.protocol.fail(1008, "no");
    side.protocol.fail(1011, "again");
    side.receive(concat(frameTo(role, "81 01", "61"), frameTo(role, "89 00"), frameTo(role, "83 00")));
    assert.deepEqual(side.events, [["fault", 1008]]);
    assert.ok(side.protocol.failed);
    assert.equal(side.protocol.closeHandshake, "begun");
    const expected = concat(frameFrom(role, "81 01", "78"), closeFrom(role, 1008, "no"));
    assert.equal(toHex(side.sent()), toHex(expected));
  });

  forRoles("a fault after this side's close frame sends no second one", (role) => {
    const side = new Side(role);
    side.protocol.sendClose(1000, "");
    side.receive(frameTo(role, "83 00"));
    assert.deepEqual(side.events, [["fault", 1002]]);
    assert.equal(toHex(side.sent()), toHex(closeFrom(role, 1000, "")));
  });

  forRoles("what comes after a fault, the peer's close frame too, is ignored", (role) => {
    const wire = concat(frameTo(role, "83 00"), frameTo(role, "88 02", "03e8"));
    refuses(role, wire, 1002, "opcode 3 is unknown");
  });
});

describe("RFC 6455, 7.4: status codes", () => {
  forRoles("codes that must not come", (role) => {
    const bad = [1004, 1005, 1006, 1016, 1099, 1100, 2000, 2999, 5000, 5001, 32768, 65535];
    for (let code = 0; code < 1000; code++) if (code < 10 || code > 990 || code % 97 === 0) bad.push(code);
    for (let code = 1015; code < 1100; code++) bad.push(code);
    for (const code of bad) {
      const wire = textTo(role, 0x88, closeBody(code));
      refuses(role, wire, 1002, `close code ${code} must not be sent`);
    }
    for (let code = 0; code < 65536; code += code < 5100 ? 1 : 97) {
      const side = new Side(role).receive(textTo(role, 0x88, closeBody(code)));
      const good = (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) ||
        (code >= 3000 && code <= 4999);
      assert.deepEqual(side.events, [good ? ["close", code, ""] : ["fault", 1002]]);
    }
  });

  forRoles("1005 is sent as a close frame without a body", (role) => {
    const side = new Side(role);
    side.protocol.sendClose(1005, "unheard");
    assert.equal(toHex(side.sent()), toHex(frameFrom(role, "88 00")));
  });

  forRoles("no other code that must not be sent ever is", (role) => {
    for (const code of [0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65536 + 1000, -1, NaN, 1000.5]) {
      const side = new Side(role);
      assert.throws(() => side.protocol.sendClose(code, ""), RangeError, String(code));
      assert.ok(!side.protocol.closeSent && !side.protocol.output.pending);
    }
    assert.throws(() => new Side(role).protocol.fail(1006, ""), RangeError);
  });
});

describe("RFC 6455, 8.1: UTF-8", () => {
  const texts = [
    "\u03ba\u1f79\u03c3\u03bc\u03b5",
    "\u{1f600}\u{10ffff}",
    "\ufeffa\0\ufffe\uffff",
    "\ud7ff\ue000",
    "",
  ];

  forRoles("text, whole and in fragments that split code points", (role) => {
    for (const text of texts) {
      const bytes = utf8(text);
      receives(role, textTo(role, 0x81, bytes), [["text", text]], nothing);
      for (let at = 0; at <= bytes.length; at++) {
        const wire = concat(
          textTo(role, 0x01, bytes.subarray(0, at)),
          textTo(role, 0x80, bytes.subarray(at)),
        );
        receives(role, wire, [["text", text]], nothing);
      }
      const single = Array.from(bytes, (byte) => textTo(role, 0x00, Uint8Array.of(byte)));
      receives(
        role,
        concat(frameTo(role, "01 00"), ...single, frameTo(role, "80 00")),
        [["text", text]],
        nothing,
      );
    }
  });

  /** The byte that cannot be there, in front of it what can, behind it more text. */
  const invalid: [name: string, before: string, bad: string][] = [
    ["a stray continuation", "6162", "80"],
    ["an overlong form of two bytes", "ceba", "c0"],
    ["an overlong form of three bytes", "cebae0", "80"],
    ["an overlong form of four bytes", "f0", "8f"],
    ["a surrogate", "ceba e1bdb9 ed", "a0"],
    ["beyond U+10FFFF", "ceba f4", "90"],
    ["FF", "", "ff"],
    ["a code point that breaks off", "e282", "41"],
  ];
  for (const [name, before, bad] of invalid) {
    forRoles(`${name}: whole, in chunks and in fragments`, (role) => {
      const bytes = hex(`${before} ${bad} 6162 6364`);
      const reason = "a text message is not UTF-8";
      refuses(role, textTo(role, 0x81, bytes), 1007, reason);
      for (let at = 0; at <= bytes.length; at++) {
        const wire = concat(
          textTo(role, 0x01, bytes.subarray(0, at)),
          textTo(role, 0x80, bytes.subarray(at)),
        );
        refuses(role, wire, 1007, reason);
      }
    });

    forRoles(`${name}: the fault is at that byte, inside a frame that is not complete`, (role) => {
      const badAt = hex(before).length;
      // The frame announces a thousand bytes more, which never come.
      const payload = concat(hex(before + bad), new Uint8Array(1000).fill(0x61));
      for (const first of [0x01, 0x81]) {
        const wire = textTo(role, first, payload);
        const fault = wire.length - payload.length + badAt;
        const side = new Side(role);
        for (let at = 0; at < fault; at++) side.receive(wire.slice(at, at + 1));
        assert.deepEqual(side.events, []);
        side.receive(wire.slice(fault, fault + 1));
        assert.deepEqual(side.events, [["fault", 1007]]);
        const inChunk = new Side(role).receive(wire.slice(0, fault + 1));
        assert.deepEqual(inChunk.events, [["fault", 1007]]);
      }
    });

    forRoles(`${name}: the fault is in the first fragment, not at the message's end`, (role) => {
      const payload = hex(before + bad);
      refuses(role, textTo(role, 0x01, payload), 1007, "a text message is not UTF-8");
      const wire = concat(frameTo(role, "01 01", "61"), frameTo(role, "89 00"), textTo(role, 0x00, payload));
      const sent = concat(frameFrom(role, "8a 00"), closeFrom(role, 1007, "a text message is not UTF-8"));
      receives(role, wire, [["ping", ""], ["fault", 1007]], sent);
    });
  }

  forRoles("a text that ends inside a code point", (role) => {
    for (const digits of ["c3", "e282", "f09f98", "61f0"]) {
      const bytes = hex(digits);
      refuses(role, textTo(role, 0x81, bytes), 1007, "a text message is not UTF-8");
      refuses(
        role,
        concat(textTo(role, 0x01, bytes), frameTo(role, "80 00")),
        1007,
        "a text message is not UTF-8",
      );
    }
  });

  forRoles("each text is checked from its own beginning", (role) => {
    const one = concat(frameTo(role, "01 01", "e2"), frameTo(role, "80 02", "82ac"));
    const binary = concat(frameTo(role, "02 01", "e2"), frameTo(role, "80 01", "ff"));
    const wire = concat(one, binary, one);
    receives(role, wire, [["text", "\u20ac"], ["binary", "e2ff"], ["text", "\u20ac"]], nothing);
  });

  forRoles("binary may be anything", (role) => {
    const wire = concat(frameTo(role, "02 02", "ffc0"), frameTo(role, "80 02", "eda0"));
    receives(role, wire, [["binary", "ffc0eda0"]], nothing);
  });
});

describe("RFC 6455, 10.4: limits", () => {
  forRoles("the limit holds for the sum of the fragments", (role) => {
    const settings = { readLimit: 4 };
    const begun = concat(frameTo(role, "02 02", "0102"), frameTo(role, "00 02", "0304"));
    receives(role, concat(begun, frameTo(role, "80 00")), [["binary", "01020304"]], nothing, settings);
    const wire = concat(begun, frameTo(role, "80 01"));
    refuses(role, wire, 1009, "a message is larger than 4 bytes", settings);
  });
});

describe("both roles understand each other", () => {
  for (const role of roles) {
    it(`${role} sends, the other reads: random messages, fragments and cuts`, () => {
      for (let seed = 0; seed < 100; seed++) new Dialogue(role, seed).run();
    });
  }
});

/** Random sends of one side; the other side must hear of them in order, and answer pings and the close. */
class Dialogue {
  readonly #random: Random;
  readonly #name: string;
  readonly #sender: Side;
  readonly #receiver: Side;
  readonly #data: Event[] = [];
  readonly #controls: Event[] = [];

  constructor(role: Role, seed: number) {
    this.#name = `${role}, seed ${seed}`;
    this.#random = new Random(seed);
    const settings = { nextKey: () => this.#random.uint32() };
    this.#sender = new Side(role, settings);
    this.#receiver = new Side(role === "client" ? "server" : "client", settings);
  }

  run(): void {
    const random = this.#random;
    for (let i = random.below(20); i >= 0; i--) {
      this.#sendMessage();
      if (random.oneIn(3)) this.#transfer();
    }
    this.#sender.protocol.sendClose(4000 + random.below(1000), random.text(random.below(10)));
    this.#transfer();
    const kinds = (wanted: boolean) => (event: Event) => ["ping", "pong"].includes(event[0]) === wanted;
    const { events } = this.#receiver;
    assert.equal(events.at(-1)![0], "close", this.#name);
    assert.deepEqual(events.filter(kinds(false)).slice(0, -1), this.#data, this.#name);
    assert.deepEqual(events.filter(kinds(true)), this.#controls, this.#name);
    this.#answer();
  }

  /** What the receiver sent back: pongs, then its close frame. */
  #answer(): void {
    this.#sender.receive(this.#receiver.sent());
    const pings = this.#controls.filter(([kind]) => kind === "ping");
    assert.deepEqual(this.#sender.events.slice(0, -1), pings.map(([, what]) => ["pong", what]), this.#name);
    assert.equal(this.#sender.events.at(-1)![0], "close");
    assert.equal(this.#sender.protocol.closeHandshake, "complete");
    assert.equal(this.#receiver.protocol.closeHandshake, "complete");
  }

  #sendMessage(): void {
    const random = this.#random;
    const { protocol } = this.#sender;
    const text = random.oneIn(2);
    const length = random.pick(
      [0, 1, 125, 126, 1000, 40_000, 65_535, 65_536].map((most) => random.below(most + 2)),
    );
    const content = text ? random.text(length >> 4) : "";
    const bytes = text ? utf8(content) : new Uint8Array(length).fill(length);
    const opcode = text ? Opcode.Text : Opcode.Binary;
    if (text && random.oneIn(2)) protocol.sendText(content);
    else if (random.oneIn(2)) protocol.sendBytes(opcode, bytes);
    else this.#sendFragments(opcode, bytes);
    this.#data.push(text ? ["text", content] : ["binary", toHex(bytes)]);
  }

  #sendFragments(opcode: typeof Opcode.Text | typeof Opcode.Binary, bytes: Uint8Array): void {
    const random = this.#random;
    const { protocol } = this.#sender;
    protocol.sendBytes(opcode, nothing, true, false);
    for (const part of random.cut(bytes, 1 + random.below(1 + bytes.length))) {
      protocol.sendBytes(opcode, part, false, false);
      if (random.oneIn(3)) this.#sendControl();
    }
    protocol.sendBytes(opcode, nothing, false, true);
  }

  #sendControl(): void {
    const payload = this.#random.bytes(this.#random.below(126));
    const ping = this.#random.oneIn(2);
    if (ping) this.#sender.protocol.sendPing(payload);
    else this.#sender.protocol.sendPong(payload);
    this.#controls.push([ping ? "ping" : "pong", toHex(payload)]);
  }

  #transfer(): void {
    const most = this.#random.pick([1, 10, 1000, 70_000]);
    for (const chunk of this.#random.cut(this.#sender.sent(), most)) this.#receiver.receive(chunk);
  }
}
