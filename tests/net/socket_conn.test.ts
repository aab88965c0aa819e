import assert from "node:assert/strict";
import type { TcpConn } from "../../src/net/conn.ts";
import { describe, it } from "node:test";
import { type Addr, PIPE_ADDR, tcpAddr } from "../../src/net/addr.ts";
import { NetError } from "../../src/net/errors.ts";
import { SocketConn } from "../../src/net/socket_conn.ts";
import type { StreamHandler, StreamSocket } from "../../src/net/stream_socket.ts";
import { TimerQueue } from "../../src/net/timer_queue.ts";
import { isBroken, isClosed, isDeadlineExceeded, limit, pattern } from "./support.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** A socket that the test controls, and that records the calls of its methods. */
class ScriptedSocket implements StreamSocket {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  readonly calls: string[] = [];
  handler!: StreamHandler;
  /** Whether the next writes are taken at once. */
  takes = true;

  constructor(addr: Addr = PIPE_ADDR) {
    this.localAddr = addr;
    this.remoteAddr = addr;
  }

  start(handler: StreamHandler): void {
    this.handler = handler;
    this.calls.push("start");
  }

  pause(): void {
    this.calls.push("pause");
  }

  resume(): void {
    this.calls.push("resume");
  }

  write(bytes: Uint8Array): boolean {
    this.calls.push(`write ${bytes.length}`);
    return this.takes;
  }

  closeWrite(): void {
    this.calls.push("closeWrite");
  }

  close(): void {
    this.calls.push("close");
  }

  reset(): void {
    this.calls.push("reset");
  }

  setNoDelay(on: boolean): void {
    this.calls.push(`setNoDelay ${on}`);
  }

  setKeepAlive(on: boolean, idleMs: number): void {
    this.calls.push(`setKeepAlive ${on} ${idleMs}`);
  }

  ref(): void {
    this.calls.push("ref");
  }

  unref(): void {
    this.calls.push("unref");
  }
}

interface Bench {
  socket: ScriptedSocket;
  conn: SocketConn;
  clock: VirtualClock;
  /** What the socket was told since the last time. */
  calls(): string[];
}

function bench(addr?: Addr): Bench {
  const socket = new ScriptedSocket(addr);
  const clock = new VirtualClock();
  const conn = new SocketConn(socket, new TimerQueue(clock));
  if (addr === undefined) socket.calls.splice(0);
  return { socket, conn, clock, calls: () => socket.calls.splice(0) };
}

const RESET = new NetError({ op: "read", network: "pipe", code: "ECONNRESET" });

