/**
 * Deno, through `Deno.listen` and `Deno.connect`. What is bridged here:
 *
 * | Deno | here |
 * | --- | --- |
 * | a pending `read` cannot be cancelled and pins its buffer | one read is under way at most, it is never given up, and its buffer is 1 KiB while the connection is idle; it grows with what comes |
 * | `write` takes a part | the rest is written in a loop |
 * | connect looks names up by itself | the core looks up, through `dns.ts`, and connects to IP addresses |
 * | Nagle's algorithm is on | the core turns it off by `setNoDelay` |
 * | `setKeepAlive` has no idle time | the system's own is used, but where `dial` or `listen` asks for one: `node:net` |
 * | connect ignores a local address | `node:net` |
 * | `node:net` says EINVAL when it binds to an address that is not this machine's | EADDRNOTAVAIL |
 * | connect takes no port 0 | ECONNREFUSED, as the kernel says |
 * | an `accept` without a free descriptor fails | nobody is told, and it is tried again, as on Node and Bun |
 * | `reusePort` ends the process without `--unstable-net` | `node:net` |
 * | nothing makes `::` leave IPv4 out | peers over IPv4 are dropped when they come; their port stays taken |
 * | `node:net` throws where nobody can catch it when permission to bind is missing | permission is asked for first |
 * | no call sends RST | `reset` closes, and the kernel sends RST if something was unread |
 * | after one `ConnectionReset` reads give the end of the stream | the first error closes the socket |
 */

import { type Addr, type TcpAddr, tcpAddr, type UnixAddr, unixAddr } from "../src/net/addr.ts";
import { NetError, type NetOp } from "../src/net/errors.ts";
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
import { systemClock } from "./clock.ts";
import { lookUpHost } from "./dns.ts";
import { acceptedAddr } from "./ends.ts";
import { bindDeno } from "./deno_datagram.ts";
import { denoText } from "./deno_text.ts";
import { maskMemory } from "./mask_memory.ts";
import { netError } from "./net_errors.ts";
import { connectNode, listenNode } from "./node_net.ts";
import { denoTls } from "./deno_tls.ts";
import { nodeTlsContext } from "./tls.ts";
import { kernelPath, unixFiles } from "./unix_files.ts";
import { rawDeflate } from "./zlib.ts";

