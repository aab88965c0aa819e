/**
 * Deno, through `Deno.listen` and `Deno.connect`. Differences bridged here:
 *
 * | Deno | here |
 * | --- | --- |
 * | a pending `read` cannot be cancelled and pins its buffer | one read is under way at most, and is never given up; its buffer is 1 KiB while the connection is idle, and grows with what comes |
 * | `write` takes a part | the rest is written in a loop |
 * | connect looks names up by itself | the core looks up, through `dns.ts`, and connects to IP addresses |
 * | Nagle's algorithm is on | the core turns it off by `setNoDelay` |
 * | `setKeepAlive` takes no idle time | the system's own is used; where `dial` or `listen` asks for one, `node:net` |
 * | a connection that is established while connect is aborted leaks | the attempt goes on for up to a second, and what arrives is closed |
 * | connect ignores a local address | `node:net` |
 * | `node:net` gives EINVAL when it binds to another machine's address | EADDRNOTAVAIL |
 * | connect refuses port 0 as an argument | ECONNREFUSED, as the kernel says |
 * | `accept` fails without a free descriptor | the failure is not reported, and `accept` is tried again, as Node and Bun do |
 * | `accept` fails when the peer has reset the connection | the next one is accepted at once |
 * | addresses of IPv6 have no zone | the zone of the address that was dialled or is listened on, or the network interface of the local address |
 * | `reusePort` ends the process without `--unstable-net` | `node:net` |
 * | no option makes `::` leave IPv4 out | connections over IPv4 are dropped when they come; their port stays taken |
 * | `node:net` throws where no caller can catch it when permission to bind is missing | permission is asked for first |
 * | no call sends RST | `reset` closes, and the kernel sends RST if unread bytes were pending |
 * | a connection that is not read hears nothing of a reset or a time-out of the kernel; the next write does | what the kernel has of the input is read, then the socket closes with the write's error |
 * | after one `ConnectionReset` reads give the end of the stream | the first error closes the socket |
 */

import type { Addr } from "../src/net/addr.ts";
import { NetError, type NetOp } from "../src/net/errors.ts";
import type { RuntimeAdapter } from "../src/net/runtime.ts";
import type {
  AcceptHandler,
  ConnectRequest,
  ListenRequest,
  SocketServer,
  SocketTarget,
  StreamSocket,
} from "../src/net/stream_socket.ts";
import { systemClock } from "./clock.ts";
import { lookUpHost } from "./dns.ts";
import { bindDeno } from "./deno_datagram.ts";
import { type DenoListener, DenoServer, Ipv6Handler } from "./deno_server.ts";
import { DenoSocket, type DenoTcpConn } from "./deno_socket.ts";
import { denoText } from "./deno_text.ts";
import { maskMemory } from "./mask_memory.ts";
import { netError, notPermitted } from "./net_errors.ts";
import { connectNode, listenNode } from "./node_net.ts";
import { denoTls } from "./deno_tls.ts";
import { nodeTlsContext } from "./tls.ts";
import { kernelPath, unixFiles } from "./unix_files.ts";
import { rawDeflate } from "./zlib.ts";

// The part of Deno that is used here, declared so that every type checker can read this file.

/** Where to connect or listen. */
export type DenoPlace = { hostname: string; port: number } | { transport: "unix"; path: string };

/** The calls of `Deno` that make sockets. */
export interface DenoSockets {
  readonly permissions: { request(wanted: { name: "net"; host: string }): Promise<{ state: string }> };
  connect(options: DenoPlace & { signal?: AbortSignal }): Promise<DenoTcpConn>;
  listen(options: DenoPlace & { tcpBacklog?: number }): DenoListener;
}
declare const Deno: DenoSockets;

/** The adapter of Deno. */
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
    const conn = signal === null ? await Deno.connect(place) : await connectUntil(place, signal);
    return new DenoSocket(conn, null, target);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw netError(error, "dial", target.network, target);
  }
}

/** Milliseconds for which an attempt that was given up may still connect, to be closed then. */
const LATE = 1000;

/**
 * Connects until the signal is aborted. Deno leaks the descriptor of a connection that is established while its attempt is
 * aborted, so the attempt goes on for a moment, and what arrives is closed.
 */
function connectUntil(place: DenoPlace, signal: AbortSignal): Promise<DenoTcpConn> {
  signal.throwIfAborted();
  const attempt = new AbortController();
  const connecting = Deno.connect({ ...place, signal: attempt.signal });
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      reject(signal.reason);
      const timer = setTimeout(() => attempt.abort(), LATE);
      connecting.then((late) => late.close(), () => {}).finally(() => clearTimeout(timer));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    connecting.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function placeOf(target: SocketTarget): DenoPlace {
  if (target.network === "unix") return { transport: "unix", path: kernelPath(target) };
  return { hostname: target.hostname, port: target.port };
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

/** Maps EINVAL of a failed bind, which `node:net` gives for another machine's address, to EADDRNOTAVAIL. */
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
    return new DenoServer(Deno.listen({ ...placeOf(target), ...backlog }), accepting, target);
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

/** Asks for permission to bind to an address: without it `node:net` throws where no caller can catch it. */
async function askPermission(op: NetOp, bindTo: Addr, addr: Addr): Promise<void> {
  const { state } = await Deno.permissions.request({ name: "net", host: String(bindTo) });
  if (state !== "granted") throw notPermitted(op, addr, bindTo);
}
