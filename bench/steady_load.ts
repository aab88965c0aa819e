/**
 * Messages that are due at a fixed rate, whether or not earlier ones have been answered. A delay, here or in the
 * server, does not move later messages, and each latency counts from the time at which its message was due, so that a
 * queue shows in the latency of every message in it. The process polls instead of sleeping, because timers are too
 * coarse; its own lateness is part of the result.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connectAll, type Connection, type Load } from "./load.ts";

/** Rate, burst size and duration of a load. */
export interface SteadyRate {
  /** Messages a second, all connections together. */
  readonly rate: number;
  /** Number of messages that a connection sends at once. */
  readonly burst: number;
  /** Length of the measured window, seconds; it begins after `warmUp` seconds. */
  readonly seconds: number;
  readonly warmUp: number;
}

/** Results for the messages that were due in the measured window; times in microseconds, sorted. */
export interface Observation {
  readonly messages: number;
  /** Times from when a message was due to its answer; infinite without an answer a second after the end. */
  readonly latencies: Float64Array;
  /** Times from when messages were due to their sending: the generator's part of the latencies. */
  readonly lateness: Float64Array;
  /** Share of the time in which the generator sent or read, 0 to 1. */
  readonly busy: number;
  /** Growth of the meter in the window. */
  readonly metered: number;
}

/** Connections that send in turn. */
export class SteadyLoad {
  readonly #connections: readonly Connection[];

  private constructor(connections: readonly Connection[]) {
    this.#connections = connections;
  }

  /** Opens all connections. */
  static async connect(load: Omit<Load, "inFlight">): Promise<SteadyLoad> {
    return new SteadyLoad(await connectAll({ ...load, inFlight: 1 }));
  }

  /** Sends at this rate and measures; `meter` is read at the beginning and at the end of the window. */
  async run(rate: SteadyRate, meter: () => number): Promise<Observation> {
    const run = new Run(this.#connections, rate);
    await sleep(rate.warmUp * 1000);
    const [before, busyBefore] = [meter(), run.busy];
    await sleep(rate.seconds * 1000);
    const [metered, busy] = [meter() - before, run.busy - busyBefore];
    await run.stop();
    return { ...run.result, metered, busy: busy / (rate.seconds * 1000) };
  }

  /** Drops all connections. */
  close(): void {
    for (const { socket } of this.#connections) socket.destroy();
  }
}

/**
 * One run; times are milliseconds of `performance.now()`. Bursts go to the connections in turn and answers come in
 * order, so the number of a connection's answers tells when the next one's message was due.
 */
class Run {
  /** Time with work so far, milliseconds. */
  busy = 0;
  readonly #connections: readonly Connection[];
  readonly #burst: number;
  readonly #interval: number;
  readonly #start: number = performance.now();
  readonly #from: number;
  readonly #until: number;
  readonly #latencies: Times;
  readonly #lateness: Times;
  #bursts = 0;
  #answers = 0;
  #worked = false;
  #turned = this.#start;
  #stopped = false;

  constructor(connections: readonly Connection[], { rate, burst, seconds, warmUp }: SteadyRate) {
    this.#connections = connections;
    this.#burst = burst;
    this.#interval = burst * 1000 / rate;
    this.#from = this.#start + warmUp * 1000;
    this.#until = this.#from + seconds * 1000;
    this.#latencies = new Times(rate * seconds + burst);
    this.#lateness = new Times(rate * seconds / burst + 1);
    connections.forEach((connection, index) => this.#listen(connection, index));
    this.#turn();
  }

  get result(): Pick<Observation, "messages" | "latencies" | "lateness"> {
    const lateness = this.#lateness.sorted(this.#lateness.count);
    const latencies = this.#latencies.sorted(lateness.length * this.#burst);
    return { messages: latencies.length, latencies, lateness };
  }

  /** Stops sending and waits for answers, at most a second. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (let i = 0; i < 100 && this.#answers < this.#bursts * this.#burst; i++) await sleep(10);
    for (const connection of this.#connections) connection.onMessages = null;
  }

  #listen(connection: Connection, index: number): void {
    let had = 0;
    connection.onMessages = (count) => {
      const now = performance.now();
      this.#worked = true;
      this.#answers += count;
      for (; count > 0; count--) {
        const due = this.#dueTime(Math.floor(had++ / this.#burst) * this.#connections.length + index);
        if (due >= this.#from && due < this.#until) this.#latencies.add(now - due);
      }
    };
  }

  #dueTime(burst: number): number {
    return this.#start + burst * this.#interval;
  }

  readonly #turn = (): void => {
    if (this.#stopped) return;
    const now = performance.now();
    if (this.#worked) this.busy += now - this.#turned;
    this.#turned = now;
    this.#worked = false;
    for (let due = this.#dueTime(this.#bursts); due <= now; due = this.#dueTime(++this.#bursts)) {
      this.#send(due);
    }
    setImmediate(this.#turn);
  };

  #send(due: number): void {
    this.#worked = true;
    if (due >= this.#from && due < this.#until) this.#lateness.add(performance.now() - due);
    this.#connections[this.#bursts % this.#connections.length]!.send(this.#burst);
  }
}

/** A list of times, milliseconds, in memory that is allocated before the first. */
class Times {
  count = 0;
  readonly #all: Float64Array;

  constructor(most: number) {
    this.#all = new Float64Array(Math.ceil(most));
  }

  add(ms: number): void {
    this.#all[this.count++] = ms;
  }

  /** The times in microseconds, sorted and filled up to `count` with `Infinity`. */
  sorted(count: number): Float64Array {
    return Float64Array.from({ length: count }, (_, i) => i < this.count ? this.#all[i]! * 1000 : Infinity)
      .sort();
  }
}
