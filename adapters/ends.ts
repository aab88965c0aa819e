import { type Addr, tcpAddr } from "../src/net/addr.ts";
import type { SocketTarget } from "../src/net/stream_socket.ts";
import { UNNAMED } from "./unix_files.ts";

/** The addresses of a socket: its own, and the peer's. */
export interface Ends {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
}

/**
 * The address of one end of a TCP socket, as a runtime tells it.
 *
 * @param known the address where the runtime tells none, because the peer has reset the connection; `null`: the
 * unspecified address stands for it
 */
export function toldAddr(
  hostname: string | undefined,
  port: number | undefined,
  known: Addr | null = null,
): Addr {
  if (hostname) return tcpAddr(hostname, port ?? 0);
  return known ?? UNSPECIFIED;
}

const UNSPECIFIED = tcpAddr("0.0.0.0", 0);

/** Both ends of a Unix socket dialled to `target`, for runtimes that do not tell them; `null` for TCP. */
export function dialledUnix(target: SocketTarget): Ends | null {
  return target.network === "unix" ? { localAddr: UNNAMED, remoteAddr: target } : null;
}

/** Both ends of a Unix socket accepted on `target`; `null` for TCP. */
export function acceptedUnix(target: SocketTarget): Ends | null {
  return target.network === "unix" ? { localAddr: target, remoteAddr: UNNAMED } : null;
}

/** The local address of every socket accepted on `bound`; `null` when they differ, because `bound` is all addresses of the machine. */
export function acceptedAddr(bound: Addr): Addr | null {
  return bound.network === "tcp" && EVERYWHERE.has(bound.hostname) ? null : bound;
}

const EVERYWHERE: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);
