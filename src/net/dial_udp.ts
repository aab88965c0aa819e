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

/** How to dial by UDP. */
export interface DialUdpOptions extends UdpOptions {
  /** Gives up looking up, and rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds until looking up fails with `ETIMEDOUT`. */
  timeout?: number;
  /** Where to send from: `host:port` with an IP address or no host; port 0 is any. Default: the kernel's choice. */
  localAddress?: string;
}

/** How to listen for datagrams. */
export interface ListenPacketOptions extends UdpOptions {
  /** Closes the socket when it is aborted. */
  signal?: AbortSignal;
  /** Whether others may take the same port: each gets all multicasts, one of them the rest. Default: false. */
  reuseAddress?: boolean;
  /** Whether others may take the same port, who then share what comes. Default: false. */
  reusePort?: boolean;
  /** Whether `::` leaves IPv4 out. Default: true on `"udp6"`, false on `"udp"`; `"udp4"` takes none. */
  ipv6Only?: boolean;
}

/** How systems without IPv6 refuse it. */
const NO_IPV6: ReadonlySet<string> = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"]);

/** Who sends to no address in particular means this machine. */
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
  if (ipv6Only && network === "udp4") throw new TypeError('Cannot listen: ipv6Only contradicts "udp4"');
  const { hostname, port } = splitHostPort(address);
  signal?.throwIfAborted();
  const query: HostQuery = { op: "listen", network, address, hostname, local: "" };
  const host = await listenHost(runtime, query, signal ?? null);
  const settings = settingsOf(options);
  const request: BindRequest = { peer: null, reuseAddress, reusePort, ipv6Only, settings };
  const socket = await open(runtime, udpAddr(host, port), request).catch((error) => {
    // A machine without IPv6.
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

/** To the first address that there is a way to: nobody answers who could win a race. IPv4 before IPv6, as who listens. */
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
  throw new TypeError(`Cannot dial: localAddress "${address}" has a name and not an IP address`);
}
