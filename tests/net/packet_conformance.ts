/** Conformance tests for every {@linkcode PacketConn}, given only a way to make one. */

import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import type { UdpAddr } from "../../src/net/addr.ts";
import { NetError } from "../../src/net/errors.ts";
import type { Datagram, PacketConn, UdpConn } from "../../src/net/packet_conn.ts";
import type { UdpOptions } from "../../src/net/udp_options.ts";
import {
  assertBytes,
  countedSignal,
  holdProcess,
  isClosed,
  isDeadlineExceeded,
  limit,
  pattern,
  randomNumbers,
} from "./support.ts";

/** How the sockets under test are made. */
export interface PacketMaker {
  listen(address: string, options?: UdpOptions): Promise<PacketConn>;
  dial(address: string, options?: UdpOptions & { localAddress?: string }): Promise<UdpConn>;
}

/** What a runtime cannot do. */
export interface PacketTraits {
  /** Whether a connected socket hears that nobody listens. */
  refuses: boolean;
}

/** The longest datagram of IPv4. */
const LONGEST = 65507;

type Make = <T extends PacketConn>(made: Promise<T>) => Promise<T>;
type Body = (make: Make) => Promise<void>;
type Test = (title: string, body: Body, skip?: string | false) => void;

/** Declares the tests of one kind of socket. */
export function testPacketConn(name: string, maker: PacketMaker, traits: PacketTraits): void {
  const test: Test = (title, body, skip = false) => {
    it(title, { ...limit, skip }, async () => {
      const made: PacketConn[] = [];
      const make: Make = async (making) => {
        const conn = await making;
        made.push(conn);
        return conn;
      };
      try {
        await body(make);
      } finally {
        await Promise.all(made.map((conn) => conn.close()));
      }
    });
  };
  describe(name, () => {
    holdProcess();
    describe("datagrams", () => testDatagrams(test, maker));
    describe("a dialled conn", () => testDialled(test, maker, traits));
    describe("the queue", () => testQueue(test, maker));
    describe("deadlines and signals", () => testWaits(test, maker));
    describe("a shared conn", () => testShared(test, maker));
    describe("dead destinations", () => testDead(test, maker));
    describe("writeMany", () => testWriteMany(test, maker));
    describe("close", () => testClose(test, maker));
  });
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text({ data }: Datagram): string {
  return new TextDecoder().decode(data);
}

function hasCode(code: string, op?: string): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof NetError, `not a NetError: ${error}`);
    assert.equal(error.code, code);
    assert.equal(error.network, "udp");
    if (op !== undefined) assert.equal(error.op, op);
    return true;
  };
}

/** An address of this machine on which nobody listens. */
async function deadAddress({ listen }: PacketMaker): Promise<UdpAddr> {
  const conn = await listen("127.0.0.1:0");
  await conn.close();
  return conn.localAddr;
}

