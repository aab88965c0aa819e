/**
 * TCP and Unix sockets of Node at the handles of libuv, below the streams of `node:net`. Streams cost, in `bench/run.ts`: a
 * third of a handshake, 1.7 KB of what an idle connection holds, and about a microsecond a read and a write. Where handles
 * do not look as they are known here (`stream_wrap.ts`), are turned off, or the runtime is another one, the sockets of
 * `node:net` are used instead. The differences bridged are listed at the top of `node.ts`.
 */

import process from "node:process";
import type { AddressInfo, Server, Socket } from "node:net";
import { type Addr, tcpAddr } from "../src/net/addr.ts";
import type {
  AcceptedOptions,
  AcceptHandler,
  ConnectRequest,
  ListenRequest,
  SocketServer,
  SocketTarget,
  StreamSocket,
} from "../src/net/stream_socket.ts";
import { acceptedAddr, acceptedUnix, dialledUnix } from "./ends.ts";
import { HandleSocket, type KnownEnds } from "./handle_socket.ts";
import { connectNode, listenNode, openNode, tcpEnds } from "./node_net.ts";
import { NodeSocket } from "./node_socket.ts";
import { isStreamHandle, type StreamHandle, streamWrap } from "./stream_wrap.ts";

/** Connects through `node:net`, and takes the socket's handle over. */
export function connectHandle(
  target: SocketTarget,
  request: ConnectRequest,
  signal: AbortSignal | null,
): Promise<StreamSocket> {
  // `node:tls` takes the handle of a `node:net` socket over by itself.
  if (request.tls || streamWrap === null) return connectNode(target, request, signal);
  const unix = dialledUnix(target);
  return openNode(target, request, signal, (socket) => {
    // Paused, so that nothing is read before the handle is taken over.
    socket.pause();
    const handle = takeHandle(socket);
    if (handle !== null) return new HandleSocket(handle, unix ?? UNKNOWN, null, target);
    return new NodeSocket(socket, unix ?? tcpEnds(socket, target));
  });
}

const UNKNOWN: KnownEnds = { localAddr: null, remoteAddr: null };

/** Listens through `node:net`, and takes the handles of accepted sockets over. */
export function listenHandle(
  target: SocketTarget,
  request: ListenRequest,
  handler: AcceptHandler,
): Promise<SocketServer> {
  if (request.tls || streamWrap === null) return listenNode(target, request, handler);
  return listenNode(target, request, handler, (server) => {
    const ends = acceptedUnix(target) ?? { localAddr: boundAddr(server), remoteAddr: null };
    const options = inherit(server, request.accepted);
    takeAccepted(server, (handle) => handler.onAccept(new HandleSocket(handle, ends, options)));
  });
}

function boundAddr(server: Server): Addr | null {
  const { address, port } = server.address() as AddressInfo;
  return acceptedAddr(tcpAddr(address, port));
}

/** Passes each accepted handle to `onHandle`. Failures, and values that are no such handle, go on to `node:net`. */
function takeAccepted(server: Server, onHandle: (handle: StreamHandle) => void): void {
  const listening = handleOf(server) as { onconnection?: (status: number, handle: unknown) => void } | null;
  const accept = listening?.onconnection;
  if (!listening || typeof accept !== "function") return;
  listening.onconnection = function (status, handle) {
    if (status === 0 && isStreamHandle(handle)) onHandle(handle);
    else accept.call(this, status, handle);
  };
}

/** Sets options at the listener, for its sockets to inherit; returns `null` where each socket has to be set by itself. */
function inherit(server: Server, options: AcceptedOptions | undefined): AcceptedOptions | null {
  const listening = Object(handleOf(server)) as Partial<StreamHandle>;
  if (options === undefined || process.platform === "win32") return null;
  const { noDelay, keepAliveIdle } = options;
  const delay = listening.setNoDelay?.(noDelay);
  const keepAlive = listening.setKeepAlive?.(keepAliveIdle > 0, keepAliveIdle / 1000);
  return delay === 0 && keepAlive === 0 ? options : null;
}

function handleOf(of: Server | Socket): unknown {
  return (of as unknown as { _handle: unknown })._handle;
}

/**
 * Takes the handle away from a connected, paused socket of `node:net`, which gets no more events.
 *
 * @returns `null` when the value below the socket is no such handle
 */
function takeHandle(socket: Socket): StreamHandle | null {
  const handle = handleOf(socket) as Record<symbol, unknown>;
  if (!isStreamHandle(handle)) return null;
  (socket as unknown as { _handle: null })._handle = null;
  for (const key of Object.getOwnPropertySymbols(handle)) if (handle[key] === socket) handle[key] = null;
  return handle;
}
