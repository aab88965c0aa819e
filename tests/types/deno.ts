/** Checks the adapter's declarations of Deno against Deno's own types: a difference is a type error here. */

import type { DenoPlace, DenoSockets } from "../../adapters/deno.ts";
import type { DenoListener } from "../../adapters/deno_server.ts";
import type { DenoTcpConn } from "../../adapters/deno_socket.ts";
import type { DenoDatagramConn, DenoDatagrams, DenoUdpAddr } from "../../adapters/deno_datagram.ts";

// The adapter passes either type; each has an overload of its own.
type Tcp = Exclude<DenoPlace, { transport: "unix" }>;
type Unix = Extract<DenoPlace, { transport: "unix" }>;

export function connectTcp(options: Tcp, signal: AbortSignal): Promise<DenoTcpConn> {
  return Deno.connect({ ...options, signal });
}

/** Without what is TCP's, and addresses, which may be those of datagrams too. */
type UnixConn = Omit<DenoTcpConn, "setNoDelay" | "setKeepAlive" | "localAddr" | "remoteAddr">;

export function connectUnix(options: Unix): Promise<UnixConn> {
  return Deno.connect(options);
}

export function listenTcp(options: Tcp): DenoListener {
  return Deno.listen({ ...options, tcpBacklog: 511 });
}

export function listenUnix(options: Unix): Pick<DenoListener, "ref" | "unref" | "close"> {
  return Deno.listen(options);
}

/** Its addresses are of any kind, and `ref` and `unref` are there, but not in the types. */
type Datagrams = Pick<DenoDatagramConn, "send" | "joinMulticastV4" | "joinMulticastV6" | "close">;

export function listenDatagram(options: DenoUdpAddr): Datagrams {
  return Deno.listenDatagram({ ...options, reuseAddress: true });
}

export const permissions: DenoSockets["permissions"] & DenoDatagrams["permissions"] = Deno.permissions;
