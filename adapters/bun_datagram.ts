/**
 * UDP on Bun. Which call serves what, and what it costs (CPU a datagram on loopback, by `bench/udp.ts`):
 *
 * | served by | what | cost |
 * | --- | --- | --- |
 * | `Bun.udpSocket` | everything else | 5.4 us |
 * | `node:dgram` | `reuseAddress`, `reusePort`, `ipv6Only` for `::`, the sizes of the kernel's buffers: `Bun.udpSocket` has none of them | 6.4 us |
 *
 * Differences bridged here; for `node:dgram` see `node_datagram.ts`:
 *
 * | `Bun.udpSocket` | here |
 * | --- | --- |
 * | an error without an `error` handler ends the process | every socket has the handler |
 * | an unconnected socket gets refusals as events, and its next `send` fails with the error of an earlier datagram: a dead destination costs the others their datagrams | the events are not passed on, and the send is tried once more |
 * | a connected socket gets a refusal twice: as the failure of its next `send`, and by `error` | the send is tried once more, `error` is passed on |
 * | a datagram that is too long comes to `error` too, after `send` threw | the event is not passed on |
 * | `send` returns `false` when the kernel's buffer is full | the datagram is sent again on `drain` |
 * | `sendMany` stops at the first failure, also when the error is an earlier datagram's | `sendMany` returns the number that left; the next datagram is sent alone, by `send`, which tries again |
 * | `error` gets the error alone, though its types say the socket and the error | both are accepted |
 * | what a handler throws comes to `error` | the handlers here throw nothing |
 */

import { type UdpAddr, udpAddr } from "../src/net/addr.ts";
import type {
  BindRequest,
  DatagramHandler,
  DatagramSocket,
  OutgoingDatagram,
} from "../src/net/datagram_socket.ts";
import { AdapterDatagramSocket } from "./adapter_datagram_socket.ts";
import { isDelayedError, netError, notSupported } from "./net_errors.ts";
import { bindNode, type DatagramTraits } from "./node_datagram.ts";

// The part of Bun that is used here, declared so that every type checker can read this file.

/** A UDP socket of Bun. */
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

/** How to bind a UDP socket, and its callbacks. */
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

/** The call of `Bun` that makes UDP sockets. */
export interface BunDatagrams {
  udpSocket(options: BunUdpOptions): Promise<BunUdpSocket>;
}
declare const Bun: BunDatagrams;

const BUN: DatagramTraits = { connects: true, reportsTwice: true, reusesPort: true, choosesIpv6Source: true };

/** Binds a UDP socket, through `Bun.udpSocket` or, where the request asks for more than that has, `node:dgram`. */
export async function bindBun(target: UdpAddr, request: BindRequest): Promise<DatagramSocket> {
  const { reuseAddress, reusePort, ipv6Only, settings } = request;
  const alone = ipv6Only && target.hostname === "::";
  const sized = settings.readBuffer !== undefined || settings.writeBuffer !== undefined;
  if (reuseAddress || reusePort || alone || sized) return await bindNode(target, request, BUN);
  return await BunDatagramSocket.open(target, request.peer);
}

/** A UDP socket over one of `Bun.udpSocket`. */
class BunDatagramSocket extends AdapterDatagramSocket<BunUdpSocket> implements DatagramSocket {
  /** The datagram that the kernel had no room for. */
  #waiting: OutgoingDatagram | null = null;

  static async open(target: UdpAddr, peer: UdpAddr | null): Promise<DatagramSocket> {
    const { hostname, port } = target;
    let opened: BunDatagramSocket | null = null;
    try {
      const socket = await Bun.udpSocket({
        hostname,
        port,
        binaryType: "uint8array",
        ...peer === null ? {} : { connect: { hostname: peer.hostname, port: peer.port } },
        socket: {
          data: (_socket, data, port, address) => opened?.handler?.onDatagram(data, address, port),
          drain: () => opened?.onDrain(),
          error: (first, second) => opened?.onError(second ?? first as Error),
        },
      });
      const { address } = socket;
      return opened = new BunDatagramSocket(socket, udpAddr(address.address, address.port), peer);
    } catch (error) {
      throw netError(error, peer === null ? "listen" : "dial", "udp", peer ?? target);
    }
  }

  start(handler: DatagramHandler): void {
    this.handler = handler;
  }

  send(data: Uint8Array, addr: UdpAddr | null): boolean {
    let left: boolean;
    try {
      left = this.#send(data, addr);
    } catch (error) {
      throw this.writeError(error, addr);
    }
    if (!left) this.#waiting = { data, addr };
    return left;
  }

  /** Sends, and tries once more after a failure that may be an earlier datagram's. */
  #send(data: Uint8Array, addr: UdpAddr | null): boolean {
    const once = () =>
      addr === null ? this.socket.send(data) : this.socket.send(data, addr.port, addr.hostname);
    try {
      return once();
    } catch (error) {
      if (!isDelayedError(error)) throw error;
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
      return this.socket.sendMany(packets);
    } catch {
      return 0;
    }
  }

  protected onDrain(): void {
    const waiting = this.#waiting;
    if (waiting === null || this.closed) return;
    try {
      if (!this.#send(waiting.data, waiting.addr)) return;
      this.#waiting = null;
      this.handler!.onSent(null);
    } catch (error) {
      this.#waiting = null;
      this.handler!.onSent(this.writeError(error, waiting.addr));
    }
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

  close(): void {
    this.closed = true;
    this.socket.close();
    queueMicrotask(() => this.handler?.onClose(null));
  }
}
