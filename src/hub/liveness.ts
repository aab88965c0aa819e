import type { RandomSource } from "../net/random_source.ts";
import { Alarm, type TimerQueue } from "../net/timer_queue.ts";

/** The most groups of members, which are pinged one after another. */
const MOST_GROUPS = 128;

/** The least milliseconds between pings of two groups. */
const SHORTEST_TICK = 10;

/** A member that can be pinged. Only {@linkcode Liveness} changes the numbers. */
export interface Pinged {
  /** Index of the member's group; -1 for none. */
  pingGroup: number;
  /** The tick of the first unanswered ping; 0 for none. */
  pingedAt: number;
  /** Sends a ping; resolves when the answer comes. */
  ping(): Promise<unknown>;
  /** Called when no answer came in time. */
  onSilent(): void;
}

/** Timing of pings. */
export interface LivenessOptions {
  /** Milliseconds between two pings of a member; `Infinity` for no pings. Default: 30,000. */
  pingInterval?: number;
  /** Milliseconds for the answer to a ping; without one the member is removed and its socket dropped. Default: 20,000. */
  pongTimeout?: number;
}

/**
 * Pings all members once an interval, spread over it: members are in groups at random, and each tick of one alarm pings
 * one group. Time is counted in ticks, not read from a clock: a process that was stalled does not mistake live members
 * for dead ones.
 */
export class Liveness {
  readonly #timers: TimerQueue;
  readonly #random: RandomSource;
  readonly #groups: Set<Pinged>[];
  readonly #tickLength: number;
  /** Ticks that an answer may take. */
  readonly #patience: number;
  readonly #alarm: Alarm = new Alarm(() => this.#onTick());
  #tick = 0;
  #size = 0;

  constructor(timers: TimerQueue, random: RandomSource, pingInterval: number, pongTimeout: number) {
    this.#timers = timers;
    this.#random = random;
    const count = pingInterval === Infinity
      ? 0
      : Math.min(MOST_GROUPS, Math.max(1, Math.floor(pingInterval / SHORTEST_TICK)));
    this.#groups = Array.from({ length: count }, () => new Set());
    this.#tickLength = pingInterval / count;
    this.#patience = Math.ceil(pongTimeout / this.#tickLength);
  }

  /** Starts pinging a member. */
  add(member: Pinged): void {
    if (this.#groups.length === 0) return;
    member.pingGroup = (this.#random.next() >>> 0) % this.#groups.length;
    this.#groups[member.pingGroup]!.add(member);
    if (this.#size++ === 0) this.#setAlarm();
  }

  /** Stops pinging a member. */
  remove(member: Pinged): void {
    if (member.pingGroup < 0) return;
    this.#groups[member.pingGroup]!.delete(member);
    member.pingGroup = -1;
    if (--this.#size === 0) this.#timers.clear(this.#alarm);
  }

  #setAlarm(): void {
    this.#timers.set(this.#alarm, this.#timers.now() + this.#tickLength);
  }

  #onTick(): void {
    const tick = ++this.#tick;
    // The next tick first: whatever removing a member sets off, the other members are still pinged.
    this.#setAlarm();
    if (tick > this.#patience) this.#dropSilent(this.#groupAt(tick - this.#patience), tick - this.#patience);
    for (const member of this.#groupAt(tick)) this.#ping(member, tick);
    if (this.#size === 0) this.#timers.clear(this.#alarm);
  }

  #groupAt(tick: number): Set<Pinged> {
    return this.#groups[tick % this.#groups.length]!;
  }

  /** Reports the members of a group that were pinged at `tick` or before, and have not answered. */
  #dropSilent(group: Set<Pinged>, tick: number): void {
    for (const member of group) {
      if (member.pingedAt !== 0 && member.pingedAt <= tick) member.onSilent();
    }
  }

  #ping(member: Pinged, tick: number): void {
    // A member that owes an answer gets no further ping: its time runs from the first.
    if (member.pingedAt !== 0) return;
    member.pingedAt = tick;
    const onPong = () => {
      member.pingedAt = 0;
    };
    try {
      // A failed ping counts as unanswered.
      member.ping().then(onPong, () => {});
    } catch {
      // A ping that cannot be sent counts as unanswered.
    }
  }
}
