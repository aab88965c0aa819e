import { chmod, lstat, unlink } from "node:fs/promises";
import { type UnixAddr, unixAddr } from "../src/net/addr.ts";
import type { UnixFiles } from "../src/net/runtime.ts";
import { netError } from "./net_errors.ts";

/** The files of Unix sockets, through `node:fs`. */
export const unixFiles: UnixFiles = {
  async removeSocket(path) {
    try {
      if (!(await lstat(path)).isSocket()) return false;
      await unlink(path);
      return true;
    } catch (error) {
      // Somebody else was faster.
      const mapped = netError(error, "listen", "unix", path);
      if (mapped.code === "ENOENT") return true;
      throw mapped;
    }
  },
  async setMode(path, mode) {
    try {
      await chmod(path, mode);
    } catch (error) {
      throw netError(error, "listen", "unix", path);
    }
  },
};

/** The end of a Unix socket that was bound to no path. */
export const UNNAMED: UnixAddr = unixAddr("");

/** An abstract name begins with a zero for the kernel. */
export function kernelPath({ path }: UnixAddr): string {
  return path.replace(/^@/, "\0");
}
