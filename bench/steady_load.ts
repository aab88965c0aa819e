/**
 * Messages that are due at a fixed rate, whether or not earlier ones have been answered. What takes long, here or in the
 * server, does not move the later ones, and each latency counts from when its message was due: a queue is seen by all who
 * stand in it. The process turns without sleeping, since timers are too coarse; how late it sends is part of the result.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connectAll, type Connection, type Load } from "./load.ts";

/** How often to send, how many at once, and how long. */
export interface SteadyRate {
  /** Messages a second, on all connections together. */
  readonly rate: number;
  /** Messages that one connection sends at once. */
  readonly burst: number;
  /** Seconds that are looked at, after `warmUp` seconds that are not. */
  readonly seconds: number;
  readonly warmUp: number;
}

/** What was seen of the messages due in a window of time; times in microseconds, sorted. */
export interface Observation {
  readonly messages: number;
  /** From when a message was due to when it was back; infinite for one that is not back a second after the end. */
  readonly latencies: Float64Array;
  /** From when messages were due to when they were sent: the part of the latency that is the generator's. */
  readonly lateness: Float64Array;
  /** The part of the time in which the generator had something to send or to read. */
  readonly busy: number;
  /** What the meter went up by. */
  readonly metered: number;
}

/** Connections that send in turn. */
export class SteadyLoad {
  readonly #connections: readonly Connection[];

  private constructor(connections: readonly Connection[]) {
    this.#connections = connections;
  }

  /** Connects everybody. */
  static async connect(load: Omit<Load, "inFlight">): Promise<SteadyLoad> {
    return new SteadyLoad(await connectAll({ ...load, inFlight: 1 }));
  }

  /** Sends at this rate, and says what became of it; `meter` is read when the window opens and when it closes. */
  async run(rate: SteadyRate, meter: () => number): Promise<Observation> {
    const run = new Run(this.#connections, rate);
    await sleep(rate.warmUp * 1000);
    const [before, busyBefore] = [meter(), run.busy];
    await sleep(rate.seconds * 1000);
    const [metered, busy] = [meter() - before, run.busy - busyBefore];
    await run.stop();
    return { ...run.result, metered, busy: busy / (rate.seconds * 1000) };
  }

  /** Leaves. */
  close(): void {
    for (const { socket } of this.#connections) socket.destroy();
  }
}

/**
 * One run, in milliseconds of `performance.now()`. Answers come in order, and bursts go to the connections in turn, so
 * when the next one of a connection was due follows from how many it has had.
 */
class Run {
  /** Milliseconds with work until now. */
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

  /** Sends no more, and waits for what is under way. */
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

/** Times in milliseconds, in memory that is there before the first. */
class Times {
  count = 0;
  readonly #all: Float64Array;

  constructor(most: number) {
    this.#all = new Float64Array(Math.ceil(most));
  }

  add(ms: number): void {
    this.#all[this.count++] = ms;
  }

  /** In microseconds, as many as are asked for: infinite ones for those that are missing. */
  sorted(count: number): Float64Array {
    return Float64Array.from({ length: count }, (_, i) => i < this.count ? this.#all[i]! * 1000 : Infinity)
      .sort();
  }
}
