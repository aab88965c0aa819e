import type { DatagramSocket, GroupMembership } from "./datagram_socket.ts";
import { NetError } from "./errors.ts";
import { ipFamily } from "./ip.ts";
import type { GroupOptions } from "./packet_conn.ts";
import { isMulticast } from "./udp_options.ts";

/** The multicast groups that a socket has joined. Gives every runtime the same errors. */
export class MulticastGroups {
  readonly #socket: DatagramSocket;
  readonly #joined = new Set<string>();

  constructor(socket: DatagramSocket) {
    this.#socket = socket;
  }

  async join(group: string, options: GroupOptions): Promise<void> {
    const membership = this.#check(group, options);
    const key = keyOf(membership);
    if (this.#joined.has(key)) throw failed(group, "EADDRINUSE");
    this.#joined.add(key);
    try {
      await this.#socket.joinGroup(membership);
    } catch (error) {
      this.#joined.delete(key);
      throw error;
    }
  }

  async leave(group: string, options: GroupOptions): Promise<void> {
    const membership = this.#check(group, options);
    if (!this.#joined.delete(keyOf(membership))) throw failed(group, "EADDRNOTAVAIL");
    await this.#socket.leaveGroup(membership);
  }

  #check(group: string, options: GroupOptions): GroupMembership {
    if (!isMulticast(group)) {
      throw new TypeError(`Cannot use group "${group}": it is not a multicast address`);
    }
    const { interface: on = null, source = null } = options;
    if (source !== null && ipFamily(source) === 0) {
      throw new TypeError(`Cannot use source "${source}": it is not an IP address`);
    }
    const family = ipFamily(this.#socket.localAddr.hostname);
    if (ipFamily(group) !== family || source !== null && ipFamily(source) !== family) {
      throw failed(group, "EAFNOSUPPORT");
    }
    return { group, interface: on, source };
  }
}

function keyOf({ group, interface: on, source }: GroupMembership): string {
  return `${group.toLowerCase()} ${on} ${source}`;
}

function failed(group: string, code: string): NetError {
  return new NetError({ op: "set", network: "udp", addr: group, code });
}
