import { DeadlineExceededError } from "../net/errors.ts";
import type { TimerEntry, TimerQueue } from "../net/timer_queue.ts";
import type { Connection } from "./connection.ts";

const NOTHING = new Uint8Array(0);

/** Checks for silence in a ping interval. Silence is noticed late by one part of the interval at the most. */
const CHECKS = 4;

/**
 * Intervals in which the application has to read nothing before a paused socket is pinged that would lose what it has not read
 * when a write fails.
 */
const LOSSY_INTERVALS = 10;

/**
 * Pings a silent peer, in a fixed period while only its pongs come, and drops a dead one. Any byte that comes is a sign of life.
 * While the application reads nothing and the socket is paused, no byte can come: then pings are sent for the kernel to find out
 * that the peer is gone, which fails the next one. It knows at once of a peer that ended, and of a machine that vanished once it
 * has given up retransmitting (on Linux after about 15 minutes).
 * The cost is a store for each chunk and a few alarms an interval: no timer for a message, and no reading of what time it is.
 * Time is counted in the delays of the alarm, so that a process that stood still holds no time against the peer.
 */
export class Keepalive implements TimerEntry {
  // The keep-alive is its own alarm: each connection has one, and another object would be memory for each.
  time = -1;
  index = -1;
  readonly #connection: Connection;
  readonly #timers: TimerQueue;
  /** Silence after which a ping is sent, milliseconds. */
  readonly #pingInterval: number;
  /** Silence after a ping after which the peer is dead, milliseconds. */
  readonly #pongTimeout: number;
  /** Whether bytes came since the last ring. */
  #heard = false;
  /** Checks in a row that found silence; the answer to a ping does not end it. */
  #silent = 0;
  /** Time until the next check, milliseconds, as of the last ring. */
  #untilCheck: number;
  /** Time that the answer to the last ping may still take, milliseconds, as of the last ring; 0 when none is awaited. */
  #patience = 0;
  /** Delay of the alarm, milliseconds. */
  #delay = 0;
  // The output as the last ring found it.
  #acceptedBytes = 0;
  #blocked = false;
  /** Bytes that were unread at the last check, in messages and not yet parsed. */
  #unreadBytes = 0;

  /** Intervals are in milliseconds. */
  constructor(connection: Connection, timers: TimerQueue, pingInterval: number, pongTimeout: number) {
    this.#connection = connection;
    this.#timers = timers;
    this.#pingInterval = pingInterval;
    this.#pongTimeout = pongTimeout;
    this.#untilCheck = pingInterval / CHECKS;
    this.#wait();
  }

  /** Bytes came. */
  heard(): void {
    this.#heard = true;
  }

  stop(): void {
    this.#timers.clear(this);
  }

  /** Looks for the answer to a ping, and, every part of the interval, for silence. */
  ring(): void {
    const { inbox, lifecycle } = this.#connection;
    const progress = this.#checkProgress();
    // Bytes that are not read cannot be heard.
    const alive = this.#heard || progress || inbox.full;
    const awaited = this.#patience > 0;
    this.#heard = false;
    this.#untilCheck -= this.#delay;
    if (awaited && !alive && this.#patience <= this.#delay) {
      return lifecycle.drop(this.#noPong());
    }
    if (awaited) this.#patience = alive ? 0 : this.#patience - this.#delay;
    if (this.#untilCheck <= 0) {
      this.#untilCheck = this.#pingInterval / CHECKS;
      if (inbox.full) this.#checkPaused();
      else this.#check(alive && !awaited);
    }
    this.#wait();
  }

  /** @param alive whether the peer has shown life by other means than the answer to a ping */
  #check(alive: boolean): void {
    this.#silent = alive ? 0 : this.#silent + 1;
    if (this.#silent === 1) this.#connection.receiver.onSilence();
    // A peer that owes an answer gets no further ping: its time runs from the first.
    if (this.#silent < CHECKS || this.#patience > 0) return;
    this.#ping();
    this.#silent = 0;
    this.#patience = this.#pongTimeout;
  }

  /** The application does not read. If it took no byte for an interval, sends a ping whose answer cannot be read. */
  #checkPaused(): void {
    const { output, socket, unreadBytes } = this.#connection;
    this.#silent = unreadBytes === this.#unreadBytes ? this.#silent + 1 : 0;
    this.#unreadBytes = unreadBytes;
    if (this.#silent < CHECKS * (socket.readsPastFailure ? 1 : LOSSY_INTERVALS)) return;
    this.#silent = 0;
    // Output that waits finds out by itself.
    if (output.drained) this.#ping();
  }

  /**
   * Whether the peer has taken output: the kernel took none at the last ring, and took some since. Otherwise bytes that left
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

  #wait(): void {
    this.#delay = this.#patience > 0 ? Math.min(this.#untilCheck, this.#patience) : this.#untilCheck;
    this.#timers.set(this, this.#timers.now() + this.#delay);
  }
}