function testDatagrams(test: Test, { listen }: PacketMaker): void {
  for (const host of ["127.0.0.1", "[::1]"]) {
    test(`go to and fro, ${host}`, async (make) => {
      const [a, b] = [await make(listen(`${host}:0`)), await make(listen(`${host}:0`))];
      assert.equal(await a.writeTo(bytes("hello"), b.localAddr), 5);
      const got = await b.readFrom();
      assert.deepEqual([text(got), got.truncated], ["hello", false]);
      assert.deepEqual(String(got.addr), String(a.localAddr));
      assert.equal(Object.getPrototypeOf(got.data), Uint8Array.prototype);
      await b.writeTo(bytes("you"), String(got.addr));
      assert.equal(text(await a.readFrom()), "you");
    });
  }

  test("go both ways between the families where a socket has both", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen(":0"))];
    await a.writeTo(bytes("4"), `127.0.0.1:${b.localAddr.port}`);
    const got = await b.readFrom();
    assert.equal(String(got.addr), String(a.localAddr));
    await b.writeTo(bytes("dual"), got.addr);
    assert.equal(text(await a.readFrom()), "dual");
    const c = await make(listen("[::1]:0"));
    await b.writeTo(bytes("6"), c.localAddr);
    assert.equal(text(await c.readFrom()), "6");
  });

  test("may be empty", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    assert.equal(await a.writeTo(new Uint8Array(0), b.localAddr), 0);
    await a.writeTo(bytes("more"), b.localAddr);
    assert.equal((await b.readFrom()).data.length, 0);
    assert.equal(text(await b.readFrom()), "more");
  });

  test("may be as long as UDP has them, and no longer", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    const longest = pattern(0, LONGEST);
    assert.equal(await a.writeTo(longest, b.localAddr), LONGEST);
    assertBytes((await b.readFrom()).data, longest);
    await assert.rejects(a.writeTo(new Uint8Array(LONGEST + 1), b.localAddr), hasCode("EMSGSIZE", "write"));
    await a.writeTo(bytes("next"), b.localAddr);
    assert.equal(text(await b.readFrom()), "next");
  });

  test("may be as long as UDP has them, and no longer, by IPv6", async (make) => {
    const [a, b] = [await make(listen("[::1]:0")), await make(listen("[::1]:0"))];
    const longest = pattern(0, 65527);
    await assert.rejects(a.writeTo(new Uint8Array(65528), b.localAddr), hasCode("EMSGSIZE", "write"));
    await a.writeTo(longest, b.localAddr);
    assertBytes((await b.readFrom()).data, longest);
  });

  test("are cut to the buffer, and say so", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    for (const [size, room] of [[10, 4], [4, 4], [3, 4], [1, 0], [0, 0]] as const) {
      for (const waits of [true, false]) {
        const into = new Uint8Array(room);
        const reading = waits ? b.readFrom(into) : null;
        await a.writeTo(pattern(0, size), b.localAddr);
        await a.writeTo(bytes("end"), b.localAddr);
        const got = await (reading ?? b.readFrom(into));
        assertBytes(got.data, pattern(0, Math.min(size, room)));
        assert.equal(got.data.buffer, into.buffer);
        assert.equal(got.truncated, size > room);
        assert.equal(text(await b.readFrom()), "end");
      }
    }
  });

  test("stay the reader's own", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    const got: Datagram[] = [];
    for (let i = 0; i < 50; i++) {
      await a.writeTo(pattern(i, i + 100), b.localAddr);
      got.push(await b.readFrom());
    }
    got.forEach(({ data }, i) => assertBytes(data, pattern(i, i + 100)));
    assert.ok(got.every(({ data }) => data.buffer.byteLength === 100));
  });

  test("go only where there is a way", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("[::1]:0"))];
    await assert.rejects(a.writeTo(bytes("x"), b.localAddr), hasCode("EAFNOSUPPORT", "write"));
    await assert.rejects(a.writeTo(bytes("x"), "127.0.0.1:0"), hasCode("EINVAL", "write"));
    await assert.rejects(a.writeTo(bytes("x"), "255.255.255.255:9"), hasCode("EACCES", "write"));
    await assert.rejects(a.writeTo(bytes("x"), "localhost:9"), TypeError);
    await assert.rejects(a.writeTo(bytes("x"), "127.0.0.1"), TypeError);
    const made = { network: "udp", hostname: "localhost", port: 9 } as const;
    await assert.rejects(a.writeTo(bytes("x"), made), TypeError);
    await assert.rejects(a.writeTo("x" as never, b.localAddr), TypeError);
    await assert.rejects(a.readFrom("x" as never), TypeError);
    const hand = { network: "udp", hostname: "127.0.0.1", port: a.localAddr.port } as const;
    await a.writeTo(bytes("self"), hand);
    assert.equal(text(await a.readFrom()), "self");
  });
}

