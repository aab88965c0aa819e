import { splitHostPort, type TcpAddr } from "./addr.ts";
import { Attempt } from "./attempt.ts";
import { takeOver } from "./conn_socket.ts";
import type { Conn, Listener } from "./conn.ts";
import {
  addressLimit,
  checkLimits,
  type DialOptions,
  dialTcp,
  isPositive,
  listenOn,
  type ListenOptions,
} from "./dial.ts";
import { NetError } from "./errors.ts";
import { certificateName } from "./host_name.ts";
import { checkTcpNetwork, type TcpNetwork } from "./resolve.ts";
import type { Runtime } from "./runtime.ts";
import type { TcpOptions } from "./socket_conn.ts";
import type { AcceptStage } from "./socket_listener.ts";
import { type TlsAcceptOptions, TlsAccepts } from "./tls_accepts.ts";
import { TlsSocketConn } from "./tls_conn.ts";
import {
  checkTlsConfig,
  type HandshakeRequest,
  type TlsConfig,
  type TlsConn,
  type TlsContext,
  type TlsRole,
} from "./tls.ts";

/** Default of `handshakeTimeout`, milliseconds. */
const HANDSHAKE_TIMEOUT = 10_000;

/** Default of `maxHandshakes`: 64 MiB for handshakes of 64 KiB, which is what one takes at most. */
const MAX_HANDSHAKES = 1024;

/** Options of every TLS handshake. */
export interface HandshakeOptions {
  /** TLS configuration. */
  tls?: TlsConfig;
  /** Upper bound of the handshake's duration, milliseconds. Default: 10 000. */
  handshakeTimeout?: number;
}

/** Options of `dialTls`. */
export interface DialTlsOptions extends DialOptions, HandshakeOptions {}

/** Options of `listenTls`. */
export interface ListenTlsOptions extends ListenOptions, HandshakeOptions {
  /** TLS configuration, with at least one certificate. */
  tls: TlsConfig;
  /**
   * Upper bound of the handshakes at once, each of which takes 10 to 64 KiB of memory. One more drops the oldest
   * connection that has sent nothing, or, when all have sent something, the oldest of all. Default: 1024.
   */
  maxHandshakes?: number;
  /**
   * Called with the error of each failed handshake, whose `addr` is the peer. The connection is dropped, and the
   * listener goes on, also when this throws. Default: such errors are ignored.
   */
  onHandshakeError?: (error: NetError) => void;
}

/** Options of `upgradeTls`. */
export interface UpgradeTlsOptions extends HandshakeOptions {
  /** This side's role in the handshake. Default: `"client"`, which requires `tls.serverName`. */
  role?: TlsRole;
  /** Aborts the handshake, which drops the connection and rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Dials under TLS. See `dialTls` in entries/net.ts. */
export async function dialTlsOn(
  runtime: Runtime,
  network: TcpNetwork,
  address: string,
  options: DialTlsOptions = {},
): Promise<TlsConn> {
  const { timeout, ...rest } = options;
  const { tls = {}, signal } = rest;
  checkTcpNetwork(network);
  const context = readConfig(runtime, "client", options);
  const serverName = certificateName(tls.serverName ?? (splitHostPort(address).hostname || "localhost"));
  // `timeout` bounds connecting and handshake together; `handshakeTimeout` bounds the handshake as well.
  const whole = new Attempt(runtime.timers, { op: "dial", network: "tcp", addr: address }, {
    timeout,
    signal,
  });
  try {
    const connect = { ...rest, signal: whole.signal };
    const socket = await dialTcp(runtime, network, address, connect, { tls: true });
    const request = { socket, received: [], serverName, signal: whole.signal };
    return await handshake(runtime, context, request, options);
  } finally {
    whole.end();
  }
}

/** Listens under TLS. See `listenTls` in entries/net.ts. */
export async function listenTlsOn(
  runtime: Runtime,
  network: TcpNetwork,
  address: string,
  options: ListenTlsOptions,
): Promise<Listener<TlsConn, TcpAddr>> {
  checkTcpNetwork(network);
  const context = readConfig(runtime, "server", options);
  const accepts = acceptOptions(options);
  const stage: AcceptStage = (handler) => new TlsAccepts(runtime, context, accepts, handler);
  return await listenOn(runtime, network, address, options, stage) as Listener<TlsConn, TcpAddr>;
}

function acceptOptions(options: ListenTlsOptions): TlsAcceptOptions {
  const { handshakeTimeout = HANDSHAKE_TIMEOUT, maxHandshakes = MAX_HANDSHAKES, onHandshakeError } = options;
  const { maxConnectionsPerAddress } = options;
  checkLimits({ maxHandshakes, maxConnectionsPerAddress });
  if (onHandshakeError !== undefined && typeof onHandshakeError !== "function") {
    throw new TypeError("Cannot listen: onHandshakeError is not a function");
  }
  return { handshakeTimeout, maxHandshakes, addressLimit: addressLimit(options), onHandshakeError };
}

/** Puts an open connection under TLS. See `upgradeTls` in entries/net.ts. */
export async function upgradeTlsOn(
  runtime: Runtime,
  conn: Conn,
  options: UpgradeTlsOptions = {},
): Promise<TlsConn> {
  const { role = "client", tls = {}, signal = null } = options;
  const { serverName = "", insecureSkipVerify = false } = tls;
  if (role === "client" && serverName === "" && !insecureSkipVerify) {
    throw new TypeError(
      "Cannot upgrade to TLS: tls.serverName is required, the name in the server's certificate",
    );
  }
  const context = readConfig(runtime, role, options);
  signal?.throwIfAborted();
  const { socket, chunks, ended, error } = takeOver(conn);
  if (ended || error !== null) {
    socket.reset();
    const { network } = conn.remoteAddr;
    throw error ?? new NetError({ op: "handshake", network, addr: conn.remoteAddr, code: "ECONNRESET" });
  }
  const received: Uint8Array[] = [];
  for (let chunk = chunks?.shift(); chunk !== undefined; chunk = chunks?.shift()) received.push(chunk);
  return await handshake(runtime, context, {
    socket,
    received,
    serverName: certificateName(serverName),
    signal,
  }, options);
}

function readConfig(runtime: Runtime, role: TlsRole, options: HandshakeOptions): TlsContext {
  const { tls = {}, handshakeTimeout } = options;
  if (handshakeTimeout !== undefined && !isPositive(handshakeTimeout)) {
    throw new RangeError(`Cannot use TLS: handshakeTimeout is ${handshakeTimeout}, not a positive number`);
  }
  checkTlsConfig(role, tls);
  return runtime.adapter.tlsContext(role, tls);
}

async function handshake(
  runtime: Runtime,
  context: TlsContext,
  request: HandshakeRequest,
  options: HandshakeOptions & TcpOptions,
): Promise<TlsConn> {
  const { remoteAddr } = request.socket;
  const what = { op: "handshake", network: remoteAddr.network, addr: remoteAddr } as const;
  const { handshakeTimeout: timeout = HANDSHAKE_TIMEOUT } = options;
  const attempt = new Attempt(runtime.timers, what, { timeout, signal: request.signal });
  try {
    const socket = await context.handshake({ ...request, signal: attempt.signal });
    return new TlsSocketConn(socket, runtime.timers, socket.connectionState, options);
  } finally {
    attempt.end();
  }
}
