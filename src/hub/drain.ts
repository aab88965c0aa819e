import { Deferred } from "../net/deferred.ts";
import type { Runtime } from "../net/runtime.ts";
import { Alarm } from "../net/timer_queue.ts";
import { CloseCode } from "../protocol/close_code.ts";
import { positive } from "../websocket/options.ts";
import type { Member } from "./member.ts";

/** How a hub is emptied. */
export interface DrainOptions {
  /** What members are closed with. Default: 1001. */
  code?: number;
  /** Why, in words. Default: none. */
  reason?: string;
  /** How many are closed at a time. Default: 1,000. */
  batchSize?: number;
  /**
   * Milliseconds between two batches, give or take a half at random, so that who connects again elsewhere does not come
   * all at once. Default: 100.
   */
  interval?: number;
  /** Milliseconds for all of it; who is left then is cut off. Default: 30,000. */
  timeout?: number;
  /** Cuts off who is left as soon as it is aborted. */
  signal?: AbortSignal;
}

/** What became of the members. */
export interface DrainReport {
  /** Got all that was queued for them, and were closed. */
  readonly closed: number;
  /** Left by themselves meanwhile. */
  readonly left: number;
  /** Were cut off in the end. */
  readonly cut: number;
  /** Messages that were queued for those who were cut off. */
  readonly lost: number;
}

/** {@linkcode DrainOptions} with every default in place. */
export type DrainSettings = Readonly<Required<Omit<DrainOptions, "signal">>>;

/**
 * Puts the defaults in and checks what was given.
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

/** What a drain needs of its hub. */
export interface DrainOwner<Data> {
  /** The member is gone. */
  unregister(member: Member<Data>): void;
  /** The member is to be gone at once. */
  cut(member: Member<Data>): void;
}

/** Closes members batch by batch, each after what is queued for it, and drops who is left when the time is up. */
export class Drain<Data> {
  readonly #runtime: Runtime;
  readonly #owner: DrainOwner<Data>;
  readonly #settings: DrainSettings;
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
    owner: DrainOwner<Data>,
    members: Iterable<Member<Data>>,
    settings: DrainSettings,
  ) {
    this.#runtime = runtime;
    this.#owner = owner;
    this.#waiting = [...members].reverse();
    this.#settings = settings;
  }

  /** Begins; resolves when nobody is left. */
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
    // Nothing new, and all that is old: then the close is the last that it hears.
    member.end();
    await member.flushed();
    const left = !member.registered;
    if (!left) await this.#say(member, code, reason);
    // Unless it was cut off meanwhile.
    if (!this.#closing.delete(member)) return;
    if (left) this.#left++;
    else this.#closed++;
    this.#endIfEmpty();
  }

  async #say(member: Member<Data>, code: number, reason: string): Promise<void> {
    try {
      await member.close(code, reason);
      this.#owner.unregister(member);
    } catch {
      this.#owner.cut(member);
    }
  }

  /** Drops who is left. */
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
      this.#owner.cut(member);
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
