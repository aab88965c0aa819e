import type { Addr } from "../src/net/addr.ts";
import type { SocketTarget } from "../src/net/stream_socket.ts";
import { UNNAMED } from "./unix_files.ts";

/** The addresses of a socket. */
export interface Ends {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
}

/** The ends of a connection to a Unix socket, which have no addresses of their own; `null` for TCP. */
export function dialledUnix(target: SocketTarget): Ends | null {
  return target.network === "unix" ? { localAddr: UNNAMED, remoteAddr: target } : null;
}

/** The same of one that was accepted there. */
export function acceptedUnix(target: SocketTarget): Ends | null {
  return target.network === "unix" ? { localAddr: target, remoteAddr: UNNAMED } : null;
}

/** The one address that every socket accepted there has; `null` where a listener has all of the machine's. */
export function acceptedAddr(bound: Addr): Addr | null {
  return bound.network === "tcp" && EVERYWHERE.has(bound.hostname) ? null : bound;
}

const EVERYWHERE: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);
