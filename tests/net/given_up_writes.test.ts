/** Writes that a deadline or a signal ends: the array is the caller's again, and what the caller writes into it is not sent. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Conn, dial, listen, pipe } from "../../mod.ts";
import { type Addr, PIPE_ADDR } from "../../src/net/addr.ts";
import { SocketConn } from "../../src/net/socket_conn.ts";
import type { StreamHandler, StreamSocket } from "../../src/net/stream_socket.ts";
import { TimerQueue } from "../../src/net/timer_queue.ts";
import { holdProcess, isDeadlineExceeded, limit } from "./support.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** More than any kernel takes of a peer that does not read. */
const SIZE = 32 << 20;
const BEFORE = 0x2e;
const AFTER = 0x53;

/** Everything up to the end of the stream, or of the connection: bytes, and how many of them have the later value. */
async function readRest(conn: Conn): Promise<{ bytes: number; later: number }> {
  const found = { bytes: 0, later: 0 };
  try {
    for (let chunk = await conn.readChunk(); chunk !== null; chunk = await conn.readChunk()) {
      found.bytes += chunk.length;
      found.later += chunk.filter((byte) => byte === AFTER).length;
    }
  } catch {
    // The connection was reset.
  }
  return found;
}

const ways: Record<string, (conn: Conn, bytes: Uint8Array) => Promise<unknown>> = {
  "a deadline set before": (conn, bytes) => {
    conn.setWriteDeadline(Date.now() + 100);
    return conn.write(bytes);
  },
  "a deadline set afterwards": (conn, bytes) => {
    const writing = conn.write(bytes);
    conn.setWriteDeadline(Date.now() + 100);
    return writing;
  },
  "a signal": (conn, bytes) => conn.write(bytes, { signal: AbortSignal.timeout(100) }),
};

async function tcpEnds(): Promise<[Conn, Conn]> {
  const listener = await listen("tcp", "127.0.0.1:0");
  const ends = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
  await listener.close();
  return ends;
}

const transports: Record<string, () => Promise<[Conn, Conn]>> = {
  TCP: tcpEnds,
  "in memory": () => Promise.resolve(pipe()),
};

describe("a write that is given up", () => {
  holdProcess();

  for (const [transport, connect] of Object.entries(transports)) {
    for (const [way, write] of Object.entries(ways)) {
      it(`by ${way}, ${transport}: nothing of what its array is used for next is sent`, limit, async () => {
        const [a, b] = await connect();
        const bytes = new Uint8Array(SIZE).fill(BEFORE);
        await assert.rejects(write(a, bytes));
        bytes.fill(AFTER);
        const reading = readRest(b);
        // The rest is not sent: a later write would be taken for it.
        a.setWriteDeadline(null);
        await assert.rejects(a.write(Uint8Array.of(1)));
        void a.close();
        const { bytes: came, later } = await reading;
        assert.equal(later, 0);
        assert.ok(came < SIZE);
        b.closeNow();
      });
    }
  }
});

/** A socket that takes nothing, and remembers what it was given. */
class StuckSocket implements StreamSocket {
  readonly localAddr: Addr = PIPE_ADDR;
  readonly remoteAddr: Addr = PIPE_ADDR;
  handler!: StreamHandler;
  held: Uint8Array | null = null;
  resets = 0;

  start(handler: StreamHandler): void {
    this.handler = handler;
  }
  write(bytes: Uint8Array): boolean {
    this.held = bytes;
    return false;
  }
  reset(): void {
    this.resets++;
  }
  pause(): void {}
  resume(): void {}
  closeWrite(): void {}
  close(): void {}
  setNoDelay(): void {}
  setKeepAlive(): void {}
  ref(): void {}
  unref(): void {}
}

describe("a runtime that cannot give an array back", () => {
  const made = () => {
    const socket = new StuckSocket();
    const clock = new VirtualClock();
    return { socket, clock, conn: new SocketConn(socket, new TimerQueue(clock)) };
  };

  it("gets the array itself where nothing can end the write, 256 KiB at once", limit, () => {
    const { socket, conn } = made();
    const bytes = new Uint8Array(1_000_000);
    void conn.write(bytes);
    assert.equal(socket.held!.buffer, bytes.buffer);
    assert.equal(socket.held!.length, 262144);
  });

  it("gets copies where a deadline or a signal may end it", limit, () => {
    for (const way of ["deadline", "signal"] as const) {
      const { socket, clock, conn } = made();
      const bytes = new Uint8Array(1_000_000).fill(BEFORE);
      if (way === "deadline") conn.setWriteDeadline(clock.wallNow() + 100);
      void conn.write(bytes, way === "signal" ? { signal: new AbortController().signal } : {});
      for (let left = bytes.length; left > 0;) {
        assert.notEqual(socket.held!.buffer, bytes.buffer);
        assert.ok(socket.held!.every((byte) => byte === BEFORE));
        left -= socket.held!.length;
        socket.handler.onDrain();
      }
    }
  });

  it("gets copies from when a deadline is set, and the connection stays", limit, async () => {
    const { socket, clock, conn } = made();
    const bytes = new Uint8Array(1_000_000);
    const writing = conn.write(bytes);
    conn.setWriteDeadline(clock.wallNow() + 100);
    socket.handler.onDrain();
    assert.notEqual(socket.held!.buffer, bytes.buffer);
    clock.advance(100);
    await assert.rejects(writing, isDeadlineExceeded);
    assert.equal(socket.resets, 0);
  });

  it("is reset where it still holds the array when a deadline passes that was set later", limit, async () => {
    const { socket, clock, conn } = made();
    const writing = conn.write(new Uint8Array(10));
    conn.setWriteDeadline(clock.wallNow() + 100);
    clock.advance(100);
    await assert.rejects(writing, isDeadlineExceeded);
    assert.equal(socket.resets, 1);
  });
});
