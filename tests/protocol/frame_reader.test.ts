import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Opcode } from "../../src/protocol/frame_header.ts";
import { type FrameHandler, FrameReader, SMALL_FRAGMENT } from "../../src/protocol/frame_reader.ts";
import { PieceFlag } from "../../src/protocol/message_piece.ts";
import { concat, cuts, frameFrom, frameTo, head, hex, join, type Role, roles, toHex, utf8 } from "./wire.ts";

/** A message, a control frame or a fault; payloads in hexadecimal. */
type Event = readonly [kind: "text" | "binary" | "close" | "ping" | "pong" | "fault", what: string | number];

interface Settings {
  readLimit?: number;
  allowRsv1?: boolean;
  maxFragments?: number;
}

/** Puts the pieces of messages together, and holds what `FrameHandler` promises. */
class Recorder implements FrameHandler {
  readonly events: Event[] = [];
  readonly reader: FrameReader;
  /** Bytes of payload that came, of messages that are not complete as well. */
  payloadBytes = 0;
  #parts: Uint8Array[] | null = null;
  #rsv1 = false;
  #chunk: Uint8Array | null = null;

  constructor(role: Role, { readLimit = 1 << 20, ...options }: Settings = {}) {
    this.reader = new FrameReader(this, { masked: role === "server", readLimit, ...options });
  }

  receive(chunk: Uint8Array): this {
    this.#chunk = chunk;
    this.reader.receive(chunk);
    this.#chunk = null;
    // Whoever kept a view of it finds out.
    chunk.fill(0xff);
    return this;
  }

