/**
 * UDP on Deno. Which call serves what, and what it costs (CPU a datagram on loopback, by `bench/udp.ts`):
 *
 * | served by | what | cost |
 * | --- | --- | --- |
 * | `Deno.listenDatagram` | everything else, where Deno has it: needs `--unstable-net` | 7.9 us |
 * | `node:dgram` | everything without `--unstable-net`; `ttl`, `multicastTtl`, `multicastLoopback`, `multicastInterface`, `readBuffer`, `writeBuffer` given when the socket is made; `ipv6Only` for `::` | 23 us |
 *
 * Differences bridged here; for `node:dgram` see `node_datagram.ts`:
 *
 * | `Deno.listenDatagram` | here |
 * | --- | --- |
 * | two calls of `receive` are served in reverse order | exactly one is under way |
 * | a datagram longer than its buffer is cut silently | the buffer has the greatest length of a datagram; each datagram is copied out |
 * | no call connects a socket | the core compares the sender's address; refusals are not reported |
 * | sending to broadcast addresses is always allowed | the core forbids the one that it can know, 255.255.255.255 |
 * | hops, interfaces, sources and buffer sizes cannot be set | ENOTSUP; as options when the socket is made, `node:dgram` |
 * | IPv6 interfaces are numbers | `interfaces.ts` |
 * | a closed socket keeps its port until `receive` has ended | `onClose` is called after that |
 */

import { type UdpAddr, udpAddr } from "../src/net/addr.ts";
import type {
  BindRequest,
  DatagramHandler,
  DatagramSocket,
  GroupMembership,
} from "../src/net/datagram_socket.ts";
import type { NetError } from "../src/net/errors.ts";
import { findInterface } from "./interfaces.ts";
import { isDelayedError, netError, notPermitted, notSupported } from "./net_errors.ts";
import { bindNode, type DatagramTraits } from "./node_datagram.ts";

// The part of Deno that is used here, declared so that every type checker can read this file.

/** An address of UDP. */
export interface DenoUdpAddr {
  readonly transport: "udp";
  readonly hostname: string;
  readonly port: number;
}

/** Membership in a multicast group. */
export interface DenoMembership {
  leave(): Promise<void>;
}

/** A UDP socket of Deno. */
export interface DenoDatagramConn {
  readonly addr: DenoUdpAddr;
  receive(into: Uint8Array): Promise<[Uint8Array, DenoUdpAddr]>;
  send(data: Uint8Array, addr: DenoUdpAddr): Promise<number>;
  joinMulticastV4(group: string, address: string): Promise<DenoMembership>;
  joinMulticastV6(group: string, index: number): Promise<DenoMembership>;
  ref(): void;
  unref(): void;
  close(): void;
}

/** The calls of `Deno` that make UDP sockets. */
export interface DenoDatagrams {
  readonly permissions: { request(wanted: { name: "net"; host: string }): Promise<{ state: string }> };
  /** Missing without `--unstable-net`. */
  readonly listenDatagram?: (options: DenoUdpAddr & { reuseAddress?: boolean }) => DenoDatagramConn;
}
declare const Deno: DenoDatagrams;

const DENO: DatagramTraits = {
  connects: false,
  reportsTwice: false,
  reusesPort: false,
  choosesIpv6Source: false,
};

/** Upper bound of a datagram, bytes. */
const LONGEST_DATAGRAM = 65535;

/** Binds a UDP socket, through `Deno.listenDatagram` or, where that is missing or has less than the request asks for, `node:dgram`. */
export async function bindDeno(target: UdpAddr, request: BindRequest): Promise<DatagramSocket> {
  const { listenDatagram } = Deno;
  if (listenDatagram === undefined || needsNode(target, request)) {
    return await bindThroughNode(target, request);
  }
  const { hostname, port } = target;
  const { reuseAddress, peer } = request;
  try {
    return new DenoDatagramSocket(listenDatagram({ transport: "udp", hostname, port, reuseAddress }));
  } catch (error) {
    throw netError(error, peer === null ? "listen" : "dial", "udp", peer ?? target);
  }
}

function needsNode({ hostname }: UdpAddr, { reusePort, ipv6Only, settings }: BindRequest): boolean {
  const { broadcast: _native, ...others } = settings;
  return reusePort || ipv6Only && hostname === "::" || Object.keys(others).length > 0;
}

