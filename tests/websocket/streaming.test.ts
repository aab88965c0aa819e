/** Messages that are read and written in parts. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ClosedError,
  copy,
  dialWebSocket,
  Hub,
  type MessageReader,
  ProtocolError,
  readAll,
  readFull,
  type WebSocketConn,
} from "../../mod.ts";
import { MessageBatch } from "../../src/websocket/message_batch.ts";
import { PreparedMessage } from "../../src/websocket/prepared_message.ts";
import {
  assertBytes,
  holdProcess,
  isDeadlineExceeded,
  limit,
  pattern,
  randomNumbers,
  untilStill,
} from "../net/support.ts";
import { closeFrame, frame, joined, OP, rawClient, rawServer } from "./raw_peer.ts";
import {
  bytesOf,
  closedWith,
  concat,
  foreignPair,
  memoryPair,
  startRawServer,
  startServer,
  tcpPair,
  textOf,
  until,
} from "./support.ts";
import { settle, testConn, writeBatch } from "./test_socket.ts";

/** What becomes of a promise, to be looked at without waiting. */
function watch<T>(promise: Promise<T>): { readonly state: string; value?: T; error?: unknown } {
  const watched: { state: string; value?: T; error?: unknown } = { state: "pending" };
  promise.then((value) => Object.assign(watched, { state: "done", value }), (error) => {
    Object.assign(watched, { state: "failed", error });
  });
  return watched;
}

const more = { fin: false };
const discarded = { message: "Cannot read the message: a later call has asked for the next one" };

async function textFrom(reader: MessageReader): Promise<string> {
  return textOf(await readAll(reader));
}