/** What is used of Deno, so that every type checker can read this file. */
export interface DenoNetAddr {
  readonly transport: "tcp" | "udp";
  readonly hostname: string;
  readonly port: number;
}
export interface DenoUnixAddr {
  readonly transport: "unix";
  /** `null` for an unnamed end. */
  readonly path: string | null;
}
export type DenoAddr = DenoNetAddr | DenoUnixAddr;
/** Where to connect or listen. */
export type DenoPlace = { hostname: string; port: number } | { transport: "unix"; path: string };
export interface DenoTcpConn {
  readonly localAddr: DenoAddr;
  readonly remoteAddr: DenoAddr;
  read(p: Uint8Array): Promise<number | null>;
  write(p: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
  setNoDelay(on: boolean): void;
  setKeepAlive(on: boolean): void;
  ref(): void;
  unref(): void;
}
export interface DenoListener {
  readonly addr: DenoAddr;
  accept(): Promise<DenoTcpConn>;
  ref(): void;
  unref(): void;
  close(): void;
}
export interface DenoSockets {
  readonly permissions: { request(wanted: { name: "net"; host: string }): Promise<{ state: string }> };
  connect(options: DenoPlace & { signal?: AbortSignal }): Promise<DenoTcpConn>;
  listen(options: DenoPlace & { tcpBacklog?: number }): DenoListener;
}
declare const Deno: DenoSockets;

/** Deno's own sockets, and the web's text codecs. */
export const denoAdapter: RuntimeAdapter = {
  name: "deno",
  lookup: lookUpHost,
  connect: connectSocket,
  listen: listenSocket,
  bind: bindDeno,
  tlsContext: (role, config) => nodeTlsContext(role, config, denoTls),
  unixFiles,
  clock: systemClock,
  text: denoText,
  maskMemory,
  maxCheapArray: 0,
  fillRandom: (into) => void crypto.getRandomValues(into as Uint8Array<ArrayBuffer>),
  deflate: rawDeflate,
};

async function connectSocket(
  target: SocketTarget,
  request: ConnectRequest,
  signal: AbortSignal | null,
): Promise<StreamSocket> {
  if (request.localAddr !== undefined || request.keepAliveIdle !== undefined) {
    return await connectThroughNode(target, request, signal);
  }
  if (target.network === "tcp" && target.port === 0) {
    throw new NetError({ op: "dial", network: "tcp", addr: target, code: "ECONNREFUSED" });
  }
  const place = placeOf(target);
  try {
    return new DenoSocket(await Deno.connect(signal === null ? place : { ...place, signal }));
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw netError(error, "dial", target.network, target);
  }
}

function placeOf(target: SocketTarget): DenoPlace {
  if (target.network === "unix") return { transport: "unix", path: kernelPath(target) };
  return { hostname: target.hostname, port: target.port };
}

function addrOf(addr: DenoAddr): TcpAddr | UnixAddr {
  if (addr.transport === "unix") return unixAddr((addr.path ?? "").replace(/^\0/, "@"));
  return tcpAddr(addr.hostname, addr.port);
}

async function connectThroughNode(
  target: SocketTarget,
  request: ConnectRequest,
  signal: AbortSignal | null,
): Promise<StreamSocket> {
  if (request.localAddr !== undefined) await askPermission("dial", request.localAddr, target);
  signal?.throwIfAborted();
  return await connectNode(target, request, signal).catch((error) => {
    throw bindError(error, "bind");
  });
}

/** `node:net` has one code too few for a failed call. */
function bindError(error: unknown, syscall: string): unknown {
  if (!(error instanceof NetError) || error.code !== "EINVAL") return error;
  const { op, network, addr, cause } = error;
  if ((cause as { syscall?: string }).syscall !== syscall) return error;
  return new NetError({ op, network, addr, code: "EADDRNOTAVAIL", cause });
}

async function listenSocket(
  target: SocketTarget,
  request: ListenRequest,
  handler: AcceptHandler,
): Promise<SocketServer> {
  const accepting = request.ipv6Only ? new Ipv6Handler(handler) : handler;
  if (request.reusePort || request.keepAliveIdle !== undefined) {
    return await listenThroughNode(target, request, accepting);
  }
  try {
    const backlog = request.backlog === undefined ? {} : { tcpBacklog: request.backlog };
    return new DenoServer(Deno.listen({ ...placeOf(target), ...backlog }), accepting);
  } catch (error) {
    throw netError(error, "listen", target.network, target);
  }
}

async function listenThroughNode(
  target: SocketTarget,
  request: ListenRequest,
  handler: AcceptHandler,
): Promise<SocketServer> {
  await askPermission("listen", target, target);
  return await listenNode(target, request, handler).catch((error) => {
    throw bindError(error, "listen");
  });
}

/** Permission to bind to an address, which `node:net` would miss where nobody can catch it. */
async function askPermission(op: NetOp, bindTo: Addr, addr: Addr): Promise<void> {
  const { state } = await Deno.permissions.request({ name: "net", host: String(bindTo) });
  if (state !== "granted") throw new NetError({ op, network: addr.network, addr, code: "EACCES" });
}

/** Drops who comes over IPv4. */
class Ipv6Handler implements AcceptHandler {
  readonly #handler: AcceptHandler;

  constructor(handler: AcceptHandler) {
    this.#handler = handler;
  }

  onAccept(socket: StreamSocket): void {
    const { hostname } = socket.remoteAddr as TcpAddr;
    // An address that came mapped into IPv6 is shown as IPv4.
    if (hostname.includes(":")) this.#handler.onAccept(socket);
    else socket.reset();
  }

  onError(error: NetError): void {
    this.#handler.onError(error);
  }
}

/** Pauses between two attempts to accept when the first failed, for example for want of file descriptors. */
const ACCEPT_RETRY = 20;
/** The process's and the system's limit. */
const NO_DESCRIPTORS: ReadonlySet<string> = new Set(["EMFILE", "ENFILE"]);

class DenoServer implements SocketServer {
  readonly addr: Addr;
  readonly #listener: DenoListener;
  readonly #handler: AcceptHandler;
  readonly #bound: Addr | null;
  #paused = true;
  /** Whether accepting keeps the process alive. */
  #holds = true;
  #accepting = false;
  /** The last loop that accepted. */
  #loop: Promise<void> | null = null;
  #closed = false;

  constructor(listener: DenoListener, handler: AcceptHandler) {
    this.addr = addrOf(listener.addr);
    this.#bound = acceptedAddr(this.addr);
    this.#listener = listener;
    this.#handler = handler;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    if (!this.#accepting) this.#loop = this.#accept();
  }

  ref(): void {
    this.#holds = true;
    this.#listener.ref();
  }

  unref(): void {
    this.#holds = false;
    this.#listener.unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listener.close();
    // A pending accept holds the socket open until it has failed.
    await this.#loop;
  }

  async #accept(): Promise<void> {
    this.#accepting = true;
    while (!this.#paused && !this.#closed) {
      try {
        this.#handler.onAccept(new DenoSocket(await this.#listener.accept(), this.#bound));
      } catch (error) {
        if (this.#closed) break;
        const mapped = netError(error, "accept", this.addr.network, this.addr);
        if (!NO_DESCRIPTORS.has(mapped.code)) this.#handler.onError(mapped);
        await this.#waitToRetry();
      }
    }
    this.#accepting = false;
  }

