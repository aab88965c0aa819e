/**
 * Sockets in the shape of Go's `net`: TCP, TLS, Unix and UDP, with deadlines.
 *
 * @module
 */

import type { TcpAddr, UdpAddr } from "../src/net/addr.ts";
import type { Conn, Listener, TcpConn } from "../src/net/conn.ts";
import {
  dialOn,
  type DialOptions,
  listenOn,
  type ListenOptions,
  type StreamNetwork,
} from "../src/net/dial.ts";
import {
  dialTlsOn,
  type DialTlsOptions,
  listenTlsOn,
  type ListenTlsOptions,
  upgradeTlsOn,
  type UpgradeTlsOptions,
} from "../src/net/dial_tls.ts";
import {
  dialUdpOn,
  type DialUdpOptions,
  listenPacketOn,
  type ListenPacketOptions,
} from "../src/net/dial_udp.ts";
import type { PacketConn, UdpConn } from "../src/net/packet_conn.ts";
import { pipeOn } from "../src/net/pipe.ts";
import {
  isPacketNetwork,
  type PacketNetwork,
  type ResolveOptions,
  resolveTcpAddrOn,
  resolveUdpAddrOn,
  type TcpNetwork,
} from "../src/net/resolve.ts";
import type { TlsConn } from "../src/net/tls.ts";
import { runtime } from "./runtime.ts";

/**
 * Connects to an address. Go: `net.Dial`. A name is looked up, and where it has several addresses whichever answers first
 * is taken, IPv6 and IPv4 in turns, a quarter of a second apart (RFC 8305).
 *
 * By UDP nobody needs to be there: there is only an end to send from, which hears its one peer, over IPv4 if there is any.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses, `"unix"`, `"udp"`, `"udp4"` or `"udp6"`
 * @param address `host:port`; an empty host is this machine. For `"unix"` a path, or on Linux an abstract name `@name`
 * @throws {NetError} `ECONNREFUSED`, `ENOTFOUND`, `ETIMEDOUT`, …; `EADDRNOTAVAIL` for a host of the other family. When
 *   several addresses fail, the code is the first one's, and the cause is an `AggregateError` of them all
 *
 * @example
 * ```ts
 * import { dial, listen } from "jackfield";
 *
 * const listener = await listen("tcp", "127.0.0.1:0");
 * const conn = await dial("tcp", String(listener.addr), { timeout: 5_000 });
 * console.log(String(conn.remoteAddr) === String(listener.addr)); // true
 * await conn.close();
 * await listener.close();
 * ```
 */
export function dial(network: TcpNetwork, address: string, options?: DialOptions): Promise<TcpConn>;
/** By UDP: a socket with one peer. */
export function dial(network: PacketNetwork, address: string, options?: DialUdpOptions): Promise<UdpConn>;
/** The same for any network of streams. */
export function dial(network: StreamNetwork, address: string, options?: DialOptions): Promise<Conn>;
export function dial(
  network: StreamNetwork | PacketNetwork,
  address: string,
  options?: DialOptions & DialUdpOptions,
): Promise<Conn | UdpConn> {
  if (isPacketNetwork(network)) return dialUdpOn(runtime, network, address, options);
  return dialOn(runtime, network, address, options);
}

/**
 * Listens on an address. Go: `net.Listen`. A name stands for one of its addresses, an IPv4 one if there is any.
 *
 * The file of a Unix socket goes when the listener is closed; one that is left over, on which nobody listens, is replaced.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses, or `"unix"`
 * @param address `host:port`; an empty host is every address of this machine, port 0 a free one. For `"unix"` a path, or
 *   on Linux an abstract name `@name`
 * @throws {NetError} `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, …
 *
 * @example
 * ```ts
 * import { copy, listen } from "jackfield";
 *
 * const listener = await listen("tcp", "127.0.0.1:0");
 * const serving = (async () => {
 *   for await (const conn of listener) {
 *     // Whatever comes goes back.
 *     void copy(conn, conn).finally(() => conn.close());
 *   }
 * })();
 * await listener.close();
 * await serving;
 * ```
 */
export function listen(
  network: TcpNetwork,
  address: string,
  options?: ListenOptions,
): Promise<Listener<TcpConn>>;
/** The same for any network. */
export function listen(network: StreamNetwork, address: string, options?: ListenOptions): Promise<Listener>;
export function listen(network: StreamNetwork, address: string, options?: ListenOptions): Promise<Listener> {
  return listenOn(runtime, network, address, options);
}

/**
 * Listens for datagrams. Go: `net.ListenPacket`.
 *
 * @param network `"udp"`, or `"udp4"` or `"udp6"` for one family of IP addresses
 * @param address `host:port`; an empty host is every address of this machine, port 0 a free one
 * @throws {NetError} `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, …; `ENOTSUP` for an option that the runtime does not have
 *
 * @example
 * ```ts
 * import { dial, listenPacket } from "jackfield";
 *
 * const server = await listenPacket("udp", "127.0.0.1:0");
 * const client = await dial("udp", String(server.localAddr));
 * await client.write(Uint8Array.of(1, 2, 3));
 * const { data, addr } = await server.readFrom();
 * console.log(data.length); // 3
 * await server.writeTo(data, addr);
 * await Promise.all([client.close(), server.close()]);
 * ```
 */
export function listenPacket(
  network: PacketNetwork,
  address: string,
  options?: ListenPacketOptions,
): Promise<PacketConn> {
  return listenPacketOn(runtime, network, address, options);
}

