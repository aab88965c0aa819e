import type { Addr } from "./addr.ts";
import { countedSocket } from "./counted_socket.ts";
import type { NetError } from "./errors.ts";
import { addressBlock } from "./ip.ts";
import type { AcceptHandler, StreamSocket } from "./stream_socket.ts";

/** Counts the connections of each remote address, up to a bound. */
export class AddressLimit {
  readonly #max: number;
  /** Number of connections of each address that has one. */
  readonly #open = new Map<string, number>();

  /** @param max upper bound of the connections of one address */
  constructor(max: number) {
    this.#max = max;
  }

  /** Counts one more connection; returns `false`, and does not count it, when its address has too many. */
  enter(addr: Addr): boolean {
    const key = keyOf(addr);
    const open = this.#open.get(key) ?? 0;
    if (open >= this.#max) return false;
    this.#open.set(key, open + 1);
    return true;
  }

  /** Counts one connection less. */
  leave(addr: Addr): void {
    const key = keyOf(addr);
    const open = this.#open.get(key)! - 1;
    if (open === 0) this.#open.delete(key);
    else this.#open.set(key, open);
  }

  /** Wraps a socket whose connection was counted, so that its end is noticed. */
  held(socket: StreamSocket, addr: Addr): StreamSocket {
    return countedSocket(socket, () => this.leave(addr));
  }
}

function keyOf(addr: Addr): string {
  return addr.network === "tcp" ? addressBlock(addr.hostname) : "";
}

/** The stage between a runtime's listening socket and a listener that resets the connections beyond a limit. */
export class LimitedAccepts implements AcceptHandler {
  readonly #limit: AddressLimit;
  readonly #handler: AcceptHandler;

  constructor(limit: AddressLimit, handler: AcceptHandler) {
    this.#limit = limit;
    this.#handler = handler;
  }

  onAccept(socket: StreamSocket): void {
    const { remoteAddr } = socket;
    if (this.#limit.enter(remoteAddr)) this.#handler.onAccept(this.#limit.held(socket, remoteAddr));
    else socket.reset();
  }

  onError(error: NetError): void {
    this.#handler.onError(error);
  }

  /** Does nothing: no connection waits in this stage. */
  close(): void {}
}
