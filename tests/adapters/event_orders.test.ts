/**
 * Events of native sockets in any order, with calls of the core between them: a reset may come before, during and after each
 * step. Nothing throws, and a handler is called as `StreamHandler` says. Native sockets are fakes, so that one file
 * covers all adapters on all runtimes.
 */

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { describe, it } from "node:test";
import {
  BunSocket,
  type BunSocketHandler,
  type BunTcpSocket,
  socketHandler,
} from "../../adapters/bun_socket.ts";
import { bunEnds, takeOver } from "../../adapters/bun_takeover.ts";
import { DenoSocket, type DenoTcpConn } from "../../adapters/deno_socket.ts";
import { tcpEnds } from "../../adapters/node_net.ts";
import { HandleSocket } from "../../adapters/handle_socket.ts";
import { NodeSocket } from "../../adapters/node_socket.ts";
import { type StreamHandle, streamWrap, type WrapRequest } from "../../adapters/stream_wrap.ts";
import { tcpAddr } from "../../src/net/addr.ts";
import { NetError } from "../../src/net/errors.ts";
import type { StreamHandler, StreamSocket } from "../../src/net/stream_socket.ts";
import { limit, randomNumbers } from "../net/support.ts";

type Random = (below: number) => number;

const HISTORIES = 400;
const TARGET = tcpAddr("192.0.2.1", 7);

/** A native socket that is under way, and what may happen to it. */
interface Native {
  /** `null` when the connection ended before there was a socket. */
  readonly socket: StreamSocket | null;
  /** Events, in no order; each must not throw. */
  readonly events: (() => void)[];
  /** Ends the native socket, as the runtime does at last. */
  finish(): void;
}

/** A handler that checks the rules, and throws at times. */
class StrictHandler implements StreamHandler {
  readonly #random: Random;
  closes = 0;
  ends = 0;
  /** Whether `close` or `reset` was called. */
  left = false;
  fault: unknown = null;

  constructor(random: Random) {
    this.#random = random;
  }

  onData(chunk: Uint8Array): void {
    this.#check(this.ends === 0 && !this.left && chunk.length > 0, "data");
    this.#throwAtTimes();
  }

  onEnd(): void {
    this.#check(++this.ends === 1 && !this.left, "end");
    this.#throwAtTimes();
  }

  onDrain(): void {
    this.#check(!this.left, "drain");
    this.#throwAtTimes();
  }

  onClose(error: NetError | null): void {
    this.#check(++this.closes === 1 && (error === null || error instanceof NetError), "close");
  }

  #throwAtTimes(): void {
    if (this.#random(12) === 0) throw new Thrown("thrown by the handler");
  }

  #check(right: boolean, event: string): void {
    if (!right || this.closes > (event === "close" ? 1 : 0)) {
      this.fault ??= new Error(`${event} at the wrong time`);
    }
  }
}

class Thrown extends Error {}

/** Plays one history: random events and calls, a turn of the event loop at times, and the end. */
async function play(make: (random: Random) => Native, seed: number): Promise<void> {
  const random = randomNumbers(seed);
  const handler = new StrictHandler(random);
  const { socket, events, finish } = make(random);
  if (socket === null) return;
  assert.ok(socket.remoteAddr.toString().includes(":"), "an address");
  let started = false;
  let pending = false;
  const calls: (() => void)[] = [
    () => void (started || (socket.start(handler), started = true)),
    () => socket.pause(),
    () => socket.resume(),
    // The core writes only while no write is pending.
    () => void (pending || handler.left || (pending = !socket.write(Uint8Array.of(1, 2, 3)))),
    () => void (pending || handler.left || socket.closeWrite()),
    () => socket.setNoDelay(random(2) === 0),
    () => socket.setKeepAlive(true, 1000),
    () => socket.ref(),
    () => socket.unref(),
  ];
  const leave = [() => void (pending || (handler.left = true, socket.close())), () => {
    handler.left = true;
    socket.reset();
  }];
  for (let step = 0; step < 12; step++) {
    const kind = random(10);
    if (kind < 5) events[random(events.length)]!();
    else if (kind < 9) calls[random(calls.length)]!();
    else if (random(4) === 0) leave[random(2)]!();
    if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve));
    if (handler.fault !== null) throw handler.fault;
  }
  if (!started) socket.start(handler);
  finish();
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  if (handler.fault !== null) throw handler.fault;
  assert.equal(handler.closes, 1, "the close is told once");
}

function reset(): Error {
  return Object.assign(new Error("reset"), { code: "ECONNRESET" });
}

// ── Bun ──

/** A socket of Bun: closed, it answers -1 and knows no address, as after a reset. */
class FakeBun {
  data: unknown = { onThrow: 1 };
  handlers: Partial<BunSocketHandler> = {};
  /** Whether the peer is known. */
  known = true;
  closed = false;
  readonly #random: Random;
  localAddress: string | undefined = "127.0.0.1";
  localPort: number | undefined = 1;