async function bindThroughNode(target: UdpAddr, request: BindRequest): Promise<DatagramSocket> {
  const { state } = await Deno.permissions.request({ name: "net", host: String(target) });
  const { peer } = request;
  if (state === "granted") return await bindNode(target, request, DENO);
  throw notPermitted(peer === null ? "listen" : "dial", peer ?? target, target);
}

/** A UDP socket over one of `Deno.listenDatagram`. */
class DenoDatagramSocket implements DatagramSocket {
  readonly localAddr: UdpAddr;
  readonly connected = false;
  readonly #conn: DenoDatagramConn;
  readonly #memberships = new Map<string, DenoMembership>();
  #handler!: DatagramHandler;
  #closing = false;

  constructor(conn: DenoDatagramConn) {
    this.#conn = conn;
    this.localAddr = udpAddr(conn.addr.hostname, conn.addr.port);
  }

  start(handler: DatagramHandler): void {
    this.#handler = handler;
    this.#receive();
  }

  async #receive(): Promise<void> {
    const buffer = new Uint8Array(LONGEST_DATAGRAM);
    let broken: NetError | null = null;
    while (broken === null && !this.#closing) {
      try {
        const [data, { hostname, port }] = await this.#conn.receive(buffer);
        if (!this.#closing) this.#handler.onDatagram(data.slice(), hostname, port);
      } catch (error) {
        if (!this.#closing && !isDelayedError(error)) broken = netError(error, "read", "udp", this.localAddr);
      }
    }
    if (!this.#closing) this.close();
    this.#handler.onClose(broken);
  }

  send(data: Uint8Array, addr: UdpAddr | null): boolean {
    const { hostname, port } = addr!;
    this.#conn.send(data, { transport: "udp", hostname, port }).then(
      () => this.#sent(null),
      (error) => this.#sent(netError(error, "write", "udp", addr!)),
    );
    return false;
  }

  #sent(error: NetError | null): void {
    if (!this.#closing) this.#handler.onSent(error);
  }

  /** Does nothing: Deno always allows broadcasts. */
  setBroadcast(): void {}

  setTtl(): void {
    throw this.#cannot("ttl");
  }

  setMulticastTtl(): void {
    throw this.#cannot("multicastTtl");
  }

  setMulticastLoopback(): void {
    throw this.#cannot("multicastLoopback");
  }

  setMulticastInterface(): void {
    throw this.#cannot("multicastInterface");
  }

  setReadBuffer(): void {
    throw this.#cannot("readBuffer");
  }

  setWriteBuffer(): void {
    throw this.#cannot("writeBuffer");
  }

  #cannot(option: string): NetError {
    const reason = `Deno.listenDatagram has no ${option}; give ${option} when the socket is made`;
    return notSupported(reason, this.localAddr);
  }

  async joinGroup({ group, interface: on, source }: GroupMembership): Promise<void> {
    if (source !== null) {
      throw notSupported(
        "Deno.listenDatagram cannot choose the source of a group; give multicastTtl when the socket is made, and node:dgram is used",
        this.localAddr,
      );
    }
    try {
      const joined = group.includes(":")
        ? await this.#conn.joinMulticastV6(group, this.#interfaceNumber(on))
        : await this.#conn.joinMulticastV4(group, on === null ? "0.0.0.0" : findInterface(4, on).ipv4);
      this.#memberships.set(`${group} ${on}`, joined);
    } catch (error) {
      throw netError(error, "set", "udp", this.localAddr);
    }
  }

  #interfaceNumber(name: string | null): number {
    if (name === null) return 0;
    const { index } = findInterface(6, name);
    if (index > 0) return index;
    throw notSupported(
      `Deno.listenDatagram needs the number of interface ${name}, which the runtime tells only of one with a link-local address`,
      this.localAddr,
    );
  }

  async leaveGroup({ group, interface: on }: GroupMembership): Promise<void> {
    const membership = this.#memberships.get(`${group} ${on}`);
    this.#memberships.delete(`${group} ${on}`);
    try {
      await membership?.leave();
    } catch (error) {
      throw netError(error, "set", "udp", this.localAddr);
    }
  }

  close(): void {
    this.#closing = true;
    this.#conn.close();
  }

  ref(): void {
    this.#conn.ref();
  }

  unref(): void {
    this.#conn.unref();
  }
}
