/**
 * Bun, through `Bun.listen` and, to connect, `node:net`. What is bridged here:
 *
 * | Bun | here |
 * | --- | --- |
 * | `write` takes what the kernel takes and returns how much | the rest is kept and written on `drain`, which is only a hint |
 * | Nagle's algorithm is off from the start | it is not turned off again |
 * | `end()` closes both ways and drops what was not taken | closing is `shutdown()`, then `end()`, called with nothing left to write |
 * | a data callback may come while paused | it is passed on; the core queues it |
 * | connect says ECONNREFUSED for much that is not, and listen without a descriptor says nothing | `bun_causes.ts` looks for the cause |
 * | nothing stops an attempt of `Bun.connect`, which keeps the process alive for minutes | `node:net` connects, and what is under its socket, a socket of Bun, is taken over |
 * | listen has no backlog | Bun's own is used |
 * | Unix sockets have no addresses | they are known from the call |
 * | after `shutdown()` the peer's end comes as `close` without `end` | it is passed on as `onEnd`, then `onClose` |
 * | a socket reads at once | it is paused when nobody has started it by the end of `open` |
 * | a write that meets a reset eats its error, and an `end` follows that is none | the write's -1 breaks the socket |
 * | each read comes in an array of its own, which the collector frees | a long one is lent where nobody keeps it, and freed |
 * | a throw in a handler is told to `error`, and the socket goes on | it is terminated |
 */

import type { Socket } from "node:net";
import { type Addr, tcpAddr } from "../src/net/addr.ts";
import { NetError } from "../src/net/errors.ts";
import type { RuntimeAdapter } from "../src/net/runtime.ts";
import type {
  AcceptHandler,
  ConnectRequest,
  ListenRequest,
  SocketServer,
  SocketTarget,
  StreamHandler,
  StreamSocket,
} from "../src/net/stream_socket.ts";
import { connectCause, listenCause } from "./bun_causes.ts";
import { bufferText } from "./buffer_text.ts";
import { systemClock } from "./clock.ts";
import { lookUpHost } from "./dns.ts";
import { acceptedAddr, acceptedUnix, dialledUnix, type Ends } from "./ends.ts";
import { bindBun } from "./bun_datagram.ts";
import { maskMemory } from "./mask_memory.ts";
import { netError } from "./net_errors.ts";
import { connectNode, listenNode, NodeSocket, openNode, tcpEnds as nodeEnds } from "./node_socket.ts";
import { nodeTlsContext } from "./tls.ts";
import { kernelPath, unixFiles } from "./unix_files.ts";
import { rawDeflate } from "./zlib.ts";

/** What is used of Bun, so that every type checker can read this file. */
export interface BunTcpSocket {
  data: BunSocket;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort?: number;
  write(bytes: Uint8Array, offset: number, length: number): number;
  pause(): void;
  resume(): void;
  shutdown(): void;
  end(): void;
  terminate(): void;
  setNoDelay(on: boolean): boolean;
  setKeepAlive(on: boolean, idleMs: number): boolean;
  ref(): void;
  unref(): void;
  reload(options: { readonly socket: BunSocketHandler }): void;
}
export interface BunSocketHandler {
  readonly binaryType: "uint8array";
  open?(socket: BunTcpSocket): void;
  data(socket: BunTcpSocket, chunk: Uint8Array): void;
  drain(socket: BunTcpSocket): void;
  end(socket: BunTcpSocket): void;
  close(socket: BunTcpSocket, error?: Error): void;
  error(socket: BunTcpSocket, error: Error): void;
}
export interface BunTcpListener {
  readonly hostname: string;
  readonly port: number;
  ref(): void;
  unref(): void;
  stop(): void;
}
export interface BunTarget {
  readonly hostname?: string;
  readonly port?: number;
  readonly unix?: string;
  readonly allowHalfOpen: true;
  readonly socket: BunSocketHandler;
}
export interface BunSockets {
  listen(options: BunTarget & { reusePort: boolean; ipv6Only: boolean }): BunTcpListener;
}
declare const Bun: BunSockets;

/** Bun's own sockets, and its `Buffer` for text. */
export const bunAdapter: RuntimeAdapter = {
  name: "bun",
  lookup: lookUpHost,
  connect: connectSocket,
  listen: listenSocket,
  bind: bindBun,
  tlsContext: nodeTlsContext,
  unixFiles,
  clock: systemClock,
  text: bufferText,
  maskMemory,
  maxCheapArray: 4096,
  fillRandom: (into) => void crypto.getRandomValues(into as Uint8Array<ArrayBuffer>),
  deflate: rawDeflate,
};

