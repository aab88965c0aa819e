/**
 * Node, through `node:net`. What is bridged here:
 *
 * | Node | here |
 * | --- | --- |
 * | names have an order of their own, and `connect` a race of its own | the core looks up, through `dns.ts`, and connects to IP addresses |
 * | Nagle's algorithm is on | the core turns it off by `setNoDelay` |
 * | a server's socket reads at once | `pauseOnConnect`, until `start` |
 * | `write` queues without end, and `drain` comes only above a mark | `writableLength` tells whether the kernel took all; if not, an empty write's callback tells when it has |
 * | `close` comes by itself once both sides have ended | `allowHalfOpen`; passed on as `onClose` |
 * | what breaks under a waiting write is told to its callback too | the callback is heard only when all was taken |
 * | `resetAndDestroy` throws for a Unix socket | `destroy` then: the peer sees a reset if something was unread |
 * | `resetAndDestroy` during a shutdown fails and leaves the socket open | `destroy` then |
 * | before 22.12 `reusePort` is taken and does nothing | ENOTSUP |
 * | a Unix socket in a directory that is not there is EACCES to `listen` | ENOENT |
 */

import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type Addr, tcpAddr } from "../src/net/addr.ts";
import { NetError } from "../src/net/errors.ts";
import type {
  AcceptHandler,
  ConnectRequest,
  ListenRequest,
  SocketServer,
  SocketTarget,
  StreamHandler,
  StreamSocket,
} from "../src/net/stream_socket.ts";
import { acceptedUnix, dialledUnix, type Ends } from "./ends.ts";
import { netError } from "./net_errors.ts";
import { knowsReusePort } from "./reuse_port.ts";
import { kernelPath } from "./unix_files.ts";

/** The addresses of a TCP socket. */
export function tcpEnds(socket: Socket): Ends {
  const { localAddress = "", localPort = 0, remoteAddress = "", remotePort = 0 } = socket;
  return { localAddr: tcpAddr(localAddress, localPort), remoteAddr: tcpAddr(remoteAddress, remotePort) };
}

/** Connects through `node:net`, on any runtime that has it. */
export function connectNode(
  target: SocketTarget,
  request: ConnectRequest,
  signal: AbortSignal | null,
): Promise<StreamSocket> {
  const unix = dialledUnix(target);
  return openNode(target, request, signal, (socket) => new NodeSocket(socket, unix ?? tcpEnds(socket)));
}

/** Connects, and hands the socket over from inside its `connect` event. */
export function openNode<T>(
  target: SocketTarget,
  { localAddr }: ConnectRequest,
  signal: AbortSignal | null,
  wrap: (socket: Socket) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const from = localAddr && { localAddress: localAddr.hostname, localPort: localAddr.port };
    const to = target.network === "unix"
      ? { path: kernelPath(target) }
      : { host: target.hostname, port: target.port, ...from };
    const socket = connect({ ...to, allowHalfOpen: true });
    const settle = () => {
      socket.off("connect", onConnect).off("error", onError);
      signal?.removeEventListener("abort", onAbort);
    };
    const onConnect = () => {
      settle();
      resolve(wrap(socket));
    };
    const onError = (error: Error) => {
      settle();
      reject(netError(error, "dial", target.network, target));
    };
    const onAbort = () => {
      settle();
      socket.on("error", () => {}).destroy();
      reject(signal!.reason);
    };
    socket.once("connect", onConnect).once("error", onError);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Listens through `node:net`, on any runtime that has it.
 *
 * @param onListening called before anything is accepted
 */
export function listenNode(
  target: SocketTarget,
  request: ListenRequest,
  handler: AcceptHandler,
  onListening?: (server: Server) => void,
): Promise<SocketServer> {
  if (request.reusePort && !knowsReusePort) {
    const unknown = { op: "listen", network: target.network, addr: target, code: "ENOTSUP" } as const;
    return Promise.reject(new NetError(unknown, "not supported: this version of Node has no reusePort"));
  }
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    const refused = (error: Error) => void listenError(error, target).then(reject);
    server.once("error", refused);
    const unix = acceptedUnix(target);
    server.on("connection", (socket) => handler.onAccept(new NodeSocket(socket, unix ?? tcpEnds(socket))));
    const at = target.network === "unix"
      ? { path: kernelPath(target) }
      : { host: target.hostname, port: target.port };
    const { backlog, reusePort, ipv6Only } = request;
    server.listen({ ...at, backlog, reusePort, ipv6Only }, () => {
      server.off("error", refused);
      onListening?.(server);
      server.on("error", (error) => handler.onError(netError(error, "accept", target.network, target)));
      resolve(new NodeServer(server, target));
    });
  });
}

async function listenError(error: unknown, target: SocketTarget): Promise<NetError> {
  const mapped = netError(error, "listen", target.network, target);
  if (target.network !== "unix" || mapped.code !== "EACCES") return mapped;
  const missing = await stat(dirname(target.path)).then(() => false, ({ code }) => code === "ENOENT");
  if (!missing) return mapped;
  return new NetError({ op: "listen", network: "unix", addr: target, code: "ENOENT", cause: error });
}

