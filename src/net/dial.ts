import { splitHostPort, type TcpAddr, tcpAddr } from "./addr.ts";
import type { Listener, TcpConn } from "./conn.ts";
import { NetError } from "./errors.ts";
import { race } from "./happy_eyeballs.ts";
import { checkTcpNetwork, dialHosts, type HostQuery, listenHost, type TcpNetwork } from "./resolve.ts";
import type { Runtime } from "./runtime.ts";
import { SocketConn } from "./socket_conn.ts";
import { SocketListener } from "./socket_listener.ts";
import type { StreamSocket } from "./stream_socket.ts";
import { Alarm } from "./timer_queue.ts";

/** The networks of `dial` and `listen`. */
export type StreamNetwork = TcpNetwork;

/** How to dial. */
export interface DialOptions {
  /** Gives up and rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds until it fails with `ETIMEDOUT`, looking up included. Default: the kernel's own, some minutes. */
  timeout?: number;
  /** Whether small writes leave at once (TCP_NODELAY). Default: true. */
  noDelay?: boolean;
}

/** How to listen. */
export interface ListenOptions {
  /** Connections that the kernel queues before they are accepted. Default: 511. */
  backlog?: number;
  /** Closes the listener when it is aborted. */
  signal?: AbortSignal;
}

/** Connects to an address. See `dial` in mod.ts. */
export async function dialOn(
  runtime: Runtime,
  network: StreamNetwork,
  address: string,
  options: DialOptions = {},
): Promise<TcpConn> {
  checkTcpNetwork(network);
  const { hostname, port } = splitHostPort(address);
  checkTimeout(options.timeout);
  options.signal?.throwIfAborted();
  const query: HostQuery = { op: "dial", network, address, hostname };
  const attempt = startAttempt(runtime, address, options);
  try {
    const conn = new SocketConn(await connect(runtime, query, port, attempt.signal), runtime.timers);
    if (options.noDelay === false) conn.setNoDelay(false);
    return conn;
  } finally {
    attempt.end();
  }
}

/** Looks up, and connects to whichever address answers first. */
async function connect(
  runtime: Runtime,
  query: HostQuery,
  port: number,
  signal: AbortSignal | null,
): Promise<StreamSocket> {
  const hosts = dialHosts(runtime, query, signal);
  return await race<StreamSocket>({
    // Of one turn where nothing is looked up: then the attempt has begun when `dial` returns.
    addresses: hosts instanceof Promise ? await hosts : hosts,
    connect: (host, signal) => runtime.adapter.connect(tcpAddr(host, port), signal),
    discard: (late) => late.reset(),
    timers: runtime.timers,
    signal,
  }).catch((error) => {
    throw error instanceof AggregateError ? joined(query.address, error) : error;
  });
}

/** One failure is told as it is; several as one, with the code of the first. */
function joined(addr: string, failures: AggregateError): unknown {
  const [first] = failures.errors;
  if (failures.errors.length === 1 || !(first instanceof NetError)) return first;
  return new NetError({ op: "dial", network: "tcp", addr, code: first.code, cause: failures });
}

/** Listens on an address. See `listen` in mod.ts. */
export async function listenOn(
  runtime: Runtime,
  network: StreamNetwork,
  address: string,
  options: ListenOptions = {},
): Promise<Listener<TcpConn>> {
  checkTcpNetwork(network);
  const { backlog = 511, signal } = options;
  const { hostname, port } = splitHostPort(address);
  if (!(Number.isInteger(backlog) && backlog > 0)) {
    throw new RangeError(`Cannot listen: backlog is ${backlog}, not a positive integer`);
  }
  signal?.throwIfAborted();
  const query: HostQuery = { op: "listen", network, address, hostname };
  const target: TcpAddr = tcpAddr(await listenHost(runtime, query, signal ?? null), port);
  return await SocketListener.open(runtime, target, { backlog }, signal);
}

function checkTimeout(timeout: number | undefined): void {
  if (timeout === undefined || (typeof timeout === "number" && timeout > 0)) return;
  throw new RangeError(`Cannot dial: timeout is ${timeout}, not a positive number`);
}

/** One signal out of the caller's and the time-out. */
function startAttempt(
  runtime: Runtime,
  address: string,
  options: DialOptions,
): { signal: AbortSignal | null; end: () => void } {
  const { signal, timeout } = options;
  if (timeout === undefined) return { signal: signal ?? null, end: () => {} };
  const abort = new AbortController();
  const onAbort = () => abort.abort(signal!.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const alarm = new Alarm(() => {
    abort.abort(new NetError({ op: "dial", network: "tcp", addr: address, code: "ETIMEDOUT" }));
  });
  runtime.timers.set(alarm, runtime.timers.now() + timeout);
  return {
    signal: abort.signal,
    end() {
      runtime.timers.clear(alarm);
      signal?.removeEventListener("abort", onAbort);
    },
  };
}
