/** Addresses of sockets, written as in Go: `host:port`, `[::1]:80`, `:8080`, `localhost:http`. */

import { servicePort } from "./services.ts";

import { checkString } from "../bytes/check_argument.ts";

/** The address of a TCP or TLS endpoint. */
export interface TcpAddr {
  /** Always `"tcp"`. */
  readonly network: "tcp";
  /** An IP address. */
  readonly hostname: string;
  /** Port, 1 to 65535. */
  readonly port: number;
  /** Text of the address, as `dial` and `listen` read it. */
  toString(): string;
}

/** The address of a UDP endpoint. */
export interface UdpAddr {
  /** Always `"udp"`. */
  readonly network: "udp";
  /** An IP address. */
  readonly hostname: string;
  /** Port, 1 to 65535. */
  readonly port: number;
  /** Text of the address, as `dial`, `listenPacket` and `writeTo` read it. */
  toString(): string;
}

/** The address of a Unix domain socket. An unnamed socket has an empty path; an abstract name begins with `@`. */
export interface UnixAddr {
  /** Always `"unix"`. */
  readonly network: "unix";
  /** Path of the socket file. */
  readonly path: string;
  /** Text of the address, as `dial` and `listen` read it. */
  toString(): string;
}

/** The address of an in-memory endpoint. */
export interface PipeAddr {
  /** Always `"pipe"`. */
  readonly network: "pipe";
  /** Always `"pipe"`. */
  toString(): string;
}

/** The address of a socket. `String(addr)` of a TCP or UDP address can be read by {@linkcode splitHostPort}. */
export type Addr = TcpAddr | UdpAddr | UnixAddr | PipeAddr;

/** An IPv4-mapped IPv6 address, by which an IPv6 socket reports an IPv4 peer. */
const MAPPED_IPV4 = /^::ffff:\d+\.\d+\.\d+\.\d+$/i;

/** Creates a {@linkcode TcpAddr}. An IPv4-mapped IPv6 address becomes IPv4. */
export function tcpAddr(hostname: string, port: number): TcpAddr {
  return new SocketTcpAddr(unmapped(hostname), port);
}

/** Creates a {@linkcode UdpAddr}. An IPv4-mapped IPv6 address becomes IPv4. */
export function udpAddr(hostname: string, port: number): UdpAddr {
  return new SocketUdpAddr(unmapped(hostname), port);
}

/** Whether an address was created by {@linkcode udpAddr}, so that its fields need no check. */
export function isMadeUdpAddr(addr: UdpAddr): boolean {
  return addr instanceof SocketUdpAddr;
}

function unmapped(hostname: string): string {
  return hostname.startsWith("::") && MAPPED_IPV4.test(hostname) ? hostname.slice(7) : hostname;
}

/** Creates a {@linkcode UnixAddr}. */
export function unixAddr(path: string): UnixAddr {
  return { network: "unix", path, toString: () => path };
}

/** The address of both ends of every in-memory connection. */
export const PIPE_ADDR: PipeAddr = { network: "pipe", toString: () => "pipe" };

/**
 * Splits `host:port`. The host may be empty, a name, an IPv4 address, or an IPv6 address in brackets, optionally with a
 * zone (`[fe80::1%eth0]:80`). The port may be the name of a common service, such as `http`, `https`, `ssh` or `domain`.
 * Go: `net.SplitHostPort`, with the port as a number.
 *
 * @param address the text to split
 * @returns the host without its brackets, and the port, 0 to 65535
 * @throws {TypeError} when the port is missing, or neither a number nor the name of a common service, or brackets are missing or misplaced
 */
export function splitHostPort(address: string): { hostname: string; port: number } {
  checkString("parse the address", "address", address, "localhost:8080");
  const colon = address.lastIndexOf(":");
  if (colon < 0) {
    throw new TypeError(`Cannot parse address "${address}": the port is missing${withPort(address)}`);
  }
  const port = parsePort(address, address.slice(colon + 1));
  const host = address.slice(0, colon);
  if (host.startsWith("[")) {
    const bracket = host.indexOf("]");
    if (bracket !== host.length - 1 || host.lastIndexOf("[") > 0) {
      throw new TypeError(`Cannot parse address "${address}": misplaced brackets`);
    }
    return { hostname: host.slice(1, -1), port };
  }
  if (host.includes(":")) {
    throw new TypeError(`Cannot parse address "${address}": put the IPv6 address in brackets`);
  }
  if (host.includes("]") || host.includes("[")) {
    throw new TypeError(`Cannot parse address "${address}": misplaced brackets`);
  }
  return { hostname: host, port };
}

/** Joins a host and a port; a host that contains a colon gets brackets. Go: `net.JoinHostPort`. */
export function joinHostPort(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** What the caller may have meant by an address without a colon. */
function withPort(address: string): string {
  return /^[0-9]+$/.test(address)
    ? `; write ":${address}" for that port`
    : `; write "${address}:80", for example`;
}

function parsePort(address: string, text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : servicePort(text);
  if (port !== undefined && port <= 65535) return port;
  throw new TypeError(
    `Cannot parse address "${address}": the port is not a number from 0 to 65535 or the name of a common service`,
  );
}

/** A class, so that an address costs one object and no closure. */
class SocketTcpAddr implements TcpAddr {
  readonly network = "tcp";
  /** An IP address. */
  readonly hostname: string;
  /** Port, 1 to 65535. */
  readonly port: number;

  constructor(hostname: string, port: number) {
    this.hostname = hostname;
    this.port = port;
  }

  toString(): string {
    return joinHostPort(this.hostname, this.port);
  }
}

class SocketUdpAddr implements UdpAddr {
  readonly network = "udp";
  /** An IP address. */
  readonly hostname: string;
  /** Port, 1 to 65535. */
  readonly port: number;

  constructor(hostname: string, port: number) {
    this.hostname = hostname;
    this.port = port;
  }

  toString(): string {
    return joinHostPort(this.hostname, this.port);
  }
}
