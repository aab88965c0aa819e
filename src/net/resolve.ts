import { splitHostPort, type TcpAddr, tcpAddr, type UdpAddr, udpAddr } from "./addr.ts";
import { NetError, type NetOp } from "./errors.ts";
import { asciiName } from "./host_name.ts";
import { interleave } from "./happy_eyeballs.ts";
import { ipFamily } from "./ip.ts";
import type { Runtime } from "./runtime.ts";

/** TCP over both families of IP, or over one only. */
export type TcpNetwork = "tcp" | "tcp4" | "tcp6";

/** UDP over both families of IP, or over one only. */
export type PacketNetwork = "udp" | "udp4" | "udp6";

/** Options of a name lookup. */
export interface ResolveOptions {
  /** Aborts the lookup, which rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Address families of each network. */
const FAMILIES: Readonly<Record<TcpNetwork | PacketNetwork, readonly number[]>> = {
  tcp: [4, 6],
  tcp4: [4],
  tcp6: [6],
  udp: [4, 6],
  udp4: [4],
  udp6: [6],
};

const TCP_NETWORKS: readonly string[] = ["tcp", "tcp4", "tcp6"];
const PACKET_NETWORKS: readonly string[] = ["udp", "udp4", "udp6"];

/** Meaning of an empty host: the loopback addresses when dialling, all addresses when listening. */
const LOOPBACK: readonly string[] = ["127.0.0.1", "::1"];
const EVERYWHERE: readonly string[] = ["::", "0.0.0.0"];

/** @throws {TypeError} when `network` is not a TCP network */
export function checkTcpNetwork(network: string, ...others: string[]): asserts network is TcpNetwork {
  if (!TCP_NETWORKS.includes(network)) throw unknownNetwork(network, [...TCP_NETWORKS, ...others]);
}

/** Whether `network` is a UDP network. */
export function isPacketNetwork(network: string): network is PacketNetwork {
  return PACKET_NETWORKS.includes(network);
}

/** @throws {TypeError} when `network` is not a UDP network */
export function checkPacketNetwork(network: string): asserts network is PacketNetwork {
  if (!isPacketNetwork(network)) throw unknownNetwork(network, PACKET_NETWORKS);
}

function unknownNetwork(network: string, known: readonly string[]): TypeError {
  return new TypeError(`Cannot use network "${network}": it is not one of ${known.join(", ")}`);
}

/** Looks up a TCP address. See `resolveTcpAddr` in entries/net.ts. */
export async function resolveTcpAddrOn(
  runtime: Runtime,
  network: TcpNetwork,
  address: string,
  { signal }: ResolveOptions = {},
): Promise<TcpAddr> {
  checkTcpNetwork(network);
  const { hostname, port } = splitHostPort(address);
  return tcpAddr(
    await lookUpOne(runtime, { op: "lookup", network, address, hostname, local: "" }, signal),
    port,
  );
}

/** Looks up a UDP address. See `resolveUdpAddr` in entries/net.ts. */
export async function resolveUdpAddrOn(
  runtime: Runtime,
  network: PacketNetwork,
  address: string,
  { signal }: ResolveOptions = {},
): Promise<UdpAddr> {
  checkPacketNetwork(network);
  const { hostname, port } = splitHostPort(address);
  return udpAddr(
    await lookUpOne(runtime, { op: "lookup", network, address, hostname, local: "" }, signal),
    port,
  );
}

async function lookUpOne(
  runtime: Runtime,
  query: HostQuery,
  signal: AbortSignal | undefined,
): Promise<string> {
  signal?.throwIfAborted();
  return await listenHost(runtime, query, signal ?? null);
}

/** A host to look up. */
export interface HostQuery {
  /** The operation that needs the address, for errors. */
  readonly op: NetOp;
  readonly network: TcpNetwork | PacketNetwork;
  /** The address given by the caller, for errors. */
  readonly address: string;
  readonly hostname: string;
  /** Local IP address to connect from, which limits the result to its family; empty for any. */
  readonly local: string;
}

/** IP addresses to dial, in order of preference: of the network's families, which alternate. */
export function dialHosts(
  runtime: Runtime,
  query: HostQuery,
  signal: AbortSignal | null,
): readonly string[] | Promise<readonly string[]> {
  if (query.hostname === "") return suitable(LOOPBACK, query);
  return resolveHost(runtime, query, signal);
}

/** IP address on which to listen, IPv4 before IPv6 as in Go; `::`, for both families, when the host is empty. */
export async function listenHost(
  runtime: Runtime,
  query: HostQuery,
  signal: AbortSignal | null,
): Promise<string> {
  if (query.hostname === "") return inFamilies(EVERYWHERE, query.network)[0]!;
  return preferIpv4(await resolveHost(runtime, query, signal));
}

/** IP addresses of a host, at least one; a promise only when the host is a name to look up. */
function resolveHost(
  runtime: Runtime,
  query: HostQuery,
  signal: AbortSignal | null,
): readonly string[] | Promise<readonly string[]> {
  if (ipFamily(query.hostname) === 0) return lookUp(runtime, query, signal);
  return suitable([query.hostname], query);
}

async function lookUp(
  runtime: Runtime,
  query: HostQuery,
  signal: AbortSignal | null,
): Promise<readonly string[]> {
  const name = asciiName(query.hostname);
  if (name === null) throw failed(query, "ENOTFOUND");
  const found = await abortable(runtime.adapter.lookup(name), signal).catch((error) => {
    throw error instanceof NetError ? failed(query, error.code, error) : error;
  });
  if (found.length === 0) throw failed(query, "ENOTFOUND");
  return interleave(suitable(found, query));
}

/** The addresses of a suitable family, at least one. Go: "no suitable address". */
function suitable(found: readonly string[], query: HostQuery): readonly string[] {
  const family = ipFamily(query.local);
  const hosts = inFamilies(found, query.network).filter((host) => family === 0 || ipFamily(host) === family);
  if (hosts.length > 0) return hosts;
  const { network, local } = query;
  const wanted = local === "" ? network : `${network} from ${local}`;
  throw failed(query, "EADDRNOTAVAIL", undefined, `no suitable address for ${wanted}: ${found.join(", ")}`);
}

/** Rejects when the signal is aborted. The operation itself cannot be cancelled; its result is then ignored. */
function abortable<T>(result: Promise<T>, signal: AbortSignal | null): Promise<T> {
  if (signal === null) return result;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function inFamilies(hosts: readonly string[], network: TcpNetwork | PacketNetwork): readonly string[] {
  return hosts.filter((host) => FAMILIES[network].includes(ipFamily(host)));
}

function preferIpv4(hosts: readonly string[]): string {
  return hosts.find((host) => ipFamily(host) === 4) ?? hosts[0]!;
}

function failed(
  { op, network, address }: HostQuery,
  code: string,
  cause?: unknown,
  reason?: string,
): NetError {
  return new NetError({ op, network: network.slice(0, 3), addr: address, code, cause }, reason);
}
