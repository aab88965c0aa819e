/** The port of streams: what an adapter gives for TCP, TLS and Unix sockets, and what it calls. */

import type { Addr, TcpAddr, UnixAddr } from "./addr.ts";
import type { NetError } from "./errors.ts";

/**
 * Who hears of a {@linkcode StreamSocket}. No call is made from inside `start` or `write`, and after `close` or `reset`
 * only `onClose` is. A throw breaks this socket alone: it is reset, and `onClose` gets the error.
 */
export interface StreamHandler {
  /** Whether it copies what it keeps of a long chunk in any case, so that the chunk may as well be lent. Default: no. */
  readonly copiesLong?: boolean;
  /**
   * Bytes came. The array is the handler's to change, and to keep unless it is `lent`: then the runtime reads into it again
   * after the call, which saves an allocation for each read. One may still come after `pause`.
   */
  onData(chunk: Uint8Array, lent: boolean): void;
  /** The peer sends no more. Comes after the last `onData`. */
  onEnd(): void;
  /** The runtime took everything that the last `write` gave it. */
  onDrain(): void;
  /** The socket is gone: the last call, made once. `error` is what broke it, `null` after `close` or `reset`. */
  onClose(error: NetError | null): void;
}

/** One stream socket of a runtime, connected. */
export interface StreamSocket {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  /**
   * Begins, or goes on, with this handler. Nothing is lost before, and what is read ahead is bounded. Each handler of a
   * socket that is gone is told so by `onClose`; `onEnd` is said once, to the first.
   */
  start(handler: StreamHandler): void;
  /** Stops reading from the kernel, so that the peer feels it. */
  pause(): void;
  resume(): void;
  /**
   * Gives bytes to the runtime. `true`: all were taken, the array is free. `false`: the array stays the runtime's,
   * and nothing more may be written, until `onDrain` or `onClose`.
   */
  write(bytes: Uint8Array): boolean;
  /** Sends FIN after what was written. Called with no write under way. */
  closeWrite(): void;
  /** Closes both directions in order. Called with no write under way. */
  close(): void;
  /** Drops the connection at once, by RST where the runtime can. May be called at any time, after `close` too. */
  reset(): void;
  setNoDelay(on: boolean): void;
  setKeepAlive(on: boolean, idleMs: number): void;
  /** Keeps the process alive while it is open, as from the start. */
  ref(): void;
  /** Keeps no process alive. */
  unref(): void;
}

/** A listening socket of a runtime. */
export interface SocketServer {
  readonly addr: Addr;
  /** Leaves new connections in the kernel's queue, where the runtime can. */
  pause(): void;
  resume(): void;
  /** Keeps the process alive, as from the start; where the runtime's own do so only while they accept, then. */
  ref(): void;
  /** Keeps no process alive. */
  unref(): void;
  /** Stops listening; resolves when the address is free. Sockets that were handed over stay. */
  close(): Promise<void>;
}

/** Who hears of a {@linkcode SocketServer}. */
export interface AcceptHandler {
  /** A socket was accepted. One may still come after `pause`, or all, where the runtime always accepts. */
  onAccept(socket: StreamSocket): void;
  /** Accepting failed once; the server goes on. */
  onError(error: NetError): void;
}

/** Where to connect or listen: an IP address and a port, or a path. */
export type SocketTarget = TcpAddr | UnixAddr;

/** How to connect. */
export interface ConnectRequest {
  /** Where to connect from; port 0 is any. Of the target's family. */
  readonly localAddr?: TcpAddr;
  /** The idle time that `setKeepAlive` is going to ask for, when it matters to somebody; milliseconds. */
  readonly keepAliveIdle?: number;
  /** Whether the socket is going to carry TLS. */
  readonly tls?: boolean;
}

/** How to listen. */
export interface ListenRequest {
  /** Connections that the kernel queues. */
  readonly backlog?: number;
  /** Whether others may listen on the same port, who then share the connections (SO_REUSEPORT). */
  readonly reusePort?: boolean;
  /** Whether `::` leaves IPv4 out. */
  readonly ipv6Only?: boolean;
  /** As of {@linkcode ConnectRequest}, for the sockets that are accepted. */
  readonly keepAliveIdle?: number;
  /** Whether the sockets are going to carry TLS. */
  readonly tls?: boolean;
  /** What is going to be asked of each TCP socket: where they inherit it of the listener, it can be asked of that once. */
  readonly accepted?: AcceptedOptions;
}

/** Options of a TCP socket. */
export interface AcceptedOptions {
  readonly noDelay: boolean;
  /** Milliseconds, 0 for no keep-alive. */
  readonly keepAliveIdle: number;
}
