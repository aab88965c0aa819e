import { splitHostPort, type TcpAddr, tcpAddr } from "./addr.ts";
import { AddressLimit, LimitedAccepts } from "./address_limit.ts";
import { Attempt } from "./attempt.ts";
import type { Listener, TcpConn } from "./conn.ts";
import { NetError } from "./errors.ts";
import { race } from "./happy_eyeballs.ts";
import { ipFamily } from "./ip.ts";
import { checkTcpNetwork, dialHosts, type HostQuery, listenHost, type TcpNetwork } from "./resolve.ts";
import type { Runtime } from "./runtime.ts";
import { SocketConn, socketOptions, type TcpOptions } from "./socket_conn.ts";
import { type AcceptStage, SocketListener } from "./socket_listener.ts";
import type { ConnectRequest, StreamSocket } from "./stream_socket.ts";
import { listenUnix, parseUnixAddr } from "./unix.ts";

/** The networks of `dial` and `listen`. */
export type StreamNetwork = TcpNetwork | "unix";

/** Longest keep-alive idle time that operating systems accept, milliseconds. */
const LONGEST_IDLE = 32_767_000;

/** Upper bound of the connections that are made to one address because each was connected to itself. */
const SELF_CONNECT_TRIES = 3;

/** Options of `listen` that do not apply to `"unix"`, and those that apply to nothing else. */
const TCP_ONLY = ["reusePort", "ipv6Only", "maxConnectionsPerAddress"] as const;
const UNIX_ONLY = ["mode"] as const;

/** Error codes by which systems without IPv6 refuse it. */
const NO_IPV6: ReadonlySet<string> = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"]);

interface HostPort {
  readonly hostname: string;
  readonly port: number;
}

/** Options of `dial`. TCP options do not apply to `"unix"`. */
export interface DialOptions extends TcpOptions {
  /** Aborts dialling, which rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds until dialling, name lookup included, fails with `ETIMEDOUT`. Default: the kernel's, some minutes. */
  timeout?: number;
  /**
   * Local address: `host:port` with an IP address or an empty host; port 0 for any port. Default: the kernel's choice.
   */
  localAddress?: string;
}

/** Options of `listen`. TCP options are set on the accepted connections, and do not apply to `"unix"`. */
export interface ListenOptions extends TcpOptions {
  /** Upper bound of the connections that the kernel queues until they are accepted. Default: 511. */
  backlog?: number;
  /**
   * `"unix"` only: permission bits of the socket file, 0 to 0o777. Clients need the write permission. The bits are set
   * before `listen` resolves; until then the process's umask decides. If that moment matters, listen in a folder to
   * which no other user has access. Default: the umask decides.
   */
  mode?: number;
  /** Whether other sockets may listen on the port and share its connections (SO_REUSEPORT). Default: false. */
  reusePort?: boolean;
  /** Whether `::` excludes IPv4. Default: true for `"tcp6"`, false for `"tcp"`; not allowed for `"tcp4"`. */
  ipv6Only?: boolean;
  /**
   * Upper bound of the connections open at once. Further ones stay in the kernel's queue until one has closed.
   * Default: no limit.
   */
  maxConnections?: number;
  /**
   * Upper bound of the connections open at once from one remote address, those in a TLS handshake included. Further ones
   * are reset. IPv6 addresses with equal first 64 bits count as one. Behind a proxy every connection comes from one
   * address. Not for `"unix"`. Default: no limit.
   */
  maxConnectionsPerAddress?: number;
  /** Closes the listener when aborted. */
  signal?: AbortSignal;
}

/** Connects to an address. See `dial` in entries/net.ts. */
export async function dialOn(
  runtime: Runtime,
  network: StreamNetwork,
  address: string,
  options: DialOptions = {},
): Promise<TcpConn> {
  if (network === "unix") return await dialUnix(runtime, address, options);
  checkTcpNetwork(network, "unix", "udp", "udp4", "udp6");
  return new SocketConn(await dialTcp(runtime, network, address, options, {}), runtime.timers, options);
}

/** {@linkcode DialOptions} for connecting, with a signal that may be `null`. */
export type ConnectOptions = Omit<DialOptions, "signal"> & { signal?: AbortSignal | null };

