import { joinHostPort, splitHostPort } from "./addr.ts";
import type { Listener, TcpConn } from "./conn.ts";
import { NetError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import { SocketConn } from "./socket_conn.ts";
import { SocketListener } from "./socket_listener.ts";
import { Alarm } from "./timer_queue.ts";

/** The networks of {@linkcode Dial} and {@linkcode Listen}. */
export type StreamNetwork = "tcp";

/** How to dial. */
export interface DialOptions {
  /** Gives up and rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds until the attempt fails with `ETIMEDOUT`. Default: the kernel's own, some minutes. */
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
  checkNetwork(network);
  const { hostname, port } = splitHostPort(address);
  checkTimeout(options.timeout);
  options.signal?.throwIfAborted();
  // Go: an empty host is this machine.
  const target = { hostname: hostname === "" ? "localhost" : hostname, port };
  const attempt = startAttempt(runtime, joinHostPort(target.hostname, port), options);
  try {
    const socket = await runtime.adapter.connect(target, attempt.signal);
    const conn = new SocketConn(socket, runtime.timers);
    if (options.noDelay === false) conn.setNoDelay(false);
    return conn;
  } finally {
    attempt.end();
  }
}

/** Listens on an address. See `listen` in mod.ts. */
export async function listenOn(
  runtime: Runtime,
  network: StreamNetwork,
  address: string,
  options: ListenOptions = {},
): Promise<Listener<TcpConn>> {
  checkNetwork(network);
  const { hostname, port } = splitHostPort(address);
  const { backlog = 511, signal } = options;
  if (!(Number.isInteger(backlog) && backlog > 0)) {
    throw new RangeError(`Cannot listen: backlog is ${backlog}, not a positive integer`);
  }
  return await SocketListener.open(runtime, { hostname, port }, { backlog }, signal);
}

function checkNetwork(network: string): void {
  if (network !== "tcp") throw new TypeError(`Cannot use network "${network}": the known one is "tcp"`);
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
