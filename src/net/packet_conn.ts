/** The contracts of datagrams: {@linkcode PacketConn} and {@linkcode UdpConn}, in the shape of Go's package net. */

import type { UdpAddr } from "./addr.ts";
import type { Reader, WaitOptions, Writer } from "./conn.ts";
import type { Deadline } from "./deadline.ts";

/** What came in one piece, and from whom. It may be empty: that is no end. */
export interface Datagram {
  /** The bytes; they are the caller's. */
  readonly data: Uint8Array;
  /** Who sent it, as far as UDP can tell: anybody can write anybody's address on a datagram. */
  readonly addr: UdpAddr;
  /** Whether the buffer was too small for it: the rest is lost. */
  readonly truncated: boolean;
}

/** One datagram to send. */
export interface Packet {
  /** What to send. */
  readonly data: Uint8Array;
  /** Where to: an address, or `host:port` with an IP address. A connected conn takes none. */
  readonly addr?: UdpAddr | string | undefined;
}

/** Which part of a multicast group to hear. */
export interface GroupOptions {
  /** The interface on which to hear it, by name or by one of its addresses. Default: the system's choice. */
  interface?: string;
  /** The only sender to hear. Default: all. */
  source?: string;
}

/**
 * A UDP socket. Go: `net.PacketConn`, `net.UDPConn`.
 *
 * Its calls may be made at the same time from anywhere; reads are served in order of calling, datagrams leave in order
 * of calling, each whole. What comes before anybody reads waits in a queue with a bound; what does not fit is dropped and
 * counted. A call fails with `DeadlineExceededError` when its direction's deadline passes and with `ClosedError` after
 * `close`; no failed call ends the socket.
 */
export interface PacketConn extends AsyncIterable<Datagram>, AsyncDisposable {
  /** This end. */
  readonly localAddr: UdpAddr;
  /** Datagrams that came and were dropped because the queue was full. What the kernel drops, nobody counts. */
  readonly dropped: number;
  /**
   * The next datagram, as it came; with `into`, in there: what does not fit is cut off, and `truncated` says so. The loop
   * `for await` reads too, and ends when the socket is closed.
   */
  readFrom(into?: Uint8Array, options?: WaitOptions): Promise<Datagram>;
  /**
   * Sends one datagram; resolves to its length when the runtime has taken it, which says nothing of its arrival.
   *
   * @param addr an address, or `host:port` with an IP address
   * @throws {NetError} `EMSGSIZE` for more than 65,507 bytes (65,527 by IPv6), `EAFNOSUPPORT` for an address of a family
   *   that the socket has not, `EACCES` for a broadcast that was not allowed, `ENETUNREACH`, …
   */
  writeTo(p: Uint8Array, addr: UdpAddr | string, options?: WaitOptions): Promise<number>;
  /**
   * Sends datagrams in order, with no other's in between; resolves to how many have left. When that is not all of them,
   * the next one has failed; when it is the first, the call fails.
   */
  writeMany(packets: readonly Packet[], options?: WaitOptions): Promise<number>;
  /** Allows sending to broadcast addresses. Off from the start. */
  setBroadcast(on?: boolean): void;
  /** How many hops a datagram may take, 1 to 255. */
  setTtl(hops: number): void;
  /** The same for multicasts. 1 from the start. */
  setMulticastTtl(hops: number): void;
  /** Whether what is sent to a group is heard on this machine too. On from the start. */
  setMulticastLoopback(on: boolean): void;
  /** On which interface to send multicasts, by name or by one of its addresses. */
  setMulticastInterface(name: string): void;
  /** The size of the kernel's receive buffer; the system may bound it. Go: `UDPConn.SetReadBuffer`. */
  setReadBuffer(bytes: number): void;
  /** The size of the kernel's send buffer; the system may bound it. Go: `UDPConn.SetWriteBuffer`. */
  setWriteBuffer(bytes: number): void;
  /** Hears a multicast group, of the socket's own family. Fails with `EADDRINUSE` when it does already. */
  joinGroup(group: string, options?: GroupOptions): Promise<void>;
  /** Hears it no more, with the options of the join. Fails with `EADDRNOTAVAIL` when it did not. */
  leaveGroup(group: string, options?: GroupOptions): Promise<void>;
  /** Both deadlines at once. Go: `Conn.SetDeadline`. */
  setDeadline(t: Deadline): void;
  /** When pending and later reads fail. Moving it makes the socket readable again. `null`: never. */
  setReadDeadline(t: Deadline): void;
  /** When pending and later writes fail. */
  setWriteDeadline(t: Deadline): void;
  /** Lets the socket keep the process alive, as it does from the start. Does nothing after `close`. */
  ref(): void;
  /** Lets the process end though the socket is open; a call that waits on it then never settles. */
  unref(): void;
  /** Closes at once; resolves when the port is free. Calls that wait fail, and what was not read is dropped. */
  close(): Promise<void>;
}

/**
 * A UDP socket that has one peer: it hears nobody else. Go: `net.UDPConn` from `net.Dial`.
 *
 * Nobody needs to listen at the other end. Where the network says that nobody does, and the runtime passes that on, the
 * next call fails with `ECONNREFUSED`, and the socket goes on.
 */
export interface UdpConn extends PacketConn, Reader, Writer {
  /** The peer. */
  readonly remoteAddr: UdpAddr;
  /** One datagram into `p`; resolves to how many bytes. 0 is an empty datagram. What does not fit is lost. */
  read(p: Uint8Array, options?: WaitOptions): Promise<number>;
  /** Sends one datagram to the peer. */
  write(p: Uint8Array, options?: WaitOptions): Promise<number>;
  /** Fails with `EISCONN`: use `write`. */
  writeTo(p: Uint8Array, addr: UdpAddr | string, options?: WaitOptions): Promise<number>;
}
