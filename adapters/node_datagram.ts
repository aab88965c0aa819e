/**
 * UDP through `node:dgram`, on any runtime that has it. Differences bridged here:
 *
 * | `node:dgram` | here |
 * | --- | --- |
 * | `send` looks each address up | addresses are IP addresses: a `lookup` gives them back as they are |
 * | an `error` event without a listener ends the process | every socket has one |
 * | Bun gives an unconnected socket refusals as events, and fails its next `send` with the error of an earlier datagram | the events are not passed on, and the send is tried once more |
 * | Bun gives a connected socket a refusal twice: as the failure of its next `send`, and as `error` | the send is tried once more, `error` is passed on |
 * | Bun gives the error of a send that was too long as `error` too | the event is not passed on |
 * | on Deno a connected socket still gets datagrams of strangers, and no refusals | `connect` is not called: the core compares the sender's address |
 * | on Deno a datagram is a small part of a large buffer | it is copied |
 * | on Deno `unref` takes effect when the next datagram has come | left as it is |
 * | Deno does not pass `reusePort` on, and Node before 22.12 does not know it | ENOTSUP |
 * | Deno cannot choose the source of an IPv6 group | ENOTSUP |
 * | Deno gives EINVAL and UNKNOWN for many causes | the core checks beforehand what it can know; the rest is EIO |
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
import { AdapterDatagramSocket } from "./adapter_datagram_socket.ts";
import { isDelayedError, netError, notSupported } from "./net_errors.ts";
import { knowsReusePort } from "./reuse_port.ts";

/** Traits of a runtime's `node:dgram`. */
export interface DatagramTraits {
  /** Whether `connect` makes the kernel drop the datagrams of strangers and report refusals. */
  readonly connects: boolean;
  /** Whether an error that the kernel reports late comes as an event too, besides failing the next send. */
  readonly reportsTwice: boolean;
  /** Whether `reusePort` has an effect. */
  readonly reusesPort: boolean;
  /** Whether the source of an IPv6 group can be chosen. */
  readonly choosesIpv6Source: boolean;
}

const NODE: DatagramTraits = {
  connects: true,
  reportsTwice: false,
  reusesPort: knowsReusePort,
  choosesIpv6Source: true,
};

/** Resolves an IP address to itself. */
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
    throw notSupported("node:dgram of this runtime has no reusePort", target);
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

/** Makes a call that ends with its callback, or with an `error` event. */
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

/** A UDP socket over one of `node:dgram`. */
class NodeDatagramSocket extends AdapterDatagramSocket<Socket> implements DatagramSocket {
  readonly #traits: DatagramTraits;
  /** The datagram under way; `again` says whether it may be sent once more. */
  #sending: { data: Uint8Array; addr: UdpAddr | null; again: boolean } | null = null;
  /** Callback of all sends. */
  readonly #onSent = (error: Error | null): void => this.#sent(error);

  constructor(socket: Socket, peer: UdpAddr | null, traits: DatagramTraits) {
    const { address, port } = socket.address();
    super(socket, udpAddr(address, port), peer);
    this.#traits = traits;
    socket.on("error", (error) => this.onError(error));
    socket.on("close", () => this.handler?.onClose(null));
  }

  start(handler: DatagramHandler): void {
    this.handler = handler;
    this.socket.on("message", (data: Uint8Array, { address, port }: RemoteInfo) => {
      if (!this.closed) handler.onDatagram(plain(data), address, port);
    });
  }

  send(data: Uint8Array, addr: UdpAddr | null): boolean {
    this.#sending = { data, addr, again: this.#traits.reportsTwice };
    this.#send(data, addr);
    return false;
  }

  #send(data: Uint8Array, addr: UdpAddr | null): void {
    try {
      if (addr === null) this.socket.send(data, this.#onSent);
      else this.socket.send(data, addr.port, addr.hostname, this.#onSent);
    } catch (error) {
      this.#sending = null;
      throw this.writeError(error, addr);
    }
  }

  #sent(error: Error | null): void {
    const sending = this.#sending;
    if (sending === null || this.closed) return;
    const { data, addr } = sending;
    if (error && sending.again && isDelayedError(error)) {
      sending.again = false;
      return this.#send(data, addr);
    }
    this.#sending = null;
    this.handler!.onSent(error ? this.writeError(error, addr) : null);
  }

  setReadBuffer(bytes: number): void {
    this.set(() => this.socket.setRecvBufferSize(bytes));
  }

  setWriteBuffer(bytes: number): void {
    this.set(() => this.socket.setSendBufferSize(bytes));
  }

  override async joinGroup(membership: GroupMembership): Promise<void> {
    if (membership.source?.includes(":") && !this.#traits.choosesIpv6Source) {
      throw notSupported(
        "node:dgram of this runtime cannot choose the source of an IPv6 group",
        this.localAddr,
      );
    }
    await super.joinGroup(membership);
  }

  close(): void {
    this.closed = true;
    this.socket.close();
  }
}

/** Makes a plain array whose buffer is no longer than the datagram. */
function plain(data: Uint8Array): Uint8Array {
  const { buffer, byteOffset, length } = data;
  const view = new Uint8Array(buffer, byteOffset, length);
  return buffer.byteLength === length ? view : view.slice();
}
