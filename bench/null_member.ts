/** A hub's surroundings that cost nothing: turns that end by hand, and members whose sockets take everything. */

import type { HubSocket } from "../src/hub/hub_socket.ts";
import { type Addr, PIPE_ADDR } from "../src/net/addr.ts";

/** Ends turns when it is told to. */
export class BenchClock {
  #afterTurn: (() => void)[] = [];
  now(): number {
    return performance.now();
  }
  startTimer(): unknown {
    return null;
  }
  stopTimer(): void {}
  afterTurn(callback: () => void): void {
    this.#afterTurn.push(callback);
  }
  endTurn(): void {
    for (const callback of this.#afterTurn.splice(0)) callback();
  }
}

/** Takes everything and does nothing but count. */
export class NullMember implements HubSocket {
  readonly remoteAddr: Addr = PIPE_ADDR;
  readonly closed: Promise<unknown> = new Promise(() => {});
  writes = 0;
  writeBatch(): Promise<void> | null {
    this.writes++;
    return null;
  }
  close(): Promise<unknown> {
    return Promise.resolve();
  }
  closeNow(): void {}
}
