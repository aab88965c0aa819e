import { lookup } from "node:dns";
import { netError } from "./net_errors.ts";

/**
 * Looks up the IP addresses of a name, in the order of the system's resolver, which reads `/etc/hosts` too. A lookup cannot
 * be cancelled, and keeps the process alive until the system answers or gives up.
 *
 * @throws {NetError} `ENOTFOUND`, or `EACCES` without the runtime's permission
 */
export function lookUpHost(hostname: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    lookup(hostname, { all: true, verbatim: true }, (error, found) => {
      // Deno reports a missing permission as EPERM here, and as EACCES elsewhere.
      if (error?.code === "EPERM") error.code = "EACCES";
      if (error) reject(netError(error, "lookup", "tcp", hostname));
      else resolve(found.map(({ address }) => address));
    });
  });
}