/** One handler object serves all sockets; each finds its own through `socket.data`. */
const socketHandler: BunSocketHandler = {
  // A plain array: a `Buffer` has a `slice` of its own, which does not copy.
  binaryType: "uint8array",
  data: (socket, chunk) => socket.data.onData(chunk),
  drain: (socket) => socket.data.onDrain(),
  end: (socket) => socket.data.onEnd(),
  close: (socket, error) => socket.data?.onClose(error ?? null),
  error: (socket, error) => socket.data?.onThrow(error),
};

/** @param localAddr where it is known */
function tcpEnds(socket: BunTcpSocket, localAddr: Addr | null = null): Ends {
  return {
    localAddr: localAddr ?? tcpAddr(socket.localAddress, socket.localPort),
    remoteAddr: tcpAddr(socket.remoteAddress, socket.remotePort ?? 0),
  };
}

function placeOf(target: SocketTarget): { unix: string } | { hostname: string; port: number } {
  if (target.network === "unix") return { unix: kernelPath(target) };
  return { hostname: target.hostname, port: target.port };
}

async function connectSocket(
  target: SocketTarget,
  request: ConnectRequest,
  signal: AbortSignal | null,
): Promise<StreamSocket> {
  try {
    if (request.tls) return await connectNode(target, request, signal);
    // Paused, so that nothing is read before it is taken over.
    return takeOver(await openNode(target, request, signal, (socket) => socket.pause()), target);
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    throw netError(await connectCause(error.cause, target), "dial", target.network, target);
  }
}

/** What is under a socket of `node:net`, which hears no more of it and may be collected. */
function takeOver(socket: Socket, target: SocketTarget): StreamSocket {
  const unix = dialledUnix(target);
  const owner = socket as unknown as { _handle: BunTcpSocket & Record<symbol, unknown> | null };
  const raw = owner._handle;
  // How Bun makes `node:net` is its own affair: where it has changed, the socket is used as it is.
  if (typeof raw?.reload !== "function") return new NodeSocket(socket, unix ?? nodeEnds(socket));
  owner._handle = null;
  for (const key of Object.getOwnPropertySymbols(raw)) if (raw[key] === socket) raw[key] = null;
  raw.reload({ socket: socketHandler });
  // `node:net` let go of it when it was paused.
  raw.ref();
  const taken = new BunSocket(raw, unix ?? tcpEnds(raw));
  taken.pauseUntilStarted();
  return taken;
}

async function listenSocket(
  target: SocketTarget,
  request: ListenRequest,
  handler: AcceptHandler,
): Promise<SocketServer> {
  if (request.tls) return await listenNode(target, request, handler);
  const { reusePort = false, ipv6Only = false } = request;
  const unix = acceptedUnix(target);
  let bound: Addr | null = null;
  const open = (raw: BunTcpSocket) => {
    const socket = new BunSocket(raw, unix ?? tcpEnds(raw, bound));
    handler.onAccept(socket);
    socket.pauseUntilStarted();
  };
  const options = { ...placeOf(target), reusePort, ipv6Only, allowHalfOpen: true } as const;
  const socket = { ...socketHandler, open };
  try {
    const server = new BunServer(Bun.listen({ ...options, socket }), target);
    bound = acceptedAddr(server.addr);
    return server;
  } catch (error) {
    throw netError(listenCause(error), "listen", target.network, target);
  }
}

class BunServer implements SocketServer {
  readonly addr: Addr;
  readonly #listener: BunTcpListener;

  constructor(listener: BunTcpListener, target: SocketTarget) {
    this.addr = target.network === "unix" ? target : tcpAddr(listener.hostname, listener.port);
    this.#listener = listener;
  }

  /** Bun accepts whatever comes. */
  pause(): void {}

  resume(): void {}

  ref(): void {
    this.#listener.ref();
  }

  unref(): void {
    this.#listener.unref();
  }

  async close(): Promise<void> {
    this.#listener.stop();
  }
}

/**
 * From here on it pays to take a chunk's memory back at once: a tenth of what an echo of 1 KiB, 64 KiB or 1 MiB costs, with 32
 * and 4 and 2 in flight (`bench/run.ts`).
 */
const LENT_FROM = 32768;

class BunSocket implements StreamSocket {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  readonly #socket: BunTcpSocket;
  #handler: StreamHandler | null = null;
  /** What came before `start`. */
  #early: Uint8Array[] | null = null;
  /** What came early is about to be told. */
  #catchingUp = false;
  #paused = false;
  #ended = false;
  /** Bun sets it itself, on both sides. */
  #noDelay = true;
  /** `close` or `reset` was called. */
  #leaving = false;
  #closed = false;
  /** What broke it: Bun's error, or what the handler threw. */
  #error: unknown = null;
  /** The handler that heard of the end. */
  #told: StreamHandler | null = null;
  /** What the kernel has not taken of the last write: bytes from `#restStart` on. */
  #rest: Uint8Array | null = null;
  #restStart = 0;

