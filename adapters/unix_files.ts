import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { type UnixAddr, unixAddr } from "../src/net/addr.ts";
import type { UnixFiles } from "../src/net/runtime.ts";
import { netError } from "./net_errors.ts";

/** The files of Unix sockets, through `node:fs`. */
export const unixFiles: UnixFiles = {
  async findSocket(path) {
    return forListening(path, () => find(path));
  },
  async removeSocket(path, found) {
    return forListening(path, () => {
      // All in one turn: next to no time is left for others.
      const now = find(path);
      if (now === found) unlinkSync(path);
      return now === found || now === null;
    });
  },
  async setMode(path, mode) {
    forListening(path, () => chmodSync(path, mode));
  },
};

/** Tells a socket from all others. Its number alone does not: the next file may get it again. */
function find(path: string): string | null {
  const file = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return file?.isSocket() ? `${file.dev} ${file.ino} ${file.mtimeNs}` : null;
}

function forListening<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw netError(error, "listen", "unix", path);
  }
}

/** The end of a Unix socket that was bound to no path. */
export const UNNAMED: UnixAddr = unixAddr("");

/** An abstract name begins with a zero for the kernel. */
export function kernelPath({ path }: UnixAddr): string {
  return path.replace(/^@/, "\0");
}
