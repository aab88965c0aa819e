/** Interfaces of UDP between an adapter and the core. */

import type { UdpAddr } from "./addr.ts";
import type { NetError } from "./errors.ts";

/**
 * Receives the events of a {@linkcode DatagramSocket}. An adapter must not call it from inside `start` or `send`, and
 * after `close` only `onClose`.
 */
export interface DatagramHandler {
  /** Called with each received datagram. The handler owns the array, which is no larger than the datagram. */
  onDatagram(data: Uint8Array, hostname: string, port: number): void;
  /** Called when the datagram for which `send` returned `false` was sent, or could not be. */
  onSent(error: NetError | null): void;
  /**
   * Called when the network reports that an earlier datagram was not delivered. Only if `connected`; the socket goes
   * on.
   */
  onError(error: NetError): void;
  /** Called last, exactly once, when the socket is closed. `error` is what broke it; `null` after `close`. */
  onClose(error: NetError | null): void;
}

/** A datagram to send. */
export interface OutgoingDatagram {
  readonly data: Uint8Array;
  /** Destination; `null` for the peer of a connected socket. */
  readonly addr: UdpAddr | null;
}

/**
 * A bound datagram socket of a runtime. A method that the runtime does not support throws a `NetError` with the code
 * `ENOTSUP` that names the unsupported feature.
 */
export interface DatagramSocket {
  readonly localAddr: UdpAddr;
  /** Whether the kernel knows the peer: it then drops datagrams from other senders and reports refusals. */
  readonly connected: boolean;
  /** Starts delivering events. No datagram is lost if it is called in the turn in which the socket was bound. */
  start(handler: DatagramHandler): void;
  /**
   * Sends one datagram. `true`: the datagram was sent, and the array may be reused. `false`: the runtime owns the
   * array, and nothing more may be sent, until `onSent` or `onClose`.
   *
   * @throws {NetError} when the datagram cannot be sent
   */
  send(data: Uint8Array, addr: UdpAddr | null): boolean;
  /**
   * Sends as many datagrams as possible without waiting, in order, and returns their number. `send` tells why it
   * stopped.
   */
  sendMany?(datagrams: readonly OutgoingDatagram[]): number;
  setBroadcast(on: boolean): void;
  setTtl(hops: number): void;
  setMulticastTtl(hops: number): void;
  setMulticastLoopback(on: boolean): void;
  /** @param name name of an interface, or one of its addresses */
  setMulticastInterface(name: string): void;
  setReadBuffer(bytes: number): void;
  setWriteBuffer(bytes: number): void;
  joinGroup(membership: GroupMembership): Promise<void>;
  leaveGroup(membership: GroupMembership): Promise<void>;
  /** Closes the socket; `onClose` follows. */
  close(): void;
  /** Makes the open socket keep the process alive, which is the default. */
  ref(): void;
  /** Lets the process exit although the socket is open. */
  unref(): void;
}

/** Membership in a multicast group of the socket's address family. */
export interface GroupMembership {
  readonly group: string;
  /** Name of an interface, or one of its addresses; `null` for the system's choice. */
  readonly interface: string | null;
  /** Address of the only sender to receive from; `null` for all. */
  readonly source: string | null;
}

/**
 * Settings of a datagram socket. When binding, an adapter only uses them to choose the kind of socket; the core sets
 * them afterwards.
 */
export interface DatagramSettings {
  readonly broadcast?: boolean;
  readonly ttl?: number;
  readonly multicastTtl?: number;
  readonly multicastLoopback?: boolean;
  readonly multicastInterface?: string;
  readonly readBuffer?: number;
  readonly writeBuffer?: number;
}

/** Parameters of `RuntimeAdapter.bind`. */
export interface BindRequest {
  /**
   * The only peer of a dialled socket. An adapter that cannot connect sockets ignores it, and sets `connected` to
   * false.
   */
  readonly peer: UdpAddr | null;
  /** Whether other sockets may bind to the port: each receives all multicasts, one of them the rest (SO_REUSEADDR). */
  readonly reuseAddress: boolean;
  /** Whether other sockets may bind to the port and share the received datagrams (SO_REUSEPORT). */
  readonly reusePort: boolean;
  /** Whether a socket bound to `::` excludes IPv4. */
  readonly ipv6Only: boolean;
  readonly settings: DatagramSettings;
}
