import type { Socket } from "node:net";
import type { Addr } from "../src/net/addr.ts";
import { NetError } from "../src/net/errors.ts";
import type { SocketTarget, StreamSocket } from "../src/net/stream_socket.ts";
import { BunSocket, type BunTcpSocket, socketHandler } from "./bun_socket.ts";
import { dialledUnix, type Ends, toldAddr } from "./ends.ts";
import { tcpEnds } from "./node_net.ts";
import { NodeSocket } from "./node_socket.ts";
import { withZones } from "./zones.ts";

/**
 * Asks a TCP socket of Bun for its addresses, one of which may be known beforehand; `null` is not known.
 *
 * @param known the address that was dialled, or is listened on
 */
export function bunEnds(
  socket: BunTcpSocket,
  localAddr: Addr | null,
  remoteAddr: Addr | null,
  known: Addr | null,
): Ends {
  return withZones({
    localAddr: localAddr ?? toldAddr(socket.localAddress, socket.localPort),
    remoteAddr: toldAddr(socket.remoteAddress, socket.remotePort, remoteAddr),
  }, known);
}

/** Prepares a socket of `node:net` for `takeOver`: nothing is read before, and an error before ends no process. */
export function pauseQuietly(socket: Socket): Socket {
  return socket.on("error", () => {}).pause();
}

/**
 * Makes a socket of Bun's socket below one of `node:net`, which gets no more events and may be collected.
 *
 * @throws {NetError} `ECONNRESET` when the connection has ended already
 */
export function takeOver(socket: Socket, target: SocketTarget): StreamSocket {
  const unix = dialledUnix(target);
  const owner = socket as unknown as { _handle: BunTcpSocket & Record<symbol, unknown> | null };
  const raw = owner._handle;
  if (socket.destroyed || raw === null) throw endedBefore(socket, target);
  // `_handle` is an internal of Bun: where it looks different, the socket of `node:net` is used as it is.
  if (typeof raw?.reload !== "function") return new NodeSocket(socket, unix ?? tcpEnds(socket, target));
  owner._handle = null;
  for (const key of Object.getOwnPropertySymbols(raw)) if (raw[key] === socket) raw[key] = null;
  // Before the callbacks change, which find the socket of the core by `data`.
  const taken = new BunSocket(raw, unix ?? bunEnds(raw, null, target, target));
  raw.reload({ socket: socketHandler });
  // `node:net` unrefs a socket that it pauses.
  raw.ref();
  taken.pauseUntilStarted();
  return taken;
}

function endedBefore(socket: Socket, target: SocketTarget): NetError {
  socket.destroy();
  return new NetError({ op: "dial", network: target.network, addr: target, code: "ECONNRESET" });
}
