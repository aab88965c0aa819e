/**
 * UDP on Bun. Which call serves what, and what it costs (CPU a datagram on loopback, by `bench/udp.ts`):
 *
 * | served by | what | cost |
 * | --- | --- | --- |
 * | `Bun.udpSocket` | everything else | 5.4 us |
 * | `node:dgram` | `reuseAddress`, `reusePort`, `ipv6Only` for `::`, the sizes of the kernel's buffers: `Bun.udpSocket` has none of them | 6.4 us |
 *
 * What is bridged here; for `node:dgram` see `node_datagram.ts`:
 *
 * | `Bun.udpSocket` | here |
 * | --- | --- |
 * | an error without an `error` handler ends the process | there always is one |
 * | an unconnected socket is told of refusals, and the next `send` fails with another's: a dead destination costs the living their datagrams | that is not passed on, and the send is tried once more |
 * | a connected one is told twice: as the next `send`'s failure and by `error` | the send is tried once more, `error` is passed on |
 * | a datagram that is too long is told by `error` too, after `send` threw | it is not passed on |
 * | `send` returns `false` when the kernel's buffer is full | it is sent again on `drain` |
 * | `sendMany` stops at the first that fails, also by another's error | it returns how many went; the next is sent by itself, which tries again |
 * | `error` is given the error, though its types say the socket and the error | either will do |
 * | what a handler throws is told to `error` | nothing is thrown |
 */

import { type UdpAddr, udpAddr } from "../src/net/addr.ts";
import type {
  BindRequest,
  DatagramHandler,
  DatagramSocket,
  GroupMembership,
  OutgoingDatagram,
} from "../src/net/datagram_socket.ts";
import type { NetError } from "../src/net/errors.ts";
import { interfaceName } from "./interfaces.ts";
import { joinGroup, leaveGroup } from "./memberships.ts";
import { isToldLater, netError, notSupported } from "./net_errors.ts";
import { bindNode, type DatagramTraits } from "./node_datagram.ts";

/** What is used of Bun, so that every type checker can read this file. */
export interface BunUdpSocket {
  readonly address: { readonly address: string; readonly port: number };
  send(data: Uint8Array, port?: number, address?: string): boolean;
  sendMany(packets: readonly (Uint8Array | number | string)[]): number;
  setBroadcast(on: boolean): boolean;
  setTTL(hops: number): number;
  setMulticastTTL(hops: number): number;
  setMulticastLoopback(on: boolean): boolean;
  setMulticastInterface(name: string): boolean;
  addMembership(group: string, name?: string): boolean;
  dropMembership(group: string, name?: string): boolean;
  addSourceSpecificMembership(source: string, group: string, name?: string): boolean;
  dropSourceSpecificMembership(source: string, group: string, name?: string): boolean;
  ref(): void;
  unref(): void;
  close(): void;
}
export interface BunUdpOptions {
  readonly hostname: string;
  readonly port: number;
  readonly binaryType: "uint8array";
  readonly connect?: { readonly hostname: string; readonly port: number };
  readonly socket: {
    data(socket: BunUdpSocket, data: Uint8Array, port: number, address: string): void;
    drain(socket: BunUdpSocket): void;
    error(socketOrError: BunUdpSocket | Error, error?: Error): void;
  };
}
export interface BunDatagrams {
  udpSocket(options: BunUdpOptions): Promise<BunUdpSocket>;
}
declare const Bun: BunDatagrams;

const BUN: DatagramTraits = { connects: true, tellsTwice: true, reusesPort: true, choosesIpv6: true };

/** Binds a socket, by whatever can do what is asked for. */
export async function bindBun(target: UdpAddr, request: BindRequest): Promise<DatagramSocket> {
  const { reuseAddress, reusePort, ipv6Only, settings } = request;
  const alone = ipv6Only && target.hostname === "::";
  const sized = settings.readBuffer !== undefined || settings.writeBuffer !== undefined;
  if (reuseAddress || reusePort || alone || sized) return await bindNode(target, request, BUN);
  return await BunDatagramSocket.open(target, request.peer);
}

class BunDatagramSocket implements DatagramSocket {
  localAddr: UdpAddr;
  readonly connected: boolean;
  readonly #peer: UdpAddr | null;
  #socket!: BunUdpSocket;
  #handler: DatagramHandler | null = null;
  #closed = false;
  /** What the kernel had no room for. */
  #waiting: OutgoingDatagram | null = null;

