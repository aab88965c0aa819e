/** Options of a socket, as read from the kernel. */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import type { Addr, TcpAddr } from "../../src/net/addr.ts";

/** Values of the kernel. */
export interface SystemOptions {
  readonly noDelay: boolean;
  /** Idle time before the first probe, seconds; `null` without keep-alive. */
  readonly keepAliveIdle: number | null;
}

const PROGRAM = `
import socket
s = socket.socket(fileno=3)
idle = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
print(idle if s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) else "off")
s.detach()
`;

/** Whether the system can be asked. */
export const canAskSystem: boolean = process.platform === "linux" &&
  spawnSync("python3", ["-V"]).status === 0;

/** Options of this process's end of a TCP connection over IPv4, read by a child process that inherits the socket. */
export function systemOptions(
  { localAddr, remoteAddr }: { localAddr: Addr; remoteAddr: Addr },
): SystemOptions {
  const descriptor = descriptorOf((localAddr as TcpAddr).port, (remoteAddr as TcpAddr).port);
  const stdio = ["ignore", "pipe", "inherit", descriptor] as const;
  const { stdout } = spawnSync("python3", ["-c", PROGRAM], { stdio: [...stdio], encoding: "utf8" });
  const [noDelay, idle] = stdout.trim().split("\n");
  return { noDelay: noDelay === "True", keepAliveIdle: idle === "off" ? null : Number(idle) };
}

function descriptorOf(localPort: number, remotePort: number): number {
  for (
    const line of ["tcp", "tcp6"].flatMap((name) =>
      readFileSync(`/proc/self/net/${name}`, "utf8").split("\n")
    )
  ) {
    const [, local = "", remote = "", , , , , , , inode] = line.trim().split(/\s+/);
    const portOf = (at: string) => parseInt(at.slice(at.indexOf(":") + 1), 16);
    if (portOf(local) !== localPort || portOf(remote) !== remotePort) continue;
    const found = readdirSync("/proc/self/fd").find((name) => linkOf(name) === `socket:[${inode}]`);
    if (found !== undefined) return Number(found);
  }
  throw new Error(`No socket of this process is from port ${localPort} to ${remotePort}`);
}

function linkOf(name: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${name}`);
  } catch {
    // The directory's own.
    return "";
  }
}