function testDialled(test: Test, maker: PacketMaker, { refuses }: PacketTraits): void {
  const { listen, dial } = maker;
  for (const host of ["127.0.0.1", "[::1]", "[0:0:0:0:0:0:0:1]"]) {
    test(`talks with its peer, ${host}`, async (make) => {
      const server = await make(listen(`${host}:0`));
      const conn = await make(dial(`${host}:${server.localAddr.port}`));
      assert.equal(await conn.write(bytes("ping")), 4);
      const got = await server.readFrom();
      assert.equal(got.addr.port, conn.localAddr.port);
      await server.writeTo(bytes("pong!"), got.addr);
      const into = new Uint8Array(4);
      assert.equal(await conn.read(into), 4);
      assert.equal(new TextDecoder().decode(into), "pong");
      await conn.write(new Uint8Array(0));
      assert.equal((await server.readFrom()).data.length, 0);
      await server.writeTo(new Uint8Array(0), got.addr);
      assert.equal(await conn.read(into), 0);
    });
  }

  test("hears nobody else", async (make) => {
    const [server, stranger] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    const conn = await make(dial(String(server.localAddr)));
    const to = `127.0.0.1:${conn.localAddr.port}`;
    for (let i = 0; i < 10; i++) {
      await stranger.writeTo(bytes("strange"), to);
      await server.writeTo(bytes(`friend ${i}`), to);
    }
    for (let i = 0; i < 10; i++) assert.equal(text(await conn.readFrom()), `friend ${i}`);
    assert.equal(conn.dropped, 0);
  });

  test("may come before its server", async (make) => {
    const addr = await deadAddress(maker);
    const conn = await make(dial(String(addr)));
    await conn.write(bytes("early")).catch(() => {});
    const server = await make(listen(String(addr)));
    const served = server.readFrom();
    // Each refusal fails one call, at the most.
    for (let left = 3; left > 0; left--) {
      const failed = await conn.write(bytes("late")).then(() => false, hasCode("ECONNREFUSED"));
      if (!failed) break;
    }
    const { addr: from } = await served;
    await server.writeTo(bytes("welcome"), from);
    let got: Datagram | undefined;
    for (let left = 3; got === undefined && left > 0; left--) {
      got = await conn.readFrom().catch((error) => void hasCode("ECONNREFUSED")(error));
    }
    assert.equal(text(got!), "welcome");
  });

  test("is told once that nobody listens, and goes on", async (make) => {
    const addr = await deadAddress(maker);
    const conn = await make(dial(String(addr)));
    for (let i = 0; i < 3; i++) {
      const reading = conn.readFrom();
      await conn.write(bytes("anybody?"));
      await assert.rejects(reading, hasCode("ECONNREFUSED", "read"));
    }
    const server = await make(listen(String(addr)));
    await conn.write(bytes("you?"));
    assert.equal(text(await server.readFrom()), "you?");
    await server.writeTo(bytes("yes"), `127.0.0.1:${conn.localAddr.port}`);
    assert.equal(text(await conn.readFrom()), "yes");
  }, refuses ? false : "the runtime does not pass refusals on");

  test("has one place to send to", async (make) => {
    const server = await make(listen("127.0.0.1:0"));
    const conn = await make(dial(String(server.localAddr)));
    assert.equal(String(conn.remoteAddr), String(server.localAddr));
    await assert.rejects(conn.writeTo(bytes("x"), server.localAddr), hasCode("EISCONN", "write"));
    await assert.rejects(conn.write(new Uint8Array(LONGEST + 1)), hasCode("EMSGSIZE", "write"));
    await assert.rejects(dial("127.0.0.1:0"), hasCode("EINVAL", "dial"));
  });

  test("comes from where it is told to", async (make) => {
    const server = await make(listen("127.0.0.1:0"));
    const conn = await make(dial(String(server.localAddr), { localAddress: "127.0.0.2:0" }));
    await conn.write(bytes("x"));
    const { addr } = await server.readFrom();
    assert.equal(addr.hostname, "127.0.0.2");
    assert.equal(String(addr), String(conn.localAddr));
    await assert.rejects(
      dial(String(server.localAddr), { localAddress: "192.0.2.1:0" }),
      hasCode("EADDRNOTAVAIL", "dial"),
    );
  });

  test("means this machine by no address in particular", async (make) => {
    const server = await make(listen("127.0.0.1:0"));
    const conn = await make(dial(`0.0.0.0:${server.localAddr.port}`));
    await conn.write(bytes("x"));
    await server.writeTo(bytes("y"), (await server.readFrom()).addr);
    assert.equal(text(await conn.readFrom()), "y");
  });
}

