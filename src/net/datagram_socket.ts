/** The port of datagrams: what an adapter gives for UDP sockets, and what it calls. */

import type { UdpAddr } from "./addr.ts";
import type { NetError } from "./errors.ts";

/** Who hears of a {@linkcode DatagramSocket}. No call is made from inside `start` or `send`; after `close` only `onClose`. */
export interface DatagramHandler {
  /** A datagram came, whole. The array is the handler's to keep, and no larger than the datagram. */
  onDatagram(data: Uint8Array, hostname: string, port: number): void;
  /** What became of the datagram that `send` did not finish. */
  onSent(error: NetError | null): void;
  /** The network told of an earlier datagram that it did not arrive. Only where `connected`; the socket goes on. */
  onError(error: NetError): void;
  /** The socket is gone: the last call, made once. `error` is what broke it, `null` after `close`. */
  onClose(error: NetError | null): void;
}

/** One datagram, and where to. */
export interface OutgoingDatagram {
  readonly data: Uint8Array;
  /** `null` for the peer of a connected socket. */
  readonly addr: UdpAddr | null;
}

/**
 * One datagram socket of a runtime, bound. What a runtime cannot do throws a `NetError` with the code `ENOTSUP` that
 * names what it is that cannot.
 */
export interface DatagramSocket {
  readonly localAddr: UdpAddr;
  /** Whether the kernel knows the peer: it keeps strangers out then, and tells of refusals. */
  readonly connected: boolean;
  /** Begins. Nothing is lost that comes after the socket was bound, if it is called in the same turn. */
  start(handler: DatagramHandler): void;
  /**
   * Sends one datagram, which never waits for another's fate. `true`: it has left, the array is free. `false`: the
   * array stays the runtime's, and nothing more may be sent, until `onSent` or `onClose`.
   *
   * @throws {NetError} when it cannot leave
   */
  send(data: Uint8Array, addr: UdpAddr | null): boolean;
  /** Sends as many as leave at once, in order; returns how many. Where it stops, `send` says why. */
  sendMany?(datagrams: readonly OutgoingDatagram[]): number;
  setBroadcast(on: boolean): void;
  setTtl(hops: number): void;
  setMulticastTtl(hops: number): void;
  setMulticastLoopback(on: boolean): void;
  /** By name, or by one of its addresses. */
  setMulticastInterface(name: string): void;
  setReadBuffer(bytes: number): void;
  setWriteBuffer(bytes: number): void;
  joinGroup(membership: GroupMembership): Promise<void>;
  leaveGroup(membership: GroupMembership): Promise<void>;
  /** Resolves nothing; `onClose` follows. */
  close(): void;
  /** Keeps the process alive while it is open, as from the start. */
  ref(): void;
  /** Keeps no process alive. */
  unref(): void;
}

/** A group of multicast, of the socket's family. */
export interface GroupMembership {
  readonly group: string;
  /** The name of an interface or one of its addresses; `null` for the system's choice. */
  readonly interface: string | null;
  /** The only sender to hear; `null` for all. */
  readonly source: string | null;
}

/** What may be set when a socket is bound, and later. An adapter chooses by it what it takes, and sets none of it. */
export interface DatagramSettings {
  readonly broadcast?: boolean;
  readonly ttl?: number;
  readonly multicastTtl?: number;
  readonly multicastLoopback?: boolean;
  readonly multicastInterface?: string;
  readonly readBuffer?: number;
  readonly writeBuffer?: number;
}

/** How to bind. */
export interface BindRequest {
  /** The only peer, for a socket that dials. An adapter that cannot connect leaves it, and says so by `connected`. */
  readonly peer: UdpAddr | null;
  /** Whether others may bind to the same port: each gets the multicasts, one the rest (SO_REUSEADDR). */
  readonly reuseAddress: boolean;
  /** Whether others may bind to the same port, who then share what comes (SO_REUSEPORT). */
  readonly reusePort: boolean;
  /** Whether `::` leaves IPv4 out. */
  readonly ipv6Only: boolean;
  readonly settings: DatagramSettings;
}
