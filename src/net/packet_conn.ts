/** Interfaces of UDP sockets, {@linkcode PacketConn} and {@linkcode UdpConn}, in the shape of Go's package net. */

import type { UdpAddr } from "./addr.ts";
import type { Reader, WaitOptions, Writer } from "./conn.ts";
import type { Deadline } from "./deadline.ts";

/** A received datagram. An empty one is valid, and does not mean the end. */
export interface Datagram {
  /** The payload; the caller owns it. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** Source address, which a sender can forge. */
  readonly addr: UdpAddr;
  /** Whether the caller's buffer was too small for the datagram; the rest is lost. */
  readonly truncated: boolean;
}

/** A datagram to send. */
export interface Packet {
  /** The payload. */
  readonly data: Uint8Array;
  /** Destination: an address, or `host:port` with an IP address. Not allowed on a dialled socket. */
  readonly addr?: UdpAddr | string | undefined;
}

/** Options of a multicast group. */
export interface GroupOptions {
  /** Interface on which to join the group: its name or one of its addresses. Default: the system's choice. */
  interface?: string;
  /** Address of the only sender to receive from. Default: all senders. */
  source?: string;
}

/**
 * A UDP socket. Go: `net.PacketConn`, `net.UDPConn`.
 *
 * Calls may overlap: reads are served, and datagrams are sent, in the order of the calls. Received datagrams wait in a
 * bounded queue until they are read; those that do not fit are dropped and counted. A call fails with
 * `DeadlineExceededError` when its direction's deadline passes, and with `ClosedError` after `close`. A failed call
 * does not close the socket.
 */
export interface PacketConn extends AsyncIterable<Datagram>, AsyncDisposable {
  /** Address of this end. */
  readonly localAddr: UdpAddr;
  /** Number of received datagrams dropped because the queue was full. The kernel's own drops are not counted. */
  readonly dropped: number;
  /**
   * Resolves to the next datagram. `for await` reads datagrams too, and ends when the socket is closed.
   *
   * @param into buffer for the payload; the part that does not fit is lost, and `truncated` is true
   */
  readFrom(into?: Uint8Array, options?: WaitOptions): Promise<Datagram>;
  /**
   * Sends one datagram. Resolves to its length when the runtime has accepted it, which does not mean that it arrives.
   *
   * @param addr destination: an address, or `host:port` with an IP address
   * @throws {NetError} `EMSGSIZE` for more than 65,507 bytes (65,527 over IPv6), `EAFNOSUPPORT` for an address family
   *   that the socket does not have, `EACCES` for a broadcast that was not allowed, `ENETUNREACH`, …
   */
  writeTo(p: Uint8Array, addr: UdpAddr | string, options?: WaitOptions): Promise<number>;
  /**
   * Sends datagrams in order, with none of another call in between. Resolves to the number sent; when that is not all
   * of them, the next one failed. When the first one fails, so does the call.
   */
  writeMany(packets: readonly Packet[], options?: WaitOptions): Promise<number>;
  /** Whether sending to broadcast addresses is allowed. Default: off. */
  setBroadcast(on?: boolean): void;
  /** Sets the number of hops that a unicast datagram may take, 1 to 255. */
  setTtl(hops: number): void;
  /** Sets the number of hops that a multicast datagram may take, 1 to 255. Default: 1. */
  setMulticastTtl(hops: number): void;
  /** Whether multicasts sent by this socket are also received on this machine. Default: on. */
  setMulticastLoopback(on: boolean): void;
  /** Sets the interface that sends multicasts: its name or one of its addresses. */
  setMulticastInterface(name: string): void;
  /** Sets the size of the kernel's receive buffer, bytes; the system may limit it. Go: `UDPConn.SetReadBuffer`. */
  setReadBuffer(bytes: number): void;
  /** Sets the size of the kernel's send buffer, bytes; the system may limit it. Go: `UDPConn.SetWriteBuffer`. */
  setWriteBuffer(bytes: number): void;
  /**
   * Joins a multicast group of the socket's address family. Fails with `EADDRINUSE` when the socket has joined it
   * already.
   */
  joinGroup(group: string, options?: GroupOptions): Promise<void>;
  /**
   * Leaves a group, given the options with which it was joined. Fails with `EADDRNOTAVAIL` when the socket is not in
   * it.
   */
  leaveGroup(group: string, options?: GroupOptions): Promise<void>;
  /** Sets both deadlines. Go: `Conn.SetDeadline`. */
  setDeadline(t: Deadline): void;
  /**
   * Sets the time at which pending and later reads fail; `null` for never. Moving it makes the socket readable again.
   */
  setReadDeadline(t: Deadline): void;
  /** Sets the time at which pending and later writes fail; `null` for never. */
  setWriteDeadline(t: Deadline): void;
  /** Makes the open socket keep the process alive, which is the default. Does nothing after `close`. */
  ref(): void;
  /** Lets the process exit although the socket is open; calls that wait on it then never settle. */
  unref(): void;
  /**
   * Closes the socket; resolves when the port is free. Reads fail at once, and unread datagrams are dropped. Datagrams
   * written before are still sent, for at most 1 s.
   */
  close(): Promise<void>;
}

/**
 * A UDP socket with one peer: it receives datagrams only from that peer. Go: `net.UDPConn` from `net.Dial`.
 *
 * The peer need not exist. Where the network reports that no socket is bound to its port, and the runtime passes that
 * on, the next call fails with `ECONNREFUSED`; the socket stays usable.
 */
export interface UdpConn extends PacketConn, Reader, Writer {
  /** Address of the peer. */
  readonly remoteAddr: UdpAddr;
  /**
   * Reads one datagram into `p` and resolves to the number of bytes, 0 for an empty one. The part that does not fit is
   * lost.
   */
  read(p: Uint8Array, options?: WaitOptions): Promise<number>;
  /** Sends one datagram to the peer. */
  write(p: Uint8Array, options?: WaitOptions): Promise<number>;
  /** Always fails with `EISCONN`; use `write`. */
  writeTo(p: Uint8Array, addr: UdpAddr | string, options?: WaitOptions): Promise<number>;
}
