/** Unix domain sockets: names, and files that nobody listens on any more. */

import { type UnixAddr, unixAddr } from "./addr.ts";
import { NetError, type NetOp } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import { SocketListener, type SocketListenerOptions } from "./socket_listener.ts";

/** The longest path that Linux takes, bytes; some systems take less, and say so themselves. */
const LONGEST_PATH = 107;

/**
 * Reads the address of a Unix socket: a path, or as in Go an abstract name of Linux, `@name` (or `\0name`).
 *
 * @throws {TypeError} when it is none
 * @throws {NetError} `EINVAL` when it is longer than the system takes
 */
export function parseUnixAddr(op: NetOp, address: string): UnixAddr {
  if (typeof address !== "string" || address === "" || address.includes("\0", 1)) {
    throw new TypeError(`Cannot ${op}: ${JSON.stringify(address)} is no path of a Unix socket`);
  }
  const addr = unixAddr(address.replace(/^\0/, "@"));
  if (new TextEncoder().encode(addr.path).length <= LONGEST_PATH) return addr;
  const reason = `the path is longer than ${LONGEST_PATH} bytes`;
  throw new NetError({ op, network: "unix", addr, code: "EINVAL" }, reason);
}

/** How {@linkcode listenUnix} listens. */
export interface UnixListenOptions {
  backlog: number;
  mode: number | undefined;
  limits: SocketListenerOptions;
}

/** Listens on a path. A socket file on which nobody listens is replaced. */
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

/** Removes the socket file if nobody listens on it; whoever does sees a connection come and go. */
async function removeStale({ adapter }: Runtime, addr: UnixAddr): Promise<boolean> {
  if (isAbstract(addr)) return false;
  const found = await adapter.unixFiles.findSocket(addr.path);
  // A file that is no socket would refuse in the same way.
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