  /** Holds the process as an accept does. */
  #waitToRetry(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ACCEPT_RETRY);
      if (!this.#holds) timer.unref();
    });
  }
}

/** The buffer of an idle connection, bytes. */
const IDLE_BUFFER = 1024;
/** The largest read, bytes. */
const LARGEST_BUFFER = 262144;
/** Reads in a row that took little, after which the buffer is the idle one again. */
const LITTLE_READS = 4;

class DenoSocket implements StreamSocket {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  readonly #conn: DenoTcpConn;
  #handler: StreamHandler | null = null;
  #reading = false;
  #paused = false;
  /** What is read into, again and again. */
  #buffer: Uint8Array | null = null;
  #bufferSize = IDLE_BUFFER;
  /** Reads in a row that took little of it. */
  #little = 0;
  #ended = false;
  #closed = false;
  /** What Deno has not taken yet. */
  #rest: Uint8Array | null = null;
  // Once for each socket and not, as an async function would, for each write; made by the first.
  #onTaken: ((count: number) => void) | null = null;
  readonly #onError = (error: unknown): void => this.#finish(error);
  /** What broke it: Deno's error, or what the handler threw. */
  #error: unknown = null;
  /** The handler that heard of the end. */
  #told: StreamHandler | null = null;

  /** @param localAddr where it is known */
  constructor(conn: DenoTcpConn, localAddr: Addr | null = null) {
    this.#conn = conn;
    this.localAddr = localAddr ?? addrOf(conn.localAddr);
    this.remoteAddr = addrOf(conn.remoteAddr);
  }

  start(handler: StreamHandler): void {
    this.#handler = handler;
    if (this.#closed) queueMicrotask(() => this.#reportClose());
    else if (!this.#reading) void this.#read();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    if (!this.#reading && this.#handler !== null) void this.#read();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    try {
      while (!this.#paused && !this.#ended && !this.#closed) {
        const buffer = this.#buffer ??= new Uint8Array(this.#bufferSize);
        const count = await this.#conn.read(buffer);
        if (this.#closed) return;
        if (count === null) {
          this.#ended = true;
          this.#buffer = null;
          this.#handler!.onEnd();
        } else {
          this.#resize(buffer, count);
          this.#handler!.onData(buffer.subarray(0, count), true);
        }
      }
    } catch (error) {
      this.#finish(error);
    } finally {
      this.#reading = false;
    }
  }

  /**
   * A read that filled the buffer asks for a larger one; some in a row that took little ask for the idle one again,
   * because a read that waits long should not hold much.
   */
  #resize(buffer: Uint8Array, count: number): void {
    this.#little = count < this.#bufferSize / 16 ? this.#little + 1 : 0;
    if (count === buffer.length && count < LARGEST_BUFFER) {
      this.#bufferSize = Math.min(this.#bufferSize * 4, LARGEST_BUFFER);
      this.#buffer = null;
    } else if (this.#little >= LITTLE_READS && this.#bufferSize > IDLE_BUFFER) {
      this.#bufferSize = IDLE_BUFFER;
      this.#buffer = null;
    }
  }

  write(bytes: Uint8Array): boolean {
    this.#rest = bytes;
    this.#conn.write(bytes).then(this.#onTaken ??= (count) => this.#take(count), this.#onError);
    return false;
  }

  /** Deno took so much of what was given to it, which may be a part. */
  #take(count: number): void {
    const rest = this.#rest!;
    if (count < rest.length && !this.#closed) return void this.write(rest.subarray(count));
    this.#rest = null;
    if (this.#closed) return;
    try {
      this.#handler?.onDrain();
    } catch (error) {
      this.#finish(error);
    }
  }

  closeWrite(): void {
    this.#conn.closeWrite().catch((error) => this.#finish(error));
  }

  close(): void {
    this.#finish(null);
  }

  reset(): void {
    this.#finish(null);
  }

  setNoDelay(on: boolean): void {
    if (!this.#closed) this.#conn.setNoDelay(on);
  }

  setKeepAlive(on: boolean, _idleMs: number): void {
    if (!this.#closed) this.#conn.setKeepAlive(on);
  }

  ref(): void {
    this.#conn.ref();
  }

  unref(): void {
    this.#conn.unref();
  }

  #finish(error: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#error = error;
    this.#buffer = null;
    this.#conn.close();
    queueMicrotask(() => this.#reportClose());
  }

  #reportClose(): void {
    const handler = this.#handler;
    if (handler === null || handler === this.#told) return;
    this.#told = handler;
    const error = this.#error;
    try {
      handler.onClose(
        error === null ? null : netError(error, "read", this.remoteAddr.network, this.remoteAddr),
      );
    } catch {
      // The socket is gone already: there is nothing left to break.
    }
  }
}
