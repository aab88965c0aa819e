import { lookup } from "node:dns";
import { netError } from "./net_errors.ts";

/**
 * The IP addresses of a name, in the order of the system's resolver, which knows `/etc/hosts` too. A lookup cannot be
 * stopped: it keeps the process alive until the system answers or gives up.
 *
 * @throws {NetError} `ENOTFOUND`, or `EACCES` where the runtime was not given permission
 */
export function lookUpHost(hostname: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    lookup(hostname, { all: true, verbatim: true }, (error, found) => {
      // Deno's lack of permission is EPERM here, and EACCES elsewhere.
      if (error?.code === "EPERM") error.code = "EACCES";
      if (error) reject(netError(error, "lookup", "tcp", hostname));
      else resolve(found.map(({ address }) => address));
    });
  });
}
