/** Addresses of sockets, written as in Go: `host:port`, `[::1]:80`, `:8080`. */

/** The end of a TCP or TLS connection. */
export interface TcpAddr {
  /** Always `"tcp"`. */
  readonly network: "tcp";
  /** An IP address. */
  readonly hostname: string;
  /** 1 to 65535. */
  readonly port: number;
  /** As `dial` and `listen` read it. */
  toString(): string;
}

/** The end of a UDP socket. */
export interface UdpAddr {
  /** Always `"udp"`. */
  readonly network: "udp";
  /** An IP address. */
  readonly hostname: string;
  /** 1 to 65535. */
  readonly port: number;
  /** As `dial`, `listenPacket` and `writeTo` read it. */
  toString(): string;
}

/** The end of a Unix domain socket. An unnamed one has an empty path, and an abstract name begins with `@`. */
export interface UnixAddr {
  /** Always `"unix"`. */
  readonly network: "unix";
  /** The file's path. */
  readonly path: string;
  /** As `dial` and `listen` read it. */
  toString(): string;
}

/** The end of an in-memory connection. */
export interface PipeAddr {
  /** Always `"pipe"`. */
  readonly network: "pipe";
  /** As `dial` and `listen` read it. */
  toString(): string;
}

/** Where a connection or listener stands. `String(addr)` is what {@linkcode splitHostPort} reads. */
export type Addr = TcpAddr | UdpAddr | UnixAddr | PipeAddr;

/** An IPv4 address as an IPv6 socket shows it. */
const MAPPED_IPV4 = /^::ffff:\d+\.\d+\.\d+\.\d+$/i;

/** Makes a {@linkcode TcpAddr}. IPv4 addresses that came mapped into IPv6 are shown as IPv4. */
export function tcpAddr(hostname: string, port: number): TcpAddr {
  return new SocketTcpAddr(unmapped(hostname), port);
}

/** Makes a {@linkcode UdpAddr}, in the same way. */
export function udpAddr(hostname: string, port: number): UdpAddr {
  return new SocketUdpAddr(unmapped(hostname), port);
}

/** Whether an address was made here, so that what is in it is known to be one. */
export function isMadeUdpAddr(addr: UdpAddr): boolean {
  return addr instanceof SocketUdpAddr;
}

function unmapped(hostname: string): string {
  return hostname.startsWith("::") && MAPPED_IPV4.test(hostname) ? hostname.slice(7) : hostname;
}

/** Makes a {@linkcode UnixAddr}. */
export function unixAddr(path: string): UnixAddr {
  return { network: "unix", path, toString: () => path };
}

/** The address of both ends of every in-memory connection. */
export const PIPE_ADDR: PipeAddr = { network: "pipe", toString: () => "pipe" };

/**
 * Takes `host:port` apart. The host may be empty, a name, an IPv4 address, or an IPv6 address in brackets,
 * with a zone (`[fe80::1%eth0]:80`). Go: `net.SplitHostPort`, with the port read as a number.
 *
 * @param address what to take apart
 * @returns the host without its brackets, and the port, 0 to 65535
 * @throws {TypeError} when the port is missing or no number, or an IPv6 address has no brackets
 */
export function splitHostPort(address: string): { hostname: string; port: number } {
  const colon = address.lastIndexOf(":");
  if (colon < 0) throw new TypeError(`Cannot parse address "${address}": it has no port`);
  const port = parsePort(address, address.slice(colon + 1));
  const host = address.slice(0, colon);
  if (host.startsWith("[")) {
    const bracket = host.indexOf("]");
    if (bracket !== host.length - 1 || host.lastIndexOf("[") > 0) {
      throw new TypeError(`Cannot parse address "${address}": misplaced brackets`);
    }
    return { hostname: host.slice(1, -1), port };
  }
  if (host.includes(":")) throw new TypeError(`Cannot parse address "${address}": put IPv6 in brackets`);
  if (host.includes("]") || host.includes("[")) {
    throw new TypeError(`Cannot parse address "${address}": misplaced brackets`);
  }
  return { hostname: host, port };
}

/** Puts a host and a port together; a host with a colon gets brackets. Go: `net.JoinHostPort`. */
export function joinHostPort(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

function parsePort(address: string, digits: string): number {
  if (!/^[0-9]{1,5}$/.test(digits) || Number(digits) > 65535) {
    throw new TypeError(`Cannot parse address "${address}": the port is not a number from 0 to 65535`);
  }
  return Number(digits);
}

/** One class for all, so that an address costs an object and no closure. */
class SocketTcpAddr implements TcpAddr {
  readonly network = "tcp";
  /** An IP address. */
  readonly hostname: string;
  /** 1 to 65535. */
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
  /** 1 to 65535. */
  readonly port: number;

  constructor(hostname: string, port: number) {
    this.hostname = hostname;
    this.port = port;
  }

  toString(): string {
    return joinHostPort(this.hostname, this.port);
  }
}
