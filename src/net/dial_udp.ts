import { splitHostPort, type UdpAddr, udpAddr } from "./addr.ts";
import { Attempt } from "./attempt.ts";
import type { BindRequest, DatagramSocket } from "./datagram_socket.ts";
import { isPositive } from "./dial.ts";
import { NetError } from "./errors.ts";
import { ipFamily } from "./ip.ts";
import type { PacketConn, UdpConn } from "./packet_conn.ts";
import { checkPacketNetwork, dialHosts, type HostQuery, listenHost, type PacketNetwork } from "./resolve.ts";
import type { Runtime } from "./runtime.ts";
import { UdpPacketConn, UdpPeerConn } from "./udp_conn.ts";
import { applySettings, checkUdpOptions, settingsOf, type UdpOptions } from "./udp_options.ts";

/** Options of `dial` for UDP. */
export interface DialUdpOptions extends UdpOptions {
  /** Aborts the name lookup, which rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds until the name lookup fails with `ETIMEDOUT`. Default: the resolver's. */
  timeout?: number;
  /**
   * Local address: `host:port` with an IP address or an empty host; port 0 for any port. Default: the kernel's choice.
   */
  localAddress?: string;
}

/** Options of `listenPacket`. */
export interface ListenPacketOptions extends UdpOptions {
  /** Closes the socket when aborted. */
  signal?: AbortSignal;
  /**
   * Whether other sockets may bind to the port: each receives all multicasts, one of them the rest (SO_REUSEADDR).
   * Default: false.
   */
  reuseAddress?: boolean;
  /** Whether other sockets may bind to the port and share the received datagrams (SO_REUSEPORT). Default: false. */
  reusePort?: boolean;
  /** Whether `::` excludes IPv4. Default: true for `"udp6"`, false for `"udp"`; not allowed for `"udp4"`. */
  ipv6Only?: boolean;
}

/** Error codes by which systems without IPv6 refuse it. */
const NO_IPV6: ReadonlySet<string> = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"]);

/** Destinations that stand for an unspecified address: sending to it means this machine. */
const THIS_MACHINE: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** Binds a UDP socket. See `listenPacket` in entries/net.ts. */
export async function listenPacketOn(
  runtime: Runtime,
  network: PacketNetwork,
  address: string,
  options: ListenPacketOptions = {},
): Promise<PacketConn> {
  checkPacketNetwork(network);
  checkUdpOptions("listen", options);
  const { signal, reuseAddress = false, reusePort = false, ipv6Only = network === "udp6" } = options;
  if (ipv6Only && network === "udp4") throw new TypeError('Cannot listen: ipv6Only does not apply to "udp4"');
  const { hostname, port } = splitHostPort(address);
  signal?.throwIfAborted();
  const query: HostQuery = { op: "listen", network, address, hostname, local: "" };
  const host = await listenHost(runtime, query, signal ?? null);
  const settings = settingsOf(options);
  const request: BindRequest = { peer: null, reuseAddress, reusePort, ipv6Only, settings };
  const socket = await open(runtime, udpAddr(host, port), request).catch((error) => {
    // The machine has no IPv6.
    if (hostname === "" && network === "udp" && NO_IPV6.has(error.code)) {
      return open(runtime, udpAddr("0.0.0.0", port), request);
    }
    throw error;
  });
  const conn = new UdpPacketConn(socket, runtime, options);
  if (signal === undefined) return conn;
  if (signal.aborted) {
    await conn.close();
    throw signal.reason;
  }
  conn.closeWith(signal);
  return conn;
}

/** Binds a UDP socket to a free port, for one peer. See `dial` in entries/net.ts. */
export async function dialUdpOn(
  runtime: Runtime,
  network: PacketNetwork,
  address: string,
  options: DialUdpOptions = {},
): Promise<UdpConn> {
  checkPacketNetwork(network);
  checkUdpOptions("dial", options);
  const { timeout } = options;
  if (timeout !== undefined && !isPositive(timeout)) {
    throw new RangeError(`Cannot dial: timeout is ${timeout}, not a positive number`);
  }
  const { hostname, port } = splitHostPort(address);
  const local = parseLocal(options.localAddress);
  options.signal?.throwIfAborted();
  if (port === 0) throw new NetError({ op: "dial", network: "udp", addr: address, code: "EINVAL" });
  const query: HostQuery = { op: "dial", network, address, hostname, local: local?.hostname ?? "" };
  const attempt = new Attempt(runtime.timers, { op: "dial", network: "udp", addr: address }, options);
  try {
    const hosts = await dialHosts(runtime, query, attempt.signal);
    return await dialFirst(runtime, hosts, port, local, options);
  } finally {
    attempt.end();
  }
}

/**
 * Dials the first address for which a socket can be opened: with UDP there is no answer by which an address could win a
 * race. IPv4 comes before IPv6, as when listening.
 */
async function dialFirst(
  runtime: Runtime,
  hosts: readonly string[],
  port: number,
  local: UdpAddr | null,
  options: DialUdpOptions,
): Promise<UdpConn> {
  const failures: unknown[] = [];
  for (const host of hosts.toSorted((a, b) => ipFamily(a) - ipFamily(b))) {
    const peer = udpAddr(THIS_MACHINE[host] ?? host, port);
    const from = local?.hostname || (ipFamily(host) === 4 ? "0.0.0.0" : "::");
    try {
      const request = { peer, reuseAddress: false, reusePort: false, ipv6Only: false };
      const settings = settingsOf(options);
      const socket = await open(runtime, udpAddr(from, local?.port ?? 0), { ...request, settings });
      return new UdpPeerConn(socket, runtime, options, peer);
    } catch (error) {
      failures.push(error);
    }
  }
  const [first] = failures;
  if (failures.length === 1 || !(first instanceof NetError)) throw first;
  const { addr, code } = first;
  throw new NetError({ op: "dial", network: "udp", addr, code, cause: new AggregateError(failures) });
}

async function open({ adapter }: Runtime, target: UdpAddr, request: BindRequest): Promise<DatagramSocket> {
  const socket = await adapter.bind(target, request);
  try {
    applySettings(socket, request.settings);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function parseLocal(address: string | undefined): UdpAddr | null {
  if (address === undefined) return null;
  const { hostname, port } = splitHostPort(address);
  if (hostname === "" || ipFamily(hostname) !== 0) return udpAddr(hostname, port);
  throw new TypeError(`Cannot dial: the host of localAddress "${address}" is not an IP address`);
}