  constructor(random: Random) {
    this.#random = random;
  }

  get remoteAddress(): string | undefined {
    return this.known ? "127.0.0.1" : undefined;
  }

  get remotePort(): number | undefined {
    return this.known ? 2 : undefined;
  }

  write(_bytes: Uint8Array, _offset: number, length: number): number {
    return this.closed ? -1 : this.#random(length + 1);
  }

  pause(): void {}
  resume(): void {}
  shutdown(): void {}
  ref(): void {}
  unref(): void {}
  setNoDelay = () => true;
  setKeepAlive = () => true;

  end(): void {
    this.close();
  }

  terminate(): void {
    this.close();
  }

  reload({ socket }: { socket: BunSocketHandler }): void {
    this.handlers = socket;
  }

  /** Calls `close` later, as Bun does for a socket that is closed from inside a callback. */
  close(error?: Error): void {
    if (this.closed) return;
    this.closed = true;
    this.known = false;
    queueMicrotask(() => this.tell("close", error));
  }

  /** Calls back. What a callback throws goes to `error`, as on Bun; what that one throws would end the process. */
  tell(event: "data" | "drain" | "end" | "close" | "error", given?: unknown): void {
    const call = this.handlers[event] as ((socket: unknown, given?: unknown) => void) | undefined;
    try {
      call?.(this, given);
    } catch (error) {
      if (event === "error") throw error;
      this.tell("error", error);
    }
  }
}

function bunNative(random: Random, socketOf: (raw: FakeBun & BunTcpSocket) => StreamSocket | null): Native {
  const raw = new FakeBun(random) as FakeBun & BunTcpSocket;
  if (random(3) === 0) raw.known = false;
  const live = (event: () => void) => () => void (raw.closed || event());
  let ended = false;
  return {
    socket: socketOf(raw),
    events: [
      live(() => void (ended || raw.tell("data", Uint8Array.of(1)))),
      live(() => raw.tell("drain")),
      live(() => {
        ended = true;
        raw.tell("end");
      }),
      live(() => raw.tell("error", reset())),
      () => raw.close(random(2) === 0 ? reset() : undefined),
    ],
    finish: () => raw.close(),
  };
}

function bunAccepted(random: Random): Native {
  return bunNative(random, (raw) => {
    raw.handlers = socketHandler;
    // Events that come before `open` has made a socket, or after that failed.
    raw.data = undefined as never;
    for (const event of ["data", "drain", "end", "error"] as const) raw.tell(event);
    return new BunSocket(raw, bunEnds(raw, null, null, null));
  });
}

function bunDialled(random: Random): Native {
  return bunNative(random, (raw) => {
    const below = { _handle: random(6) === 0 ? null : raw, destroyed: random(6) === 0, destroy() {} };
    try {
      return takeOver(below as unknown as Socket, TARGET);
    } catch (error) {
      assert.equal((error as NetError).code, "ECONNRESET");
      return null;
    }
  });
}

// ── Deno ──