/** Connects to a TCP address; `base` holds the fields that all connection requests share. */
export async function dialTcp(
  runtime: Runtime,
  network: TcpNetwork,
  address: string,
  options: ConnectOptions,
  base: ConnectRequest,
): Promise<StreamSocket> {
  checkDialOptions(network, options);
  const { hostname, port } = splitHostPort(address);
  const local = parseLocal(options.localAddress);
  options.signal?.throwIfAborted();
  const query: HostQuery = { op: "dial", network, address, hostname, local: local?.hostname ?? "" };
  const attempt = new Attempt(runtime.timers, { op: "dial", network: "tcp", addr: address }, options);
  try {
    const hosts = dialHosts(runtime, query, attempt.signal);
    // Without a name to look up, nothing is awaited: the attempt has begun when `dial` returns.
    const addresses = hosts instanceof Promise ? await hosts : hosts;
    const connect = (host: string, signal: AbortSignal) => {
      const request = { ...base, ...connectRequest(host, local, options) };
      return connectToOther(runtime, tcpAddr(host, port), request, signal);
    };
    return await raceTo(runtime, address, addresses, connect, attempt.signal);
  } finally {
    attempt.end();
  }
}

async function dialUnix(runtime: Runtime, address: string, options: DialOptions): Promise<TcpConn> {
  checkDialOptions("unix", options);
  const target = parseUnixAddr("dial", address);
  options.signal?.throwIfAborted();
  const attempt = new Attempt(runtime.timers, { op: "dial", network: "unix", addr: address }, options);
  try {
    return new SocketConn(await runtime.adapter.connect(target, {}, attempt.signal), runtime.timers);
  } finally {
    attempt.end();
  }
}

/**
 * Connects to an address, but never to the socket's own. On a port of this machine without a listener, TCP connects a
 * socket to itself where the kernel chooses that port for the local end (RFC 9293, 3.5). Go: `net.selfConnect`.
 *
 * @throws {NetError} `ECONNREFUSED` after `SELF_CONNECT_TRIES` such connections
 */
async function connectToOther(
  runtime: Runtime,
  target: TcpAddr,
  request: ConnectRequest,
  signal: AbortSignal,
): Promise<StreamSocket> {
  for (let tries = 0; tries < SELF_CONNECT_TRIES; tries++) {
    const socket = await runtime.adapter.connect(target, request, signal);
    const wanted = request.localAddr?.port ?? 0;
    if (wanted !== 0 || !isSelfConnected(socket)) return socket;
    socket.reset();
  }
  throw new NetError({ op: "dial", network: "tcp", addr: target, code: "ECONNREFUSED" });
}

function isSelfConnected({ localAddr, remoteAddr }: StreamSocket): boolean {
  return remoteAddr.network === "tcp" && String(localAddr) === String(remoteAddr);
}

/** Connects to the address that answers first. */
function raceTo(
  runtime: Runtime,
  address: string,
  addresses: readonly string[],
  connect: (host: string, signal: AbortSignal) => Promise<StreamSocket>,
  signal: AbortSignal | null,
): Promise<StreamSocket> {
  const discard = (late: StreamSocket) => late.reset();
  return race({ addresses, connect, discard, timers: runtime.timers, signal }).catch((error) => {
    throw error instanceof AggregateError ? joined(address, error) : error;
  });
}

function connectRequest(
  host: string,
  local: HostPort | null,
  options: ConnectOptions,
): ConnectRequest {
  if (local === null) return idleRequest(options);
  const anywhere = ipFamily(host) === 4 ? "0.0.0.0" : "::";
  return { ...idleRequest(options), localAddr: tcpAddr(local.hostname || anywhere, local.port) };
}

function idleRequest({ keepAlive }: TcpOptions): { keepAliveIdle?: number } {
  return typeof keepAlive === "number" ? { keepAliveIdle: keepAlive } : {};
}

/** A single failure as it is; several as one error with the code of the first. */
function joined(addr: string, failures: AggregateError): unknown {
  const [first] = failures.errors;
  if (failures.errors.length === 1 || !(first instanceof NetError)) return first;
  return new NetError({ op: "dial", network: "tcp", addr, code: first.code, cause: failures });
}