  private constructor(target: UdpAddr, peer: UdpAddr | null) {
    this.localAddr = target;
    this.#peer = peer;
    this.connected = peer !== null;
  }

  static async open(target: UdpAddr, peer: UdpAddr | null): Promise<DatagramSocket> {
    const opened = new BunDatagramSocket(target, peer);
    const { hostname, port } = target;
    try {
      opened.#socket = await Bun.udpSocket({
        hostname,
        port,
        binaryType: "uint8array",
        ...peer === null ? {} : { connect: { hostname: peer.hostname, port: peer.port } },
        socket: {
          data: (_socket, data, port, address) => opened.#handler?.onDatagram(data, address, port),
          drain: () => opened.#onDrain(),
          error: (first, second) => opened.#onError(second ?? first as Error),
        },
      });
    } catch (error) {
      throw netError(error, peer === null ? "listen" : "dial", "udp", peer ?? target);
    }
    const { address } = opened.#socket;
    opened.localAddr = udpAddr(address.address, address.port);
    return opened;
  }

  start(handler: DatagramHandler): void {
    this.#handler = handler;
  }

  send(data: Uint8Array, addr: UdpAddr | null): boolean {
    let left: boolean;
    try {
      left = this.#send(data, addr);
    } catch (error) {
      throw this.#writeError(error, addr);
    }
    if (!left) this.#waiting = { data, addr };
    return left;
  }

  /** The first failure may be another datagram's. */
  #send(data: Uint8Array, addr: UdpAddr | null): boolean {
    const once = () =>
      addr === null ? this.#socket.send(data) : this.#socket.send(data, addr.port, addr.hostname);
    try {
      return once();
    } catch (error) {
      if (!isToldLater(error)) throw error;
      return once();
    }
  }

  sendMany(datagrams: readonly OutgoingDatagram[]): number {
    const packets: (Uint8Array | number | string)[] = [];
    for (const { data, addr } of datagrams) {
      if (addr === null) packets.push(data);
      else packets.push(data, addr.port, addr.hostname);
    }
    try {
      return this.#socket.sendMany(packets);
    } catch {
      return 0;
    }
  }

  #writeError(error: unknown, addr: UdpAddr | null): NetError {
    return netError(error, "write", "udp", addr ?? this.#peer ?? this.localAddr);
  }

  #onDrain(): void {
    const waiting = this.#waiting;
    if (waiting === null || this.#closed) return;
    try {
      if (!this.#send(waiting.data, waiting.addr)) return;
      this.#waiting = null;
      this.#handler!.onSent(null);
    } catch (error) {
      this.#waiting = null;
      this.#handler!.onSent(this.#writeError(error, waiting.addr));
    }
  }

  #onError(error: Error): void {
    if (this.#closed || isToldLater(error) && !this.connected) return;
    const mapped = netError(error, "read", "udp", this.#peer ?? this.localAddr);
    if (mapped.code === "EMSGSIZE") return;
    this.#handler?.onError(mapped);
  }

  setBroadcast(on: boolean): void {
    this.#set(() => this.#socket.setBroadcast(on));
  }

  setTtl(hops: number): void {
    this.#set(() => this.#socket.setTTL(hops));
  }

  setMulticastTtl(hops: number): void {
    this.#set(() => this.#socket.setMulticastTTL(hops));
  }

  setMulticastLoopback(on: boolean): void {
    this.#set(() => this.#socket.setMulticastLoopback(on));
  }

  setMulticastInterface(name: string): void {
    this.#set(() => this.#socket.setMulticastInterface(interfaceName(this.localAddr, name)));
  }

  setReadBuffer(): void {
    throw notSupported(
      "Bun.udpSocket has no buffer sizes; give readBuffer when the socket is made",
      this.localAddr,
    );
  }

  setWriteBuffer(): void {
    throw notSupported(
      "Bun.udpSocket has no buffer sizes; give writeBuffer when the socket is made",
      this.localAddr,
    );
  }

  async joinGroup(membership: GroupMembership): Promise<void> {
    this.#set(() => joinGroup(this.#socket, membership, this.localAddr));
  }

  async leaveGroup(membership: GroupMembership): Promise<void> {
    this.#set(() => leaveGroup(this.#socket, membership, this.localAddr));
  }

  #set(action: () => unknown): void {
    try {
      action();
    } catch (error) {
      throw netError(error, "set", "udp", this.localAddr);
    }
  }

  close(): void {
    this.#closed = true;
    this.#socket.close();
    queueMicrotask(() => this.#handler?.onClose(null));
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }
}