/** A connection of Deno, whose promises are settled by events. */
class FakeDeno {
  readonly localAddr = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;
  readonly remoteAddr = { transport: "tcp", hostname: "127.0.0.1", port: 2 } as const;
  readonly waiting: {
    kind: string;
    length: number;
    resolve(n: number | null): void;
    reject(e: Error): void;
  }[] = [];
  broken: Error | null = null;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  #wait(kind: string, length: number): Promise<number | null> {
    if (this.broken !== null) return Promise.reject(this.broken);
    return new Promise((resolve, reject) => this.waiting.push({ kind, length, resolve, reject }));
  }

  read = (p: Uint8Array): Promise<number | null> => this.#wait("read", p.length);
  write = (p: Uint8Array): Promise<number> => this.#wait("write", p.length) as Promise<number>;
  closeWrite = async (): Promise<void> => void await this.#wait("shutdown", 0);

  settle(kind: string): void {
    const at = this.waiting.findIndex((wait) => wait.kind === kind);
    if (at < 0) return;
    const [{ resolve, length }] = this.waiting.splice(at, 1) as [typeof this.waiting[0]];
    if (kind === "read") resolve(this.#random(4) === 0 ? null : 1);
    else resolve(Math.min(length, 1 + this.#random(3)));
  }

  break(error: Error): void {
    this.broken ??= error;
    for (const { reject } of this.waiting.splice(0)) reject(this.broken);
  }

  close(): void {
    this.break(Object.assign(new Error("closed"), { name: "Interrupted", code: "EINTR" }));
  }

  /** Options cannot be set any more once the peer has reset the connection, on some systems. */
  #set(): void {
    if (this.broken !== null) throw reset();
  }

  setNoDelay = (): void => this.#set();
  setKeepAlive = (): void => this.#set();
  ref(): void {}
  unref(): void {}
}

function denoNative(random: Random): Native {
  const conn = new FakeDeno(random);
  if (random(6) === 0) conn.break(reset());
  const socket = new DenoSocket(conn as unknown as DenoTcpConn);
  return {
    socket,
    events: [
      () => conn.settle("read"),
      () => conn.settle("write"),
      () => conn.settle("shutdown"),
      () => conn.break(reset()),
    ],
    finish: () => {
      conn.break(reset());
      // A socket that is paused, or was read to its end, looks at nothing any more: its owner drops it.
      socket.reset();
    },
  };
}

// ── node:net ──

/** A socket of `node:net`, in which events come as they like. */
class FakeNode extends EventEmitter {
  writableLength = 0;
  writableEnded = false;
  writableFinished = false;
  destroyed = false;
  localAddress: string | undefined = undefined;
  readonly #random: Random;
  readonly #taken: ((error?: Error | null) => void)[] = [];

  constructor(random: Random) {
    super();
    this.#random = random;
  }

  write(_bytes: Uint8Array, taken?: (error?: Error | null) => void): void {
    this.writableLength = this.#random(2);
    if (taken) this.#taken.push(taken);
  }

  take(error: Error | null = null): void {
    for (const taken of this.#taken.splice(0)) taken(error);
  }

  end(): void {
    this.writableEnded = true;
  }

  destroySoon(): void {
    this.destroy();
  }

  resetAndDestroy(): void {
    this.destroy();
  }

  destroy(error?: Error): void {
    if (this.destroyed) return;
    this.destroyed = true;
    setImmediate(() => {
      if (error) this.emit("error", error);
      this.take(reset());
      this.emit("close");
    });
  }

  pause(): void {}
  resume(): void {}
  setNoDelay(): void {}
  setKeepAlive(): void {}
  ref(): void {}
  unref(): void {}
}

function nodeNative(random: Random): Native {
  const raw = new FakeNode(random);
  const socket = new NodeSocket(
    raw as unknown as Socket,
    tcpEnds(raw as unknown as Socket, random(2) ? TARGET : null),
  );
  const live = (event: () => void) => () => void (raw.destroyed || event());
  let ended = false;
  return {
    socket,
    events: [
      live(() => void (ended || raw.emit("data", Buffer.of(1)))),
      live(() => void (ended || (ended = raw.emit("end") || true))),
      live(() => raw.take(random(3) === 0 ? reset() : null)),
      () => raw.destroy(random(2) === 0 ? reset() : undefined),
      () => raw.emit("error", reset()),
    ],
    finish: () => raw.destroy(),
  };
}

// ── Handles of libuv, on Node alone ──

function handleNative(random: Random): Native {
  const requests: WrapRequest[] = [];
  let closed = false;
  const close = (done: () => void) => {
    assert.equal(closed, false, "a handle is closed once");
    closed = true;
    setImmediate(done);
    return 0;
  };
  const status = (request?: WrapRequest) => {
    if (random(5) === 0) return -104;
    if (request !== undefined) requests.push(request);
    return 0;
  };
  const handle: StreamHandle = {
    onread: undefined,
    useUserBuffer() {},
    readStart: () => status(),
    readStop: () => 0,
    writeBuffer(request) {
      streamWrap!.streamBaseState[streamWrap!.kLastWriteWasAsync] = random(2);
      return status(request);
    },
    shutdown: (request) => status(request),
    close,
    reset: close,
    getpeername: () => -107,
    getsockname: () => -107,
    ref() {},
    unref() {},
    setNoDelay: () => -22,
    setKeepAlive: () => -22,
  };
  const socket = new HandleSocket(
    handle,
    { localAddr: null, remoteAddr: null },
    null,
    random(2) ? TARGET : null,
  );
  let ended = false;
  const read = (count: number) => {
    if (closed || ended || handle.onread === undefined) return;
    ended = count < 0;
    streamWrap!.streamBaseState[streamWrap!.kReadBytesOrError] = count;
    handle.onread.call(handle);
  };
  return {
    socket,
    events: [
      () => read(1),
      () => read(0),
      () => read(-4095),
      () => read(-104),
      () => requests.shift()?.oncomplete?.call({} as WrapRequest, random(3) === 0 ? -104 : 0),
    ],
    finish: () => {
      read(-104);
      socket.reset();
    },
  };
}

describe("events of a native socket, in any order", () => {
  const kinds: [string, (random: Random) => Native][] = [
    ["Bun, accepted", bunAccepted],
    ["Bun, dialled", bunDialled],
    ["Deno", denoNative],
    ["node:net", nodeNative],
  ];
  if (streamWrap !== null) kinds.push(["a handle of libuv", handleNative]);
  for (const [name, make] of kinds) {
    it(`${name}: nothing throws, and the close is told once`, limit, async () => {
      const first = Math.floor(Math.random() * 2 ** 31);
      for (let seed = first; seed < first + HISTORIES; seed++) {
        await play(make, seed).catch((cause) => {
          throw new Error(`${name}, seed ${seed}: ${cause.message}`, { cause });
        });
      }
    });
  }
});
