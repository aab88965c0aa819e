/** The core of UDP, over a socket that the test controls. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { udpAddr } from "../../src/net/addr.ts";
import type { DatagramHandler, DatagramSocket, OutgoingDatagram } from "../../src/net/datagram_socket.ts";
import { NetError } from "../../src/net/errors.ts";
import { Runtime } from "../../src/net/runtime.ts";
import { UdpPacketConn, UdpPeerConn } from "../../src/net/udp_conn.ts";
import { holdProcess, isClosed, isDeadlineExceeded, limit } from "./support.ts";
import { VirtualClock } from "./virtual_clock.ts";

const runtime = new Runtime(currentAdapter());
const PEER = udpAddr("127.0.0.1", 9);

/** A socket that takes what it is told to take. */
class FakeSocket implements DatagramSocket {
  readonly localAddr = udpAddr("127.0.0.1", 1000);
  connected = false;
  handler!: DatagramHandler;
  /** Whether a send is taken at once. */
  takes = true;
  readonly sent: number[] = [];
  closed = 0;

  start(handler: DatagramHandler): void {
    this.handler = handler;
  }

  send(data: Uint8Array): boolean {
    if (data[0] === 255) throw error("EPERM");
    this.sent.push(data[0]!);
    return this.takes;
  }

  sendMany?: (datagrams: readonly OutgoingDatagram[]) => number;

  setBroadcast(): void {}
  setTtl(): void {}
  setMulticastTtl(): void {}
  setMulticastLoopback(): void {}
  setMulticastInterface(): void {}
  setReadBuffer(): void {}
  setWriteBuffer(): void {}
  async joinGroup(): Promise<void> {}
  async leaveGroup(): Promise<void> {}
  ref(): void {}
  unref(): void {}

  close(): void {
    this.closed++;
    queueMicrotask(() => this.handler.onClose(null));
  }
}

function error(code: string): NetError {
  return new NetError({ op: "read", network: "udp", addr: PEER, code });
}

function receive(socket: FakeSocket, number: number, from = PEER): void {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, number);
  socket.handler.onDatagram(data, from.hostname, from.port);
}

function numberOf(data: Uint8Array): number {
  return new DataView(data.buffer).getUint32(0);
}