/** Sends so many, each with its number, as fast as the kernel of this machine takes them. */
async function sendNumbers(from: PacketConn, to: PacketConn, count: number, size = 4): Promise<void> {
  for (let i = 0; i < count; i++) {
    const data = new Uint8Array(size);
    new DataView(data.buffer).setUint32(0, i);
    await from.writeTo(data, to.localAddr);
  }
}

function numberOf({ data }: Datagram): number {
  return new DataView(data.buffer, data.byteOffset).getUint32(0);
}

/** Reads what has come; the end is marked by an empty datagram, sent until one arrives. */
async function drain(from: PacketConn, to: PacketConn): Promise<{ numbers: number[]; marks: number }> {
  const numbers: number[] = [];
  for (let marks = 1;; marks++) {
    await from.writeTo(new Uint8Array(0), to.localAddr);
    to.setReadDeadline(Date.now() + 200);
    try {
      for (let got = await to.readFrom(); got.data.length > 0; got = await to.readFrom()) {
        numbers.push(numberOf(got));
      }
      return { numbers, marks };
    } catch (error) {
      isDeadlineExceeded(error);
    }
  }
}

function testQueue(test: Test, { listen }: PacketMaker): void {
  test("keeps what came before anybody reads, in order", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    await sendNumbers(a, b, 50);
    for (let i = 0; i < 50; i++) assert.equal(numberOf(await b.readFrom()), i);
  });

  for (const options of [{ maxQueuedDatagrams: 5 }, { maxQueuedBytes: 5 * 100 + 50 }]) {
    test(`has a bound: ${Object.keys(options)}`, async (make) => {
      const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0", options))];
      await sendNumbers(a, b, 20, 100);
      const { promise: dropped, resolve } = Promise.withResolvers<void>();
      const timer = setInterval(() => b.dropped === 15 && resolve(), 5);
      await dropped;
      clearInterval(timer);
      for (let i = 0; i < 5; i++) assert.equal(numberOf(await b.readFrom()), i);
      await sendNumbers(a, b, 3, 100);
      for (let i = 0; i < 3; i++) assert.equal(numberOf(await b.readFrom()), i);
      assert.equal(b.dropped, 15);
    });
  }

  test("takes a datagram that is longer than the bound when it is empty", async (make) => {
    const [a, b] = [
      await make(listen("127.0.0.1:0")),
      await make(listen("127.0.0.1:0", { maxQueuedBytes: 10 })),
    ];
    await sendNumbers(a, b, 1, 1000);
    assert.equal((await b.readFrom()).data.length, 1000);
  });

  test("loses what does not fit under a burst, in order and counted", async (make) => {
    const count = 100_000;
    const bound = 1000;
    const a = await make(listen("127.0.0.1:0"));
    const b = await make(listen("127.0.0.1:0", { maxQueuedDatagrams: bound }));
    const before = process.memoryUsage().rss;
    let most = 0;
    let sending = true;
    const numbers: number[] = [];
    const sent = sendNumbers(a, b, count, 200).then(() => sending = false);
    // A slow reader: one a turn.
    while (sending) {
      numbers.push(numberOf(await b.readFrom()));
      await new Promise((resolve) => setImmediate(resolve));
      if (numbers.length % 100 === 0) most = Math.max(most, process.memoryUsage().rss - before);
    }
    await sent;
    const rest = await drain(a, b);
    numbers.push(...rest.numbers);
    assert.ok(numbers.every((number, i) => i === 0 || number > numbers[i - 1]!), "out of order");
    // What the kernel drops, nobody counts.
    const known = numbers.length + b.dropped;
    assert.ok(known <= count + rest.marks, `${numbers.length} read, ${b.dropped} dropped`);
    assert.ok(numbers.length > bound && b.dropped > bound, `${numbers.length} read, ${b.dropped} dropped`);
    assert.ok(most < 200 << 20, `${most} bytes more`);
  });
}