describe("nextReader", () => {
  it("resolves when a message begins, and gives it as it comes", limit, async () => {
    for (const type of ["text", "binary"] as const) {
      const { ws, socket } = testConn();
      const next = watch(ws.nextReader());
      const whole = frame(OP[type], pattern(0, 10_000).map((byte) => byte & 127));
      const payload = pattern(0, 10_000).map((byte) => byte & 127);
      socket.receive(whole.slice(0, 8));
      await settle();
      assert.equal(next.state, "pending", "a head alone");
      socket.receive(whole.slice(8, 9));
      await settle();
      const reader = next.value!;
      assert.equal(reader.type, type);
      assert.deepEqual(await reader.readChunk(), payload.slice(0, 1));
      const waiting = watch(reader.readChunk());
      await settle();
      assert.equal(waiting.state, "pending");
      socket.receive(whole.slice(9, 4009));
      await settle();
      assert.deepEqual(waiting.value, payload.slice(1, 4001));
      socket.receive(whole.slice(4009));
      const into = new Uint8Array(100);
      assert.equal(await reader.read(into), 100);
      assert.deepEqual(into, payload.slice(4001, 4101));
      assert.equal(await reader.read(new Uint8Array(0)), 0);
      assert.deepEqual(await readAll(reader), payload.slice(4101));
      for (let i = 0; i < 2; i++) {
        assert.equal(await reader.readChunk(), null);
        assert.equal(await reader.read(into), null);
      }
    }
  });

  it("gives a message that came before, or has begun to", limit, async () => {
    const { ws, socket } = testConn();
    socket.receive(frame(OP.text, "é one"), frame(OP.binary), frame(OP.text, ""));
    socket.receive(frame(OP.text, "two ", more), frame(OP.continuation, "and ", more));
    const one = await ws.nextReader();
    assert.equal(one.type, "text");
    assert.deepEqual(await one.readChunk(), bytesOf("é one"));
    assert.equal(await one.readChunk(), null);
    for (const type of ["binary", "text"]) {
      const empty = await ws.nextReader();
      assert.equal(empty.type, type);
      assert.equal(await empty.readChunk(), null);
    }
    const two = await ws.nextReader();
    assert.equal(two.type, "text");
    assert.deepEqual(await two.readChunk(), bytesOf("two and "));
    const rest = two.readChunk();
    socket.receive(frame(OP.continuation, "three"));
    assert.deepEqual(await rest, bytesOf("three"));
    assert.equal(await two.readChunk(), null);
  });

  it("gives short messages that come while it waits", limit, async () => {
    const { ws, socket } = testConn();
    const readers = [ws.nextReader(), ws.nextReader(), ws.nextReader()];
    socket.receive(frame(OP.text, "one"), frame(OP.binary), frame(OP.text, "th", more));
    socket.receive(frame(OP.continuation, "ree"));
    const texts = await Promise.all(readers.map(async (reader) => textFrom(await reader)));
    assert.deepEqual(texts, ["one", "", "three"]);
  });

  it("is a reader for copy, readFull and for await, and a web stream", limit, async () => {
    const { ws, socket } = testConn();
    for (let i = 0; i < 4; i++) {
      socket.receive(
        frame(OP.text, "stre", more),
        frame(OP.continuation, "am", more),
        frame(OP.continuation, "ed"),
      );
      socket.receive(frame(OP.text, "stre", more));
      const [whole, part] = [await ws.nextReader(), await ws.nextReader()];
      assert.equal(await textFrom(whole).catch(String), `Error: ${discarded.message}`);
      socket.receive(frame(OP.continuation, "am", more), frame(OP.continuation, "ed"));
      const sink: Uint8Array[] = [];
      if (i === 0) {
        const write = (p: Uint8Array) => Promise.resolve(sink.push(p) && p.length);
        assert.equal(await copy({ write }, part), 8);
      } else if (i === 1) {
        const p = new Uint8Array(8);
        await readFull(part, p);
        sink.push(p);
      } else if (i === 2) {
        for await (const chunk of part) sink.push(chunk);
      } else {
        for await (const chunk of part.readable) sink.push(chunk);
        assert.equal(part.readable, part.readable);
      }
      assert.equal(textOf(concat(...sink)), "streamed");
      assert.equal(await part.readChunk(), null);
    }
    await assert.rejects((await opened(ws, socket)).read("p" as unknown as Uint8Array), TypeError);
  });

  it("serves reads in order of calling", limit, async () => {
    const { ws, socket } = testConn();
    const reader = await opened(ws, socket);
    await reader.readChunk();
    const parts = [new Uint8Array(2), new Uint8Array(3)];
    const [a, b, c, d] = [
      reader.read(parts[0]!),
      reader.read(parts[1]!),
      reader.readChunk(),
      reader.readChunk(),
    ];
    socket.receive(frame(OP.continuation, "aabb", more), frame(OP.continuation, "cc"));
    assert.deepEqual(await Promise.all([a, b, c, d]), [2, 2, bytesOf("cc"), null]);
    assert.deepEqual(parts.map(textOf), ["aa", "bb\0"]);
  });

  it("drops the rest of a message when the next is asked for, by whatever call", limit, async () => {
    const calls: ((ws: WebSocketConn) => Promise<string>)[] = [
      async (ws) => textFrom(await ws.nextReader()),
      async (ws) => (await ws.readMessage()).data as string,
      async (ws) => (await ws[Symbol.asyncIterator]().next()).value!.data as string,
      async (ws) => String(await ws.readJson()),
    ];
    for (const call of calls) {
      const { ws, socket } = testConn("server", { readBufferSize: 1000, keepalive: false });
      const reader = await opened(ws, socket);
      await reader.readChunk();
      const reading = watch(reader.readChunk());
      await settle();
      const next = call(ws);
      await settle();
      assert.deepEqual((reading.error as Error).message, discarded.message);
      // Far more than may wait.
      for (let i = 0; i < 10; i++) socket.receive(frame(OP.continuation, "x".repeat(900), more));
      assert.deepEqual(socket.calls, []);
      socket.receive(frame(OP.continuation, "end"), frame(OP.text, "42"));
      assert.equal(await next, "42");
      await assert.rejects(reader.readChunk(), discarded);
      await assert.rejects(reader.read(new Uint8Array(1)), discarded);
    }
  });

  it("drops what waits in a reader, and lets the peer go on", limit, async () => {
    const { ws, socket } = testConn("server", { readBufferSize: 1000 });
    const reader = await opened(ws, socket);
    socket.receive(frame(OP.continuation, "x".repeat(2000)));
    assert.deepEqual(socket.calls, ["pause"]);
    const next = ws.readMessage();
    assert.deepEqual(socket.calls, ["pause", "resume"]);
    await assert.rejects(reader.readChunk(), discarded);
    socket.receive(frame(OP.text, "next"));
    assert.equal((await next).data, "next");
  });

  it("leaves a reader at its end alone", limit, async () => {
    const { ws, socket } = testConn();
    const reader = await opened(ws, socket);
    await reader.readChunk();
    socket.receive(frame(OP.continuation), frame(OP.text, "next"));
    assert.equal((await ws.readMessage()).data, "next");
    assert.equal(await reader.readChunk(), null);
  });

  it("gives those who wait already the messages that follow", limit, async () => {
    const { ws, socket } = testConn();
    const [first, second, third] = [ws.nextReader(), ws.readMessage(), ws.nextReader()];
    socket.receive(frame(OP.text, "one", more));
    const reader = await first;
    socket.receive(
      frame(OP.continuation, " more"),
      frame(OP.text, "two", more),
      frame(OP.continuation, " more"),
    );
    assert.equal((await second).data, "two more");
    socket.receive(frame(OP.text, "three", more), frame(OP.continuation, " more"));
    assert.equal(await textFrom(await third), "three more");
    assert.equal(await textFrom(reader), "one more");
  });

  it("takes over a message whose first reader gave up", limit, async () => {
    const { ws, socket } = testConn();
    const controller = new AbortController();
    const whole = ws.readMessage({ signal: controller.signal });
    const next = ws.nextReader();
    socket.receive(frame(OP.text, "one ", more));
    controller.abort(new Error("given up"));
    await assert.rejects(whole, { message: "given up" });
    socket.receive(frame(OP.continuation, "and ", more), frame(OP.continuation, "two"));
    assert.equal(await textFrom(await next), "one and two");
  });

  it("counts what waits, and slows the peer", limit, async () => {
    const { ws, socket } = testConn("server", { readBufferSize: 10_000, readLimit: Infinity });
    const reader = await opened(ws, socket);
    assert.deepEqual(await reader.readChunk(), bytesOf("begun"));
    socket.receive(frame(OP.continuation, new Uint8Array(9000), more));
    assert.deepEqual(socket.calls, []);
    socket.receive(frame(OP.continuation, new Uint8Array(2000), more));
    assert.deepEqual(socket.calls, ["pause"]);
    await reader.read(new Uint8Array(5000));
    assert.deepEqual(socket.calls, ["pause"]);
    await reader.read(new Uint8Array(2000));
    assert.deepEqual(socket.calls, ["pause", "resume"]);
    // A call that waits takes it at once.
    assert.equal((await reader.readChunk())!.length + (await reader.readChunk())!.length, 4000);
    for (let i = 0; i < 100; i++) {
      const chunk = reader.readChunk();
      socket.receive(frame(OP.continuation, new Uint8Array(9000), more));
      assert.equal((await chunk)!.length, 9000);
    }
    assert.deepEqual(socket.calls, ["pause", "resume"]);
  });

  it("counts single bytes for what they cost", limit, async () => {
    const { ws, socket } = testConn("server", { readBufferSize: 6_500 });
    await opened(ws, socket);
    for (let i = 0; i < 99; i++) socket.receive(frame(OP.continuation, "x", more));
    assert.deepEqual(socket.calls, ["pause"]);
  });

  it("does not keep a long chunk for a short piece", limit, async () => {
    const { ws, socket } = testConn();
    const next = ws.nextReader();
    socket.receive(
      frame(OP.binary, new Uint8Array(10), more),
      ...Array(100).fill(frame(OP.ping, "x".repeat(100))),
    );
    const chunk = await (await next).readChunk();
    assert.ok(chunk!.buffer.byteLength <= 1024);
  });

  it("keeps to the read limit, which can be raised", limit, async () => {
    const { ws, socket } = testConn("server", { readLimit: 10 });
    const reader = await opened(ws, socket);
    ws.setReadLimit(Infinity);
    socket.receive(frame(OP.continuation, "x".repeat(100_000), more));
    assert.equal((await reader.readChunk())!.length, 5);
    assert.equal((await reader.readChunk())!.length, 100_000);
    ws.setReadLimit(200_000);
    socket.receive(
      frame(OP.continuation, "x".repeat(50_000), more),
      frame(OP.continuation, "x".repeat(50_000)),
    );
    assert.equal((await reader.readChunk())!.length, 50_000, "what came before");
    await assert.rejects(reader.readChunk(), { name: "MessageTooBigError", limit: 200_000 });
    await assert.rejects(ws.nextReader(), { name: "MessageTooBigError" });
    assert.equal(joined(socket.frames()).at(-1)!.opcode, OP.close);
  });

  it("checks text as it comes", limit, async () => {
    const { ws, socket } = testConn();
    const next = ws.nextReader();
    const euro = bytesOf("€");
    socket.receive(frame(OP.text, euro.slice(0, 1), more), frame(OP.continuation, euro.slice(1), more));
    const reader = await next;
    assert.deepEqual(await readSome(reader, 3), euro);
    socket.receive(frame(OP.continuation, new Uint8Array([0xff]), more));
    await assert.rejects(
      reader.readChunk(),
      (error) => error instanceof ProtocolError && error.closeCode === 1007,
    );
    const { ws: whole, socket: other } = testConn();
    const bad = whole.nextReader();
    other.receive(frame(OP.text, new Uint8Array([0xff])));
    await assert.rejects(bad, ProtocolError);
  });

  it("loses nothing by deadlines and signals", limit, async () => {
    const { ws, socket, clock } = testConn("server", { keepalive: false });
    ws.setReadDeadline(clock.wallNow() + 10);
    const next = ws.nextReader();
    clock.advance(10);
    await assert.rejects(next, isDeadlineExceeded);
    ws.setReadDeadline(null);
    const aborted = new AbortController();
    const given = ws.nextReader({ signal: aborted.signal });
    aborted.abort(new Error("given up"));
    await assert.rejects(given, { message: "given up" });
    await assert.rejects(ws.nextReader({ signal: aborted.signal }), { message: "given up" });

    socket.receive(frame(OP.text, "one", more));
    const reader = await ws.nextReader();
    assert.equal(await reader.read(new Uint8Array(1)), 1);
    ws.setReadDeadline(clock.wallNow());
    await assert.rejects(reader.read(new Uint8Array(1)), isDeadlineExceeded);
    await assert.rejects(ws.nextReader(), isDeadlineExceeded, "a call that fails at once drops nothing");
    ws.setReadDeadline(clock.wallNow() + 10);
    assert.deepEqual(await reader.readChunk(), bytesOf("ne"));
    const [one, two] = [reader.readChunk(), reader.read(new Uint8Array(9))];
    clock.advance(10);
    await assert.rejects(one, isDeadlineExceeded);
    await assert.rejects(two, isDeadlineExceeded);
    ws.setReadDeadline(null);
    const controller = new AbortController();
    const reading = reader.readChunk({ signal: controller.signal });
    const after = reader.readChunk();
    controller.abort(new Error("given up"));
    await assert.rejects(reading, { message: "given up" });
    socket.receive(frame(OP.continuation, " two"));
    assert.deepEqual(await after, bytesOf(" two"));
    assert.equal(await reader.readChunk(), null);
  });

  it("moves the deadline of a read that waits", limit, async () => {
    const { ws, socket, clock } = testConn("server", { keepalive: false });
    const reader = await opened(ws, socket);
    await reader.readChunk();
    const reading = watch(reader.readChunk());
    await settle();
    ws.setReadDeadline(clock.wallNow() + 10);
    clock.advance(9);
    ws.setReadDeadline(clock.wallNow() + 10);
    clock.advance(9);
    await settle();
    assert.equal(reading.state, "pending");
    clock.advance(1);
    await settle();
    isDeadlineExceeded(reading.error);
  });

  it("fails in the middle as readMessage does, after what came", limit, async () => {
    const ends: [(made: ReturnType<typeof testConn>) => void, (error: unknown) => boolean][] = [
      [({ socket }) => socket.gone(), closedWith(1006)],
      [({ socket }) => socket.end(), closedWith(1006)],
      [({ socket }) => socket.receive(closeFrame(1001)), closedWith(1001)],
      [({ socket }) => socket.receive(frame(OP.text)), (error) => error instanceof ProtocolError],
      [({ socket }) => socket.receive(frame(OP.ping, "", more)), (error) => error instanceof ProtocolError],
      [({ ws, socket }) => {
        void ws.close();
        socket.receive(frame(OP.continuation, "for nobody", more), closeFrame(1000));
      }, closedWith(1000)],
      [({ ws, socket }) => {
        ws.closeNow();
        socket.gone();
      }, closedWith(1006)],
    ];
    for (const [end, isRight] of ends) {
      for (const waits of [true, false]) {
        const made = testConn();
        const reader = await opened(made.ws, made.socket);
        if (waits) assert.deepEqual(await reader.readChunk(), bytesOf("begun"));
        const waiting = waits ? watch(reader.readChunk()) : null;
        await settle();
        end(made);
        if (!waits) assert.deepEqual(await reader.readChunk(), bytesOf("begun"));
        await settle();
        if (waits) assert.ok(isRight(waiting!.error));
        await assert.rejects(reader.readChunk(), isRight);
        await assert.rejects(made.ws.nextReader(), isRight);
        await assert.rejects(made.ws.readMessage(), isRight);
      }
    }
  });

  it("fails for those who wait when the connection closes quietly", limit, async () => {
    const { ws, socket } = testConn();
    const next = ws.nextReader();
    socket.receive(closeFrame(1000));
    await assert.rejects(next, closedWith(1000));
  });

  it("sends what was written before it waits", limit, async () => {
    const { ws, socket } = testConn();
    void ws.writeMessage("question");
    const next = ws.nextReader();
    assert.equal(socket.writes.length, 1);
    socket.receive(frame(OP.text, "begun", more));
    const reader = await next;
    await reader.readChunk();
    void ws.writeMessage("another");
    void reader.readChunk().catch(() => {});
    await settle();
    assert.equal(socket.writes.length, 2);
    socket.gone();
  });

  it("whatever is read by whichever call: every message once, in order", limit, async () => {
    const random = randomNumbers(7);
    for (let round = 0; round < 100; round++) {
      const { ws, socket } = testConn("server", { readBufferSize: 1 + random(300), keepalive: false });
      const messages = Array.from({ length: 20 }, (_, i) => `${i}:` + "é".repeat(random(40)));
      const wire = concat(...messages.flatMap((message) => {
        const bytes = bytesOf(message);
        const cut = random(bytes.length + 1);
        return random(2) === 0 ? [frame(OP.text, bytes)] : [
          frame(OP.text, bytes.slice(0, cut), more),
          frame(OP.ping),
          frame(OP.continuation, bytes.slice(cut)),
        ];
      }));
      let at = 0;
      const feed = () => {
        if (at === wire.length || socket.paused) return;
        const end = Math.min(wire.length, at + 1 + random(60));
        socket.receive(wire.slice(at, end));
        at = end;
      };
      const read: string[] = [];
      const reading = (async () => {
        while (read.length < messages.length) {
          if (random(2) === 0) read.push((await ws.readMessage()).data as string);
          else read.push(await readSlowly(await ws.nextReader(), random));
        }
      })();
      const done = watch(reading);
      while (done.state === "pending") {
        feed();
        if (random(3) === 0) await settle();
      }
      await reading;
      assert.deepEqual(read, messages);
    }
  });
});

