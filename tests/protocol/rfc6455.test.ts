/**
 * RFC 6455, section by section: requirements that the tests of the parts (frame_reader, frame_writer, protocol, the
 * handshakes) do not cover, most of them exhaustively. docs/rfc6455.md lists the tests of each requirement.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { webText } from "../../adapters/web_text.ts";
import { BufferPool } from "../../src/bytes/buffer_pool.ts";
import { checkUpgradeResponse } from "../../src/protocol/client_handshake.ts";
import { Opcode } from "../../src/protocol/frame_header.ts";
import { PieceFlag } from "../../src/protocol/message_piece.ts";
import { RequestHeadReader, ResponseHeadReader } from "../../src/http/head.ts";
import { Protocol, type ProtocolHandler } from "../../src/protocol/protocol.ts";
import { ProtocolError } from "../../src/protocol/protocol_error.ts";
import { checkUpgradeRequest } from "../../src/protocol/server_handshake.ts";
import { feedings, latin1, readHead } from "./feed.ts";
import { concat, frameTo, hex, join, masked, type Role, roles, toHex, utf8 } from "./wire.ts";

const limit = { timeout: 120_000 };

/** One for all: most of these sides send one close frame. */
const buffers = new BufferPool();

/** One side of a connection, which writes down in short what it hears. */
class Side implements ProtocolHandler {
  readonly heard: string[] = [];
  readonly protocol: Protocol;
  #message = "";

  constructor(role: Role, nextKey: () => number = () => 0, readLimit = 1000) {
    this.protocol = new Protocol(this, { role, readLimit, nextKey, buffers, text: webText });
  }

  /** A copy is received: the chunk is changed. */
  receive(bytes: Uint8Array, bytewise = false): this {
    if (!bytewise) this.protocol.receiveData(bytes.slice());
    else for (const byte of bytes) this.protocol.receiveData(Uint8Array.of(byte));
    return this;
  }

  /** All that waits to be sent. */
  sent(): Uint8Array {
    const runs: Uint8Array[] = [];
    for (let run = this.protocol.output.take(); run !== null; run = this.protocol.output.take()) {
      runs.push(run.slice());
      this.protocol.output.release();
    }
    this.protocol.output.drop();
    return join(runs);
  }

  onMessageData(chunk: Uint8Array, start: number, end: number, flags: number): void {
    const text = (flags & PieceFlag.Text) !== 0;
    this.#message += toHex(chunk.subarray(start, end));
    if ((flags & PieceFlag.Last) === 0) return;
    this.heard.push(`${text ? "text" : "binary"} ${this.#message}`);
    this.#message = "";
  }

  onPing(payload: Uint8Array): void {
    this.heard.push(`ping ${toHex(payload)}`);
  }

  onPong(payload: Uint8Array): void {
    this.heard.push(`pong ${toHex(payload)}`);
  }

  onCloseFrame(code: number): void {
    this.heard.push(`close ${code}`);
    this.protocol.answerClose();
  }

  onFault(error: Error): void {
    this.heard.push(`fault ${error instanceof ProtocolError ? error.closeCode : 1009}`);
    this.protocol.answerClose();
  }
}

function forRoles(name: string, run: (role: Role) => void): void {
  for (const role of roles) it(`${role}: ${name}`, limit, () => run(role));
}

/** What stands in the first bytes of a close frame that `role` sends with a mask of zero. */
function sentCode(role: Role, sent: Uint8Array): number {
  assert.equal(sent[0], 0x88);
  assert.equal(sent[1]! >> 7, role === "client" ? 1 : 0);
  const at = role === "client" ? 6 : 2;
  return sent[at]! << 8 | sent[at + 1]!;
}

describe("4.1 and 4.2: the opening handshake, byte by byte", () => {
  const key = "dGhlIHNhbXBsZSBub25jZQ==";

  it("server: names and values in any case and spacing, however the request is cut up", limit, () => {
    const request = latin1(
      "GET /chat?a=b HTTP/1.1\r\nhOST:server.example.com\r\nUPGRADE:\t webSOCKET \r\n" +
        `Connection:keep-alive\t,uPGRADE\r\nsec-websocket-KEY:   ${key}\t\r\nSec-Websocket-Version:13\r\n\r\n`,
    );
    const frame = hex("81 85 37fa213d 7f9f4d5158");
    for (const { name, chunks } of feedings(concat(request, frame))) {
      const read = readHead(new RequestHeadReader(), chunks);
      assert.ok(read !== undefined, name);
      assert.deepEqual(checkUpgradeRequest(read.head), { ok: true, key, subprotocols: [], extensions: [] });
      // What follows the head is a client's first frame.
      assert.deepEqual(new Side("server").receive(read.rest).heard, ["text 48656c6c6f"], name);
    }
  });

  it("client: names and values in any case and spacing, however the response is cut up", limit, () => {
    const response = latin1(
      "HTTP/1.1 101 whatever\r\nupGRADE:WEBsocket\t\r\nCONNECTION: foo,\tUpGrAdE ,bar\r\n" +
        "sEC-wEBSOCKET-aCCEPT: \t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\n\r\n",
    );
    for (const { name, chunks } of feedings(concat(response, hex("81 05 48656c6c6f")))) {
      const read = readHead(new ResponseHeadReader(), chunks);
      assert.ok(read !== undefined, name);
      assert.deepEqual(checkUpgradeResponse(read.head, { key }), {
        ok: true,
        subprotocol: "",
        extensions: [],
      });
      assert.deepEqual(new Side("client").receive(read.rest).heard, ["text 48656c6c6f"], name);
    }
  });
});