/**
 * Connects to an address under TLS: `dial`, then the handshake. Go: `tls.Dial`. The server must show a certificate that
 * names the host and is signed by an authority that the runtime, or `tls.rootCas`, trusts.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses
 * @param address `host:port`
 * @throws {TlsError} `ECERTUNTRUSTED`, `ECERTNAME`, `ECERTEXPIRED`, `ENOTTLS`, `ETLS`
 * @throws {NetError} as `dial`; `ETIMEDOUT` when the handshake takes too long
 * @throws {TypeError} when a certificate or a key is none, or they do not belong together
 *
 * @example
 * ```ts
 * import { dialTls, NetError } from "jackfield";
 *
 * try {
 *   const conn = await dialTls("tcp", "example.invalid:443", { tls: { nextProtos: ["http/1.1"] }, timeout: 5_000 });
 *   await conn.close();
 * } catch (error) {
 *   // There is no such host.
 *   console.log(error instanceof NetError); // true
 * }
 * ```
 */
export function dialTls(network: TcpNetwork, address: string, options?: DialTlsOptions): Promise<TlsConn> {
  return dialTlsOn(runtime, network, address, options);
}

/**
 * Listens on an address under TLS. Go: `tls.Listen`. A connection is accepted once its handshake is done; many can be
 * under way, and a slow or failing one holds up nobody.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses
 * @param address `host:port`; an empty host is every address of this machine, port 0 a free one
 * @throws {NetError} as `listen`
 * @throws {TypeError} when there is no certificate, one or its key is none, or they do not belong together
 */
export function listenTls(
  network: TcpNetwork,
  address: string,
  options: ListenTlsOptions,
): Promise<Listener<TlsConn>> {
  return listenTlsOn(runtime, network, address, options);
}

/**
 * Puts an open connection under TLS, as `STARTTLS` asks for. Go: `tls.Client` and `tls.Server`. The connection given acts
 * as closed from then on; what came on it and was not read is part of the handshake, and never mistaken for data that
 * came under TLS. It must not be in use by a call that waits.
 *
 * @param conn any connection, also one in memory
 * @throws {TlsError} as `dialTls`
 * @throws {NetError} `ETIMEDOUT` when the handshake takes too long, `ECONNRESET` when the peer leaves in the middle of it
 * @throws {TypeError} when it is in use, a client has no `tls.serverName`, or a certificate or a key is none
 */
export function upgradeTls(conn: Conn, options?: UpgradeTlsOptions): Promise<TlsConn> {
  return upgradeTlsOn(runtime, conn, options);
}

/**
 * Looks up the address of a TCP end, an IPv4 one if there is any. Go: `net.ResolveTCPAddr`.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses
 * @param address `host:port`; an empty host is every address of this machine
 * @throws {NetError} `ENOTFOUND`; `EADDRNOTAVAIL` for a host of the other family
 */
export function resolveTcpAddr(
  network: TcpNetwork,
  address: string,
  options?: ResolveOptions,
): Promise<TcpAddr> {
  return resolveTcpAddrOn(runtime, network, address, options);
}

/**
 * Looks up the address of a UDP end, an IPv4 one if there is any. Go: `net.ResolveUDPAddr`.
 *
 * @param network `"udp"`, or `"udp4"` or `"udp6"` for one family of IP addresses
 * @param address `host:port`; an empty host is every address of this machine
 * @throws {NetError} `ENOTFOUND`; `EADDRNOTAVAIL` for a host of the other family
 */
export function resolveUdpAddr(
  network: PacketNetwork,
  address: string,
  options?: ResolveOptions,
): Promise<UdpAddr> {
  return resolveUdpAddrOn(runtime, network, address, options);
}

/**
 * Two ends of a connection in memory. Go: `net.Pipe`.
 *
 * @example
 * ```ts
 * import { pipe } from "jackfield";
 *
 * const [here, there] = pipe();
 * await here.write(Uint8Array.of(1, 2, 3));
 * console.log(String(await there.readChunk())); // 1,2,3
 * await Promise.all([here.close(), there.close()]);
 * ```
 */
export function pipe(): [Conn, Conn] {
  return pipeOn(runtime);
}

export type { Addr, PipeAddr, TcpAddr, UdpAddr, UnixAddr } from "../src/net/addr.ts";
export { joinHostPort, splitHostPort } from "../src/net/addr.ts";
export type { Conn, Listener, Reader, TcpConn, WaitOptions, Writer } from "../src/net/conn.ts";
export type { Deadline } from "../src/net/deadline.ts";
export { copy, readAll, type ReadAllOptions, readFull } from "../src/net/io.ts";
export type { DialOptions, ListenOptions, StreamNetwork } from "../src/net/dial.ts";
export type {
  DialTlsOptions,
  HandshakeOptions,
  ListenTlsOptions,
  UpgradeTlsOptions,
} from "../src/net/dial_tls.ts";
export type { TlsCertificate, TlsConfig, TlsConn, TlsConnectionState, TlsRole } from "../src/net/tls.ts";
export type { DialUdpOptions, ListenPacketOptions } from "../src/net/dial_udp.ts";
export type { Datagram, GroupOptions, Packet, PacketConn, UdpConn } from "../src/net/packet_conn.ts";
export type { UdpOptions } from "../src/net/udp_options.ts";
export type { PacketNetwork, ResolveOptions, TcpNetwork } from "../src/net/resolve.ts";
export {
  ClosedError,
  DeadlineExceededError,
  NetError,
  type NetOp,
  TlsError,
  UnexpectedEofError,
} from "../src/net/errors.ts";
export type { TcpOptions } from "../src/net/socket_conn.ts";
