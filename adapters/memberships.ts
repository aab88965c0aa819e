import type { UdpAddr } from "../src/net/addr.ts";
import type { GroupMembership } from "../src/net/datagram_socket.ts";
import { interfaceName } from "./interfaces.ts";

/** The methods for multicast groups, which sockets of `node:dgram` and Bun have in common. */
export interface MembershipSocket {
  addMembership(group: string, interfaceName?: string): unknown;
  dropMembership(group: string, interfaceName?: string): unknown;
  addSourceSpecificMembership(source: string, group: string, interfaceName?: string): unknown;
  dropSourceSpecificMembership(source: string, group: string, interfaceName?: string): unknown;
}

/** Joins a multicast group; throws what the runtime throws. */
export function joinGroup(socket: MembershipSocket, membership: GroupMembership, localAddr: UdpAddr): void {
  const { group, source } = membership;
  const name = nameOf(membership, localAddr);
  if (source === null) socket.addMembership(group, name);
  else socket.addSourceSpecificMembership(source, group, name);
}

/** Leaves a multicast group; throws what the runtime throws. */
export function leaveGroup(socket: MembershipSocket, membership: GroupMembership, localAddr: UdpAddr): void {
  const { group, source } = membership;
  const name = nameOf(membership, localAddr);
  if (source === null) socket.dropMembership(group, name);
  else socket.dropSourceSpecificMembership(source, group, name);
}

function nameOf({ interface: given }: GroupMembership, localAddr: UdpAddr): string | undefined {
  return given === null ? undefined : interfaceName(localAddr, given);
}
