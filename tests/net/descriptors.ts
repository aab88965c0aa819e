/** The open file descriptors of this process, on systems with /proc. */

import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const DIRECTORY = "/proc/self/fd";

function descriptors(): string[] {
  return existsSync(DIRECTORY) ? readdirSync(DIRECTORY) : [];
}

/** Number of open descriptors; 0 on systems without /proc. */
export function openDescriptors(): number {
  return descriptors().length;
}

/** Number of open IP sockets. Other descriptors do not count, because a runtime opens some for itself when needed. */
export function openSockets(): number {
  const sockets = descriptors().flatMap((descriptor) =>
    /^socket:\[(\d+)\]$/.exec(linkOf(descriptor))?.[1] ?? []
  );
  if (sockets.length === 0) return 0;
  const lines = readFileSync("/proc/self/net/unix", "utf8").split("\n");
  const unix = new Set(lines.map((line) => line.split(/\s+/)[6]));
  return sockets.filter((inode) => !unix.has(inode)).length;
}

function linkOf(descriptor: string): string {
  try {
    return readlinkSync(`${DIRECTORY}/${descriptor}`);
  } catch {
    // The directory's own.
    return "";
  }
}

/** Waits until no more than `count` IP sockets are open. A test's time-out ends it when they never are. */
export async function socketsDownTo(count: number): Promise<void> {
  while (openSockets() > count) await sleep(5);
}