/** The reader of a text that has begun. */
async function opened(
  ws: WebSocketConn,
  socket: ReturnType<typeof testConn>["socket"],
): Promise<MessageReader> {
  const next = ws.nextReader();
  socket.receive(frame(OP.text, "begun", more));
  return await next;
}

async function readSome(reader: MessageReader, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  await readFull(reader, bytes);
  return bytes;
}

async function readSlowly(reader: MessageReader, random: (below: number) => number): Promise<string> {
  const parts: Uint8Array[] = [];
  for (;;) {
    if (random(2) === 0) {
      const part = await reader.readChunk();
      if (part === null) return textOf(concat(...parts));
      parts.push(part);
    } else {
      const p = new Uint8Array(1 + random(20));
      const count = await reader.read(p);
      if (count === null) return textOf(concat(...parts));
      parts.push(p.subarray(0, count));
    }
  }
}

describe("nextWriter", () => {
  it("sends a message in fragments, those of a turn together", limit, async () => {
    for (const role of ["server", "client"] as const) {
      const { ws, socket, clock } = testConn(role);
      const writer = await ws.nextWriter("text");
      assert.equal(writer.type, "text");
      assert.equal(await writer.write("é"), 2);
      assert.equal(await writer.write(bytesOf("one")), 3);
      assert.equal(await writer.write(""), 0);
      assert.equal(ws.bufferedAmount, 5);
      clock.endTurn();
      assert.equal(ws.bufferedAmount, 0);
      clock.endTurn();
      await writer.write("");
      clock.endTurn();
      await writer.write("two");
      clock.endTurn();
      await writer.close();
      await writer.close();
      clock.endTurn();
      const frames = socket.frames().map(({ first, payload }) => [first, textOf(payload)]);
      assert.deepEqual(frames, [[0x01, "éone"], [0x00, "two"], [0x80, ""]]);
    }
  });

  it("sends a message of one turn as one frame, an empty one too", limit, async () => {
    const { ws, socket, clock } = testConn();
    for (const type of ["text", "binary"] as const) {
      const writer = await ws.nextWriter(type);
      await writer.write(bytesOf("one "));
      await writer.write("two");
      await writer.close();
      await (await ws.nextWriter(type)).close();
    }
    clock.endTurn();
    const frames = socket.frames().map(({ first, payload }) => [first, textOf(payload)]);
    assert.deepEqual(frames, [[0x81, "one two"], [0x81, ""], [0x82, "one two"], [0x82, ""]]);
  });

  it("sends long parts as they are, in order with short ones", limit, async () => {
    for (const role of ["server", "client"] as const) {
      const { ws, socket, clock } = testConn(role);
      const writer = await ws.nextWriter("binary");
      const sizes = [10, 4096, 1, 5000, 3000, 3000, 300_000, 100, 40_000];
      const all = pattern(0, sizes.reduce((sum, size) => sum + size));
      let at = 0;
      for (const size of sizes) await writer.write(all.subarray(at, at += size));
      await writer.close();
      clock.endTurn();
      const frames = socket.frames();
      assert.deepEqual(
        frames.map(({ payload }) => payload.length),
        [10, 4096, 1, 5000, 3000, 3000, 262_144, 300_000 - 262_144, 100, 40_000, 0],
      );
      assert.deepEqual(frames.map(({ first }) => first), [2, ...Array(9).fill(0), 0x80]);
      assertBytes(joined(frames)[0]!.payload, all);
    }
  });

  for (const call of ["writeMessage", "MessageWriter.write"] as const) {
    it(
      `${call}: a deadline that is set later gives the array back, as it was when it was written`,
      limit,
      async () => {
        const { ws, socket, clock } = testConn();
        const writer = call === "writeMessage" ? null : await ws.nextWriter("binary");
        const bytes = new Uint8Array(1_000_000).fill(1);
        socket.full = true;
        const writing = writer === null ? ws.writeMessage(bytes) : writer.write(bytes);
        ws.setWriteDeadline(clock.wallNow() + 100);
        // Another piece, so that one of the array's is with the kernel.
        socket.drain(false);
        clock.advance(100);
        await assert.rejects(writing, isDeadlineExceeded);
        bytes.fill(2);
        socket.drain();
        const payloads = joined(socket.frames()).map(({ payload }) => payload);
        assert.equal(payloads[0]!.length, 1_000_000);
        assert.ok(payloads[0]!.every((byte) => byte === 1));
        assert.equal(ws.state, "open");
      },
    );
  }

  it("drops a connection whose runtime holds the array when a later deadline passes", limit, async () => {
    const { ws, socket, clock } = testConn();
    socket.copies = false;
    void ws.writeMessage(new Uint8Array(1000));
    socket.full = true;
    // The kernel has the array itself when the deadline is set, and takes nothing until it passes.
    const writing = ws.writeMessage(new Uint8Array(1_000_000).fill(1));
    socket.drain(false);
    ws.setWriteDeadline(clock.wallNow() + 100);
    clock.advance(100);
    await assert.rejects(writing, isDeadlineExceeded);
    assert.deepEqual(socket.calls, ["reset"]);
  });

  it("keeps nothing of a short array, and of a long one that was given up", limit, async () => {
    const { ws, socket, clock } = testConn();
    const writer = await ws.nextWriter("binary");
    const short = new Uint8Array(100);
    void writer.write(short);
    short.fill(1);
    socket.full = true;
    const long = new Uint8Array(100_000);
    const controller = new AbortController();
    const writing = writer.write(long, { signal: controller.signal });
    controller.abort(new Error("given up"));
    await assert.rejects(writing, { message: "given up" });
    long.fill(1);
    const closing = writer.close();
    while (ws.bufferedAmount > 0) {
      socket.drain();
      clock.endTurn();
    }
    await closing;
    const [message] = joined(socket.frames());
    assert.equal(message!.payload.length, 100_100);
    assert.ok(message!.payload.every((byte) => byte === 0));
  });

  it("takes nothing that makes a text no UTF-8, and goes on", limit, async () => {
    const { ws, socket, clock } = testConn();
    const writer = await ws.nextWriter("text");
    const euro = bytesOf("€");
    await writer.write(euro.subarray(0, 1));
    for (const bad of [new Uint8Array([0x82, 0xac, 0xff]), "x", euro]) {
      await assert.rejects(writer.write(bad), TypeError);
    }
    await writer.write(euro.subarray(1, 2));
    await assert.rejects(writer.close(), TypeError);
    await writer.write(euro.subarray(2));
    await writer.close();
    await assert.rejects(writer.write("late"), ClosedError);
    clock.endTurn();
    const frames = socket.frames();
    assert.equal(ws.state, "open");
    assert.deepEqual(frames.map(({ payload }) => textOf(payload)), ["€"]);
    const binary = await ws.nextWriter("binary");
    await binary.write(new Uint8Array([0xff]));
    for (const wrong of [5, null, undefined, {}]) {
      await assert.rejects(binary.write(wrong as unknown as string), TypeError);
    }
    await assert.rejects(ws.nextWriter("json" as "text"), TypeError);
  });

  it("makes every other message wait, and sends them in order of calling", limit, async () => {
    for (const role of ["server", "client"] as const) {
      const { ws, socket, clock } = testConn(role);
      await ws.writeMessage("before");
      const writer = await ws.nextWriter("text");
      const short = bytesOf("4");
      const prepared = new PreparedMessage("5");
      const calls = [
        ws.writeMessage("3é"),
        ws.writeMessage(short, { type: "text" }),
        ws.writePrepared(prepared),
        writeBatch(ws, MessageBatch.of(new PreparedMessage("6")).with(new PreparedMessage("7")))!,
        ws.writeJson(8),
      ].map(watch);
      const next = ws.nextWriter("text");
      const after = ws.writeMessage("10");
      short.fill(0);
      await assert.rejects(ws.writeMessage(new Uint8Array([0xff]), { type: "text" }), TypeError);
      assert.equal(ws.bufferedAmount, (role === "server" ? 8 : 12) + 3 + 1 + 1 + 2 + 1 + 2);
      await writer.write("2");
      clock.endTurn();
      await settle();
      assert.ok(calls.every(({ state }) => state === "pending"));
      // What is called in the same moment comes later.
      const ended = writer.close();
      const last = ws.writeMessage("11");
      await ended;
      const second = await next;
      await settle();
      assert.ok(calls.every(({ state }) => state === "done"));
      await second.write("9");
      await second.close();
      await Promise.all([after, last]);
      clock.endTurn();
      const texts = joined(socket.frames()).map(({ payload }) => textOf(payload));
      assert.deepEqual(texts, ["before", "2", "3é", "4", "5", "6", "7", "8", "9", "10", "11"]);
      assert.equal(ws.bufferedAmount, 0);
      assert.equal(writeBatch(ws, MessageBatch.of(prepared)), null, "nothing waits any more");
    }
  });

  it("lets control frames pass", limit, async () => {
    const { ws, socket, clock } = testConn();
    const writer = await ws.nextWriter("text");
    await writer.write("one");
    clock.endTurn();
    const ping = ws.ping(new Uint8Array([1]));
    await ws.pong(new Uint8Array([2]));
    socket.receive(frame(OP.ping, "3"));
    clock.endTurn();
    socket.receive(frame(OP.pong, new Uint8Array([1])));
    await ping;
    await writer.close();
    clock.endTurn();
    const opcodes = socket.frames().map(({ opcode }) => opcode);
    assert.deepEqual(opcodes, [OP.text, OP.ping, OP.pong, OP.pong, OP.continuation]);
  });

  it("gives up what waits for its turn without a trace", limit, async () => {
    const { ws, socket, clock } = testConn("server", { keepalive: false });
    const writer = await ws.nextWriter("text");
    const controller = new AbortController();
    const { signal } = controller;
    const given = [ws.writeMessage("no", { signal }), ws.nextWriter("text", { signal })];
    controller.abort(new Error("given up"));
    for (const call of given) await assert.rejects(call, { message: "given up" });
    assert.equal(ws.bufferedAmount, 0);
    ws.setWriteDeadline(clock.wallNow() + 10);
    const late = [ws.writeMessage("no"), ws.writePrepared(new PreparedMessage("no")), ws.nextWriter("text")];
    clock.advance(10);
    for (const call of late) await assert.rejects(call, isDeadlineExceeded);
    await assert.rejects(writer.write("no"), isDeadlineExceeded);
    await assert.rejects(writer.close(), isDeadlineExceeded);
    // A hub's batch does not look at it.
    const batch = writeBatch(ws, MessageBatch.of(new PreparedMessage("batch")))!;
    clock.advance(10);
    ws.setWriteDeadline(null);
    await writer.write("yes");
    await writer.close();
    await batch;
    clock.endTurn();
    assert.deepEqual(joined(socket.frames()).map(({ payload }) => textOf(payload)), ["yes", "batch"]);
  });

  it("knows a deadline that was set before, and one that is set later", limit, async () => {
    const { ws, clock } = testConn("server", { keepalive: false });
    ws.setWriteDeadline(clock.wallNow() + 10);
    await ws.nextWriter("text");
    const waiting = ws.writeMessage("no");
    clock.advance(10);
    await assert.rejects(waiting, isDeadlineExceeded);
    ws.setWriteDeadline(null);
    const again = ws.writeMessage("no");
    ws.setWriteDeadline(clock.wallNow() + 10);
    clock.advance(10);
    await assert.rejects(again, isDeadlineExceeded);
  });

  it("waits for a slow peer", limit, async () => {
    const { ws, socket, clock } = testConn("server", { writeBufferSize: 10_000 });
    const writer = await ws.nextWriter("binary");
    socket.full = true;
    await writer.write(new Uint8Array(9000));
    clock.endTurn();
    const [small, large] = [
      watch(writer.write(new Uint8Array(2000))),
      watch(writer.write(new Uint8Array(50_000))),
    ];
    clock.endTurn();
    await settle();
    assert.deepEqual([small.state, large.state], ["done", "pending"]);
    const closing = watch(writer.close());
    await settle();
    assert.equal(large.state, "pending");
    assert.equal(closing.state, "pending");
    socket.drain();
    await settle();
    assert.deepEqual([small.state, large.state, closing.state], ["done", "done", "done"]);
    assert.equal(ws.bufferedAmount, 0);
    assert.equal(joined(socket.frames())[0]!.payload.length, 61_000);
  });

  it("fails with the connection, and with it what waits", limit, async () => {
    const ends: [(made: ReturnType<typeof testConn>) => void, number][] = [
      [({ socket }) => socket.gone(), 1006],
      [({ socket }) => socket.end(), 1006],
      [({ socket }) => socket.receive(closeFrame(1001)), 1001],
      [({ ws }) => void ws.close(), 1006],
    ];
    for (const [end, code] of ends) {
      const made = testConn();
      const { ws, socket, clock } = made;
      const writer = await ws.nextWriter("text");
      await writer.write("part");
      const calls = [
        ws.writeMessage("no"),
        ws.nextWriter("text"),
        writeBatch(ws, MessageBatch.of(new PreparedMessage("no")))!,
      ];
      end(made);
      for (const call of calls) await assert.rejects(call, closedWith(code));
      await assert.rejects(writer.write("no"), closedWith(code));
      await assert.rejects(writer.close(), closedWith(code));
      await assert.rejects(ws.nextWriter("text"), closedWith(code));
      assert.equal(writeBatch(ws, MessageBatch.of(new PreparedMessage("no"))), null);
      clock.endTurn();
      const sent = socket.frames();
      if (code === 1006 && sent.length > 0) assert.deepEqual(sent.map(({ first }) => first), [0x01, 0x88]);
      assert.ok(sent.every(({ payload }) => textOf(payload) !== "no"));
      socket.gone();
      assert.equal(ws.bufferedAmount, 0);
    }
  });

  it("whatever is written by whichever call: every message whole, in order of calling", limit, async () => {
    const random = randomNumbers(11);
    for (let round = 0; round < 60; round++) {
      const role = round % 2 === 0 ? "server" : "client";
      const { ws, socket, clock } = testConn(role, { keepalive: false });
      const messages = Array.from(
        { length: 12 },
        (_, i) => `${i}:` + "é".repeat(random(10) === 0 ? random(300_000) : random(60)),
      );
      const writeParts = async (text: string) => {
        const writer = await ws.nextWriter("text");
        const bytes = bytesOf(text);
        for (let at = 0; at < bytes.length;) {
          const end = at + 1 + random(bytes.length);
          await writer.write(bytes.subarray(at, end));
          at = end;
          for (let i = random(5); i > 0; i--) await null;
        }
        await writer.close();
      };
      const ways: ((text: string) => Promise<unknown> | null)[] = [
        (text) => ws.writeMessage(text),
        (text) => ws.writeMessage(bytesOf(text), { type: "text" }),
        (text) => ws.writePrepared(new PreparedMessage(text)),
        (text) => writeBatch(ws, MessageBatch.of(new PreparedMessage(text))),
        writeParts,
        writeParts,
      ];
      const all = watch(Promise.all(messages.map((text) => ways[random(ways.length)]!(text))));
      while (all.state === "pending" || ws.bufferedAmount > 0) {
        assert.notEqual(all.state, "failed", String(all.error));
        if (random(3) === 0) socket.full = true;
        if (random(2) === 0) socket.drain(random(2) === 0);
        if (random(4) === 0) socket.receive(frame(OP.ping, "x", { mask: role === "server" }));
        clock.endTurn();
        await settle();
      }
      const frames = joined(socket.frames()).filter(({ opcode }) => opcode < 8);
      assert.ok(frames.every(({ fin, opcode }) => fin && opcode === OP.text));
      assert.ok(frames.map(({ payload }) => textOf(payload)).join() === messages.join(), `round ${round}`);
    }
  });

  it("ends with its scope", limit, async () => {
    const { ws, socket, clock } = testConn();
    {
      await using writer = await ws.nextWriter("text");
      await writer.write("scoped");
    }
    clock.endTurn();
    assert.deepEqual(socket.frames().map(({ first }) => first), [0x81]);
  });
});

