/** IP address literals. */

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const GROUP = /^[0-9a-f]{1,4}$/i;

/**
 * Address family of an IP literal. As in Go, the parts of an IPv4 address must have no leading zeros, and an IPv6
 * address may have a zone (`fe80::1%eth0`).
 *
 * @returns 4 or 6; 0 when the text is not an IP address
 */
export function ipFamily(text: string): 4 | 6 | 0 {
  if (IPV4.test(text)) return 4;
  const zone = text.indexOf("%");
  if (zone === text.length - 1 && zone >= 0) return 0;
  return isIpv6(zone < 0 ? text : text.slice(0, zone)) ? 6 : 0;
}

function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.map((half, i) => countGroups(half, i === halves.length - 1));
  const count = groups.reduce((sum, n) => sum + n, 0);
  return halves.length === 1 ? count === 8 : count < 8;
}

/**
 * Number of 16-bit groups in a part of an IPv6 address; NaN when it is malformed. The last two may be written as IPv4.
 */
function countGroups(text: string, last: boolean): number {
  if (text === "") return 0;
  const groups = text.split(":");
  const endsInIpv4 = last && IPV4.test(groups.at(-1)!);
  if (endsInIpv4) groups.pop();
  return groups.every((group) => GROUP.test(group)) ? groups.length + (endsInIpv4 ? 2 : 0) : NaN;
}

/** Whether two IP addresses are equal, however they are written. Zones are compared only when both have one. */
export function sameAddress(a: string, b: string): boolean {
  if (a === b) return true;
  if (!a.includes(":") || !b.includes(":")) return false;
  const [[hostA, zoneA], [hostB, zoneB]] = [a.split("%"), b.split("%")];
  if (zoneA !== undefined && zoneB !== undefined && zoneA !== zoneB) return false;
  return canonical(hostA!) === canonical(hostB!);
}

/**
 * What counts as one address when connections are counted by address: an IPv4 address, or the first 64 bits of an IPv6
 * address, because whoever has one of those addresses usually has them all. A link-local address, whose first bits
 * are those of all its neighbours, counts alone.
 */
export function addressBlock(address: string): string {
  if (!address.includes(":") || LINK_LOCAL.test(address)) return address;
  const [head, tail] = canonical(address.split("%")[0]!).slice(1, -1).split("::");
  const groups = head === "" ? [] : head!.split(":");
  const after = tail === undefined || tail === "" ? 0 : tail.split(":").length;
  const zeros = tail === undefined ? 0 : 8 - groups.length - after;
  const all = [...groups, ...new Array<string>(zeros).fill("0"), ...(tail ?? "").split(":")];
  return `${all.slice(0, 4).join(":")}::/64`;
}

const LINK_LOCAL = /^fe[89ab][0-9a-f]:/i;

function canonical(ipv6: string): string {
  return new URL(`http://[${ipv6}]`).hostname;
}
