import type { UdpAddr } from "../src/net/addr.ts";
import type { DatagramHandler, GroupMembership } from "../src/net/datagram_socket.ts";
import type { NetError } from "../src/net/errors.ts";
import { interfaceName } from "./interfaces.ts";
import { joinGroup, leaveGroup, type MembershipSocket } from "./memberships.ts";
import { isDelayedError, netError } from "./net_errors.ts";

/** The methods that the UDP sockets of `node:dgram` and Bun have in common. */
export interface NativeDatagramSocket extends MembershipSocket {
  setBroadcast(on: boolean): unknown;
  setTTL(hops: number): unknown;
  setMulticastTTL(hops: number): unknown;
  setMulticastLoopback(on: boolean): unknown;
  setMulticastInterface(name: string): unknown;
  ref(): unknown;
  unref(): unknown;
}

/** Base of the UDP sockets over `node:dgram` and `Bun.udpSocket`: options, groups and errors. Sending is a subclass's part. */
export abstract class AdapterDatagramSocket<Native extends NativeDatagramSocket> {
  readonly localAddr: UdpAddr;
  /** Whether the kernel knows the peer. */
  readonly connected: boolean;
  protected readonly socket: Native;
  protected handler: DatagramHandler | null = null;
  /** Whether `close` was called. */
  protected closed = false;
  readonly #peer: UdpAddr | null;

  /** @param peer the address that the kernel has connected the socket to; `null` for none */
  constructor(socket: Native, localAddr: UdpAddr, peer: UdpAddr | null) {
    this.socket = socket;
    this.localAddr = localAddr;
    this.connected = peer !== null;
    this.#peer = peer;
  }

  /** Maps the error of a send to `addr`. */
  protected writeError(error: unknown, addr: UdpAddr | null): NetError {
    return netError(error, "write", "udp", addr ?? this.#peer ?? this.localAddr);
  }

  /** Passes an error event on, if it is one of a connected socket and not already reported by `send`. */
  protected onError(error: Error): void {
    if (this.closed || isDelayedError(error) && !this.connected) return;
    const mapped = netError(error, "read", "udp", this.#peer ?? this.localAddr);
    if (mapped.code === "EMSGSIZE") return;
    this.handler?.onError(mapped);
  }

  setBroadcast(on: boolean): void {
    this.set(() => this.socket.setBroadcast(on));
  }

  setTtl(hops: number): void {
    this.set(() => this.socket.setTTL(hops));
  }

  setMulticastTtl(hops: number): void {
    this.set(() => this.socket.setMulticastTTL(hops));
  }

  setMulticastLoopback(on: boolean): void {
    this.set(() => this.socket.setMulticastLoopback(on));
  }

  setMulticastInterface(name: string): void {
    this.set(() => this.socket.setMulticastInterface(interfaceName(this.localAddr, name)));
  }

  async joinGroup(membership: GroupMembership): Promise<void> {
    this.set(() => joinGroup(this.socket, membership, this.localAddr));
  }

  async leaveGroup(membership: GroupMembership): Promise<void> {
    this.set(() => leaveGroup(this.socket, membership, this.localAddr));
  }

  /** Runs an action that sets an option, and maps its error. */
  protected set(action: () => unknown): void {
    try {
      action();
    } catch (error) {
      throw netError(error, "set", "udp", this.localAddr);
    }
  }

  ref(): void {
    this.socket.ref();
  }

  unref(): void {
    this.socket.unref();
  }
}
