/**
 * UDP through `node:dgram`, on any runtime that has it. What is bridged here:
 *
 * | `node:dgram` | here |
 * | --- | --- |
 * | `send` looks each address up | they are IP addresses: a `lookup` that gives them back |
 * | an `error` that nobody hears ends the process | it is always heard |
 * | Bun tells an unconnected socket of refusals, and fails the next `send` with another's | that is not passed on, and the send is tried once more |
 * | Bun tells a connected one twice: as the next `send`'s failure and as `error` | the send is tried once more, `error` is passed on |
 * | Bun tells of a send that was too long as `error` too | it is not passed on |
 * | Deno's `connect` keeps no strangers out, and hears of no refusal | it is not called: the core looks at who sent what |
 * | Deno hands over a small part of a large buffer | a copy |
 * | Deno's `unref` lets go of nothing before the next datagram has come | left so |
 * | Deno's `reusePort` is not passed on, and before 22.12 Node knows none | ENOTSUP |
 * | Deno's IPv6 cannot choose a source | ENOTSUP |
 * | Deno's codes are EINVAL and UNKNOWN for much that is not | the core looks first at what it can know; the rest is EIO |
 * | interfaces are named by an address, or for IPv6 by a zone | `interfaces.ts` |
 */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { type UdpAddr, udpAddr } from "../src/net/addr.ts";
import type {
  BindRequest,
  DatagramHandler,
  DatagramSocket,
  GroupMembership,
} from "../src/net/datagram_socket.ts";
import type { NetError } from "../src/net/errors.ts";
import { interfaceName } from "./interfaces.ts";
import { joinGroup, leaveGroup } from "./memberships.ts";
import { isToldLater, netError, notSupported } from "./net_errors.ts";
import { knowsReusePort } from "./reuse_port.ts";

/** How a runtime's `node:dgram` differs. */
export interface DatagramTraits {
  /** Whether `connect` does something. */
  readonly connects: boolean;
  /** Whether the kernel's errors are told apart from the sends they hit. */
  readonly tellsTwice: boolean;
  /** Whether `reusePort` does something. */
  readonly reusesPort: boolean;
  /** Whether a source can be chosen by IPv6 too. */
  readonly choosesIpv6: boolean;
}

/** Those of Node itself. */
const NODE: DatagramTraits = {
  connects: true,
  tellsTwice: false,
  reusesPort: knowsReusePort,
  choosesIpv6: true,
};

/** IP addresses stay what they are. */
function lookup(
  hostname: string,
  options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void {
  callback(null, hostname, typeof options === "number" ? options : 0);
}

/** Binds through `node:dgram`. */
export async function bindNode(
  target: UdpAddr,
  request: BindRequest,
  traits: DatagramTraits = NODE,
): Promise<DatagramSocket> {
  const { peer, settings } = request;
  if (request.reusePort && !traits.reusesPort) {
    throw notSupported("node:dgram of this runtime does not pass reusePort on", target);
  }
  const socket = createSocket({
    type: target.hostname.includes(":") ? "udp6" : "udp4",
    reuseAddr: request.reuseAddress,
    reusePort: request.reusePort,
    ipv6Only: request.ipv6Only,
    lookup: lookup as never,
    ...settings.readBuffer === undefined ? {} : { recvBufferSize: settings.readBuffer },
    ...settings.writeBuffer === undefined ? {} : { sendBufferSize: settings.writeBuffer },
  });
  try {
    await called(socket, (done) => socket.bind(target.port, target.hostname, done));
    const connects = peer !== null && traits.connects;
    if (connects) await called(socket, (done) => socket.connect(peer.port, peer.hostname, done));
    return new NodeDatagramSocket(socket, connects ? peer : null, traits);
  } catch (error) {
    socket.on("error", () => {}).close();
    throw netError(error, peer === null ? "listen" : "dial", "udp", peer ?? target);
  }
}

/** A call that ends with its callback, or with an `error`. */
function called(socket: Socket, call: (done: (error?: Error) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    call((error) => {
      socket.off("error", reject);
      if (error) reject(error);
      else resolve();
    });
  });
}

class NodeDatagramSocket implements DatagramSocket {
  readonly localAddr: UdpAddr;
  readonly connected: boolean;
  readonly #socket: Socket;
  readonly #peer: UdpAddr | null;
  readonly #traits: DatagramTraits;
  #handler: DatagramHandler | null = null;
  #closing = false;
  /** What is being sent, once; the callback is one for all. */
  #sending: { data: Uint8Array; addr: UdpAddr | null; again: boolean } | null = null;
  readonly #onSent = (error: Error | null): void => this.#sent(error);

  constructor(socket: Socket, peer: UdpAddr | null, traits: DatagramTraits) {
    this.#socket = socket;
    this.#peer = peer;
    this.#traits = traits;
    this.connected = peer !== null;
    const { address, port } = socket.address();
    this.localAddr = udpAddr(address, port);
    socket.on("error", (error) => this.#onError(error));
    socket.on("close", () => this.#handler?.onClose(null));
  }

  start(handler: DatagramHandler): void {
    this.#handler = handler;
    this.#socket.on("message", (data: Uint8Array, { address, port }: RemoteInfo) => {
      if (!this.#closing) handler.onDatagram(plain(data), address, port);
    });
  }

  send(data: Uint8Array, addr: UdpAddr | null): boolean {
    this.#sending = { data, addr, again: this.#traits.tellsTwice };
    this.#send(data, addr);
    return false;
  }

  #send(data: Uint8Array, addr: UdpAddr | null): void {
    try {
      if (addr === null) this.#socket.send(data, this.#onSent);
      else this.#socket.send(data, addr.port, addr.hostname, this.#onSent);
    } catch (error) {
      this.#sending = null;
      throw this.#writeError(error, addr);
    }
  }

  #sent(error: Error | null): void {
    const sending = this.#sending;
    if (sending === null || this.#closing) return;
    const { data, addr } = sending;
    if (error && sending.again && isToldLater(error)) {
      sending.again = false;
      return this.#send(data, addr);
    }
    this.#sending = null;
    this.#handler!.onSent(error ? this.#writeError(error, addr) : null);
  }

  #writeError(error: unknown, addr: UdpAddr | null): NetError {
    return netError(error, "write", "udp", addr ?? this.#peer ?? this.localAddr);
  }

  #onError(error: Error): void {
    if (this.#closing || isToldLater(error) && !this.connected) return;
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

  setReadBuffer(bytes: number): void {
    this.#set(() => this.#socket.setRecvBufferSize(bytes));
  }

  setWriteBuffer(bytes: number): void {
    this.#set(() => this.#socket.setSendBufferSize(bytes));
  }

  async joinGroup(membership: GroupMembership): Promise<void> {
    if (membership.source?.includes(":") && !this.#traits.choosesIpv6) {
      throw notSupported("node:dgram of this runtime cannot choose a source by IPv6", this.localAddr);
    }
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
    this.#closing = true;
    this.#socket.close();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }
}

/** A plain array, that holds on to no more than its own bytes. */
function plain(data: Uint8Array): Uint8Array {
  const { buffer, byteOffset, length } = data;
  const view = new Uint8Array(buffer, byteOffset, length);
  return buffer.byteLength === length ? view : view.slice();
}
