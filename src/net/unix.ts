/** Unix domain sockets: their addresses, and socket files left behind by a dead listener. */

import { type UnixAddr, unixAddr } from "./addr.ts";
import { NetError, type NetOp } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import { SocketListener, type SocketListenerOptions } from "./socket_listener.ts";

/** Longest path that Linux accepts, bytes; systems with a lower limit report an error of their own. */
const LONGEST_PATH = 107;

/**
 * Parses the address of a Unix socket: a path, or on Linux an abstract name, written `@name` as in Go (or `\0name`).
 *
 * @throws {TypeError} when the path is empty or contains a NUL
 * @throws {NetError} `EINVAL` when the path is longer than the system accepts
 */
export function parseUnixAddr(op: NetOp, address: string): UnixAddr {
  if (typeof address !== "string" || address === "" || address.includes("\0", 1)) {
    throw new TypeError(`Cannot ${op}: ${JSON.stringify(address)} is not a valid Unix socket path`);
  }
  const addr = unixAddr(address.replace(/^\0/, "@"));
  if (new TextEncoder().encode(addr.path).length <= LONGEST_PATH) return addr;
  const reason = `the path is longer than ${LONGEST_PATH} bytes`;
  throw new NetError({ op, network: "unix", addr, code: "EINVAL" }, reason);
}

/** Options of {@linkcode listenUnix}. */
export interface UnixListenOptions {
  backlog: number;
  mode: number | undefined;
  limits: SocketListenerOptions;
}

/** Listens on a path. A socket file left behind by a dead listener is replaced. */
export async function listenUnix(
  runtime: Runtime,
  addr: UnixAddr,
  { backlog, mode, limits }: UnixListenOptions,
): Promise<SocketListener> {
  const open = () => SocketListener.open(runtime, addr, { backlog }, limits);
  const listener = await open().catch(async (error) => {
    if (error.code === "EADDRINUSE" && await removeStale(runtime, addr)) return open();
    throw error;
  });
  if (mode === undefined || isAbstract(addr)) return listener;
  try {
    await runtime.adapter.unixFiles.setMode(addr.path, mode);
    return listener;
  } catch (error) {
    await listener.close();
    throw error;
  }
}

/** Removes a socket file on which no process listens. If one does, it sees a connection that is reset at once. */
async function removeStale({ adapter }: Runtime, addr: UnixAddr): Promise<boolean> {
  if (isAbstract(addr)) return false;
  const found = await adapter.unixFiles.findSocket(addr.path);
  // Connecting to a file that is not a socket would be refused too.
  if (found === null) return false;
  try {
    (await adapter.connect(addr, {}, null)).reset();
    return false;
  } catch (error) {
    const refused = error instanceof NetError && error.code === "ECONNREFUSED";
    return refused && await adapter.unixFiles.removeSocket(addr.path, found);
  }
}

function isAbstract({ path }: UnixAddr): boolean {
  return path.startsWith("@");
}
