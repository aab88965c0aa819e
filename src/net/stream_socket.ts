/** Interfaces of TCP, TLS and Unix sockets between an adapter and the core. */

import type { Addr, TcpAddr, UnixAddr } from "./addr.ts";
import type { NetError } from "./errors.ts";

/**
 * Receives the events of a {@linkcode StreamSocket}. An adapter must not call it from inside `start` or `write`, and
 * after `close` or `reset` only `onClose`. An error that it throws breaks only this socket: the socket is reset, and
 * `onClose` is called with the error.
 */
export interface StreamHandler {
  /** Whether the handler copies long chunks in any case, so that the runtime may lend them. Default: no. */
  readonly copiesLong?: boolean;
  /**
   * Called with received bytes, also once after `pause`. The handler may change the array, and keep it unless it is
   * `lent`: the runtime reads into a lent array again after the call, which saves an allocation for each read.
   */
  onData(chunk: Uint8Array, lent: boolean): void;
  /** Called when the peer has ended its stream, after the last `onData`. */
  onEnd(): void;
  /** Called when the runtime has accepted all bytes of the last `write`, if that returned `false`. */
  onDrain(): void;
  /**
   * Called last, exactly once, when the socket is closed. `error` is what broke it; `null` after `close` or `reset`.
   */
  onClose(error: NetError | null): void;
}

/** A connected stream socket of a runtime. */
export interface StreamSocket {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  /** Whether nothing has been received yet, for a socket under a TLS handshake; missing where that is not known. */
  readonly isSilent?: boolean;
  /**
   * Whether a write that finds the connection broken loses no input: what the kernel has of it is delivered, also while paused,
   * and `onClose` follows. Default: no, the socket closes at once.
   */
  readonly readsPastFailure?: boolean;
  /**
   * Starts delivering events, or goes on with another handler. No bytes that arrived before are lost, and reading ahead
   * is bounded. `onEnd` is called once, on the first handler; `onClose` on every handler, also when the socket is
   * closed already.
   */
  start(handler: StreamHandler): void;
  /** Stops reading from the kernel, so that flow control slows the peer down. */
  pause(): void;
  resume(): void;
  /**
   * Passes bytes to the runtime. `true`: the runtime has accepted all of them, and the array may be reused. `false`:
   * the runtime owns the array, and nothing more may be written, until `onDrain` or `onClose`.
   */
  write(bytes: Uint8Array): boolean;
  /**
   * Gives back the array of the write that is under way, whose caller wants to use it again: what the runtime has not
   * accepted is copied, and the write goes on. `false`, or no such method: the runtime cannot, and owns the array further.
   */
  takeBack?(): boolean;
  /** Sends FIN after the bytes written. Must not be called while a write is pending. */
  closeWrite(): void;
  /** Closes both directions gracefully. Must not be called while a write is pending. */
  close(): void;
  /**
   * Drops the connection at once, by RST where the runtime can send one. May be called at any time, even after `close`.
   */
  reset(): void;
  setNoDelay(on: boolean): void;
  /** @param idleMs idle time before the first probe, milliseconds, in whole seconds */
  setKeepAlive(on: boolean, idleMs: number): void;
  /** Makes the open socket keep the process alive, which is the default. */
  ref(): void;
  /** Lets the process exit although the socket is open. */
  unref(): void;
}

/** A listening socket of a runtime. */
export interface SocketServer {
  readonly addr: Addr;
  /** Leaves new connections in the kernel's queue, where the runtime can. */
  pause(): void;
  resume(): void;
  /**
   * Makes the open server keep the process alive, which is the default. On a runtime whose own servers do so only while
   * they accept, that holds only while the server is not paused.
   */
  ref(): void;
  /** Lets the process exit although the server is open. */
  unref(): void;
  /** Stops listening; resolves when the address is free. Accepted sockets stay open. */
  close(): Promise<void>;
}

/** Receives the events of a {@linkcode SocketServer}. */
export interface AcceptHandler {
  /** Called with each accepted socket: once more after `pause`, or always, on a runtime that cannot stop accepting. */
  onAccept(socket: StreamSocket): void;
  /** Called when accepting a connection failed; the server goes on. */
  onError(error: NetError): void;
}

/** Address to connect to or to listen on: an IP address and a port, or a path. */
export type SocketTarget = TcpAddr | UnixAddr;

/** Parameters of `RuntimeAdapter.connect`. */
export interface ConnectRequest {
  /** Local address, of the target's family; port 0 for any port. */
  readonly localAddr?: TcpAddr;
  /** Idle time that `setKeepAlive` will be called with, milliseconds, if the caller chose one. */
  readonly keepAliveIdle?: number;
  /** Whether the socket will carry TLS. */
  readonly tls?: boolean;
}

/** Parameters of `RuntimeAdapter.listen`. */
export interface ListenRequest {
  /** Upper bound of the connections that the kernel queues until they are accepted. */
  readonly backlog?: number;
  /** Whether other sockets may listen on the port and share its connections (SO_REUSEPORT). */
  readonly reusePort?: boolean;
  /** Whether `::` excludes IPv4. */
  readonly ipv6Only?: boolean;
  /** Idle time that `setKeepAlive` of accepted sockets will be called with, milliseconds, if the caller chose one. */
  readonly keepAliveIdle?: number;
  /** Whether accepted sockets will carry TLS. */
  readonly tls?: boolean;
  /** Options of accepted TCP sockets. Where sockets inherit them from the listening one, they can be set there once. */
  readonly accepted?: AcceptedOptions;
}

/** Options of a TCP socket. */
export interface AcceptedOptions {
  readonly noDelay: boolean;
  /** Idle time of keep-alive, milliseconds; 0 for no keep-alive. */
  readonly keepAliveIdle: number;
}