  onMessageData(chunk: Uint8Array, start: number, end: number, flags: number): void {
    const text = (flags & PieceFlag.Text) !== 0;
    const first = (flags & PieceFlag.First) !== 0;
    const last = (flags & PieceFlag.Last) !== 0;
    const rsv1 = (flags & PieceFlag.Compressed) !== 0;
    assert.equal(this.events.at(-1)?.[0] === "fault", false, "data after a fault");
    assert.equal(first, this.#parts === null, "first");
    assert.ok(start >= 0 && start <= end && end <= chunk.length);
    assert.ok(end > start || last, "an empty piece");
    // Nothing is copied: a piece lies where it came.
    assert.ok(end === start || chunk === this.#chunk, "a copy");
    if (first) this.#rsv1 = rsv1;
    assert.equal(rsv1, this.#rsv1);
    this.payloadBytes += end - start;
    this.#parts ??= [];
    this.#parts.push(chunk.slice(start, end));
    if (!last) return;
    this.events.push([text ? "text" : "binary", toHex(join(this.#parts))]);
    this.#parts = null;
  }

  onControl(opcode: Opcode, payload: Uint8Array): void {
    assert.equal(this.events.at(-1)?.[0] === "fault", false, "a control frame after a fault");
    const kind = opcode === Opcode.Close ? "close" : opcode === Opcode.Ping ? "ping" : "pong";
    this.payloadBytes += payload.length;
    this.events.push([kind, toHex(payload)]);
  }

  onFault(code: number, reason: string): void {
    assert.equal(this.events.at(-1)?.[0] === "fault", false, "a second fault");
    assert.ok(utf8(reason).length <= 123 && !reason.endsWith("."));
    this.events.push(["fault", code]);
  }
}

/** Reads the wire however it is cut; each time these events must come of it. */
function reads(role: Role, wire: Uint8Array, events: readonly Event[], settings?: Settings): void {
  for (const { name, chunks } of cuts(wire)) {
    const recorder = new Recorder(role, settings);
    for (const chunk of chunks) recorder.receive(chunk);
    assert.deepEqual(recorder.events, events, `${role}, ${name}`);
  }
}

/** The wire is refused with its last byte at the latest, of which the payload would follow. */
function refuses(role: Role, wire: Uint8Array, code: number, settings?: Settings): void {
  reads(role, wire, [["fault", code]], settings);
  const recorder = new Recorder(role, settings).receive(concat(wire, new Uint8Array(1000)));
  assert.equal(recorder.payloadBytes, 0);
}

/** Frames of each kind; the first one continues a message that `start` began. */
const kinds = [
  { name: "continuation", opcode: 0x0 },
  { name: "text", opcode: 0x1 },
  { name: "binary", opcode: 0x2 },
  { name: "close", opcode: 0x8 },
  { name: "ping", opcode: 0x9 },
  { name: "pong", opcode: 0xa },
] as const;

const start = (role: Role) => frameTo(role, "01 02", "4869");

/** The head only, without its payload. */
const headTo = (role: Role, digits: string) => frameTo(role, digits);

function forRoles(name: string, run: (role: Role) => void): void {
  for (const role of roles) it(`${role}: ${name}`, () => run(role));
}

describe("RFC 6455, 5.2: base framing", () => {
  const lengths: [length: number, head: string][] = [
    [0, "00"],
    [1, "01"],
    [63, "3f"],
    [64, "40"],
    [125, "7d"],
    [126, "7e 007e"],
    [127, "7e 007f"],
    [65535, "7e ffff"],
    [65536, "7f 0000000000010000"],
  ];
  for (const [length, digits] of lengths) {
    forRoles(`a message of ${length} bytes`, (role) => {
      const payload = Uint8Array.from({ length }, (_, i) => (i * 31) & 255);
      const events: Event[] = [["binary", toHex(payload)], ["text", toHex(payload)]];
      reads(role, frameTo(role, `82 ${digits}`, payload), events.slice(0, 1));
      if (length <= 127) {
        const wire = concat(frameTo(role, `82 ${digits}`, payload), frameTo(role, `81 ${digits}`, payload));
        reads(role, wire, events);
      }
    });
  }

  forRoles("a message of 64 KiB is split near each of two heads", (role) => {
    const payload = new Uint8Array(65536).fill(0x61);
    const one = frameTo(role, "02 7f 0000000000010000", payload);
    const wire = concat(one, frameTo(role, "80 7e ffff", payload.subarray(1)));
    for (const { name, chunks } of cuts(wire, [0, one.length, wire.length])) {
      const recorder = new Recorder(role);
      for (const chunk of chunks) recorder.receive(chunk);
      assert.deepEqual(recorder.events, [["binary", "61".repeat(131071)]], name);
    }
  });

  for (const { name, opcode } of kinds) {
    forRoles(`reserved bits on a ${name} frame`, (role) => {
      for (const reserved of [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70]) {
        for (const fin of [0x00, 0x80]) {
          const wire = headTo(role, head(fin | reserved | opcode, 3));
          if (opcode !== 0) refuses(role, wire, 1002);
          else reads(role, concat(start(role), wire), [["fault", 1002]]);
        }
      }
    });

    forRoles(`reserved bits on a ${name} frame where RSV1 has a meaning`, (role) => {
      const settings = { allowRsv1: true };
      for (const reserved of [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70]) {
        const wire = frameTo(role, head(0x80 | reserved | opcode, 1), "78");
        // RFC 7692, 6.1: only the first frame of a message has it.
        if (reserved === 0x40 && (opcode === 1 || opcode === 2)) {
          reads(role, wire, [[name as "text", "78"]], settings);
        } else if (opcode !== 0) {
          refuses(role, headTo(role, head(0x80 | reserved | opcode, 1)), 1002, settings);
        } else reads(role, concat(start(role), wire), [["fault", 1002]], settings);
      }
    });
  }

  forRoles("RSV1 is told of the message, and ends with it", (role) => {
    const seen: boolean[] = [];
    const handler: FrameHandler = {
      onMessageData: (_chunk, _start, _end, flags) => seen.push((flags & PieceFlag.Compressed) !== 0),
      onControl: () => {},
      onFault: () => assert.fail(),
    };
    const reader = new FrameReader(handler, { masked: role === "server", allowRsv1: true, readLimit: 100 });
    reader.receive(frameTo(role, "41 01", "61"));
    reader.receive(frameTo(role, "89 00"));
    reader.receive(frameTo(role, "80 01", "62"));
    reader.receive(frameTo(role, "81 01", "63"));
    reader.receive(frameTo(role, "c2 00"));
    assert.deepEqual(seen, [true, true, false, true]);
  });

  forRoles("unknown opcodes are refused from the head", (role) => {
    for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
      for (const fin of [0x00, 0x80]) {
        for (const length of [0, 1, 125, 126, 65536]) {
          refuses(role, headTo(role, head(fin | opcode, length)), 1002);
          reads(role, concat(start(role), headTo(role, head(fin | opcode, length))), [["fault", 1002]]);
        }
      }
    }
  });

  forRoles("a length that is not in the fewest bytes", (role) => {
    for (const digits of ["7e 0000", "7e 0001", "7e 007d"]) refuses(role, headTo(role, `82 ${digits}`), 1002);
    for (const length of [0, 1, 125, 126, 65535]) {
      refuses(role, headTo(role, `82 7f ${length.toString(16).padStart(16, "0")}`), 1002);
    }
  });

  forRoles("a 64-bit length with its highest bit set", (role) => {
    for (const digits of ["8000000000000000", "8000000000000001", "ffffffffffffffff", "8000000000010000"]) {
      refuses(role, headTo(role, `82 7f ${digits}`), 1002);
      refuses(role, headTo(role, `82 7f ${digits}`), 1002, { readLimit: Infinity });
    }
  });

  forRoles("what the first two bytes forbid is refused before a third comes", (role) => {
    const mask = role === "server" ? 0x80 : 0;
    const forbidden = [[0x92, 0x7f], [0x83, 0x7f], [0x8b, 0x00], [0x09, 0x01], [0x89, 0x7e], [0x88, 0x7f], [
      0x80,
      0x01,
    ]];
    for (const [first, second] of forbidden) {
      for (const chunks of [[[first!, second! | mask]], [[first!], [second! | mask]]]) {
        const recorder = new Recorder(role);
        for (const chunk of chunks) recorder.receive(Uint8Array.from(chunk));
        assert.deepEqual(recorder.events, [["fault", 1002]], `${first} ${second}`);
      }
    }
  });

  forRoles("a thousand frames in one chunk", (role) => {
    const wire: Uint8Array[] = [];
    const events: Event[] = [];
    for (let i = 0; i < 1000; i++) {
      const payload = new Uint8Array(i % 7).fill(i);
      wire.push(frameTo(role, head(0x82, payload.length), payload));
      events.push(["binary", toHex(payload)]);
    }
    reads(role, join(wire), events);
  });
});

describe("RFC 6455, 5.1 and 5.3: masking", () => {
  for (const { name, opcode } of kinds) {
    it(`server: a ${name} frame that is not masked`, () => {
      const wire = frameFrom("server", head(0x80 | opcode, 5), "48656c6c6f");
      if (opcode !== 0) reads("server", wire, [["fault", 1002]]);
      else reads("server", concat(start("server"), wire), [["fault", 1002]]);
    });

    it(`client: a ${name} frame that is masked`, () => {
      const wire = frameFrom("client", head(0x80 | opcode, 5), "48656c6c6f");
      if (opcode !== 0) reads("client", wire, [["fault", 1002]]);
      else reads("client", concat(start("client"), wire), [["fault", 1002]]);
    });
  }

  it("the empty frame, too", () => {
    reads("server", hex("8100"), [["fault", 1002]]);
    reads("client", hex("8180 37fa213d"), [["fault", 1002]]);
    reads("client", hex("8180"), [["fault", 1002]]);
  });

  it("server: each frame has a key of its own", () => {
    const wire = hex("0183 00000000 616263 0083 ffffffff 9e9d9c 8083 01020304 606060 8180 deadbeef");
    reads("server", wire, [["text", "616263616263616263"], ["text", ""]]);
  });
});

describe("RFC 6455, 5.4: fragmentation", () => {
  forRoles("a message in two, three and five frames", (role) => {
    reads(role, concat(frameTo(role, "01 03", "48656c"), frameTo(role, "80 02", "6c6f")), [[
      "text",
      "48656c6c6f",
    ]]);
    const three = concat(
      frameTo(role, "02 01", "01"),
      frameTo(role, "00 01", "02"),
      frameTo(role, "80 01", "03"),
    );
    reads(role, concat(three, three), [["binary", "010203"], ["binary", "010203"]]);
    const empty = frameTo(role, "00 00");
    const five = concat(
      frameTo(role, "01 00"),
      empty,
      frameTo(role, "00 01", "78"),
      empty,
      frameTo(role, "80 00"),
    );
    reads(role, five, [["text", "78"]]);
  });

  forRoles("a message of empty frames only", (role) => {
    reads(role, concat(frameTo(role, "02 00"), frameTo(role, "80 00")), [["binary", ""]]);
    reads(role, concat(frameTo(role, "02 00"), frameTo(role, "00 00"), frameTo(role, "80 01", "ff")), [[
      "binary",
      "ff",
    ]]);
  });

  forRoles("control frames between fragments, in their order", (role) => {
    const wire = concat(
      frameTo(role, "01 02", "4865"),
      frameTo(role, "89 01", "31"),
      frameTo(role, "00 01", "6c"),
      frameTo(role, "8a 02", "3233"),
      frameTo(role, "89 00"),
      frameTo(role, "80 02", "6c6f"),
      frameTo(role, "88 02", "03e8"),
    );
    reads(role, wire, [["ping", "31"], ["pong", "3233"], ["ping", ""], ["text", "48656c6c6f"], [
      "close",
      "03e8",
    ]]);
  });

  forRoles("a continuation that continues nothing", (role) => {
    for (const fin of [0x00, 0x80]) {
      for (const length of [0, 5, 126, 65536]) refuses(role, headTo(role, head(fin, length)), 1002);
    }
    const after = concat(frameTo(role, "81 01", "78"), frameTo(role, "80 01", "78"));
    reads(role, after, [["text", "78"], ["fault", 1002]]);
    const afterFragments = concat(start(role), frameTo(role, "80 00"), frameTo(role, "80 00"));
    reads(role, afterFragments, [["text", "4869"], ["fault", 1002]]);
    const afterPing = concat(frameTo(role, "89 00"), frameTo(role, "00 00"));
    reads(role, afterPing, [["ping", ""], ["fault", 1002]]);
  });

  forRoles("a new message inside a message", (role) => {
    for (const first of [0x01, 0x02, 0x81, 0x82]) {
      for (const length of [0, 1, 126]) {
        const wire = concat(start(role), headTo(role, head(first, length)));
        reads(role, wire, [["fault", 1002]]);
        reads(role, concat(frameTo(role, "02 00"), headTo(role, head(first, length))), [["fault", 1002]]);
        reads(role, concat(start(role), frameTo(role, "89 00"), headTo(role, head(first, length))), [
          ["ping", ""],
          ["fault", 1002],
        ]);
      }
    }
  });

  forRoles("a hundred thousand empty fragments cost nothing", (role) => {
    const recorder = new Recorder(role, { readLimit: 0 });
    const none = frameTo(role, "00 00");
    recorder.receive(frameTo(role, "01 00"));
    for (let i = 0; i < 1000; i++) recorder.receive(join(Array.from({ length: 100 }, () => none)));
    assert.deepEqual(recorder.events, []);
    recorder.receive(frameTo(role, "80 00"));
    assert.deepEqual(recorder.events, [["text", ""]]);
  });
});

describe("RFC 6455, 5.5: control frames", () => {
  for (const { name, opcode } of kinds.slice(3)) {
    const kind = name as "close";
    forRoles(`a ${name} frame of 0, 1 and 125 bytes`, (role) => {
      for (const length of [0, 1, 124, 125]) {
        const payload = Uint8Array.from({ length }, (_, i) => i);
        reads(role, frameTo(role, head(0x80 | opcode, length), payload), [[kind, toHex(payload)]]);
      }
    });

    forRoles(`a ${name} frame that is longer than 125 bytes`, (role) => {
      const heads = ["7e 007e", "7e ffff", "7f 0000000000010000", "7e 0001", "7f 8000000000000000"];
      for (const digits of heads) {
        refuses(role, headTo(role, (0x80 | opcode).toString(16) + digits), 1002);
        reads(role, concat(start(role), headTo(role, (0x80 | opcode).toString(16) + digits)), [[
          "fault",
          1002,
        ]]);
      }
    });

    forRoles(`a ${name} frame that is fragmented`, (role) => {
      for (const length of [0, 1, 125]) refuses(role, headTo(role, head(opcode, length)), 1002);
    });

    forRoles(`a ${name} frame does not count against the limit`, (role) => {
      const wire = frameTo(role, head(0x80 | opcode, 5), "0102030405");
      reads(role, wire, [[kind, "0102030405"]], { readLimit: 0 });
    });
  }

  forRoles("control frames that came in pieces keep apart", (role) => {
    const wire = concat(
      frameTo(role, "89 04", "01020304"),
      frameTo(role, "8a 02", "0506"),
      frameTo(role, "89 00"),
      frameTo(role, "88 03", "03e878"),
    );
    reads(role, wire, [["ping", "01020304"], ["pong", "0506"], ["ping", ""], ["close", "03e878"]]);
  });
});

describe("RFC 6455, 5.7: examples", () => {
  it("an unmasked text message", () =>
    reads("client", hex("81 05 48 65 6c 6c 6f"), [["text", "48656c6c6f"]]));

  it("a masked text message", () => {
    reads("server", hex("81 85 37 fa 21 3d 7f 9f 4d 51 58"), [["text", "48656c6c6f"]]);
  });

  it("a fragmented unmasked text message", () => {
    reads("client", hex("01 03 48 65 6c 80 02 6c 6f"), [["text", "48656c6c6f"]]);
  });

  it("an unmasked ping and its masked pong", () => {
    reads("client", hex("89 05 48 65 6c 6c 6f"), [["ping", "48656c6c6f"]]);
    reads("server", hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"), [["pong", "48656c6c6f"]]);
  });

  it("256 bytes and 64 KiB of binary", () => {
    reads("client", concat(hex("82 7e 0100"), new Uint8Array(256)), [["binary", "00".repeat(256)]]);
    const wire = concat(hex("82 7f 0000000000010000"), new Uint8Array(65536));
    reads("client", wire, [["binary", "00".repeat(65536)]]);
  });
});

describe("RFC 6455, 10.4: limits", () => {
  const beyond: [name: string, length: string][] = [
    ["the limit by one", "7e 03e9"],
    ["a megabyte", "7f 0000000000100000"],
    ["2^32", "7f 0000000100000000"],
    ["2^53 - 1", "7f 001fffffffffffff"],
    ["2^53", "7f 0020000000000000"],
    ["2^53 + 1", "7f 0020000000000001"],
    ["2^63 - 1", "7f 7fffffffffffffff"],
  ];
  for (const [name, digits] of beyond) {
    forRoles(`a length beyond: ${name}`, (role) => {
      for (const first of ["82", "81", "02"]) {
        refuses(role, headTo(role, first + digits), 1009, { readLimit: 1000 });
      }
      const continued = concat(start(role), headTo(role, `00 ${digits}`));
      reads(role, continued, [["fault", 1009]], { readLimit: 1000 });
    });
  }

  forRoles("without a limit, what cannot be counted", (role) => {
    const settings = { readLimit: Infinity };
    refuses(role, headTo(role, "82 7f 0020000000000000"), 1009, settings);
    refuses(role, headTo(role, "82 7f 7fffffffffffffff"), 1009, settings);
    reads(role, headTo(role, "82 7f 001fffffffffffff"), [], settings);
    reads(role, concat(start(role), headTo(role, "00 7f 001fffffffffffff")), [["fault", 1009]], settings);
  });

  forRoles("a message that reaches the limit exactly", (role) => {
    const settings = { readLimit: 10 };
    const whole = frameTo(role, "82 0a", "00010203040506070809");
    reads(role, concat(whole, whole), [["binary", "00010203040506070809"], [
      "binary",
      "00010203040506070809",
    ]], settings);
    const fragments = concat(frameTo(role, "02 04", "00010203"), frameTo(role, "00 06", "040506070809"));
    reads(role, concat(fragments, frameTo(role, "80 00")), [["binary", "00010203040506070809"]], settings);
  });

  forRoles("a sum over fragments that passes the limit", (role) => {
    const settings = { readLimit: 10 };
    const begun = concat(frameTo(role, "02 04", "00010203"), frameTo(role, "00 06", "040506070809"));
    reads(role, concat(begun, headTo(role, "00 01")), [["fault", 1009]], settings);
    reads(role, concat(begun, frameTo(role, "89 00"), headTo(role, "80 7f 7fffffffffffffff")), [
      ["ping", ""],
      ["fault", 1009],
    ], settings);
  });

  forRoles("a limit of nothing lets empty messages through", (role) => {
    reads(role, frameTo(role, "82 00"), [["binary", ""]], { readLimit: 0 });
    refuses(role, headTo(role, "82 01"), 1009, { readLimit: 0 });
  });

  forRoles("a message in more small fragments than are allowed", (role) => {
    const settings = { maxFragments: 3 };
    for (const payload of ["", "78"]) {
      const digits = payload === "" ? "00" : "01";
      const [begun, next, last] = ["01", "00", "80"].map((first) =>
        frameTo(role, `${first} ${digits}`, payload)
      );
      const ping = frameTo(role, "89 00");
      // Control frames do not count, and each message has its own count.
      const fits = concat(begun!, ping, next!, ping, last!);
      const text: Event = ["text", payload.repeat(3)];
      reads(
        role,
        concat(fits, fits),
        [["ping", ""], ["ping", ""], text, ["ping", ""], ["ping", ""], text],
        settings,
      );
      // Refused by its head.
      for (const first of ["00", "80"]) {
        const wire = concat(begun!, next!, next!, headTo(role, `${first} ${digits}`));
        reads(role, wire, [["fault", 1008]], settings);
      }
    }
    reads(
      role,
      concat(...Array.from({ length: 5 }, () => frameTo(role, "82 00"))),
      Array(5).fill(["binary", ""]),
      {
        maxFragments: 1,
      },
    );
  });

  forRoles("fragments of a kilobyte are bounded by the read limit alone", (role) => {
    const long = new Uint8Array(SMALL_FRAGMENT);
    const recorder = new Recorder(role, { maxFragments: 2, readLimit: Infinity });
    recorder.receive(frameTo(role, head(0x02, SMALL_FRAGMENT), long));
    for (let i = 0; i < 1000; i++) recorder.receive(frameTo(role, head(0x00, SMALL_FRAGMENT), long));
    for (let i = 0; i < 2; i++) {
      recorder.receive(frameTo(role, head(0x00, SMALL_FRAGMENT - 1), long.subarray(1)));
    }
    assert.deepEqual(recorder.events, []);
    recorder.receive(headTo(role, head(0x80, SMALL_FRAGMENT - 1)));
    assert.deepEqual(recorder.events, [["fault", 1008]]);
  });

  forRoles("setReadLimit() counts from the next head on", (role) => {
    const recorder = new Recorder(role, { readLimit: 10 });
    recorder.receive(frameTo(role, "02 05", "0102030405").subarray(0, -1));
    recorder.reader.setReadLimit(7);
    recorder.receive(frameTo(role, "02 05", "0102030405").slice(-1)).receive(frameTo(role, "00 02", "0607"));
    assert.deepEqual(recorder.events, []);
    recorder.receive(headTo(role, "80 01"));
    assert.deepEqual(recorder.events, [["fault", 1009]]);
  });

  forRoles("messageLength says what the frames of the message have announced", (role) => {
    const recorder = new Recorder(role);
    const { reader } = recorder;
    assert.equal(reader.messageLength, 0);
    recorder.receive(headTo(role, "02 7e 0100"));
    assert.equal(reader.messageLength, 256);
    recorder.receive(new Uint8Array(256));
    recorder.receive(headTo(role, "00 05"));
    assert.equal(reader.messageLength, 261);
    recorder.receive(concat(new Uint8Array(5), headTo(role, "80 00"), headTo(role, "81 03")));
    assert.equal(reader.messageLength, 3);
  });
});

describe("a whole message in one chunk", () => {
  /** Where the head has another form, or the shortest way ends. */
  const borders = [1, 2, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537];
  const payloadOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 255);
  const message = (role: Role, length: number, first = 0x82) =>
    frameTo(role, head(first, length), payloadOf(length));
  const event = (length: number): Event => ["binary", toHex(payloadOf(length))];

  forRoles("follows others of every length, and is followed by them", (role) => {
    const recorder = new Recorder(role);
    const lengths = borders.flatMap((length) => [length, 0, 5]);
    recorder.receive(join(lengths.map((length) => message(role, length))));
    assert.deepEqual(recorder.events, lengths.map(event));
  });

  for (const length of [125, 126, 127, 65535, 65536]) {
    forRoles(`of ${length} bytes is cut near its head, in it and near its end`, (role) => {
      const wire = concat(message(role, 3), message(role, length), message(role, 4));
      const begin = message(role, 3).length;
      const stop = wire.length - message(role, 4).length;
      for (const middle of [begin, stop]) {
        for (let at = middle - 4; at <= Math.min(wire.length, middle + 15); at++) {
          const recorder = new Recorder(role);
          recorder.receive(wire.slice(0, at)).receive(wire.slice(at));
          assert.deepEqual(recorder.events, [event(3), event(length), event(4)], `at ${at}`);
        }
      }
    });

    forRoles(`of ${length} bytes reaches the read limit, and passes it by one`, (role) => {
      const wire = () => concat(message(role, length), message(role, 1));
      const fits = new Recorder(role, { readLimit: length }).receive(wire());
      assert.deepEqual(fits.events, [event(length), event(1)]);
      assert.equal(fits.reader.messageLength, 1);
      const passes = new Recorder(role, { readLimit: length - 1 }).receive(wire());
      assert.deepEqual([passes.events, passes.payloadBytes], [[["fault", 1009]], 0]);
    });
  }

  forRoles("is a fragment as any other where none below a kilobyte is allowed", (role) => {
    for (const maxFragments of [0, 0.5, -1]) {
      for (const length of [0, 1, 125, 126, SMALL_FRAGMENT - 1]) {
        const recorder = new Recorder(role, { maxFragments }).receive(message(role, length));
        assert.deepEqual(recorder.events, [["fault", 1008]], `${length}`);
      }
      const long = new Recorder(role, { maxFragments }).receive(message(role, SMALL_FRAGMENT));
      assert.deepEqual(long.events, [event(SMALL_FRAGMENT)]);
    }
  });

  forRoles("may be empty", (role) => {
    const settings = { readLimit: 0 };
    const wire = concat(message(role, 0), message(role, 0, 0x81));
    reads(role, wire, [["binary", ""], ["text", ""]], settings);
  });

  for (const length of [0, 1, 125, 126, 127, 65535, 65536]) {
    forRoles(`of ${length} bytes is refused with the other side's masking, whatever came before`, (role) => {
      const wire = concat(message(role, 2), frameFrom(role, head(0x82, length), payloadOf(length)));
      const recorder = new Recorder(role).receive(wire);
      assert.deepEqual([recorder.events, recorder.payloadBytes], [[event(2), ["fault", 1002]], 2]);
    });
  }

  forRoles("is no whole message inside of another", (role) => {
    for (const length of [1, 125, 126, 65535]) {
      const recorder = new Recorder(role).receive(concat(start(role), message(role, length)));
      assert.deepEqual(recorder.events, [["fault", 1002]]);
    }
  });

  forRoles("leaves nothing behind for the fragments that follow", (role) => {
    const fragments = concat(frameTo(role, "01 01", "61"), frameTo(role, "80 01", "62"));
    const settings = { readLimit: 2, maxFragments: 2 };
    const recorder = new Recorder(role, settings);
    recorder.receive(concat(message(role, 2), fragments, message(role, 2), fragments));
    assert.deepEqual(recorder.events, [event(2), ["text", "6162"], event(2), ["text", "6162"]]);
  });

  forRoles("after which it stops is the last one", (role) => {
    const recorder = new Recorder(role);
    const onMessageData = recorder.onMessageData.bind(recorder);
    recorder.onMessageData = (...data) => {
      onMessageData(...data);
      recorder.reader.stop();
    };
    recorder.receive(concat(message(role, 5), message(role, 6)));
    assert.deepEqual(recorder.events, [event(5)]);
  });
});

describe("RFC 6455, 7.1.7: after a fault or stop()", () => {
  forRoles("nothing more is read", (role) => {
    const good = frameTo(role, "81 01", "78");
    const wire = concat(good, headTo(role, "83 00"), good, headTo(role, "83 00"), good);
    reads(role, wire, [["text", "78"], ["fault", 1002]]);
  });

  forRoles("what is ignored is left as it is", (role) => {
    const recorder = new Recorder(role);
    recorder.reader.stop();
    const chunk = frameTo(role, "82 04", "01020304");
    const before = toHex(chunk);
    recorder.reader.receive(chunk);
    assert.equal(toHex(chunk), before);
  });

  forRoles("stop() inside a call ends the chunk there", (role) => {
    for (
      const { name, chunks } of cuts(
        concat(start(role), frameTo(role, "89 01", "31"), frameTo(role, "80 01", "78")),
      )
    ) {
      const recorder = new Recorder(role);
      const onControl = recorder.onControl.bind(recorder);
      recorder.onControl = (opcode, payload) => {
        onControl(opcode, payload);
        recorder.reader.stop();
      };
      for (const chunk of chunks) recorder.receive(chunk);
      assert.deepEqual(recorder.events, [["ping", "31"]], name);
    }
  });
});

describe("payloads are read where they lie", () => {
  it("a piece for each chunk, unmasked in place", () => {
    const pieces: [Uint8Array, number, number][] = [];
    const handler: FrameHandler = {
      onMessageData: (chunk, start, end) => pieces.push([chunk, start, end]),
      onControl: () => assert.fail(),
      onFault: () => assert.fail(),
    };
    const reader = new FrameReader(handler, { masked: true, readLimit: 1000 });
    const wire = frameTo("server", "82 7e 012c", new Uint8Array(300).fill(0x61));
    const first = wire.slice(0, 100);
    const second = concat(wire.slice(100), hex("82"));
    reader.receive(first);
    reader.receive(second);
    assert.deepEqual(pieces.map(([, start, end]) => [start, end]), [[8, 100], [0, 208]]);
    assert.ok(pieces[0]![0] === first && pieces[1]![0] === second);
    assert.ok(
      first.subarray(8).every((byte) => byte === 0x61) &&
        second.subarray(0, 208).every((byte) => byte === 0x61),
    );
    assert.equal(second[208], 0x82);
  });

  it("a view in the middle of a buffer, at any address", () => {
    const payload = Uint8Array.from({ length: 200 }, (_, i) => i);
    for (let offset = 0; offset < 9; offset++) {
      const wire = frameTo("server", "82 7e 00c8", payload);
      const buffer = new Uint8Array(wire.length + 20).fill(0xee);
      buffer.set(wire, offset);
      const messages: Uint8Array[] = [];
      const handler: FrameHandler = {
        onMessageData: (chunk, start, end) => messages.push(chunk.slice(start, end)),
        onControl: () => assert.fail(),
        onFault: () => assert.fail(),
      };
      const reader = new FrameReader(handler, { masked: true, readLimit: 1000 });
      reader.receive(buffer.subarray(offset, offset + wire.length));
      assert.deepEqual(messages, [payload], `at ${offset}`);
      const outside = [...buffer.subarray(0, offset), ...buffer.subarray(offset + wire.length)];
      assert.ok(outside.every((byte) => byte === 0xee), `at ${offset}`);
    }
  });
});