describe("SocketConn", () => {
  it("turns Nagle off and keep-alive on for TCP before it starts", limit, () => {
    const { calls, conn } = bench(tcpAddr("127.0.0.1", 1));
    assert.deepEqual(calls(), ["setNoDelay true", "setKeepAlive true 15000", "start"]);
    conn.setNoDelay(false);
    conn.setKeepAlive(true, 5);
    assert.deepEqual(calls(), ["setNoDelay false", "setKeepAlive true 1000"]);
  });

  it("holds the process, or not, until it is closed", limit, () => {
    for (const close of ["close", "closeNow"] as const) {
      const { conn, calls } = bench();
      conn.unref();
      conn.ref();
      assert.deepEqual(calls(), ["unref", "ref"]);
      void conn[close]();
      calls();
      conn.ref();
      conn.unref();
      assert.deepEqual(calls(), []);
    }
  });

  it("reads ahead 64 KiB, then leaves the rest to the kernel", limit, async () => {
    const { socket, conn, calls } = bench();
    for (let i = 0; i < 16; i++) socket.handler.onData(new Uint8Array(4096), false);
    assert.deepEqual(calls(), ["pause"]);
    socket.handler.onData(new Uint8Array(4096), false);
    assert.deepEqual(calls(), []);
    await conn.readChunk();
    assert.deepEqual(calls(), []);
    await conn.readChunk();
    assert.deepEqual(calls(), ["resume"]);
  });

  it("reads ahead 256 chunks, however short they are", limit, async () => {
    const { socket, conn, calls } = bench();
    for (let i = 0; i < 255; i++) socket.handler.onData(Uint8Array.of(i), false);
    assert.deepEqual(calls(), []);
    socket.handler.onData(Uint8Array.of(255), false);
    assert.deepEqual(calls(), ["pause"]);
    // What still comes is kept.
    socket.handler.onData(Uint8Array.of(0), false);
    assert.deepEqual([...(await conn.readChunk())!], [0]);
    assert.deepEqual(calls(), []);
    const rest = new Uint8Array(100);
    assert.equal(await conn.read(rest), 100);
    assert.deepEqual([...rest], Array.from({ length: 100 }, (_, i) => i + 1));
    assert.deepEqual(calls(), ["resume"]);
  });

  it("does not pause while somebody reads", limit, async () => {
    const { socket, conn, calls } = bench();
    for (let i = 0; i < 10; i++) {
      const read = conn.readChunk();
      socket.handler.onData(new Uint8Array(500_000), false);
      assert.equal((await read)!.length, 500_000);
    }
    assert.deepEqual(calls(), []);
  });

  it("gives the socket one write at a time", limit, async () => {
    const { socket, conn, calls } = bench();
    assert.equal(await conn.write(new Uint8Array(10)), 10);
    socket.takes = false;
    const writes = Promise.all([conn.write(new Uint8Array(20)), conn.write(new Uint8Array(30))]);
    const ended = conn.closeWrite();
    assert.deepEqual(calls(), ["write 10", "write 20"]);
    socket.handler.onDrain();
    assert.deepEqual(calls(), ["write 30"]);
    socket.handler.onDrain();
    assert.deepEqual(calls(), ["closeWrite"]);
    assert.deepEqual(await writes, [20, 30]);
    await ended;
  });

  it("closes after what is queued, and lets in what comes until then", limit, async () => {
    const { socket, conn, calls, clock } = bench();
    socket.handler.onData(new Uint8Array(100_000), false);
    socket.takes = false;
    const writes = Promise.all([conn.write(new Uint8Array(20)), conn.write(new Uint8Array(30))]);
    const closed = conn.close();
    assert.deepEqual(calls(), ["pause", "write 20", "resume"]);
    socket.handler.onData(new Uint8Array(1_000_000), false);
    socket.handler.onEnd();
    assert.deepEqual(calls(), []);
    socket.handler.onDrain();
    socket.handler.onDrain();
    assert.deepEqual(calls(), ["write 30", "close"]);
    assert.deepEqual(await writes, [20, 30]);
    socket.handler.onClose(null);
    await closed;
    clock.advance(3_600_000);
    assert.deepEqual(calls(), []);
  });

  it("gives up closing after ten seconds without a write deadline", limit, async () => {
    const { socket, conn, calls, clock } = bench();
    socket.takes = false;
    const write = assert.rejects(conn.write(new Uint8Array(20)), isClosed);
    const closed = conn.close();
    clock.advance(9_999);
    assert.deepEqual(calls(), ["write 20"]);
    clock.advance(1);
    assert.deepEqual(calls(), ["reset"]);
    await write;
    socket.handler.onClose(null);
    await closed;
  });

  it("gives up closing at the write deadline", limit, async () => {
    const { socket, conn, calls, clock } = bench();
    socket.takes = false;
    conn.setWriteDeadline(clock.wallNow() + 50);
    const write = assert.rejects(conn.write(new Uint8Array(20)), isClosed);
    void conn.close();
    clock.advance(50);
    assert.deepEqual(calls(), ["write 20", "reset"]);
    await write;
  });

  it("lets a write deadline end a close behind a write that was aborted", limit, () => {
    const { socket, conn, calls, clock } = bench();
    socket.takes = false;
    const abort = new AbortController();
    conn.write(new Uint8Array(20), { signal: abort.signal }).catch(() => {});
    abort.abort();
    void conn.close();
    conn.setWriteDeadline(clock.wallNow() + 50);
    clock.advance(50);
    assert.deepEqual(calls(), ["write 20", "reset"]);
  });

  it(
    "expires a queued write without a hole, and the end of the stream may be asked for again",
    limit,
    async () => {
      const { socket, conn, calls, clock } = bench();
      conn.setWriteDeadline(clock.wallNow());
      await assert.rejects(conn.closeWrite(), isDeadlineExceeded);
      conn.setWriteDeadline(clock.wallNow() + 10);
      await conn.closeWrite();
      assert.deepEqual(calls(), ["closeWrite"]);
      await conn.closeWrite();
      assert.deepEqual(calls(), []);
      socket.handler.onClose(null);
    },
  );

  it("keeps failing after a write that expired, though the runtime took the rest later", limit, async () => {
    const { socket, conn, calls, clock } = bench();
    socket.takes = false;
    conn.setWriteDeadline(clock.wallNow() + 10);
    const expired = assert.rejects(conn.write(new Uint8Array(20)), isDeadlineExceeded);
    clock.advance(10);
    await expired;
    socket.handler.onDrain();
    conn.setWriteDeadline(null);
    await assert.rejects(conn.write(new Uint8Array(30)), isDeadlineExceeded);
    assert.deepEqual(calls(), ["write 20"]);
  });

  it("gives what came before the break, then the break, for ever", limit, async () => {
    const { socket, conn } = bench();
    socket.handler.onData(pattern(0, 10), false);
    socket.handler.onClose(RESET);
    assert.equal((await conn.readChunk())!.length, 10);
    await assert.rejects(conn.readChunk(), (error) => error === RESET);
    await assert.rejects(conn.read(new Uint8Array(1)), (error) => error === RESET);
    await assert.rejects(conn.write(new Uint8Array(1)), { op: "write", code: "ECONNRESET" });
    await assert.rejects(conn.closeWrite(), { op: "write", code: "ECONNRESET" });
    await conn.close();
    await assert.rejects(conn.readChunk(), isClosed);
  });

  it("gives the end for ever though the socket went after it", limit, async () => {
    const { socket, conn } = bench();
    socket.handler.onData(pattern(0, 10), false);
    socket.handler.onEnd();
    socket.handler.onClose(null);
    assert.equal((await conn.readChunk())!.length, 10);
    assert.equal(await conn.readChunk(), null);
    await assert.rejects(conn.write(new Uint8Array(1)), isBroken);
    assert.equal(await conn.readChunk(), null);
  });

  it("is an error when the socket goes without an end", limit, async () => {
    const { socket, conn } = bench();
    const read = assert.rejects(conn.readChunk(), isBroken);
    socket.handler.onClose(null);
    await read;
  });

  it("holds no alarm once it is closed", limit, async () => {
    const clock = new VirtualClock();
    const timers = new TimerQueue(clock);
    for (const gone of [false, true]) {
      const socket = new ScriptedSocket();
      const conn = new SocketConn(socket, timers);
      conn.setDeadline(clock.wallNow() + 3_600_000);
      socket.takes = false;
      const calls = Promise.allSettled([conn.readChunk(), conn.write(new Uint8Array(1))]);
      assert.equal(timers.size, 2);
      if (gone) socket.handler.onClose(RESET);
      const closed = conn.close();
      socket.handler.onDrain();
      if (!gone) socket.handler.onClose(null);
      await Promise.all([closed, calls]);
      assert.equal(timers.size, 0);
    }
  });
});

