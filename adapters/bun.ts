/**
 * Bun, through `Bun.listen` and, to connect, `node:net`. Differences bridged here:
 *
 * | Bun | here |
 * | --- | --- |
 * | `write` takes what the kernel takes and returns the number of bytes | the rest is kept and written on `drain`, which may come without cause |
 * | Nagle's algorithm is off from the start | `setNoDelay(true)` is not passed on |
 * | `end()` closes both ways and drops what the kernel has not taken | closing is `shutdown()`, then `end()`, called with nothing left to write |
 * | a data callback may come while paused | its chunk is passed on; the core queues it |
 * | a failed connect is ECONNREFUSED whatever the cause, and a listen without a descriptor has no code | `bun_causes.ts` finds the cause |
 * | an attempt of `Bun.connect` cannot be cancelled, and keeps the process alive for minutes | `node:net` connects, and Bun's socket below its socket is taken over |
 * | listen takes no backlog | Bun's own is used |
 * | Unix sockets have no addresses | the target of the call gives them |
 * | after `shutdown()` the peer's end comes as `close` without `end` | `onEnd` is called, then `onClose` |
 * | a socket reads from the start | it is paused at the end of `open` unless it was started by then |
 * | the addresses of a connection that the peer has reset are `undefined` | a dialled one keeps the address that was dialled, an accepted one has the unspecified address |
 * | addresses of IPv6 have no zone | the zone of the address that was dialled or is listened on, or the network interface of the local address |
 * | a write that meets a reset swallows its error, and a false `end` follows | the write's -1 breaks the socket |
 * | a paused socket hears of a reset, and gets what the kernel has of the input first; of a peer that ended, the next write does | passed on |
 * | each read comes in an array of its own, which the collector frees | a long one is lent to a handler that copies it, and freed |
 * | after a throw in a handler `error` is called, and the socket goes on | the socket is terminated |
 */

import { type Addr, tcpAddr } from "../src/net/addr.ts";
import { NetError } from "../src/net/errors.ts";
import type { RuntimeAdapter } from "../src/net/runtime.ts";
import type {
  AcceptHandler,
  ConnectRequest,
  ListenRequest,
  SocketServer,
  SocketTarget,
  StreamSocket,
} from "../src/net/stream_socket.ts";
import { BunSocket, type BunSocketHandler, type BunTcpSocket, socketHandler } from "./bun_socket.ts";
import { connectCause, listenCause } from "./bun_causes.ts";
import { bufferText } from "./buffer_text.ts";
import { systemClock } from "./clock.ts";
import { lookUpHost } from "./dns.ts";
import { acceptedAddr, acceptedUnix } from "./ends.ts";
import { bindBun } from "./bun_datagram.ts";
import { bunEnds, pauseQuietly, takeOver } from "./bun_takeover.ts";
import { maskMemory } from "./mask_memory.ts";
import { netError } from "./net_errors.ts";
import { connectNode, listenNode, openNode } from "./node_net.ts";
import { nodeTlsContext } from "./tls.ts";
import { kernelPath, unixFiles } from "./unix_files.ts";
import { rawDeflate } from "./zlib.ts";

// The part of Bun that is used here, declared so that every type checker can read this file.

/** A listener of Bun. */
export interface BunTcpListener {
  readonly hostname: string;
  readonly port: number;
  ref(): void;
  unref(): void;
  stop(): void;
}

/** Where to listen, and with which callbacks. */
export interface BunTarget {
  readonly hostname?: string;
  readonly port?: number;
  readonly unix?: string;
  readonly allowHalfOpen: true;
  readonly socket: BunSocketHandler;
}

/** The calls of `Bun` that make sockets. */
export interface BunSockets {
  listen(options: BunTarget & { reusePort: boolean; ipv6Only: boolean }): BunTcpListener;
}
declare const Bun: BunSockets;

/** The adapter of Bun. */
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
    // Paused, so that nothing is read before Bun's socket is taken over.
    return takeOver(await openNode(target, request, signal, pauseQuietly), target);
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    throw netError(await connectCause(error.cause, target), "dial", target.network, target);
  }
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
    const socket = new BunSocket(raw, unix ?? bunEnds(raw, bound, null, target));
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

/** A listening socket over a listener of Bun. */
class BunServer implements SocketServer {
  readonly addr: Addr;
  readonly #listener: BunTcpListener;

  constructor(listener: BunTcpListener, target: SocketTarget) {
    this.addr = target.network === "unix" ? target : tcpAddr(listener.hostname, listener.port);
    this.#listener = listener;
  }

  /** Does nothing: Bun accepts every connection at once. */
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