describe("a packet conn", () => {
  holdProcess();

  it("counts each datagram of a burst that it drops", limit, async () => {
    const socket = new FakeSocket();
    const conn = new UdpPacketConn(socket, runtime, { maxQueuedDatagrams: 1000 });
    const count = 100_000;
    const numbers: number[] = [];
    for (let i = 0; i < count; i++) {
      receive(socket, i);
      if (i % 10 === 0) numbers.push(numberOf((await conn.readFrom()).data));
    }
    while (numbers.length + conn.dropped < count) numbers.push(numberOf((await conn.readFrom()).data));
    assert.ok(numbers.every((number, i) => i === 0 || number > numbers[i - 1]!));
    assert.equal(numbers.length, count / 10 + 1000);
    assert.equal(numbers.length + conn.dropped, count);
    conn.setReadDeadline(Date.now() + 10);
    await assert.rejects(conn.readFrom(), isDeadlineExceeded);
    await conn.close();
  });

  it("sends one after another where the runtime takes its time", limit, async () => {
    const socket = new FakeSocket();
    socket.takes = false;
    const conn = new UdpPacketConn(socket, runtime, {});
    const abort = new AbortController();
    const writes = [
      conn.writeTo(Uint8Array.of(1), PEER),
      conn.writeTo(Uint8Array.of(2), PEER, { signal: abort.signal }),
      conn.writeMany([{ data: Uint8Array.of(3), addr: PEER }, { data: Uint8Array.of(4), addr: PEER }]),
      conn.writeTo(Uint8Array.of(255), PEER),
      conn.writeTo(Uint8Array.of(5), PEER),
    ];
    const settled = Promise.allSettled(writes);
    await Promise.resolve();
    assert.deepEqual(socket.sent, [1]);
    abort.abort(new Error("never mind"));
    for (let i = 0; i < 3; i++) socket.handler.onSent(null);
    assert.deepEqual(socket.sent, [1, 3, 4, 5]);
    socket.handler.onSent(error("ENOBUFS"));
    const results = (await settled).map((result) =>
      result.status === "fulfilled" ? result.value : result.reason.code ?? result.reason.message
    );
    assert.deepEqual(results, [1, "never mind", 2, "EPERM", "ENOBUFS"]);
    await conn.close();
  });

  it("gives up what is on its way at the deadline, and goes on", limit, async () => {
    const socket = new FakeSocket();
    socket.takes = false;
    const conn = new UdpPacketConn(socket, runtime, {});
    conn.setWriteDeadline(Date.now() + 20);
    const batch = [1, 2].map((byte) => ({ data: Uint8Array.of(byte), addr: PEER }));
    const writes = [conn.writeMany(batch), conn.writeTo(Uint8Array.of(3), PEER)];
    for (const write of writes) await assert.rejects(write, isDeadlineExceeded);
    conn.setWriteDeadline(null);
    const later = conn.writeTo(Uint8Array.of(4), PEER);
    await Promise.resolve();
    assert.deepEqual(socket.sent, [1]);
    socket.handler.onSent(null);
    // What was left of the batch went with it.
    assert.deepEqual(socket.sent, [1, 4]);
    socket.handler.onSent(null);
    assert.equal(await later, 1);
    await conn.close();
  });

  it("lets the event loop turn under a loop of writes", limit, async () => {
    const socket = new FakeSocket();
    const conn = new UdpPacketConn(socket, runtime, {});
    let over = false;
    setTimeout(() => over = true, 5);
    while (!over) await conn.writeTo(Uint8Array.of(1), PEER);
    await conn.close();
  });

  it("sends many where several can go at once, and one by one where that stops", limit, async () => {
    const socket = new FakeSocket();
    const sizes: number[] = [];
    socket.sendMany = (datagrams) => {
      sizes.push(datagrams.length);
      const taken = datagrams.slice(0, 3);
      for (const { data } of taken) socket.sent.push(data[0]!);
      return sizes.length % 2 === 0 ? 0 : taken.length;
    };
    const conn = new UdpPacketConn(socket, runtime, {});
    const packets = Array.from({ length: 200 }, (_, i) => ({ data: Uint8Array.of(i), addr: PEER }));
    assert.equal(await conn.writeMany(packets), 200);
    await conn.close();
    // The fake one sends again what it says it has not.
    assert.deepEqual([...new Set(socket.sent)], packets.map(({ data }) => data[0]));
    assert.ok(Math.max(...sizes) <= 64);
  });

  it("tells of a refusal once, to the next call or to the one that waits", limit, async () => {
    const socket = new FakeSocket();
    socket.connected = true;
    const conn = new UdpPeerConn(socket, runtime, {}, PEER);
    const isRefused = (op: string) => ({ code: "ECONNREFUSED", op });
    socket.handler.onError(error("ECONNREFUSED"));
    receive(socket, 1);
    await assert.rejects(conn.readFrom(), isRefused("read"));
    assert.equal(numberOf((await conn.readFrom()).data), 1);
    socket.handler.onError(error("ECONNREFUSED"));
    await assert.rejects(conn.write(Uint8Array.of(1)), isRefused("write"));
    assert.equal(await conn.write(Uint8Array.of(2)), 1);
    const reads = [conn.readFrom(), conn.readFrom()];
    socket.handler.onError(error("ECONNREFUSED"));
    await assert.rejects(reads[0]!, isRefused("read"));
    receive(socket, 2);
    assert.equal(numberOf((await reads[1]!).data), 2);
    assert.deepEqual(socket.sent, [2]);
    await conn.close();
  });

  it("hears its peer alone where the kernel does not see to it", limit, async () => {
    const socket = new FakeSocket();
    const conn = new UdpPeerConn(socket, runtime, {}, PEER);
    const strangers = [udpAddr("127.0.0.1", 10), udpAddr("127.0.0.2", 9), udpAddr("::1", 9)];
    strangers.forEach((stranger) => receive(socket, 0, stranger));
    receive(socket, 1, udpAddr("::ffff:127.0.0.1", 9));
    assert.equal(numberOf((await conn.readFrom()).data), 1);
    assert.equal(conn.dropped, 0);
    await conn.close();
  });

  it("says why when its socket breaks", limit, async () => {
    const socket = new FakeSocket();
    const conn = new UdpPacketConn(socket, runtime, {});
    const reading = assert.rejects(conn.readFrom(), { code: "ENOMEM", op: "read" });
    socket.handler.onClose(error("ENOMEM"));
    await reading;
    await assert.rejects(conn.writeTo(Uint8Array.of(1), PEER), { code: "ENOMEM", op: "write" });
    await conn.close();
    assert.equal(socket.closed, 0);
  });

  it("sends what was written before it is closed, and closes then", limit, async () => {
    const socket = new FakeSocket();
    socket.takes = false;
    const conn = new UdpPacketConn(socket, runtime, {});
    const reading = assert.rejects(conn.readFrom(), isClosed);
    const writes = [1, 2].map((byte) => conn.writeTo(Uint8Array.of(byte), PEER));
    const closing = conn.close();
    await reading;
    await assert.rejects(conn.writeTo(Uint8Array.of(3), PEER), isClosed);
    receive(socket, 1);
    socket.handler.onSent(null);
    assert.deepEqual([socket.sent, socket.closed], [[1, 2], 0]);
    socket.handler.onSent(error("ENOBUFS"));
    assert.equal(await writes[0], 1);
    await assert.rejects(writes[1]!, { code: "ENOBUFS" });
    await closing;
    assert.equal(socket.closed, 1);
  });

  it("sends more than the datagrams of a turn before it is closed", limit, async () => {
    const socket = new FakeSocket();
    const conn = new UdpPacketConn(socket, runtime, {});
    const writes = Array.from({ length: 200 }, (_, i) => conn.writeTo(Uint8Array.of(i), PEER));
    await conn.close();
    await Promise.all(writes);
    assert.deepEqual([socket.sent.length, socket.closed], [200, 1]);
  });

  it("fails what is not sent at the deadline or a second after it is closed", limit, async () => {
    for (const deadline of [null, 300]) {
      const clock = new VirtualClock();
      const socket = new FakeSocket();
      socket.takes = false;
      const conn = new UdpPacketConn(socket, new Runtime({ ...currentAdapter(), clock }), {});
      if (deadline !== null) conn.setWriteDeadline(clock.wallNow() + deadline);
      const writes = [1, 2].map((byte) => conn.writeTo(Uint8Array.of(byte), PEER));
      const isRight = deadline === null ? isClosed : isDeadlineExceeded;
      const failed = writes.map((write) => assert.rejects(write, isRight));
      const closing = conn.close();
      const left = deadline ?? 1000;
      clock.advance(left - 1);
      assert.equal(socket.closed, 0);
      clock.advance(1);
      await Promise.all([closing, ...failed]);
      assert.deepEqual([socket.sent, socket.closed], [[1], 1]);
    }
  });

  it("fails what is not sent when its socket breaks after it is closed", limit, async () => {
    const socket = new FakeSocket();
    socket.takes = false;
    const conn = new UdpPacketConn(socket, runtime, {});
    const failed = assert.rejects(conn.writeTo(Uint8Array.of(1), PEER), { code: "ENOMEM", op: "write" });
    const closing = conn.close();
    socket.handler.onClose(error("ENOMEM"));
    await Promise.all([closing, failed]);
    assert.equal(socket.closed, 0);
  });
});