/** Listens on an address. See `listen` in entries/net.ts. */
export async function listenOn(
  runtime: Runtime,
  network: StreamNetwork,
  address: string,
  options: ListenOptions = {},
  stage: AcceptStage | undefined = undefined,
): Promise<Listener<TcpConn>> {
  checkListenOptions(network, options);
  const { backlog = 511, reusePort = false, ipv6Only = network === "tcp6", mode, signal } = options;
  if (network === "unix") {
    return await listenUnix(runtime, parseUnixAddr("listen", address), { backlog, mode, limits: options });
  }
  checkTcpNetwork(network, "unix");
  const { hostname, port } = splitHostPort(address);
  signal?.throwIfAborted();
  const query: HostQuery = { op: "listen", network, address, hostname, local: "" };
  const host = await listenHost(runtime, query, signal ?? null);
  const accepted = socketOptions(options);
  const tls = stage !== undefined;
  const limit = addressLimit(options);
  if (limit !== null) stage ??= (handler) => new LimitedAccepts(limit, handler);
  const request = {
    backlog,
    reusePort,
    ipv6Only,
    ...idleRequest(options),
    tls,
    accepted,
  };
  const open = (host: string) => SocketListener.open(runtime, tcpAddr(host, port), request, options, stage);
  return await open(host).catch((error) => {
    // The machine has no IPv6.
    if (hostname === "" && network === "tcp" && NO_IPV6.has(error.code)) return open("0.0.0.0");
    throw error;
  });
}

function checkDialOptions(network: string, { timeout, keepAlive, localAddress }: ConnectOptions): void {
  checkKeepAlive("dial", keepAlive);
  if (network === "unix" && localAddress !== undefined) {
    throw new TypeError('Cannot dial: localAddress does not apply to "unix"');
  }
  if (timeout !== undefined && !isPositive(timeout)) {
    throw new RangeError(`Cannot dial: timeout is ${timeout}, not a positive number`);
  }
}

function checkKeepAlive(verb: string, keepAlive: unknown): void {
  if (keepAlive === undefined || keepAlive === false) return;
  if (isPositive(keepAlive) && keepAlive <= LONGEST_IDLE) return;
  throw new RangeError(
    `Cannot ${verb}: keepAlive is ${keepAlive}, not false or milliseconds up to ${LONGEST_IDLE}`,
  );
}

/** The limit that the options ask for; `null` for none. */
export function addressLimit({ maxConnectionsPerAddress: max }: ListenOptions): AddressLimit | null {
  return max === undefined ? null : new AddressLimit(max);
}

/** @throws {RangeError} when one of the limits is given, and is not a positive integer */
export function checkLimits(limits: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(limits)) {
    if (value === undefined || (Number.isInteger(value) && value as number > 0)) continue;
    throw new RangeError(`Cannot listen: ${name} is ${value}, not a positive integer`);
  }
}

function checkListenOptions(network: string, options: ListenOptions): void {
  const { backlog, maxConnections, maxConnectionsPerAddress, ipv6Only, mode } = options;
  checkKeepAlive("listen", options.keepAlive);
  checkLimits({ backlog, maxConnections, maxConnectionsPerAddress });
  if (mode !== undefined && !(Number.isInteger(mode) && mode >= 0 && mode <= 0o777)) {
    throw new RangeError(`Cannot listen: mode is ${mode}, not permission bits from 0 to 0o777`);
  }
  for (const name of network === "unix" ? TCP_ONLY : UNIX_ONLY) {
    if (options[name] !== undefined) {
      throw new TypeError(`Cannot listen: ${name} does not apply to "${network}"`);
    }
  }
  if (ipv6Only && network === "tcp4") throw new TypeError('Cannot listen: ipv6Only does not apply to "tcp4"');
}

/** Whether a value is a positive number, such as a duration. */
export function isPositive(value: unknown): value is number {
  return typeof value === "number" && value > 0;
}

function parseLocal(address: string | undefined): HostPort | null {
  if (address === undefined) return null;
  const local = splitHostPort(address);
  if (local.hostname === "" || ipFamily(local.hostname) !== 0) return local;
  throw new TypeError(`Cannot dial: the host of localAddress "${address}" is not an IP address`);
}