describe("SocketConn.detach", () => {
  it("hands over the socket and what came on it", limit, async () => {
    const { socket, conn, calls } = bench();
    socket.handler.onData(pattern(0, 10), false);
    socket.handler.onEnd();
    const detached = SocketConn.detach(conn);
    assert.equal(detached.socket, socket);
    assert.equal(detached.chunks!.bytes, 10);
    assert.deepEqual([detached.ended, detached.error], [true, null]);
    assert.deepEqual(calls(), []);
    await assert.rejects(conn.readChunk(), isClosed);
    await assert.rejects(conn.write(new Uint8Array(1)), isClosed);
    assert.throws(() => SocketConn.detach(conn), isClosed);
    // The connection acts as closed, and touches nothing that is not its own any more.
    conn.closeNow();
    await conn.close();
    conn.closeNow();
    socket.handler.onClose(RESET);
    assert.deepEqual(calls(), []);
    assert.equal(detached.chunks!.bytes, 10);
  });

  it("still sets TCP's options, for whoever holds the connection", limit, () => {
    const { conn, calls } = bench(tcpAddr("127.0.0.1", 1));
    SocketConn.detach(conn);
    calls();
    (conn as TcpConn).setNoDelay(false);
    (conn as TcpConn).setKeepAlive(true, 4500);
    assert.deepEqual(calls(), ["setNoDelay false", "setKeepAlive true 5000"]);
  });

  it("still holds the process, or not, by its socket", limit, () => {
    const { conn, calls } = bench();
    SocketConn.detach(conn);
    conn.unref();
    conn.ref();
    assert.deepEqual(calls(), ["unref", "ref"]);
  });

  it("lets a paused socket go on", limit, () => {
    const { socket, conn, calls } = bench();
    socket.handler.onData(new Uint8Array(70_000), false);
    const { chunks } = SocketConn.detach(conn);
    assert.deepEqual(calls(), ["pause", "resume"]);
    socket.handler.onData(new Uint8Array(5), false);
    assert.equal(chunks!.bytes, 70_005);
  });

  it("tells that the socket has broken", limit, () => {
    const { socket, conn } = bench();
    socket.handler.onClose(RESET);
    assert.equal(SocketConn.detach(conn).error, RESET);
  });

  it("takes its deadlines along", limit, () => {
    const { conn, clock } = bench();
    conn.setDeadline(clock.wallNow() + 10);
    SocketConn.detach(conn);
    clock.advance(20);
  });

  it("refuses while a call waits, and after close", limit, async () => {
    const { socket, conn } = bench();
    const read = conn.readChunk();
    assert.throws(() => SocketConn.detach(conn), TypeError);
    socket.handler.onData(new Uint8Array(1), false);
    await read;
    socket.takes = false;
    const abort = new AbortController();
    const write = conn.write(new Uint8Array(1), { signal: abort.signal }).catch(() => {});
    assert.throws(() => SocketConn.detach(conn), TypeError);
    abort.abort();
    await write;
    assert.throws(() => SocketConn.detach(conn), TypeError, "the stream has a hole");
    conn.closeNow();
    assert.throws(() => SocketConn.detach(conn), isClosed);
  });

  it("refuses after closeWrite", limit, async () => {
    const { conn } = bench();
    await conn.closeWrite();
    assert.throws(() => SocketConn.detach(conn), TypeError);
  });
});
