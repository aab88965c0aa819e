import type { RandomSource } from "../net/random_source.ts";
import { Alarm, type TimerQueue } from "../net/timer_queue.ts";

/** At most so many groups of members are pinged in turn. */
const MOST_GROUPS = 128;

/** Groups are pinged no faster than this, milliseconds. */
const SHORTEST_TICK = 10;

/** Somebody who can be pinged. The numbers are the liveness's to change. */
export interface Pinged {
  /** Which group it is in, -1 for none. */
  pingGroup: number;
  /** The tick of the first ping that was not answered, 0 for none. */
  pingedAt: number;
  /** Asks for a sign of life; resolves when it comes. */
  ping(): Promise<unknown>;
  /** There was none in time. */
  onSilent(): void;
}

/** When members are pinged, and when they are taken for dead. */
export interface LivenessOptions {
  /** Milliseconds between two pings of a member. Default: 30,000. `Infinity`: none. */
  pingInterval?: number;
  /** Milliseconds for the answer to a ping, after which the member is dropped. Default: 20,000. */
  pongTimeout?: number;
}

/**
 * Pings everybody once an interval, spread over it: members are put into groups at random, and one alarm pings a group
 * at each of its ticks. Time is counted in ticks, not read from a clock: after the process stood still nobody is taken
 * for dead who was not asked.
 */
export class Liveness {
  readonly #timers: TimerQueue;
  readonly #random: RandomSource;
  readonly #groups: Set<Pinged>[];
  readonly #tickLength: number;
  /** How many ticks an answer may take. */
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

  /** Pings it from now on. */
  add(member: Pinged): void {
    if (this.#groups.length === 0) return;
    member.pingGroup = (this.#random.next() >>> 0) % this.#groups.length;
    this.#groups[member.pingGroup]!.add(member);
    if (this.#size++ === 0) this.#setAlarm();
  }

  /** Pings it no more. */
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
    // Next first: whatever a member's going sets off, the others are still looked after.
    this.#setAlarm();
    if (tick > this.#patience) this.#dropSilent(this.#groupAt(tick - this.#patience), tick - this.#patience);
    for (const member of this.#groupAt(tick)) this.#ping(member, tick);
    if (this.#size === 0) this.#timers.clear(this.#alarm);
  }

  #groupAt(tick: number): Set<Pinged> {
    return this.#groups[tick % this.#groups.length]!;
  }

  /** Those of the group who were pinged at that tick or before, and have not answered. */
  #dropSilent(group: Set<Pinged>, tick: number): void {
    for (const member of group) {
      if (member.pingedAt !== 0 && member.pingedAt <= tick) member.onSilent();
    }
  }

  #ping(member: Pinged, tick: number): void {
    // Who owes an answer is not asked again: its time runs from the first ping.
    if (member.pingedAt !== 0) return;
    member.pingedAt = tick;
    const onPong = () => {
      member.pingedAt = 0;
    };
    try {
      // A ping that fails is no sign of life.
      member.ping().then(onPong, () => {});
    } catch {
      // Neither is one that cannot be sent.
    }
  }
}