function testWaits(test: Test, { listen }: PacketMaker): void {
  test("a deadline ends reads, and nothing is lost", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    b.setReadDeadline(Date.now() + 20);
    const pending = [b.readFrom(), b.readFrom()];
    for (const read of pending) await assert.rejects(read, isDeadlineExceeded);
    await assert.rejects(b.readFrom(), isDeadlineExceeded);
    await sendNumbers(a, b, 3);
    await assert.rejects(b.readFrom(), isDeadlineExceeded);
    b.setReadDeadline(null);
    for (let i = 0; i < 3; i++) assert.equal(numberOf(await b.readFrom()), i);
    const later = b.readFrom();
    assert.throws(() => b.setDeadline(5000), RangeError);
    b.setDeadline(new Date(Date.now() + 20));
    await assert.rejects(later, isDeadlineExceeded);
    await assert.rejects(b.writeTo(bytes("x"), a.localAddr), isDeadlineExceeded);
    b.setDeadline(null);
    await b.writeTo(bytes("x"), a.localAddr);
    assert.equal(text(await a.readFrom()), "x");
  });

  test("random deadlines lose and double nothing", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    const random = randomNumbers(7);
    let next = 0;
    let sent = 0;
    for (let round = 0; round < 60; round++) {
      b.setReadDeadline(Date.now() + random(6));
      const reads = Array.from({ length: 1 + random(3) }, () => b.readFrom());
      const settling = Promise.allSettled(reads);
      if (sent < 100) {
        await a.writeTo(numbered(sent), b.localAddr);
        sent++;
      }
      for (const read of await settling) {
        if (read.status === "fulfilled") assert.equal(numberOf(read.value), next++);
        else isDeadlineExceeded(read.reason);
      }
    }
    b.setReadDeadline(null);
    while (next < sent) assert.equal(numberOf(await b.readFrom()), next++);
  });

  test("a signal ends its own call alone", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    const { abort, signal, listeners } = countedSignal();
    const reads = [b.readFrom(), b.readFrom(undefined, { signal }), b.readFrom()];
    const failed = assert.rejects(reads[1]!, (error) => error === abort.signal.reason);
    abort.abort();
    await failed;
    await sendNumbers(a, b, 3);
    assert.equal(numberOf(await reads[0]!), 0);
    assert.equal(numberOf(await reads[2]!), 1);
    assert.equal(numberOf(await b.readFrom()), 2);
    assert.equal(listeners(), 0);
    await assert.rejects(b.readFrom(undefined, { signal }), (error) => error === signal.reason);
    await assert.rejects(a.writeTo(bytes("x"), b.localAddr, { signal }), (error) => error === signal.reason);
    const writing = countedSignal();
    await a.writeTo(bytes("signal"), b.localAddr, { signal: writing.signal });
    assert.equal(text(await b.readFrom()), "signal");
    assert.equal(writing.listeners(), 0);
  });
}

function numbered(number: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, number);
  return data;
}

