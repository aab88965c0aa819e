/** Sockets of `node:net`, on any runtime that has it. The differences bridged are listed at the top of `node.ts`. */

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
  StreamSocket,
} from "../src/net/stream_socket.ts";
import { isConnectionLost, isExhausted } from "./accept_errors.ts";
import { acceptedUnix, dialledUnix, type Ends, toldAddr } from "./ends.ts";
import { netError } from "./net_errors.ts";
import { NodeSocket } from "./node_socket.ts";
import { knowsReusePort } from "./reuse_port.ts";
import { kernelPath } from "./unix_files.ts";

/**
 * Asks a connected TCP socket for its addresses.
 *
 * @param dialled the remote address of a socket that was dialled
 */
export function tcpEnds(socket: Socket, dialled: Addr | null = null): Ends {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  return {
    localAddr: toldAddr(localAddress, localPort),
    remoteAddr: toldAddr(remoteAddress, remotePort, dialled),
  };
}

/** Connects through `node:net`. */
export function connectNode(
  target: SocketTarget,
  request: ConnectRequest,
  signal: AbortSignal | null,
): Promise<StreamSocket> {
  const unix = dialledUnix(target);
  return openNode(
    target,
    request,
    signal,
    (socket) => new NodeSocket(socket, unix ?? tcpEnds(socket, target)),
  );
}

/**
 * Connects, and resolves to what `wrap` makes of the socket.
 *
 * @param wrap called from inside the `connect` event
 */
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
 * Listens through `node:net`.
 *
 * @param onListening called before the first connection is accepted
 */
export function listenNode(
  target: SocketTarget,
  request: ListenRequest,
  handler: AcceptHandler,
  onListening?: (server: Server) => void,
): Promise<SocketServer> {
  if (request.reusePort && !knowsReusePort) {
    const unknown = { op: "listen", network: target.network, addr: target, code: "ENOTSUP" } as const;
    return Promise.reject(
      new NetError(unknown, "not supported: reusePort needs Node 22.12, or 23.1, or later"),
    );
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
      server.on("error", (error) => {
        if (isExhausted(error) || isConnectionLost(error)) return;
        handler.onError(netError(error, "accept", target.network, target));
      });
      resolve(new NodeServer(server, target));
    });
  });
}

/** Maps the error of a failed `listen`: ENOENT for a Unix socket in a missing directory, where Node has EACCES. */
async function listenError(error: unknown, target: SocketTarget): Promise<NetError> {
  const mapped = netError(error, "listen", target.network, target);
  if (target.network !== "unix" || mapped.code !== "EACCES") return mapped;
  const missing = await stat(dirname(target.path)).then(() => false, ({ code }) => code === "ENOENT");
  if (!missing) return mapped;
  return new NetError({ op: "listen", network: "unix", addr: target, code: "ENOENT", cause: error });
}

/** A listening socket over a `net.Server`. */
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

  /** Does nothing: `node:net` accepts every connection at once. */
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