describe("a long message", () => {
  it("lets pings be answered while a slow peer takes it", limit, async () => {
    for (const size of [1_000_000, 300_000]) {
      const { ws, socket, clock } = testConn();
      socket.full = true;
      const data = pattern(0, size);
      const writing = watch(ws.writeMessage(data));
      clock.endTurn();
      socket.receive(frame(OP.ping, "now"));
      clock.endTurn();
      // The head and the fragment that it is in the middle of, then the pong.
      for (let i = 0; i < 3; i++) socket.drain(false);
      const frames = socket.frames();
      assert.deepEqual(frames.map(({ opcode }) => opcode), [OP.binary, OP.pong]);
      assert.equal(writing.state, "pending");
      while (ws.bufferedAmount > 0) socket.drain(false);
      await settle();
      assert.equal(writing.state, "done");
      assertBytes(joined([...frames, ...socket.frames()])[0]!.payload, data);
    }
  });

  it("is the caller's until all of it has left, however many pongs overtake it", limit, async () => {
    const { ws, socket, clock } = testConn("server", { keepalive: false });
    socket.full = true;
    const data = new Uint8Array(262_144 * 2 + 50);
    const writing = ws.writeMessage(data);
    // As soon as the call ends the array is used for something else.
    void writing.then(() => data.fill(1));
    const small = watch(ws.writeMessage("x"));
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 5; j++) socket.receive(frame(OP.ping, "x".repeat(100)));
      clock.endTurn();
      socket.drain(false);
      await settle();
    }
    while (ws.bufferedAmount > 0) {
      socket.drain(false);
      await settle();
    }
    await writing;
    await settle();
    assert.equal(small.state, "done");
    const [message] = joined(socket.frames());
    assert.equal(message!.payload.length, 262_144 * 2 + 50);
    assert.ok(message!.payload.every((byte) => byte === 0));
  });
});

