import { Deferred } from "../net/deferred.ts";
import type { Runtime } from "../net/runtime.ts";
import { Alarm } from "../net/timer_queue.ts";
import { CloseCode } from "../protocol/close_code.ts";
import { positive } from "../websocket/options.ts";
import type { Member } from "./member.ts";

/** How `Hub.drain` empties a hub. */
export interface DrainOptions {
  /** Code of the close frames. Default: 1001. */
  code?: number;
  /** Text for the peers, at most 123 bytes of UTF-8. Default: empty. */
  reason?: string;
  /** Members that are closed at a time. Default: 1,000. */
  batchSize?: number;
  /**
   * Milliseconds between two batches on average; each pause is 50 to 150 % of it at random, so that clients do not
   * reconnect elsewhere all at once. Default: 100.
   */
  interval?: number;
  /** Milliseconds for the whole drain; members that are left then are cut off. Default: 30,000. */
  timeout?: number;
  /** Cuts off the members that are left as soon as the signal is aborted. */
  signal?: AbortSignal;
}

/** Result of `Hub.drain`: numbers of members by the way they left, and of lost messages. */
export interface DrainReport {
  /** Members that got all queued messages and were closed. */
  readonly closed: number;
  /** Members that left by themselves during the drain. */
  readonly left: number;
  /** Members that were cut off. */
  readonly cut: number;
  /** Messages that were queued for members that were cut off. */
  readonly lost: number;
}

/** {@linkcode DrainOptions} with all defaults filled in. */
export type DrainSettings = Readonly<Required<Omit<DrainOptions, "signal">>>;

/**
 * Fills in the defaults and checks the values.
 *
 * @throws {RangeError} when a number is not positive
 */
export function drainSettings(options: DrainOptions): DrainSettings {
  return {
    code: options.code ?? CloseCode.GoingAway,
    reason: options.reason ?? "",
    batchSize: positive("batchSize", options.batchSize, 1_000),
    interval: positive("interval", options.interval, 100),
    timeout: positive("timeout", options.timeout, 30_000),
  };
}

/** Closes members batch by batch, each after its queued messages, and cuts off the rest when the time is up. */
export class Drain<Data> {
  readonly #runtime: Runtime;
  readonly #settings: DrainSettings;
  /** Members of later batches, the next one last. */
  readonly #waiting: Member<Data>[];
  readonly #closing: Set<Member<Data>> = new Set();
  readonly #batchAlarm: Alarm = new Alarm(() => this.#closeBatch());
  readonly #endAlarm: Alarm = new Alarm(() => this.#cutOff());
  readonly #finished: Deferred<DrainReport> = new Deferred();
  #closed = 0;
  #left = 0;
  #cut = 0;
  #lost = 0;
  #over = false;

  constructor(
    runtime: Runtime,
    members: Iterable<Member<Data>>,
    settings: DrainSettings,
  ) {
    this.#runtime = runtime;
    this.#waiting = [...members].reverse();
    this.#settings = settings;
  }

  /** Begins the drain; resolves when no member is left. */
  run(signal: AbortSignal | undefined): Promise<DrainReport> {
    const { timers } = this.#runtime;
    const { timeout } = this.#settings;
    if (timeout !== Infinity) timers.set(this.#endAlarm, timers.now() + timeout);
    const cutOff = () => this.#cutOff();
    if (signal?.aborted) cutOff();
    else {
      signal?.addEventListener("abort", cutOff, { once: true });
      this.#closeBatch();
    }
    return this.#finished.promise.finally(() => signal?.removeEventListener("abort", cutOff));
  }

  #closeBatch(): void {
    const { batchSize, interval } = this.#settings;
    for (let left = batchSize; left > 0 && this.#waiting.length > 0 && !this.#over; left--) {
      void this.#close(this.#waiting.pop()!);
    }
    if (this.#waiting.length === 0) return this.#endIfEmpty();
    const jitter = 0.5 + (this.#runtime.random.next() >>> 0) / 2 ** 32;
    this.#runtime.timers.set(this.#batchAlarm, this.#runtime.timers.now() + interval * jitter);
  }

  async #close(member: Member<Data>): Promise<void> {
    if (!member.registered) {
      this.#left++;
      return;
    }
    this.#closing.add(member);
    const { code, reason } = this.#settings;
    // No new messages, all queued ones, then the close frame.
    member.end();
    await member.flushed();
    const left = !member.registered;
    if (!left) await member.closeAndLeave(code, reason);
    // A member that was cut off meanwhile is already counted.
    if (!this.#closing.delete(member)) return;
    if (left) this.#left++;
    else this.#closed++;
    this.#endIfEmpty();
  }

  /** Cuts off all members that are left. */
  #cutOff(): void {
    if (this.#over) return;
    this.#over = true;
    const left = [...this.#closing, ...this.#waiting].filter((member) => member.registered);
    this.#left += this.#closing.size + this.#waiting.length - left.length;
    this.#cut = left.length;
    this.#closing.clear();
    this.#waiting.length = 0;
    for (const member of left) {
      this.#lost += member.queuedMessages;
      member.cut();
    }
    this.#endIfEmpty();
  }

  #endIfEmpty(): void {
    if (this.#closing.size > 0 || this.#waiting.length > 0) return;
    this.#over = true;
    this.#runtime.timers.clear(this.#batchAlarm);
    this.#runtime.timers.clear(this.#endAlarm);
    this.#finished.resolve({ closed: this.#closed, left: this.#left, cut: this.#cut, lost: this.#lost });
  }
}
