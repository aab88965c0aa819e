import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { bufferText } from "../../adapters/buffer_text.ts";
import { denoText } from "../../adapters/deno_text.ts";
import { webText } from "../../adapters/web_text.ts";
import { BufferPool, POOL_BUFFER_SIZE } from "../../src/bytes/buffer_pool.ts";
import type { TextCodec } from "../../src/bytes/text.ts";
import { FIN, headerSize, Opcode } from "../../src/protocol/frame_header.ts";
import { FrameReader } from "../../src/protocol/frame_reader.ts";
import { FrameWriter, MAX_COPIED_WITH_HEADER, MAX_FRAGMENT } from "../../src/protocol/frame_writer.ts";
import { MIN_BORROWED_BYTES, OutputQueue } from "../../src/protocol/output_queue.ts";
import { PieceFlag } from "../../src/protocol/message_piece.ts";
import { Random } from "../bytes/random.ts";
import { concat, frameFrom, head, hex, join, KEY_NUMBER, type Role, roles, toHex, utf8 } from "./wire.ts";

/** A pool that knows what is in use, and spoils what is given back. */
class CheckedPool extends BufferPool {
  readonly #inUse = new Set<Uint8Array>();
  taken = 0;

  get inUse(): number {
    return this.#inUse.size;
  }

