/**
 * TCP and Unix sockets of Node at the handles of libuv, below the streams of `node:net`. What it gains, in
 * `bench/run.ts`: a third of what a handshake costs, 1.7 KB of what an idle connection holds, and about a microsecond
 * a read and a write, all of which is streams. Where Node does not show its handles as they are known here, or this is
 * another runtime's `node:net`, the sockets are used as `node:net` makes them.
 *
 * | libuv | here |
 * | --- | --- |
 * | reads into the buffer that it is given, and tells how much in a variable of all handles | all sockets read into one buffer, which is told in the same call |
 * | `writeBuffer` writes what the kernel takes, and the rest later | the variable tells whether there is a rest; then its request calls back |
 * | errors are numbers | errors with the code that `node:net` would give |
 * | a reset during a shutdown fails and leaves the socket open | it is closed: the peer sees a reset if something was unread |
 * | Unix sockets have no reset | they are closed, too |
 * | sockets inherit the options of the listener, but on Windows | they are set once, at the listener |
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
import { connectNode, listenNode, NodeSocket, openNode, tcpEnds } from "./node_socket.ts";
import { isStreamHandle, type StreamHandle, streamWrap } from "./stream_wrap.ts";

/** Connects through `node:net`, and takes the handle that comes of it. */
export function connectHandle(
  target: SocketTarget,
  request: ConnectRequest,
  signal: AbortSignal | null,
): Promise<StreamSocket> {
  // `node:tls` has its own way to what is below a socket.
  if (request.tls || streamWrap === null) return connectNode(target, request, signal);
  const unix = dialledUnix(target);
  return openNode(target, request, signal, (socket) => {
    // Nothing is read before it is taken.
    socket.pause();
    const handle = takeHandle(socket);
    if (handle !== null) return new HandleSocket(handle, unix ?? UNKNOWN);
    return new NodeSocket(socket, unix ?? tcpEnds(socket));
  });
}

const UNKNOWN: KnownEnds = { localAddr: null, remoteAddr: null };

/** Listens through `node:net`, and takes the handles that come of it. */
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

/** Each handle that is accepted goes to `onHandle`; what fails, or is something else, goes its usual way. */
function takeAccepted(server: Server, onHandle: (handle: StreamHandle) => void): void {
  const listening = handleOf(server) as { onconnection?: (status: number, handle: unknown) => void } | null;
  const accept = listening?.onconnection;
  if (!listening || typeof accept !== "function") return;
  listening.onconnection = function (status, handle) {
    if (status === 0 && isStreamHandle(handle)) onHandle(handle);
    else accept.call(this, status, handle);
  };
}

/** Asks at the listener for what its sockets shall have; `null` where each has to be asked. */
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

/** What is under a connected, paused socket of `node:net`, which hears no more of it; `null` when it is something else. */
function takeHandle(socket: Socket): StreamHandle | null {
  const handle = handleOf(socket) as Record<symbol, unknown>;
  if (!isStreamHandle(handle)) return null;
  (socket as unknown as { _handle: null })._handle = null;
  for (const key of Object.getOwnPropertySymbols(handle)) if (handle[key] === socket) handle[key] = null;
  return handle;
}
