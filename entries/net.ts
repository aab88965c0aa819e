/**
 * Sockets in the shape of Go's `net`: TCP, TLS, Unix and UDP, with deadlines.
 *
 * @module
 */

import {
  checkFunctions,
  checkMethods,
  checkObject,
  checkOptions,
  checkString,
} from "../src/bytes/check_argument.ts";
import type { TcpAddr, UdpAddr, UnixAddr } from "../src/net/addr.ts";
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
  checkPacketNetwork,
  checkTcpNetwork,
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
 * Connects to an address. Go: `net.Dial`. A name is looked up. If it has several addresses, the one that answers first
 * is used: IPv6 and IPv4 are tried alternately, 250 ms apart (RFC 8305).
 *
 * With UDP nothing is sent, and the peer need not exist: the socket only receives from its peer. IPv4 is preferred.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses, `"unix"`, `"udp"`, `"udp4"` or
 *   `"udp6"`
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
/** Opens a UDP socket with one peer. */
export function dial(network: PacketNetwork, address: string, options?: DialUdpOptions): Promise<UdpConn>;
/** Connects over any stream network. */
export function dial(network: StreamNetwork, address: string, options?: DialOptions): Promise<Conn>;
export async function dial(
  network: StreamNetwork | PacketNetwork,
  address: string,
  options?: DialOptions & DialUdpOptions,
): Promise<Conn | UdpConn> {
  if (!isPacketNetwork(network) && network !== "unix") {
    checkTcpNetwork(network, "unix", "udp", "udp4", "udp6");
  }
  checkEndpoint("dial", address, options);
  if (isPacketNetwork(network)) return dialUdpOn(runtime, network, address, options);
  return dialOn(runtime, network, address, options);
}

/**
 * Listens on an address. Go: `net.Listen`. A name stands for one of its addresses, preferably an IPv4 one.
 *
 * The file of a Unix socket is removed when the listener is closed. A file left behind by a dead listener is replaced.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses, or `"unix"`
 * @param address `host:port`; an empty host is every address of this machine, port 0 a free one. For `"unix"` a path,
 *   or on Linux an abstract name `@name`
 * @throws {NetError} `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, …
 *
 * @example
 * ```ts
 * import { copy, listen } from "jackfield";
 *
 * const listener = await listen("tcp", "127.0.0.1:0");
 * const serving = (async () => {
 *   for await (const conn of listener) {
 *     // Echo all received bytes.
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
): Promise<Listener<TcpConn, TcpAddr>>;
/** Listens on a Unix socket. */
export function listen(
  network: "unix",
  address: string,
  options?: ListenOptions,
): Promise<Listener<Conn, UnixAddr>>;
/** Listens on any stream network. */
export function listen(network: StreamNetwork, address: string, options?: ListenOptions): Promise<Listener>;
export async function listen(
  network: StreamNetwork,
  address: string,
  options?: ListenOptions,
): Promise<Listener> {
  if (network !== "unix") checkTcpNetwork(network, "unix");
  checkEndpoint("listen", address, options);
  return listenOn(runtime, network, address, options);
}

/**
 * Listens for datagrams. Go: `net.ListenPacket`.
 *
 * @param network `"udp"`, or `"udp4"` or `"udp6"` for one family of IP addresses
 * @param address `host:port`; an empty host is every address of this machine, port 0 a free one
 * @throws {NetError} `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, …; `ENOTSUP` for an option that the runtime does not
 *   support
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
export async function listenPacket(
  network: PacketNetwork,
  address: string,
  options?: ListenPacketOptions,
): Promise<PacketConn> {
  checkPacketNetwork(network);
  checkEndpoint("listen", address, options);
  return listenPacketOn(runtime, network, address, options);
}

/**
 * Connects to an address under TLS: `dial`, then a handshake. Go: `tls.Dial`. The server's certificate must be for the
 * host and signed by an authority in `tls.rootCas`, or by default one that the runtime trusts.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses
 * @param address `host:port`
 * @throws {TlsError} `ECERTUNTRUSTED`, `ECERTNAME`, `ECERTEXPIRED`, `ENOTTLS`, `ETLS`
 * @throws {NetError} as `dial`; `ETIMEDOUT` when the handshake takes too long
 * @throws {TypeError} when a certificate or a key is not valid, or they do not belong together
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
export async function dialTls(
  network: TcpNetwork,
  address: string,
  options?: DialTlsOptions,
): Promise<TlsConn> {
  checkTcpNetwork(network);
  checkEndpoint("dial", address, options);
  return dialTlsOn(runtime, network, address, options);
}

/**
 * Listens on an address under TLS. Go: `tls.Listen`. A connection is accepted once its handshake is done. Handshakes
 * run concurrently, so a slow or failing one does not delay the others.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses
 * @param address `host:port`; an empty host is every address of this machine, port 0 a free one
 * @throws {NetError} as `listen`
 * @throws {TypeError} when there is no certificate, a certificate or a key is not valid, or they do not belong together
 */