function testShared(test: Test, { listen, dial }: PacketMaker): void {
  test("serves reads in order of calling", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    for (let round = 0; round < 20; round++) {
      const reads = Array.from({ length: 20 }, () => b.readFrom());
      await sendNumbers(a, b, 20);
      assert.deepEqual((await Promise.all(reads)).map(numberOf), Array.from({ length: 20 }, (_, i) => i));
    }
  });

  test("sends in order of calling, each whole", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    for (let round = 0; round < 10; round++) {
      const writes = Array.from({ length: 20 }, (_, i) => a.writeTo(pattern(i, i * 10), b.localAddr));
      for (let i = 0; i < 20; i++) assertBytes((await b.readFrom()).data, pattern(i, i * 10));
      assert.deepEqual(await Promise.all(writes), Array.from({ length: 20 }, (_, i) => Math.max(0, i * 9)));
    }
  });

  test("serves ten tasks: 10,000 requests, each with its own answer", async (make) => {
    const server = await make(listen("127.0.0.1:0"));
    const client = await make(dial(String(server.localAddr)));
    const [tasks, each] = [10, 1000];
    const serving = serveSums(server);
    const clients = new Requests(client);
    const random = randomNumbers(3);
    const run = async () => {
      for (let i = 0; i < each; i++) {
        const [a, b] = [random(1 << 20), random(1 << 20)];
        assert.equal(await clients.sum(a, b), a + b);
      }
    };
    await Promise.all(Array.from({ length: tasks }, run));
    await client.close();
    await clients.ended;
    await server.close();
    await serving;
    assert.equal(clients.answered, tasks * each);
  });
}

/** Answers each request `[id, a, b]` by `[id, a + b]`, but drops one in fifty. */
async function serveSums(server: PacketConn): Promise<void> {
  const random = randomNumbers(5);
  for await (const { data, addr } of server) {
    if (random(50) === 0) continue;
    const [id, a, b] = new Uint32Array(data.buffer, data.byteOffset, 3);
    await server.writeTo(new Uint8Array(Uint32Array.of(id!, a! + b!).buffer), addr);
  }
}

/** Requests of many tasks on one conn. */
class Requests {
  readonly #conn: UdpConn;
  readonly #waiting = new Map<number, (sum: number) => void>();
  readonly ended: Promise<void>;
  #last = 0;
  answered = 0;

  constructor(conn: UdpConn) {
    this.#conn = conn;
    this.ended = this.#receive();
  }

  async #receive(): Promise<void> {
    for await (const { data } of this.#conn) {
      const [id, sum] = new Uint32Array(data.buffer, data.byteOffset, 2);
      this.#waiting.get(id!)?.(sum!);
    }
  }

  async sum(a: number, b: number): Promise<number> {
    const id = ++this.#last;
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#waiting.set(id, resolve);
    const request = new Uint8Array(Uint32Array.of(id, a, b).buffer);
    for (;;) {
      await this.#conn.write(request);
      const sum = await before(promise, 50);
      if (sum === null) continue;
      this.#waiting.delete(id);
      this.answered++;
      return sum;
    }
  }
}

function before<T>(result: Promise<T>, milliseconds: number): Promise<T | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), milliseconds);
    result.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}

function testDead(test: Test, maker: PacketMaker): void {
  const { listen } = maker;
  test("cost the living nothing", async (make) => {
    const dead = await deadAddress(maker);
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    for (let i = 0; i < 100; i++) {
      await a.writeTo(bytes("dead"), dead);
      await a.writeTo(numbered(i), b.localAddr);
    }
    for (let i = 0; i < 100; i++) assert.equal(numberOf(await b.readFrom()), i);
  });

  test("cost the living nothing when all are sent at once", async (make) => {
    const dead = await deadAddress(maker);
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    const packets = Array.from({ length: 100 }, (_, i) => [
      { data: bytes("dead"), addr: dead },
      { data: numbered(i), addr: b.localAddr },
    ]).flat();
    assert.equal(await a.writeMany(packets), packets.length);
    for (let i = 0; i < 100; i++) assert.equal(numberOf(await b.readFrom()), i);
  });

  test("fail no read", async (make) => {
    const dead = await deadAddress(maker);
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    const reading = a.readFrom();
    await a.writeTo(bytes("dead"), dead);
    await b.writeTo(bytes("alive"), a.localAddr);
    assert.equal(text(await reading), "alive");
  });
}