  override take(bytes: number): Uint8Array {
    const buffer = super.take(bytes);
    assert.ok(!this.#inUse.has(buffer), "a buffer was handed out twice");
    this.#inUse.add(buffer);
    this.taken++;
    return buffer;
  }

  override give(buffer: Uint8Array): void {
    assert.ok(this.#inUse.delete(buffer), "a buffer was given back twice");
    buffer.fill(0xee);
    super.give(buffer);
  }
}

const TEXT = FIN | Opcode.Text;
const BINARY = FIN | Opcode.Binary;

/** Deno's `Buffer` has not all of the native calls; its adapter uses those that it has, and the web's. */
const codecs: readonly (readonly [string, TextCodec])[] = [
  ["webText", webText],
  ["denoText", denoText],
  ..."Deno" in globalThis ? [] : [["bufferText", bufferText] as const],
];

function newWriter(role: Role, text: TextCodec = webText, nextKey = () => KEY_NUMBER) {
  const pool = new CheckedPool();
  const queue = new OutputQueue(pool);
  const writer = new FrameWriter(queue, { nextKey: role === "client" ? nextKey : null, text });
  return { writer, queue, pool };
}

/** Takes one run, as a copy, as a socket that is never busy would. */
function takeOne(queue: OutputQueue): Uint8Array | null {
  const bytes = queue.take()?.slice() ?? null;
  queue.release();
  return bytes;
}

function takeAll(queue: OutputQueue): Uint8Array[] {
  const runs: Uint8Array[] = [];
  for (let run = takeOne(queue); run !== null; run = takeOne(queue)) runs.push(run);
  return runs;
}

/** The next run's bytes, in hexadecimal. */
const taken = (queue: OutputQueue) => toHex(takeOne(queue) ?? new Uint8Array(0));

/** Bytes that wait in order. */
const orderedBytes = (queue: OutputQueue) => queue.writtenInOrder - queue.acceptedInOrder;

function forRoles(name: string, run: (role: Role) => void): void {
  for (const role of roles) it(`${role}: ${name}`, () => run(role));
}

/** A writer that something has left already, so that there is a border to overtake at. */
function begun(role: Role) {
  const made = newWriter(role);
  made.writer.writeBytes(new Uint8Array(0), BINARY);
  takeAll(made.queue);
  return made;
}

const PATTERN = Uint8Array.from({ length: 1 << 17 }, (_, i) => (i * 7) & 255);

/** A new array of so many bytes. */
const fill = (length: number): Uint8Array<ArrayBuffer> => PATTERN.slice(0, length);

describe("RFC 6455, 5.2: base framing", () => {
  for (const length of [0, 1, 125, 126, MIN_BORROWED_BYTES - 1, MIN_BORROWED_BYTES, 65535, 65536, 100_000]) {
    forRoles(`writeBytes() of ${length} bytes`, (role) => {
      const { writer, queue } = newWriter(role);
      writer.writeBytes(fill(length), BINARY);
      const expected = frameFrom(role, head(BINARY, length), fill(length));
      assert.equal(queue.bufferedBytes, expected.length);
      assert.equal(toHex(join(takeAll(queue))), toHex(expected));
      assert.equal(queue.bufferedBytes, 0);
    });
  }

  forRoles("FIN, opcode and reserved bits are written as given", (role) => {
    const { writer, queue } = newWriter(role);
    for (const first of [0x01, 0x00, 0x80, 0xc2, 0x41]) writer.writeBytes(hex("78"), first);
    for (const first of [0x01, 0x00, 0x80, 0xc1]) writer.writeText("x", first);
    writer.writeBytes(new Uint8Array(MIN_BORROWED_BYTES), 0x42);
    const small = [0x01, 0x00, 0x80, 0xc2, 0x41, 0x01, 0x00, 0x80, 0xc1];
    const expected = small.map((first) => frameFrom(role, head(first, 1), "78"));
    expected.push(frameFrom(role, head(0x42, MIN_BORROWED_BYTES), new Uint8Array(MIN_BORROWED_BYTES)));
    assert.equal(toHex(join(takeAll(queue))), toHex(join(expected)));
  });

  forRoles("the frames of a turn leave in one run", (role) => {
    const { writer, queue, pool } = newWriter(role);
    const expected: Uint8Array[] = [];
    for (let i = 0; i < 100; i++) {
      writer.writeText("Hello", TEXT);
      writer.writeBytes(fill(i), BINARY);
      writer.writeControl(Opcode.Ping, fill(i));
      expected.push(
        frameFrom(role, "8105", utf8("Hello")),
        frameFrom(role, head(BINARY, i), fill(i)),
        frameFrom(role, head(0x89, i), fill(i)),
      );
    }
    assert.equal(pool.inUse, 1);
    const runs = takeAll(queue);
    assert.equal(runs.length, 1);
    assert.deepEqual(runs[0], join(expected));
    assert.equal(pool.inUse, 0);
  });

  forRoles("a run ends between frames when its buffer is full", (role) => {
    const { writer, queue } = newWriter(role);
    const frame = frameFrom(role, head(BINARY, 1000), fill(1000));
    for (let i = 0; i < 200; i++) writer.writeBytes(fill(1000), BINARY);
    const runs = takeAll(queue);
    assert.equal(runs.length, 4);
    for (const run of runs) assert.equal(run.length % frame.length, 0);
    assert.deepEqual(join(runs), join(Array.from({ length: 200 }, () => frame)));
  });

  forRoles("a buffer is filled to its last byte", (role) => {
    // The room for the longest head is asked for, so that up to 14 bytes may stay empty.
    for (let spare = 0; spare < 40; spare++) {
      const { writer, queue } = newWriter(role);
      const sizes = [30_000, 30_000, 5536 - 40 + spare, 10];
      for (const size of sizes) writer.writeBytes(fill(size), BINARY);
      const expected = sizes.map((size) => frameFrom(role, head(BINARY, size), fill(size)));
      assert.deepEqual(join(takeAll(queue)), join(expected), `${spare} to spare`);
    }
  });
});

describe("RFC 6455, 5.3: masking", () => {
  it("client: each frame asks for a key of its own", () => {
    const keys = [1, 2, 3, 4, 5, 6];
    const { writer, queue } = newWriter("client", webText, () => keys.shift()!);
    writer.writeText("", TEXT);
    writer.writeBytes(new Uint8Array(0), BINARY);
    writer.writeControl(Opcode.Ping, new Uint8Array(0));
    writer.writeText("\u20ac".repeat(1000), TEXT);
    writer.writeBytes(new Uint8Array(MIN_BORROWED_BYTES), BINARY);
    writer.writeControl(Opcode.Pong, new Uint8Array(0));
    assert.deepEqual(keys, []);
    assert.ok(
      taken(queue).startsWith("818001000000" + "828002000000" + "898003000000" + "81fe0bb804000000"),
    );
  });

  it("server: no key is asked for", () => {
    const { writer, queue } = newWriter("server", webText, () => assert.fail());
    writer.writeText("Hello", TEXT);
    assert.equal(taken(queue), "810548656c6c6f");
  });
});

describe("RFC 6455, 5.6: text", () => {
  for (const [codecName, codec] of codecs) {
    forRoles(`writeText() at the borders of the head's sizes, in ASCII and not (${codecName})`, (role) => {
      for (const size of [0, 1, 124, 125, 126, 127, 32767, 32768, 65519, 65520, 65521, 65535, 65536, 65537]) {
        for (const char of ["a", "\u00e9", "\u20ac", "\u{1f600}"]) {
          const width = utf8(char).length;
          const text = char.repeat(Math.floor(size / width)) + "b".repeat(size % width);
          for (const before of [0, 1, 40_000]) {
            const { writer, queue } = newWriter(role, codec);
            if (before > 0) {
              writer.writeBytes(fill(before), BINARY);
              takeAll(queue);
              writer.writeBytes(fill(Math.min(before, 20_000)), BINARY);
            }
            const prefix = before === 0
              ? new Uint8Array(0)
              : frameFrom(role, head(BINARY, Math.min(before, 20_000)), fill(Math.min(before, 20_000)));
            writer.writeText(text, TEXT);
            const expected = concat(prefix, frameFrom(role, head(TEXT, size), utf8(text)));
            assert.equal(queue.bufferedBytes, expected.length);
            const got = join(takeAll(queue));
            assert.ok(Buffer.compare(got, expected) === 0, `${size} bytes of ${char} after ${before}`);
          }
        }
      }
    });

    it(`writeText() sends U+FFFD for a lone surrogate (${codecName})`, () => {
      for (const text of ["\ud800", "\udc00", "a\udbffb", "\udfff\ud800", "\ud83d"]) {
        const { writer, queue } = newWriter("server", codec);
        writer.writeText(text, TEXT);
        assert.equal(taken(queue), toHex(frameFrom("server", head(TEXT, utf8(text).length), utf8(text))));
        const long = text.repeat(30_000);
        writer.writeText(long, TEXT);
        const expected = frameFrom("server", head(TEXT, utf8(long).length), utf8(long));
        assert.ok(Buffer.compare(join(takeAll(queue)), expected) === 0);
      }
    });

    it(`texts of a turn lie close together (${codecName})`, () => {
      const { writer, queue } = newWriter("server", codec);
      // Asking for three bytes a character would put only two into a buffer.
      for (let i = 0; i < 6; i++) writer.writeText("x".repeat(10_000), TEXT);
      assert.deepEqual(takeAll(queue).map((run) => run.length), [60_024]);
    });
  }
});

describe("large payloads", () => {
  /** What `take` gives is the rest of the payload, where it lies. */
  function assertRest(run: Uint8Array | null, payload: Uint8Array): void {
    assert.equal(run!.buffer, payload.buffer);
    assert.equal(run!.byteOffset, payload.byteOffset + MAX_COPIED_WITH_HEADER);
    assert.equal(run!.length, payload.length - MAX_COPIED_WITH_HEADER);
  }

  it("server: are handed out as they are, after their head and what goes with it", () => {
    const { writer, queue } = newWriter("server");
    const payload = fill(MIN_BORROWED_BYTES);
    writer.writeBytes(payload, BINARY);
    assert.equal(taken(queue), "827f0000000000010001" + toHex(payload.subarray(0, MAX_COPIED_WITH_HEADER)));
    assertRest(queue.take(), payload);
    queue.release();
    assert.equal(queue.take(), null);
  });

  it("server: 64 KiB leave in one run with their head", () => {
    const { writer, queue } = newWriter("server");
    const payload = fill(MIN_BORROWED_BYTES - 1);
    writer.writeBytes(payload, BINARY);
    assert.equal(taken(queue), "827f0000000000010000" + toHex(payload));
    assert.equal(queue.take(), null);
  });

  it("server: the head goes with the frames before it", () => {
    const { writer, queue, pool } = newWriter("server");
    const payload = fill(MIN_BORROWED_BYTES);
    writer.writeText("Hello", TEXT);
    writer.writeBytes(payload, BINARY);
    writer.writeText("after", TEXT);
    const begin = toHex(payload.subarray(0, MAX_COPIED_WITH_HEADER));
    assert.equal(taken(queue), "810548656c6c6f" + "827f0000000000010001" + begin);
    assertRest(queue.take(), payload);
    queue.release();
    assert.equal(taken(queue), "81056166746572");
    assert.equal(pool.inUse, 0);
  });

  forRoles("what follows keeps its place, however full the buffer was", (role) => {
    for (let spare = 0; spare < 20; spare++) {
      const { writer, queue, pool } = newWriter(role);
      writer.writeBytes(fill(10), BINARY);
      const before = queue.bufferedBytes;
      const encoded = [40_000, POOL_BUFFER_SIZE - before - 40_000 - spare].map(fill);
      for (const frames of encoded) queue.appendEncoded(frames);
      for (const size of [MIN_BORROWED_BYTES, 5]) writer.writeBytes(fill(size), BINARY);
      const [first, large, last] = [10, MIN_BORROWED_BYTES, 5].map((size) =>
        frameFrom(role, head(BINARY, size), fill(size))
      );
      const expected = join([first!, ...encoded, large!, last!]);
      assert.ok(Buffer.compare(join(takeAll(queue)), expected) === 0, `${spare} to spare`);
      assert.equal(pool.inUse, 0);
    }
  });

  for (const length of [0, 5, 125, 126, MIN_BORROWED_BYTES - 1, MIN_BORROWED_BYTES, 70_000]) {
    forRoles(`the caller's ${length} bytes stay as they are, in any kind of array`, (role) => {
      const buffer = new ArrayBuffer(length + 7);
      const kinds: Record<string, Uint8Array> = {
        "Uint8Array": new Uint8Array(length),
        "a view": new Uint8Array(buffer, 3, length),
        "Buffer": Buffer.alloc(length),
        "shared": new Uint8Array(new SharedArrayBuffer(length)),
        "resizable": new Uint8Array(new ArrayBuffer(length, { maxByteLength: length + 10 })),
      };
      for (const [name, payload] of Object.entries(kinds)) {
        payload.set(fill(length));
        const { writer, queue } = newWriter(role);
        writer.writeBytes(payload, BINARY);
        const wire = join(takeAll(queue));
        assert.ok(Buffer.compare(wire, frameFrom(role, head(BINARY, length), fill(length))) === 0, name);
        assert.ok(Buffer.compare(payload, fill(length)) === 0, `${name} was changed`);
      }
      assert.deepEqual([...new Uint8Array(buffer, 0, 3), ...new Uint8Array(buffer, 3 + length)], [
        0,
        0,
        0,
        0,
        0,
        0,
        0,
      ]);
    });
  }

  it("memory that is shared or resizable is copied before the call ends", () => {
    const { writer, queue } = newWriter("server");
    const shared = new Uint8Array(new SharedArrayBuffer(MIN_BORROWED_BYTES)).fill(1);
    const memory = new ArrayBuffer(MIN_BORROWED_BYTES, { maxByteLength: 2 * MIN_BORROWED_BYTES });
    writer.writeBytes(shared, BINARY);
    writer.writeBytes(new Uint8Array(memory), BINARY);
    shared.fill(2);
    memory.resize(0);
    const wire = join(takeAll(queue));
    const first = frameFrom(
      "server",
      head(BINARY, MIN_BORROWED_BYTES),
      new Uint8Array(MIN_BORROWED_BYTES).fill(1),
    );
    const second = frameFrom("server", head(BINARY, MIN_BORROWED_BYTES), new Uint8Array(MIN_BORROWED_BYTES));
    assert.ok(Buffer.compare(wire, join([first, second])) === 0);
  });

  it("server: an array that was given away while it waited does not shift the frames after it", () => {
    const { writer, queue } = newWriter("server");
    const payload = fill(MIN_BORROWED_BYTES);
    writer.writeBytes(payload, BINARY);
    writer.writeText("Hello", TEXT);
    const begin = payload.slice(0, MAX_COPIED_WITH_HEADER);
    structuredClone(payload, { transfer: [payload.buffer] });
    assert.equal(payload.length, 0);
    const rest = new Uint8Array(MIN_BORROWED_BYTES - MAX_COPIED_WITH_HEADER);
    const expected = concat(hex("827f0000000000010001"), begin, rest, hex("810548656c6c6f"));
    assert.equal(queue.bufferedBytes, expected.length);
    assert.ok(Buffer.compare(join(takeAll(queue)), expected) === 0);
    assert.equal(queue.bufferedBytes, 0);
  });

  it("a detached array that is written is an empty message", () => {
    const { writer, queue } = newWriter("server");
    const payload = fill(MIN_BORROWED_BYTES);
    structuredClone(payload, { transfer: [payload.buffer] });
    writer.writeBytes(payload, BINARY);
    assert.equal(taken(queue), "8200");
  });
});

describe("RFC 6455, 5.4: long payloads", () => {
  const RSV1 = 0x40;
  const CONTINUED = Opcode.Continuation;

  /** The first bytes and sizes of the frames that a payload of so many bytes is to leave in. */
  const cases: readonly [size: number, first: number, frames: readonly [number, number][]][] = [
    [MAX_FRAGMENT, BINARY, [[BINARY, MAX_FRAGMENT]]],
    [MAX_FRAGMENT + 1, BINARY, [[Opcode.Binary, MAX_FRAGMENT], [FIN | CONTINUED, 1]]],
    [2 * MAX_FRAGMENT, TEXT, [[Opcode.Text, MAX_FRAGMENT], [FIN | CONTINUED, MAX_FRAGMENT]]],
    [2 * MAX_FRAGMENT + 5, BINARY | RSV1, [
      [Opcode.Binary | RSV1, MAX_FRAGMENT],
      [CONTINUED, MAX_FRAGMENT],
      [FIN | CONTINUED, 5],
    ]],
    // A part of a message that goes on, its middle and its end.
    [MAX_FRAGMENT + 1, Opcode.Binary, [[Opcode.Binary, MAX_FRAGMENT], [CONTINUED, 1]]],
    [MAX_FRAGMENT + 1, CONTINUED, [[CONTINUED, MAX_FRAGMENT], [CONTINUED, 1]]],
    [MAX_FRAGMENT + 1, FIN | CONTINUED, [[CONTINUED, MAX_FRAGMENT], [FIN | CONTINUED, 1]]],
  ];

  forRoles("are cut into frames of which the first says what it is and the last that it ends", (role) => {
    for (const [size, first, frames] of cases) {
      const payload = long(size);
      const { writer, queue } = newWriter(role);
      writer.writeBytes(payload, first);
      const expected: Uint8Array[] = [];
      let at = 0;
      for (const [byte, length] of frames) {
        expected.push(frameFrom(role, head(byte, length), payload.subarray(at, at += length)));
      }
      assert.equal(queue.bufferedBytes, join(expected).length);
      assert.ok(Buffer.compare(join(takeAll(queue)), join(expected)) === 0, `${size} of ${first}`);
      assert.equal(queue.bufferedBytes, 0);
      assert.deepEqual(payload, long(size), "the caller's bytes stay as they are");
    }
  });

  it("server: are sent from where they lie", () => {
    const { writer, queue } = newWriter("server");
    const payload = long(2 * MAX_FRAGMENT + 5);
    writer.writeBytes(payload, BINARY);
    for (let run = queue.take(); run !== null; run = queue.take()) {
      assert.ok(run.length <= 10 + MAX_COPIED_WITH_HEADER || run.buffer === payload.buffer);
      queue.release();
    }
  });

  forRoles("let control frames pass between their fragments", (role) => {
    const { writer, queue } = begun(role);
    const payload = long(2 * MAX_FRAGMENT + 5);
    writer.writeBytes(payload, BINARY);
    const sent = [takeOne(queue)!];
    const ping = frameFrom(role, "8901", "31");
    const ordered = orderedBytes(queue);
    writer.writeControl(Opcode.Ping, hex("31"));
    writer.writeControl(Opcode.Close, hex("03e8"), true);
    const close = frameFrom(role, "8802", "03e8");
    assert.equal(orderedBytes(queue), ordered + close.length);
    assert.equal(queue.bufferedBytes, ordered + close.length + ping.length);
    sent.push(...takeAll(queue));
    assert.equal(orderedBytes(queue), 0);
    const one = frameFrom(role, head(Opcode.Binary, MAX_FRAGMENT), payload.subarray(0, MAX_FRAGMENT));
    const two = frameFrom(role, head(CONTINUED, MAX_FRAGMENT), payload.subarray(MAX_FRAGMENT, -5));
    const three = frameFrom(role, head(FIN, 5), payload.subarray(-5));
    assert.ok(Buffer.compare(join(sent), join([one, ping, two, three, close])) === 0);
  });

  function long(size: number): Uint8Array {
    return Uint8Array.from({ length: size }, (_, i) => (i * 7) & 255);
  }
});

describe("RFC 6455, 5.5: control frames", () => {
  forRoles("a payload beyond 125 bytes is refused, and nothing of it is written", (role) => {
    for (const inOrder of [false, true]) {
      const { writer, queue, pool } = newWriter(role);
      for (const length of [126, 65_536, 1 << 20]) {
        assert.throws(() => writer.writeControl(Opcode.Ping, new Uint8Array(length), inOrder), RangeError);
      }
      assert.ok(!queue.pending);
      assert.equal(pool.inUse, 0);
      writer.writeControl(Opcode.Ping, fill(125), inOrder);
      assert.equal(taken(queue), toHex(frameFrom(role, "897d", fill(125))));
    }
  });

  forRoles("overtake what waits, at the next border between frames", (role) => {
    const { writer, queue } = begun(role);
    const large = fill(MIN_BORROWED_BYTES);
    writer.writeText("first", TEXT);
    writer.writeBytes(large, BINARY);
    writer.writeBytes(large, BINARY);
    // The first message and the first head are on their way.
    const sent: Uint8Array[] = [queue.take()!.slice()];
    writer.writeControl(Opcode.Ping, hex("31"));
    writer.writeControl(Opcode.Pong, hex("32"));
    queue.release();
    sent.push(...takeAll(queue));
    const frame = frameFrom(role, head(BINARY, MIN_BORROWED_BYTES), large);
    const controls = concat(frameFrom(role, "8901", "31"), frameFrom(role, "8a01", "32"));
    const expected = concat(frameFrom(role, "8105", utf8("first")), frame, controls, frame);
    assert.equal(toHex(join(sent)), toHex(expected));
    assert.ok(sent.some((run) => toHex(run) === toHex(controls)), "those that wait leave in one run");
  });

  forRoles("wait for the end of a large frame whose head has left", (role) => {
    const { writer, queue } = begun(role);
    const large = fill(MIN_BORROWED_BYTES);
    writer.writeBytes(large, BINARY);
    const sent = [takeOne(queue)!];
    writer.writeControl(Opcode.Ping, new Uint8Array(0));
    sent.push(...takeAll(queue));
    const expected = concat(
      frameFrom(role, head(BINARY, MIN_BORROWED_BYTES), large),
      frameFrom(role, "8900"),
    );
    assert.equal(toHex(join(sent)), toHex(expected));
  });

  forRoles("overtake full buffers", (role) => {
    const { writer, queue } = begun(role);
    for (let i = 0; i < 100; i++) writer.writeBytes(fill(1000), BINARY);
    writer.writeControl(Opcode.Ping, hex("31"));
    assert.equal(taken(queue), toHex(frameFrom(role, "8901", "31")));
  });

  forRoles("a close frame comes after what was written before it", (role) => {
    const { writer, queue } = begun(role);
    const large = fill(MIN_BORROWED_BYTES);
    writer.writeBytes(large, BINARY);
    writer.writeControl(Opcode.Ping, hex("31"));
    writer.writeText("last", TEXT);
    writer.writeControl(Opcode.Close, hex("03e8"), true);
    const expected = concat(
      frameFrom(role, "8901", "31"),
      frameFrom(role, head(BINARY, MIN_BORROWED_BYTES), large),
      frameFrom(role, "8104", utf8("last")),
      frameFrom(role, "8802", "03e8"),
    );
    assert.equal(toHex(join(takeAll(queue))), toHex(expected));
  });

  forRoles("keep their order among themselves", (role) => {
    const { writer, queue } = begun(role);
    writer.writeControl(Opcode.Ping, hex("31"));
    writer.writeBytes(fill(MIN_BORROWED_BYTES), BINARY);
    writer.writeControl(Opcode.Ping, hex("32"));
    const expected = concat(
      frameFrom(role, "8901", "31"),
      frameFrom(role, head(BINARY, MIN_BORROWED_BYTES), fill(MIN_BORROWED_BYTES)),
      frameFrom(role, "8901", "32"),
    );
    assert.equal(toHex(join(takeAll(queue))), toHex(expected));
  });

  forRoles("keep their order when the buffer was full", (role) => {
    for (let spare = 0; spare < 300; spare += 7) {
      const { writer, queue } = begun(role);
      for (const size of [30_000, 30_000, 5536 - 300 + spare]) writer.writeBytes(fill(size), BINARY);
      for (const payload of ["31", "32", "33"]) writer.writeControl(Opcode.Ping, hex(payload.repeat(100)));
      const wire = toHex(join(takeAll(queue)));
      const [one, two, three] = ["31", "32", "33"].map((payload) =>
        wire.indexOf(toHex(frameFrom(role, "8964", hex(payload.repeat(100)))))
      );
      assert.ok(one! >= 0 && one! < two! && two! < three!, `${spare} to spare`);
    }
  });

  it("server: nothing overtakes the answer to the handshake", () => {
    const answer = utf8("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    for (const size of [1, MIN_BORROWED_BYTES]) {
      const { writer, queue } = newWriter("server");
      queue.appendEncoded(answer);
      writer.writeControl(Opcode.Ping, hex("31"));
      writer.writeBytes(fill(size), BINARY);
      writer.writeControl(Opcode.Pong, hex("32"));
      const wire = toHex(join(takeAll(queue)));
      assert.ok(wire.startsWith(toHex(answer)), wire.slice(0, 100));
      const rest = wire.slice(answer.length * 2);
      assert.ok(rest.startsWith("890131"), rest.slice(0, 100));
    }
  });

  it("server: 5.5.3: of a flood of pings that nobody reads the answers to, the last is answered", () => {
    const { writer, queue } = begun("server");
    writer.writeBytes(fill(MIN_BORROWED_BYTES), BINARY);
    for (let i = 0; i < 100_000; i++) writer.writeControl(Opcode.Pong, Uint8Array.of(i >> 16, i >> 8, i));
    const frame = MIN_BORROWED_BYTES + 10;
    assert.equal(queue.bufferedBytes, frame + 64 * 5);
    writer.writeControl(Opcode.Ping, hex("ff"));
    for (let i = 0; i < 100_000; i++) writer.writeControl(Opcode.Pong, hex("00"));
    assert.equal(queue.bufferedBytes, frame + 64 * 5 + 3 + 3);
    const controls = toHex(takeOne(queue)!);
    assert.ok(controls.startsWith("8a03000000" + "8a03000001"));
    assert.ok(controls.endsWith("8a0301869f" + "8901ff" + "8a0100"), "the last ping is answered");
    takeAll(queue);
    assert.equal(queue.bufferedBytes, 0);
  });
});

describe("frames that are encoded already", () => {
  const encoded = hex("8203010203");

  it("alone they are handed out as they are, to everybody", () => {
    for (let i = 0; i < 3; i++) {
      const { queue, pool } = newWriter("server");
      queue.appendEncoded(encoded);
      assert.equal(queue.bufferedBytes, encoded.length);
      assert.equal(queue.take(), encoded);
      queue.release();
      assert.equal(pool.taken, 0);
      assert.equal(queue.take(), null);
    }
    assert.equal(toHex(encoded), "8203010203");
  });

  it("many of a turn leave in two runs", () => {
    const { queue } = newWriter("server");
    for (let i = 0; i < 1000; i++) queue.appendEncoded(encoded);
    const runs = takeAll(queue);
    assert.equal(runs.length, 2);
    assert.equal(toHex(join(runs)), "8203010203".repeat(1000));
  });

  it("go with what the buffer has, in order", () => {
    const { writer, queue } = newWriter("server");
    writer.writeText("Hello", TEXT);
    queue.appendEncoded(encoded);
    writer.writeText("Hello", TEXT);
    assert.equal(taken(queue), "810548656c6c6f" + "8203010203" + "810548656c6c6f");
  });

  it("large ones are shared, wherever they come", () => {
    const { writer, queue } = newWriter("server");
    const large = concat(hex("827e8000"), fill(MIN_BORROWED_BYTES));
    writer.writeText("Hello", TEXT);
    queue.appendEncoded(large);
    queue.appendEncoded(large);
    queue.appendEncoded(encoded);
    assert.equal(taken(queue), "810548656c6c6f");
    for (let i = 0; i < 2; i++) {
      assert.equal(queue.take(), large);
      queue.release();
    }
    assert.equal(taken(queue), "8203010203");
  });

  it("fit a buffer to its last byte", () => {
    for (const size of [POOL_BUFFER_SIZE - 30_000 - 4, POOL_BUFFER_SIZE - 30_000 - 3]) {
      const { writer, queue } = newWriter("server");
      writer.writeBytes(fill(30_000), BINARY);
      queue.appendEncoded(fill(size - 10_000));
      queue.appendEncoded(fill(10_000));
      const expected = concat(hex("827e7530"), fill(30_000), fill(size - 10_000), fill(10_000));
      assert.deepEqual(join(takeAll(queue)), expected);
    }
  });
});

describe("taking, releasing and dropping", () => {
  forRoles("nothing is pending at first", (role) => {
    const { queue, pool } = newWriter(role);
    assert.ok(!queue.pending);
    assert.equal(queue.bufferedBytes, 0);
    assert.equal(queue.take(), null);
    queue.release();
    queue.drop();
    assert.equal(pool.taken, 0);
  });

  forRoles("an idle writer holds no buffer", (role) => {
    const { writer, queue, pool } = newWriter(role);
    for (let i = 0; i < 10; i++) {
      writer.writeText("Hello", TEXT);
      assert.equal(pool.inUse, 1);
      takeAll(queue);
      assert.equal(pool.inUse, 0);
    }
  });

  forRoles("what was taken counts until it is released", (role) => {
    const { writer, queue, pool } = newWriter(role);
    writer.writeBytes(fill(100), BINARY);
    const size = queue.bufferedBytes;
    const bytes = queue.take()!;
    assert.equal(bytes.length, size);
    assert.ok(!queue.pending);
    assert.equal(queue.bufferedBytes, size);
    writer.writeBytes(fill(100), BINARY);
    assert.equal(queue.bufferedBytes, 2 * size);
    assert.ok(queue.pending);
    assert.equal(pool.inUse, 2, "what is on its way is not written over");
    assert.equal(toHex(bytes), toHex(frameFrom(role, "8264", fill(100))));
    queue.release();
    assert.equal(queue.bufferedBytes, size);
    queue.release();
    assert.equal(queue.bufferedBytes, size, "a second release does nothing");
  });

  forRoles("nothing more is taken before the release", (role) => {
    const { writer, queue } = newWriter(role);
    writer.writeText("1", TEXT);
    assert.ok(queue.take() !== null);
    writer.writeText("2", TEXT);
    assert.equal(queue.take(), null);
    assert.ok(queue.pending);
    queue.release();
    assert.equal(taken(queue), toHex(frameFrom(role, "8101", "32")));
  });

  forRoles("drop() forgets all but what was taken", (role) => {
    const { writer, queue, pool } = newWriter(role);
    for (let i = 0; i < 100; i++) writer.writeBytes(fill(2000), BINARY);
    writer.writeBytes(fill(MIN_BORROWED_BYTES), BINARY);
    const bytes = queue.take()!;
    const before = toHex(bytes);
    writer.writeText("Hello", TEXT);
    writer.writeControl(Opcode.Ping, hex("31"));
    queue.drop();
    assert.ok(!queue.pending);
    assert.equal(queue.bufferedBytes, bytes.length);
    assert.equal(pool.inUse, 1);
    assert.equal(toHex(bytes), before);
    assert.equal(queue.take(), null);
    queue.release();
    assert.equal(pool.inUse, 0);
    assert.equal(queue.bufferedBytes, 0);
    assert.equal(queue.take(), null);
  });

  it("whatever is written, taken and released: the other role reads the same, and no buffer is used twice", () => {
    for (let seed = 0; seed < 300; seed++) {
      for (const role of roles) new Exercise(role, seed).run();
    }
  });
});

/** A random sequence of calls on two writers with one pool; what leaves is read by the other role. */
class Exercise {
  readonly #role: Role;
  readonly #name: string;
  readonly #random: Random;
  readonly #pool = new CheckedPool();
  readonly #lines: Line[];

  constructor(role: Role, seed: number) {
    this.#role = role;
    this.#name = `${role}, seed ${seed}`;
    this.#random = new Random(seed);
    this.#lines = [0, 1].map(() => this.#newLine());
  }

  #newLine(): Line {
    const nextKey = this.#role === "client" ? () => this.#random.uint32() : null;
    const queue = new OutputQueue(this.#pool);
    const writer = new FrameWriter(queue, { nextKey, text: webText });
    const line: Line = {
      writer,
      queue,
      bytes: 0,
      data: [],
      controls: [],
      readData: [],
      readControls: [],
      reader: null!,
    };
    let parts: Uint8Array[] = [];
    line.reader = new FrameReader({
      onMessageData: (chunk, start, end, flags) => {
        parts.push(chunk.slice(start, end));
        if ((flags & PieceFlag.Last) === 0) return;
        line.readData.push(join(parts));
        parts = [];
      },
      onControl: (opcode, payload) => line.readControls.push(`${opcode} ${toHex(payload)}`),
      onFault: (code, reason) => assert.fail(`${this.#name}: ${code} ${reason}`),
    }, { masked: this.#role === "client", readLimit: 1 << 20 });
    return line;
  }

  run(): void {
    for (let step = 0; step < 60; step++) this.#step(this.#random.pick(this.#lines));
    for (const line of this.#lines) this.#finish(line);
    assert.equal(this.#pool.inUse, 0, this.#name);
  }

  #step(line: Line): void {
    const { queue } = line;
    const random = this.#random;
    const actions = [
      () => this.#writeBytes(line, fill(random.below(200))),
      () => this.#writeBytes(line, fill(random.below(2 * MIN_BORROWED_BYTES))),
      () => this.#writeText(line, random.text(random.below(100))),
      () => this.#writeText(line, random.pick(["a", "\u00e9", "\u20ac"]).repeat(random.below(30_000))),
      () => this.#writeControl(line, random.pick([Opcode.Ping, Opcode.Pong]), fill(random.below(126))),
      () => this.#writeControl(line, random.pick([Opcode.Ping, Opcode.Pong]), fill(random.below(126))),
      () => this.#writeEncoded(line, fill(random.below(random.pick([10, 2 * MIN_BORROWED_BYTES])))),
      () => this.#take(line),
      () => this.#take(line),
      () => this.#release(line),
      () => this.#release(line),
    ];
    random.pick(actions)();
    assert.equal(queue.bufferedBytes, line.bytes, this.#name);
  }

  #writeBytes(line: Line, payload: Uint8Array): void {
    line.writer.writeBytes(payload, BINARY);
    this.#written(line, payload);
  }

  #writeText(line: Line, text: string): void {
    line.writer.writeText(text, TEXT);
    this.#written(line, utf8(text));
  }

  #writeEncoded(line: Line, payload: Uint8Array): void {
    line.queue.appendEncoded(frameFrom(this.#role, head(BINARY, payload.length), payload));
    this.#written(line, payload);
  }

  #written(line: Line, payload: Uint8Array): void {
    line.data.push(payload);
    line.bytes += headerSize(payload.length, this.#role === "client") + payload.length;
  }

  #writeControl(line: Line, opcode: Opcode, payload: Uint8Array): void {
    line.writer.writeControl(opcode, payload);
    line.controls.push(`${opcode} ${toHex(payload)}`);
    line.bytes += headerSize(payload.length, this.#role === "client") + payload.length;
  }

  #take(line: Line): void {
    const bytes = line.queue.take();
    if (bytes === null) return;
    line.taken = bytes;
  }

  /** The socket looks at the bytes as late as it may. */
  #release(line: Line): void {
    if (line.taken === undefined) return;
    line.reader.receive(line.taken.slice());
    line.bytes -= line.taken.length;
    delete line.taken;
    line.queue.release();
  }

  #finish(line: Line): void {
    this.#release(line);
    for (this.#take(line); line.taken !== undefined; this.#take(line)) this.#release(line);
    assert.ok(!line.queue.pending);
    assert.equal(line.queue.bufferedBytes, 0, this.#name);
    assert.deepEqual(line.readControls, line.controls, this.#name);
    assert.equal(line.readData.length, line.data.length, this.#name);
    for (const [i, payload] of line.data.entries()) {
      assert.ok(Buffer.compare(line.readData[i]!, payload) === 0, this.#name);
    }
  }
}

interface Line {
  readonly writer: FrameWriter;
  readonly queue: OutputQueue;
  reader: FrameReader;
  /** What `bufferedBytes` has to be. */
  bytes: number;
  taken?: Uint8Array;
  readonly data: Uint8Array[];
  readonly controls: string[];
  readonly readData: Uint8Array[];
  readonly readControls: string[];
}
