/** Surroundings of a hub that cost nothing: a clock whose turns the bench ends, and members that take all bytes. */

import type { HubSocket } from "../src/hub/hub_socket.ts";
import { offerBatches } from "../src/hub/socket_writer.ts";
import { type Addr, PIPE_ADDR } from "../src/net/addr.ts";

/** A clock whose turns end when the bench says so. */
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

/** A member's socket that takes everything, and only counts the writes. */
export class NullSocket implements HubSocket {
  readonly remoteAddr: Addr = PIPE_ADDR;
  readonly closed: Promise<unknown> = new Promise(() => {});
  writes = 0;
  constructor() {
    offerBatches(this, this);
  }
  send(): boolean {
    this.writes++;
    return true;
  }
  drained(): Promise<void> {
    return Promise.resolve();
  }
  writeBatch(): Promise<void> | null {
    this.writes++;
    return null;
  }
  close(): Promise<unknown> {
    return Promise.resolve();
  }
  closeNow(): void {}
}