class NodeServer implements SocketServer {
  readonly addr: Addr;
  readonly #server: Server;

  constructor(server: Server, target: SocketTarget) {
    this.#server = server;
    const bound = server.address() as AddressInfo | string;
    this.addr = typeof bound === "string" || target.network === "unix"
      ? target
      : tcpAddr(bound.address, bound.port);
  }

  /** Node accepts whatever comes. */
  pause(): void {}

  resume(): void {}

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }

  async close(): Promise<void> {
    this.#server.close();
  }
}

const NOTHING = new Uint8Array(0);

/** Leads from a socket of `node:net` to ours. */
const owner = Symbol("owner");

interface OwnedSocket extends Socket {
  [owner]: NodeSocket;
}

/** A socket of `node:net`. */
export class NodeSocket implements StreamSocket {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  readonly #socket: Socket;
  #handler: StreamHandler | null = null;
  /** What broke it: Node's error, or what the handler threw. */
  #error: unknown = null;
  /** `close` or `reset` was called. */
  #leaving = false;
  #closed = false;
  /** The handler that heard of the end. */
  #told: StreamHandler | null = null;

  constructor(socket: Socket, { localAddr, remoteAddr }: Ends) {
    this.#socket = socket;
    this.localAddr = localAddr;
    this.remoteAddr = remoteAddr;
    (socket as OwnedSocket)[owner] = this;
    // From the beginning, because an `error` that nobody hears ends the process.
    socket.on("error", NodeSocket.#hearError);
    socket.on("close", NodeSocket.#hearClose);
  }

  // Called with the socket for `this`. Functions for each socket would be a good part of what an idle one takes.

  static #hearError(this: Socket, error: unknown): void {
    (this as OwnedSocket)[owner].#error ??= error;
  }

  static #hearClose(this: Socket): void {
    (this as OwnedSocket)[owner].#onClose();
  }

  static #hearData(this: Socket, { buffer, byteOffset, length }: Uint8Array): void {
    // A plain view: a `Buffer` has a `slice` of its own, which does not copy.
    (this as OwnedSocket)[owner].#onData(new Uint8Array(buffer, byteOffset, length));
  }

  static #hearEnd(this: Socket): void {
    (this as OwnedSocket)[owner].#onEnd();
  }

  start(handler: StreamHandler): void {
    const first = this.#handler === null;
    this.#handler = handler;
    if (this.#closed) return void queueMicrotask(() => this.#reportClose());
    if (!first) return;
    this.#socket.on("data", NodeSocket.#hearData);
    this.#socket.on("end", NodeSocket.#hearEnd);
    this.#socket.resume();
  }

  #onData(chunk: Uint8Array): void {
    if (this.#leaving) return;
    try {
      this.#handler!.onData(chunk, false);
    } catch (error) {
      this.#fail(error);
    }
  }

  #onEnd(): void {
    if (this.#leaving) return;
    try {
      this.#handler!.onEnd();
    } catch (error) {
      this.#fail(error);
    }
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    socket.write(bytes);
    if (socket.writableLength === 0) return true;
    socket.write(NOTHING, (error) => this.onTaken(error));
    return false;
  }

  /**
   * Takes Node's socket out, for something of Node's that drives it itself, unless this has begun to read it. What comes
   * before somebody does waits in the kernel.
   */
  release(): Socket | null {
    if (this.#handler !== null || this.#closed) return null;
    return this.#socket;
  }

  /** The callback of a write. */
  protected onTaken(error: Error | null | undefined): void {
    if (error || this.#leaving || this.#closed) return;
    try {
      this.#handler?.onDrain();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The handler threw. */
  #fail(error: unknown): void {
    this.#error ??= error;
    this.drop();
  }

  closeWrite(): void {
    this.#socket.end();
  }

  close(): void {
    this.#leaving = true;
    this.#socket.destroySoon();
  }

  reset(): void {
    this.#leaving = true;
    this.drop();
  }

  /** Ends it at once. */
  protected drop(): void {
    const { writableEnded, writableFinished } = this.#socket;
    const isUnix = this.remoteAddr.network === "unix";
    if (isUnix || writableEnded && !writableFinished) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  setNoDelay(on: boolean): void {
    this.#socket.setNoDelay(on);
  }

  setKeepAlive(on: boolean, idleMs: number): void {
    this.#socket.setKeepAlive(on, idleMs);
  }

  ref(): void {
    // A destroyed one would wait for a `connect`.
    if (!this.#socket.destroyed) this.#socket.ref();
  }

  unref(): void {
    if (!this.#socket.destroyed) this.#socket.unref();
  }

  /** What broke it, in the words of the port. */
  protected errorOf(error: unknown): NetError {
    return netError(error, "read", this.remoteAddr.network, this.remoteAddr);
  }

  #onClose(): void {
    this.#closed = true;
    this.#reportClose();
  }

  #reportClose(): void {
    const handler = this.#handler;
    if (handler === null || handler === this.#told) return;
    this.#told = handler;
    const sound = this.#leaving || this.#error === null;
    try {
      handler.onClose(sound ? null : this.errorOf(this.#error));
    } catch {
      // The socket is gone already: there is nothing left to break.
    }
  }
}
