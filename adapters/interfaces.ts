import { networkInterfaces } from "node:os";
import type { UdpAddr } from "../src/net/addr.ts";
import { NetError } from "../src/net/errors.ts";
import { ipFamily } from "../src/net/ip.ts";
import { netError } from "./net_errors.ts";

/** An interface, as calls of one family name it. */
export interface InterfaceNames {
  /** One of its IPv4 addresses. */
  readonly ipv4: string;
  /** Its number; 0 where it is not known, because no address has it for a zone. */
  readonly index: number;
  /** Its name as the zone of no address. */
  readonly ipv6: string;
}

/**
 * Finds an interface of IPv4 or IPv6 by its name, or by one of its addresses. Where an address is wanted and one is given,
 * nobody is asked.
 *
 * @throws {NetError} `EADDRNOTAVAIL` when there is none, `EACCES` where the runtime was not given permission to look
 */
export function findInterface(family: 4 | 6, given: string): InterfaceNames {
  if (family === 4 && ipFamily(given) === 4) return { ipv4: given, index: 0, ipv6: "" };
  for (const [name, addresses = []] of interfaces(given)) {
    if (name !== given && !addresses.some(({ address }) => address === given)) continue;
    const found = addresses.find((address) => ipFamily(address.address) === family);
    if (found === undefined) break;
    const index = Math.max(
      0,
      ...addresses.map((address) => Number("scopeid" in address ? address.scopeid : 0)),
    );
    return { ipv4: found.address, index, ipv6: `::%${name}` };
  }
  const reason = `there is no interface ${given} of IPv${family}`;
  throw new NetError({ op: "set", network: "udp", addr: given, code: "EADDRNOTAVAIL" }, reason);
}

/** An interface as `node:dgram` and Bun name it to a socket of this address. */
export function interfaceName({ hostname }: UdpAddr, name: string): string {
  return hostname.includes(":") ? findInterface(6, name).ipv6 : findInterface(4, name).ipv4;
}

function interfaces(given: string): [string, ReturnType<typeof networkInterfaces>[string]][] {
  try {
    return Object.entries(networkInterfaces());
  } catch (error) {
    throw netError(error, "set", "udp", given);
  }
}