function testWriteMany(test: Test, { listen, dial }: PacketMaker): void {
  test("sends all, in order, and none in between", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    const packets = Array.from({ length: 30 }, (_, i) => ({ data: numbered(i), addr: b.localAddr }));
    const writes = [a.writeMany(packets), a.writeTo(numbered(30), b.localAddr)];
    for (let i = 0; i <= 30; i++) assert.equal(numberOf(await b.readFrom()), i);
    assert.deepEqual(await Promise.all(writes), [30, 4]);
    assert.equal(await a.writeMany([]), 0);
  });

  test("stops at the first that cannot leave", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    const good = { data: bytes("good"), addr: String(b.localAddr) };
    const bad = { data: new Uint8Array(LONGEST + 1), addr: b.localAddr };
    assert.equal(await a.writeMany([good, good, bad, good]), 2);
    await assert.rejects(a.writeMany([bad, good]), hasCode("EMSGSIZE", "write"));
    await a.writeTo(bytes("last"), b.localAddr);
    for (const expected of ["good", "good", "last"]) assert.equal(text(await b.readFrom()), expected);
    await assert.rejects(a.writeMany([{ data: bytes("x") }]), TypeError);
  });

  test("sends to the peer of a dialled conn", async (make) => {
    const server = await make(listen("127.0.0.1:0"));
    const conn = await make(dial(String(server.localAddr)));
    assert.equal(await conn.writeMany([{ data: numbered(0) }, { data: numbered(1) }]), 2);
    for (let i = 0; i < 2; i++) assert.equal(numberOf(await server.readFrom()), i);
    await assert.rejects(conn.writeMany([{ data: numbered(0), addr: server.localAddr }]), hasCode("EISCONN"));
  });
}

function testClose(test: Test, { listen, dial }: PacketMaker): void {
  test("comes after all that was written before", async (make) => {
    const b = await make(listen("127.0.0.1:0"));
    const [a, dialled] = [await make(listen("127.0.0.1:0")), await make(dial(String(b.localAddr)))];
    const writes = Array.from({ length: 100 }, (_, i) => a.writeTo(bytes(`${i}`), b.localAddr));
    await a.close();
    for (const [i, write] of writes.entries()) {
      assert.equal(await write, `${i}`.length);
      assert.equal(text(await b.readFrom()), `${i}`);
    }
    const last = dialled.write(bytes("last"));
    await dialled.close();
    assert.equal(await last, 4);
    assert.equal(text(await b.readFrom()), "last");
  });

  test("ends what waits, and all that follows", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    const reads = [a.readFrom(), a.readFrom()].map((read) => assert.rejects(read, isClosed));
    const loop = (async () => {
      for await (const _ of a) assert.fail("nobody sent this");
    })();
    await b.writeTo(bytes("x"), b.localAddr);
    const closing = [a.close(), a.close()];
    await Promise.all([...reads, loop, ...closing]);
    await assert.rejects(a.readFrom(), isClosed);
    await assert.rejects(a.writeTo(bytes("x"), b.localAddr), isClosed);
    await assert.rejects(a.writeMany([{ data: bytes("x"), addr: b.localAddr }]), isClosed);
    assert.throws(() => a.setTtl(3), isClosed);
    await assert.rejects(a.joinGroup("224.0.0.77"), isClosed);
    a.ref();
    a.unref();
    a.setDeadline(Date.now() + 1000);
    await b.close();
    await assert.rejects(b.readFrom(), isClosed);
  });

  test("frees the port", async (make) => {
    let address = "127.0.0.1:0";
    for (let i = 0; i < 10; i++) {
      const conn = await make(listen(address));
      address = String(conn.localAddr);
      const reading = assert.rejects(conn.readFrom(), isClosed);
      await conn.close();
      await reading;
    }
  });

  test("is what the end of a block does", async () => {
    let kept: PacketConn;
    {
      await using conn = await listen("127.0.0.1:0");
      kept = conn;
    }
    await assert.rejects(kept.readFrom(), isClosed);
  });

  test("ends a loop that is busy", async (make) => {
    const [a, b] = [await make(listen("127.0.0.1:0")), await make(listen("127.0.0.1:0"))];
    await sendNumbers(a, b, 5);
    let count = 0;
    for await (const datagram of b) {
      assert.equal(numberOf(datagram), count++);
      if (count === 3) await b.close();
    }
    assert.equal(count, 3);
  });
}
