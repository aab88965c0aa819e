import { networkInterfaces } from "node:os";
import type { UdpAddr } from "../src/net/addr.ts";
import { NetError } from "../src/net/errors.ts";
import { ipFamily } from "../src/net/ip.ts";
import { netError } from "./net_errors.ts";

/** A network interface, as the calls of each family name it. */
export interface InterfaceNames {
  /** An address of the interface, of the family that was asked for. */
  readonly ipv4: string;
  /** Number of the interface; 0 where it is unknown, because no link-local address tells it. */
  readonly index: number;
  /** Name of the interface as the zone of the unspecified address: `::%eth0`. */
  readonly ipv6: string;
}

/**
 * Finds an interface of IPv4 or IPv6 by its name, or by one of its addresses. An IPv4 address for IPv4 is returned as it
 * is, without a look at the system's interfaces.
 *
 * @throws {NetError} `EADDRNOTAVAIL` when there is none, `EACCES` without the runtime's permission to look
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
  const reason = `no interface ${given} has an address of IPv${family}`;
  throw new NetError({ op: "set", network: "udp", addr: given, code: "EADDRNOTAVAIL" }, reason);
}

/** Names an interface as `node:dgram` and Bun want it for a socket bound to this address. */
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