for (
  const [name, makePair] of [["TCP", tcpPair], ["memory", memoryPair], [
    "a foreign Conn",
    foreignPair,
  ]] as const
) {
  describe(`streaming over ${name}`, () => {
    holdProcess();

    for (const fromClient of [true, false]) {
      it(
        `passes a message beyond every buffer, from ${fromClient ? "client" : "server"}`,
        limit,
        async () => {
          const options = { readLimit: Infinity };
          const { client, server, stop } = await makePair({ client: options, server: options });
          const [from, to] = fromClient ? [client, server] : [server, client];
          const size = 5_000_000, step = 70_001;
          const sending = (async () => {
            const writer = await from.nextWriter("binary");
            void from.writeMessage("after");
            for (let at = 0; at < size; at += step) {
              assert.equal(
                await writer.write(pattern(at, Math.min(size, at + step))),
                Math.min(step, size - at),
              );
            }
            await writer.close();
          })();
          const reader = await to.nextReader();
          assert.equal(reader.type, "binary");
          let at = 0;
          for await (const chunk of reader) {
            assertBytes(chunk, pattern(at, at + chunk.length), at);
            at += chunk.length;
          }
          assert.equal(at, size);
          await sending;
          assert.equal((await to.readMessage()).data, "after");
          await stop();
        },
      );
    }

    it("answers a ping in the middle of a message, both ways", limit, async () => {
      const { client, server, stop } = await makePair();
      const writer = await client.nextWriter("text");
      await writer.write("part");
      const reader = await server.nextReader();
      assert.ok(await client.ping() >= 0);
      assert.ok(await server.ping() >= 0);
      await writer.write(" and part");
      await writer.close();
      assert.equal(await textFrom(reader), "part and part");
      await stop();
    });

    it("shares a connection with a hub", limit, async () => {
      const { client, server, stop } = await makePair();
      const hub = new Hub();
      hub.register(server, undefined);
      const writer = await server.nextWriter("text");
      await writer.write("one ");
      for (let i = 0; i < 3; i++) {
        hub.broadcast(`broadcast ${i}`);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await writer.write("message");
      await writer.close();
      for (const expected of ["one message", "broadcast 0", "broadcast 1", "broadcast 2"]) {
        assert.equal((await client.readMessage()).data, expected);
      }
      await hub.close();
      await stop();
    });

    it("slows a sender whose message nobody reads", limit, async () => {
      const options = { readLimit: Infinity };
      const { client, server, stop } = await makePair({ server: options });
      let sent = 0;
      const sending = (async () => {
        const writer = await client.nextWriter("binary");
        for (; sent < 200_000_000; sent += 50_000) await writer.write(new Uint8Array(50_000));
      })();
      sending.catch(() => {});
      const reader = await server.nextReader();
      assert.notEqual(await reader.readChunk(), null);
      await untilStill(() => sent);
      assert.ok(sent < 100_000_000, `${sent} bytes`);
      await stop();
      await assert.rejects(sending, closedWith(1006));
    });

    it("fails in the middle when the peer goes", limit, async () => {
      const { client, server, stop } = await makePair();
      const writer = await client.nextWriter("text");
      await writer.write("part");
      const reader = await server.nextReader();
      assert.deepEqual(await reader.readChunk(), bytesOf("part"));
      client.closeNow();
      await assert.rejects(reader.readChunk(), closedWith(1006));
      await stop();
    });
  });
}

describe("a peer made by hand", () => {
  holdProcess();

  it("sends too many fragments, and is told", limit, async () => {
    const errors: unknown[] = [];
    const { address, stop } = await startServer({
      maxFragments: 100,
      websocket: async (conn) => {
        await conn.readMessage().catch((error) => errors.push(error));
      },
    });
    const peer = await rawClient(address);
    const empty = Array.from({ length: 100 }, () => frame(OP.continuation, "", more));
    await peer.send(frame(OP.text, "", more), ...empty);
    const { code, reason } = await peer.readClose();
    assert.deepEqual([code, reason], [1008, "a message is in more than 100 small fragments"]);
    await until(() => errors.length === 1);
    assert.ok(errors[0] instanceof ProtocolError && errors[0].closeCode === 1008);
    peer.conn.closeNow();
    await stop();
  });

  it("may send 4 MiB in fragments of 64 bytes, and an empty one to end it", limit, async () => {
    const { ws, socket } = testConn("server", { readLimit: 1 << 23 });
    const reading = ws.readMessage();
    socket.receive(frame(OP.binary, new Uint8Array(64), more));
    const parts = concat(
      ...Array.from({ length: 255 }, () => frame(OP.continuation, new Uint8Array(64), more)),
    );
    for (let i = 0; i < 257; i++) socket.receive(parts);
    socket.receive(frame(OP.continuation, ""));
    assert.equal((await reading).data.length, 1 << 22);
  });

  it("gets a long message in fragments, with a pong between them as soon as it asks", limit, async () => {
    const data = pattern(0, 20_000_000);
    const { address, stop } = await startServer({
      websocket: async (conn) => {
        await conn.writeMessage(data);
        await conn.closed;
      },
    });
    const peer = await rawClient(address);
    assert.equal((await peer.readFrame())!.payload.length, 262_144);
    await peer.send(frame(OP.ping, "now"));
    const frames = [];
    for (let next = await peer.readFrame(); !next!.fin || next!.opcode >= 8; next = await peer.readFrame()) {
      frames.push(next!);
    }
    const pong = frames.findIndex(({ opcode }) => opcode === OP.pong);
    assert.ok(pong >= 0 && pong < frames.length - 1, `${pong} of ${frames.length}`);
    peer.conn.closeNow();
    await stop();
  });

  it("is read as a client reads", limit, async () => {
    const { url, stop, handled } = await startRawServer(async (conn) => {
      const peer = await rawServer(conn);
      await peer.send(frame(OP.text, "un", { mask: false, fin: false }));
      await peer.send(frame(OP.continuation, "masked", { mask: false }));
    });
    const ws = await dialWebSocket(url);
    assert.equal(await textFrom(await ws.nextReader()), "unmasked");
    await handled;
    ws.closeNow();
    await stop();
  });
});
