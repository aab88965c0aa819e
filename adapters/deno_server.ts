import type { Addr, TcpAddr } from "../src/net/addr.ts";
import type { NetError } from "../src/net/errors.ts";
import type { AcceptHandler, SocketServer, SocketTarget, StreamSocket } from "../src/net/stream_socket.ts";
import { addrOf, type DenoAddr, DenoSocket, type DenoTcpConn } from "./deno_socket.ts";
import { isConnectionLost, isExhausted } from "./accept_errors.ts";
import { acceptedAddr } from "./ends.ts";
import { netError } from "./net_errors.ts";
import { withZoneOf } from "./zones.ts";

/** The part of Deno's listener that is used here, declared so that every type checker can read this file. */
export interface DenoListener {
  readonly addr: DenoAddr;
  accept(): Promise<DenoTcpConn>;
  ref(): void;
  unref(): void;
  close(): void;
}

/** Milliseconds from an `accept` that failed for want of descriptors or memory to the next one. */
const ACCEPT_RETRY = 20;

/** A listening socket over a listener of Deno. */
export class DenoServer implements SocketServer {
  readonly addr: Addr;
  readonly #listener: DenoListener;
  readonly #handler: AcceptHandler;
  /** The local address of all accepted sockets; `null` when each has to be asked. */
  readonly #bound: Addr | null;
  #paused = true;
  /** Whether the listener keeps the process alive while it accepts. */
  #holds = true;
  #accepting = false;
  /** The latest run of `#accept`. */
  #loop: Promise<void> | null = null;
  #closed = false;

  /** @param target where it was asked to listen */
  constructor(listener: DenoListener, handler: AcceptHandler, target: SocketTarget) {
    this.addr = withZoneOf(addrOf(listener.addr), target);
    this.#bound = acceptedAddr(this.addr);
    this.#listener = listener;
    this.#handler = handler;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    if (!this.#accepting) this.#loop = this.#accept();
  }

  ref(): void {
    this.#holds = true;
    this.#listener.ref();
  }

  unref(): void {
    this.#holds = false;
    this.#listener.unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listener.close();
    // A pending `accept` keeps the socket open until that call has failed.
    await this.#loop;
  }

  async #accept(): Promise<void> {
    this.#accepting = true;
    while (!this.#paused && !this.#closed) {
      try {
        this.#handler.onAccept(new DenoSocket(await this.#listener.accept(), this.#bound, this.addr));
      } catch (error) {
        if (this.#closed) break;
        if (!isConnectionLost(error)) await this.#onFailure(error);
      }
    }
    this.#accepting = false;
  }

  /** Pauses after a failure that the next `accept` would meet too. What only time mends is not reported. */
  async #onFailure(error: unknown): Promise<void> {
    if (!isExhausted(error)) {
      this.#handler.onError(netError(error, "accept", this.addr.network, this.addr));
    }
    await this.#waitToRetry();
  }

  /** Waits, and keeps the process alive as an `accept` would. */
  #waitToRetry(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ACCEPT_RETRY);
      if (!this.#holds) timer.unref();
    });
  }
}

/** Passes on the connections over IPv6, and resets those over IPv4. */
export class Ipv6Handler implements AcceptHandler {
  readonly #handler: AcceptHandler;

  constructor(handler: AcceptHandler) {
    this.#handler = handler;
  }

  onAccept(socket: StreamSocket): void {
    const { hostname } = socket.remoteAddr as TcpAddr;
    // `tcpAddr` turns an IPv4 address mapped into IPv6 into IPv4.
    if (hostname.includes(":")) this.#handler.onAccept(socket);
    else socket.reset();
  }

  onError(error: NetError): void {
    this.#handler.onError(error);
  }
}
