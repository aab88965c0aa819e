import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { type UnixAddr, unixAddr } from "../src/net/addr.ts";
import type { UnixFiles } from "../src/net/runtime.ts";
import { netError } from "./net_errors.ts";

/** Access to the files of Unix sockets, through `node:fs`. */
export const unixFiles: UnixFiles = {
  async findSocket(path) {
    return forListening(path, () => find(path));
  },
  async removeSocket(path, found) {
    return forListening(path, () => {
      // Looked up and removed in one turn, which leaves other processes next to no time in between.
      const now = find(path);
      if (now === found) unlinkSync(path);
      return now === found || now === null;
    });
  },
  async setMode(path, mode) {
    forListening(path, () => chmodSync(path, mode));
  },
};

/** Identifies the socket at a path; `null` for none. An inode alone is not enough: the next file may get it again. */
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

/** Address of an end of a Unix socket that is bound to no path. */
export const UNNAMED: UnixAddr = unixAddr("");

/** The path as the kernel wants it: an abstract name begins with a zero byte instead of `@`. */
export function kernelPath({ path }: UnixAddr): string {
  return path.replace(/^@/, "\0");
}
