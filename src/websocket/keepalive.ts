import type { TimerEntry, TimerQueue } from "../net/timer_queue.ts";

/** How often silence is looked for in an interval: it is noticed that part of an interval late at the most. */
const LOOKS = 4;

/** What a {@linkcode Keepalive} watches over. */
export interface KeepaliveOwner {
  /** Bytes that have left in all. */
  readonly bytesLeft: number;
  /** Whether bytes wait because the network takes no more. */
  readonly sendBlocked: boolean;
  /** Whether nothing is being read, so that silence says nothing. */
  readonly readPaused: boolean;
  /** Nothing has come for a while. */
  onSilent(): void;
  sendKeepalivePing(): void;
  /** Nothing came after a ping. */
  onDead(): void;
}

/**
 * Pings a silent peer and finds a dead one. Any byte that comes counts as life. It costs a store for each chunk that
 * comes and a few alarms an interval, not a timer a message and no look at the clock.
 */
export class Keepalive implements TimerEntry {
  // It is its own alarm: there is one for each connection.
  time = -1;
  index = -1;
  readonly #owner: KeepaliveOwner;
  readonly #timers: TimerQueue;
  readonly #pingInterval: number;
  readonly #pongTimeout: number;
  #heard = false;
  #pinged = false;
  /** How often in a row there was silence. */
  #silent = 0;
  #bytesLeft = 0;
  #blocked = false;

  constructor(owner: KeepaliveOwner, timers: TimerQueue, pingInterval: number, pongTimeout: number) {
    this.#owner = owner;
    this.#timers = timers;
    this.#pingInterval = pingInterval;
    this.#pongTimeout = pongTimeout;
    this.#wait(pingInterval / LOOKS);
  }

  /** Bytes came. */
  heard(): void {
    this.#heard = true;
  }

  stop(): void {
    this.#timers.clear(this);
  }

  /** Looks whether there was silence. */
  ring(): void {
    const { bytesLeft, sendBlocked, readPaused } = this.#owner;
    // That bytes left says nothing, as the kernel takes some for a dead peer too. But where it took no more, and then
    // did, the peer has taken some: it is slow.
    const progress = this.#blocked && bytesLeft !== this.#bytesLeft;
    const alive = this.#heard || readPaused || progress;
    if (this.#pinged && !alive) return this.#owner.onDead();
    this.#silent = alive ? 0 : this.#silent + 1;
    if (this.#silent === 1) this.#owner.onSilent();
    this.#pinged = this.#silent === LOOKS;
    if (this.#pinged) this.#owner.sendKeepalivePing();
    this.#heard = false;
    this.#bytesLeft = bytesLeft;
    this.#blocked = sendBlocked;
    this.#wait(this.#pinged ? this.#pongTimeout : this.#pingInterval / LOOKS);
  }

  #wait(delay: number): void {
    this.#timers.set(this, this.#timers.now() + delay);
  }
}