describe("5.1, 5.2, 5.4 and 5.5: the first two bytes of a frame", () => {
  /** What the sections say, word for word. */
  function isForbidden(role: Role, inMessage: boolean, first: number, second: number): boolean {
    const opcode = first & 15;
    const length = second & 127;
    if ((first & 0b0111_0000) !== 0) return true; // 5.2: reserved bits without an extension
    if (![0, 1, 2, 8, 9, 10].includes(opcode)) return true; // 5.2: unknown opcode
    if ((second >= 128) !== (role === "server")) return true; // 5.1: only a client masks
    if (opcode >= 8) return first < 128 || length > 125; // 5.5: whole and short
    return (opcode === 0) !== inMessage; // 5.4: a continuation continues, and nothing else does
  }

  for (const place of ["outside", "inside"]) {
    const inMessage = place === "inside";
    forRoles(`each of the 65,536, ${place} a message`, (role) => {
      const begun = inMessage ? frameTo(role, "01 01", "61") : new Uint8Array(0);
      for (let first = 0; first < 256; first++) {
        for (let second = 0; second < 256; second++) {
          const side = new Side(role).receive(begun).receive(Uint8Array.of(first, second), second % 2 === 0);
          const { failed } = side.protocol;
          const name = `${first.toString(2)} ${second.toString(2)}`;
          assert.equal(failed, isForbidden(role, inMessage, first, second), name);
          if (failed) assert.deepEqual(side.heard, ["fault 1002"], name);
          const sent = side.sent();
          if (failed) assert.equal(sentCode(role, sent), 1002, name);
        }
      }
    });
  }
});

describe("5.2: payload lengths", () => {
  /** A head of a binary frame, with its key if it needs one. */
  const headTo = (role: Role, digits: string) => frameTo(role, `82 ${digits}`);

  forRoles("each of the 65,536 of two bytes", (role) => {
    for (let length = 0; length < 65_536; length++) {
      const side = new Side(role).receive(headTo(role, `7e ${length.toString(16).padStart(4, "0")}`));
      const fault = length < 126 ? ["fault 1002"] : length > 1000 ? ["fault 1009"] : [];
      assert.deepEqual(side.heard, fault, String(length));
      side.sent();
    }
  });

  forRoles("each power of two in eight bytes, and one less and more", (role) => {
    for (let bit = 0n; bit < 64n; bit++) {
      for (const length of [2n ** bit - 1n, 2n ** bit, 2n ** bit + 1n]) {
        const wire = headTo(role, `7f ${length.toString(16).padStart(16, "0")}`);
        // Not in the fewest bytes, or with the highest bit set.
        const malformed = length < 65_536n || length >= 2n ** 63n;
        const limited = new Side(role).receive(wire, true);
        assert.deepEqual(limited.heard, [`fault ${malformed ? 1002 : 1009}`], String(length));
        const unlimited = new Side(role, undefined, Infinity).receive(wire);
        const uncountable = length >= 2n ** 53n;
        const fault = malformed ? ["fault 1002"] : uncountable ? ["fault 1009"] : [];
        assert.deepEqual(unlimited.heard, fault, String(length));
        limited.sent();
        unlimited.sent();
      }
    }
  });
});

describe("5.3 and 10.3: masking keys", () => {
  /** A frame that a client sends with this key. */
  const frameWith = (key: number, head: string, payload: Uint8Array) => {
    const digits = `${key.toString(16).padStart(2, "0")}a1b2c3`;
    const first = hex(head);
    return concat(Uint8Array.of(first[0]!, first[1]! | 0x80), hex(digits), masked(payload, digits));
  };
  /** Keys that count in their first byte. */
  const counting = () => {
    let key = 0;
    return () => (0xc3b2a100 | ++key) | 0;
  };

  it("client: each frame of whatever kind is masked with the next key", limit, () => {
    const side = new Side("client", counting());
    const { protocol } = side;
    protocol.sendText("Hello");
    protocol.sendBytes(Opcode.Binary, hex("0102"));
    protocol.sendPing(hex("31"));
    protocol.sendPong(hex("32"));
    protocol.sendText("a", true, false);
    protocol.sendBytes(Opcode.Binary, hex("62"), false, true);
    side.receive(hex("89 01 33"));
    protocol.sendText("");
    protocol.sendClose(1000, "x");
    const expected = [
      frameWith(1, "81 05", utf8("Hello")),
      frameWith(2, "82 02", hex("0102")),
      frameWith(3, "89 01", hex("31")),
      frameWith(4, "8a 01", hex("32")),
      frameWith(5, "01 01", hex("61")),
      frameWith(6, "80 01", hex("62")),
      frameWith(7, "8a 01", hex("33")),
      frameWith(8, "81 00", hex("")),
      frameWith(9, "88 03", hex("03e878")),
    ];
    assert.equal(toHex(side.sent()), toHex(join(expected)));
  });

  it("client: the answer to a close frame and the word to a peer at fault are masked too", limit, () => {
    const answered = new Side("client", counting()).receive(hex("88 03 03e978"));
    assert.equal(toHex(answered.sent()), toHex(frameWith(1, "88 03", hex("03e978"))));
    const failed = new Side("client", counting()).receive(hex("83 00"));
    const reason = concat(hex("03ea"), utf8("opcode 3 is unknown"));
    assert.equal(toHex(failed.sent()), toHex(frameWith(1, "88 15", reason)));
  });
});