  constructor(socket: BunTcpSocket, { localAddr, remoteAddr }: Ends) {
    this.#socket = socket;
    socket.data = this;
    this.localAddr = localAddr;
    this.remoteAddr = remoteAddr;
  }

  pauseUntilStarted(): void {
    if (this.#handler === null && !this.#closed) this.pause();
  }

  start(handler: StreamHandler): void {
    const first = this.#handler === null;
    this.#handler = handler;
    if (!first) return this.#closed ? queueMicrotask(() => this.#reportClose()) : undefined;
    // Not from inside the call: the caller is not ready for answers yet.
    this.#catchingUp = this.#early !== null || this.#ended || this.#closed;
    if (this.#catchingUp) queueMicrotask(() => this.#catchUp());
    if (this.#paused) this.resume();
  }

  #catchUp(): void {
    const early = this.#early ?? [];
    this.#early = null;
    this.#catchingUp = false;
    try {
      for (const chunk of early) this.onData(chunk);
      if (this.#ended) this.#reportEnd();
    } catch (error) {
      this.onThrow(error);
    }
    if (this.#closed) this.#reportClose();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  write(bytes: Uint8Array): boolean {
    const taken = this.#socket.write(bytes, 0, bytes.length);
    if (taken === bytes.length) return true;
    this.#rest = bytes;
    this.#restStart = 0;
    this.#onTaken(taken);
    return false;
  }

  #brokenPipe(): NetError {
    return new NetError({
      op: "write",
      network: this.remoteAddr.network,
      addr: this.remoteAddr,
      code: "EPIPE",
    });
  }

  closeWrite(): void {
    this.#socket.shutdown();
  }

  close(): void {
    this.#leaving = true;
    this.#socket.shutdown();
    this.#socket.end();
  }

  reset(): void {
    this.#leaving = true;
    this.#socket.terminate();
  }

  setNoDelay(on: boolean): void {
    if (on === this.#noDelay) return;
    this.#noDelay = on;
    this.#socket.setNoDelay(on);
  }

  setKeepAlive(on: boolean, idleMs: number): void {
    this.#socket.setKeepAlive(on, idleMs);
  }

  ref(): void {
    if (!this.#closed) this.#socket.ref();
  }

  unref(): void {
    if (!this.#closed) this.#socket.unref();
  }

  onData(chunk: Uint8Array): void {
    if (this.#leaving) return;
    if (this.#handler !== null && !this.#catchingUp) {
      const lent = chunk.length >= LENT_FROM && this.#handler.copiesLong === true;
      this.#handler.onData(chunk, lent);
      if (lent) free(chunk);
    } else (this.#early ??= []).push(chunk);
  }

  onDrain(): void {
    const rest = this.#rest;
    if (rest === null || this.#leaving) return;
    const length = rest.length - this.#restStart;
    const taken = this.#socket.write(rest, this.#restStart, length);
    if (taken < length) return this.#onTaken(taken);
    this.#rest = null;
    this.#handler?.onDrain();
  }

  /** A write took a part. Or -1: the connection is broken, and `close` comes. */
  #onTaken(taken: number): void {
    if (taken >= 0) this.#restStart += taken;
    else if (!this.#closed) this.#error ??= this.#brokenPipe();
  }

  onEnd(): void {
    if (this.#ended || this.#leaving || this.#error !== null) return;
    this.#ended = true;
    if (!this.#catchingUp) this.#reportEnd();
  }

  #reportEnd(): void {
    if (!this.#leaving) this.#handler?.onEnd();
  }

  /** The handler threw. */
  onThrow(error: unknown): void {
    this.#error ??= error;
    this.#socket.terminate();
  }

  onClose(error: Error | null): void {
    this.#closed = true;
    this.#error ??= error;
    this.#rest = null;
    if (this.#error === null) this.onEnd();
    if (!this.#catchingUp) this.#reportClose();
  }

  #reportClose(): void {
    const handler = this.#handler;
    if (handler === null || handler === this.#told) return;
    this.#told = handler;
    const sound = this.#leaving || this.#error === null;
    try {
      handler.onClose(sound ? null : netError(this.#error, "read", this.remoteAddr.network, this.remoteAddr));
    } catch {
      // The socket is gone already: there is nothing left to break.
    }
  }
}

/** Gives the memory back now, for the next chunk to lie in it, and not when the collector comes to it. */
function free({ buffer }: Uint8Array): void {
  (buffer as unknown as { transfer?(length: number): void }).transfer?.(0);
}
