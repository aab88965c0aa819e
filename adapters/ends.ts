import type { Addr } from "../src/net/addr.ts";
import type { SocketTarget } from "../src/net/stream_socket.ts";
import { UNNAMED } from "./unix_files.ts";

/** The addresses of a socket: its own, and the peer's. */
export interface Ends {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
}

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