export async function listenTls(
  network: TcpNetwork,
  address: string,
  options: ListenTlsOptions,
): Promise<Listener<TlsConn, TcpAddr>> {
  checkTcpNetwork(network);
  checkObject("listen", "options", options);
  checkEndpoint("listen", address, options);
  checkFunctions("listen", options, ["onHandshakeError"]);
  return listenTlsOn(runtime, network, address, options);
}

/**
 * Puts an open connection under TLS, as for `STARTTLS`. Go: `tls.Client` and `tls.Server`. The given connection behaves
 * as closed from then on. Bytes that it has received but that were not read are part of the handshake, and are never
 * mistaken for data received under TLS. No call may be waiting on the connection.
 *
 * @param conn any connection, also an in-memory one
 * @throws {TlsError} as `dialTls`
 * @throws {NetError} `ETIMEDOUT` when the handshake takes too long, `ECONNRESET` when the peer leaves in the middle of
 *   it
 * @throws {TypeError} when a call is waiting on the connection, a client has no `tls.serverName`, or a certificate or a
 *   key is not valid
 */
export async function upgradeTls(conn: Conn, options?: UpgradeTlsOptions): Promise<TlsConn> {
  checkMethods("upgrade to TLS", "conn", conn, ["readChunk", "write"]);
  checkOptions("upgrade to TLS", options);
  return upgradeTlsOn(runtime, conn, options);
}

/**
 * Looks up a TCP address, preferably an IPv4 one. Go: `net.ResolveTCPAddr`.
 *
 * @param network `"tcp"`, or `"tcp4"` or `"tcp6"` for one family of IP addresses
 * @param address `host:port`; an empty host is every address of this machine
 * @throws {NetError} `ENOTFOUND`; `EADDRNOTAVAIL` for a host of the other family
 */
export async function resolveTcpAddr(
  network: TcpNetwork,
  address: string,
  options?: ResolveOptions,
): Promise<TcpAddr> {
  checkTcpNetwork(network);
  checkEndpoint("look up", address, options);
  return resolveTcpAddrOn(runtime, network, address, options);
}

/**
 * Looks up a UDP address, preferably an IPv4 one. Go: `net.ResolveUDPAddr`.
 *
 * @param network `"udp"`, or `"udp4"` or `"udp6"` for one family of IP addresses
 * @param address `host:port`; an empty host is every address of this machine
 * @throws {NetError} `ENOTFOUND`; `EADDRNOTAVAIL` for a host of the other family
 */
export async function resolveUdpAddr(
  network: PacketNetwork,
  address: string,
  options?: ResolveOptions,
): Promise<UdpAddr> {
  checkPacketNetwork(network);
  checkEndpoint("look up", address, options);
  return resolveUdpAddrOn(runtime, network, address, options);
}

/**
 * Creates the two ends of an in-memory connection. Go: `net.Pipe`, with a buffer.
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

function checkEndpoint(verb: string, address: unknown, options: unknown): void {
  checkString(verb, "address", address, "localhost:8080");
  checkOptions(verb, options);
  if (typeof options !== "object") return;
  const { tls } = options as { tls?: unknown };
  if (tls !== undefined) checkObject(verb, "tls", tls);
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