/** Every sequence of `length` of these. */
function* sequences<T>(of: readonly T[], length: number): IterableIterator<T[]> {
  if (length === 0) return yield [];
  for (const rest of sequences(of, length - 1)) for (const one of of) yield [...rest, one];
}

describe("5.4: fragmentation", () => {
  const frames = [
    { head: "81 01", payload: "61" },
    { head: "01 01", payload: "62" },
    { head: "02 01", payload: "ff" },
    { head: "00 01", payload: "63" },
    { head: "80 01", payload: "64" },
    { head: "00 00", payload: "" },
    { head: "89 01", payload: "31" },
  ];

  /** What comes of these frames. */
  function meaning(wire: readonly (typeof frames)[number][]): string[] {
    const heard: string[] = [];
    let kind = "";
    let message = "";
    for (const { head, payload } of wire) {
      const first = parseInt(head, 16);
      const opcode = first & 15;
      if (opcode === 9) {
        heard.push(`ping ${payload}`);
        continue;
      }
      if ((opcode === 0) === (kind === "")) return [...heard, "fault 1002"];
      if (opcode > 0) [kind, message] = [opcode === 1 ? "text" : "binary", ""];
      message += payload;
      if (first < 128) continue;
      heard.push(`${kind} ${message}`);
      kind = "";
    }
    return heard;
  }

  forRoles("every order of five frames means what the section says, or is refused", (role) => {
    for (const sequence of sequences(frames, 5)) {
      const wire = join(sequence.map(({ head, payload }) => frameTo(role, head, payload)));
      const expected = meaning(sequence);
      const name = sequence.map(({ head }) => head).join(", ");
      for (const bytewise of [false, true]) {
        const side = new Side(role).receive(wire, bytewise);
        assert.deepEqual(side.heard, expected, name);
        side.protocol.output.drop();
      }
    }
  });
});

describe("5.5.1, 7.1.2 and 7.1.7: how it ends", () => {
  const actions: Record<string, (side: Side, role: Role) => void> = {
    "sends text": ({ protocol }) => !protocol.closeSent && protocol.sendText("x"),
    "sends a ping": ({ protocol }) => !protocol.closeSent && protocol.sendPing(hex("31")),
    "closes": ({ protocol }) => protocol.sendClose(1001, ""),
    // The layer above has nothing to find fault with once a close frame came.
    "fails": ({ protocol }) => protocol.closeHandshake !== "complete" && protocol.fail(1008, ""),
    "receives text": (side, role) => side.receive(frameTo(role, "81 01", "79")),
    "receives a ping": (side, role) => side.receive(frameTo(role, "89 01", "32")),
    "receives a close frame": (side, role) => side.receive(frameTo(role, "88 02", "0fa0")),
    "receives a fault": (side, role) => side.receive(frameTo(role, "83 00")),
  };

  /** The first bytes of frames that are shorter than 126 bytes. */
  function firstBytes(role: Role, wire: Uint8Array): number[] {
    const found: number[] = [];
    for (let at = 0; at < wire.length;) {
      found.push(wire[at]!);
      at += (role === "client" ? 6 : 2) + (wire[at + 1]! & 127);
    }
    return found;
  }

  forRoles(
    "in every order of five events: one close frame, the last of all, and nothing heard after it ends",
    (role) => {
      for (const names of sequences(Object.keys(actions), 5)) {
        const side = new Side(role);
        for (const name of names) actions[name]!(side, role);
        const sent = firstBytes(role, side.sent());
        const ends = sent.filter((first) => first === 0x88).length;
        assert.ok(ends <= 1, names.join(", "));
        if (ends === 1) assert.equal(sent.at(-1), 0x88, names.join(", "));
        assert.equal(ends === 1, names.some((name) => /close|fail|fault/.test(name)), names.join(", "));
        const end = side.heard.findIndex((event) => /^(close|fault)/.test(event));
        if (end >= 0) assert.equal(end, side.heard.length - 1, names.join(", "));
      }
    },
  );
});
