import { DeadlineExceededError } from "../net/errors.ts";
import type { TimerEntry, TimerQueue } from "../net/timer_queue.ts";
import type { Connection } from "./connection.ts";

const NOTHING = new Uint8Array(0);

/** Checks for silence in a ping interval. Silence is noticed late by one part of the interval at the most. */
const CHECKS = 4;

/**
 * Pings a silent peer and drops a dead one. Any byte that comes is a sign of life. The cost is a store for each chunk and a few
 * alarms an interval: no timer for a message, and no reading of the clock.
 */
export class Keepalive implements TimerEntry {
  // The keep-alive is its own alarm: each connection has one, and another object would be memory for each.
  time = -1;
  index = -1;
  readonly #connection: Connection;
  readonly #timers: TimerQueue;
  /** Milliseconds. */
  readonly #pingInterval: number;
  /** Milliseconds. */
  readonly #pongTimeout: number;
  /** Whether bytes came since the last check. */
  #heard = false;
  /** Whether the last check sent a ping. */
  #pinged = false;
  /** Checks in a row that found silence. */
  #silent = 0;
  // The output as the last check found it.
  #acceptedBytes = 0;
  #blocked = false;

  /** Intervals are in milliseconds. */
  constructor(connection: Connection, timers: TimerQueue, pingInterval: number, pongTimeout: number) {
    this.#connection = connection;
    this.#timers = timers;
    this.#pingInterval = pingInterval;
    this.#pongTimeout = pongTimeout;
    this.#wait(pingInterval / CHECKS);
  }

  /** Bytes came. */
  heard(): void {
    this.#heard = true;
  }

  stop(): void {
    this.#timers.clear(this);
  }

  /** Checks for silence. */
  ring(): void {
    const { inbox, receiver, lifecycle } = this.#connection;
    const progress = this.#checkProgress();
    // Bytes that are not read cannot be heard.
    const alive = this.#heard || progress || inbox.full;
    if (this.#pinged && !alive) return lifecycle.drop(this.#noPong());
    this.#silent = alive ? 0 : this.#silent + 1;
    if (this.#silent === 1) receiver.onSilence();
    this.#pinged = this.#silent === CHECKS;
    if (this.#pinged) this.#ping();
    this.#heard = false;
    this.#wait(this.#pinged ? this.#pongTimeout : this.#pingInterval / CHECKS);
  }

  /**
   * Whether the peer has taken output: the kernel took none at the last check, and took some since. Otherwise bytes that left
   * say nothing, as the kernel takes some for a dead peer, too.
   */
  #checkProgress(): boolean {
    const { output, protocol } = this.#connection;
    const { acceptedBytes } = protocol.output;
    const progress = this.#blocked && acceptedBytes !== this.#acceptedBytes;
    this.#acceptedBytes = acceptedBytes;
    this.#blocked = !output.drained;
    return progress;
  }

  #noPong(): DeadlineExceededError {
    const why = `no pong within ${this.#pongTimeout / 1000} s`;
    return new DeadlineExceededError("read", "websocket", this.#connection.remoteAddr, why);
  }

  #ping(): void {
    const { protocol, output, lifecycle, trace } = this.#connection;
    if (!lifecycle.writable) return;
    protocol.sendPing(NOTHING);
    trace?.control("sent", "ping", NOTHING);
    output.flushNow();
  }

  #wait(delay: number): void {
    this.#timers.set(this, this.#timers.now() + delay);
  }
}
