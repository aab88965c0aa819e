/** Zones of link-local IPv6 addresses, such as `%eth0`, on runtimes that leave them out. */

import { networkInterfaces } from "node:os";
import { type Addr, tcpAddr } from "../src/net/addr.ts";
import type { Ends } from "./ends.ts";

/** Link-local unicast addresses, fe80::/10, without a zone. */
const WITHOUT_ZONE = /^fe[89ab][0-9a-f]:[^%]*$/i;

/**
 * Adds the zone to the link-local addresses of a connection.
 *
 * @param known the address that was dialled or is listened on, which may have the zone; otherwise the zone is the network
 * interface that has the local address
 */
export function withZones(ends: Ends, known: Addr | null): Ends {
  const { localAddr, remoteAddr } = ends;
  if (!lacksZone(remoteAddr) && !lacksZone(localAddr)) return ends;
  const zone = zoneOf(known) || zoneOf(localAddr) || interfaceOf(localAddr);
  return { localAddr: withZone(localAddr, zone), remoteAddr: withZone(remoteAddr, zone) };
}

/** Adds the zone of `known` to a link-local address of TCP that has none. */
export function withZoneOf(addr: Addr, known: Addr): Addr {
  return withZone(addr, zoneOf(known));
}

function lacksZone(addr: Addr): boolean {
  return addr.network === "tcp" && WITHOUT_ZONE.test(addr.hostname);
}

function withZone(addr: Addr, zone: string): Addr {
  if (zone === "" || addr.network !== "tcp" || !lacksZone(addr)) return addr;
  return tcpAddr(`${addr.hostname}%${zone}`, addr.port);
}

/** The zone of an address; empty for none. */
function zoneOf(addr: Addr | null): string {
  return addr?.network === "tcp" ? addr.hostname.split("%")[1] ?? "" : "";
}

/** Name of the only network interface that has the address; empty for none, or without the permission to look. */
function interfaceOf(addr: Addr): string {
  if (addr.network !== "tcp") return "";
  try {
    const found = Object.entries(networkInterfaces()).filter(([, addresses = []]) =>
      addresses.some(({ address }) => address === addr.hostname)
    );
    return found.length === 1 ? found[0]![0] : "";
  } catch {
    return "";
  }
}
