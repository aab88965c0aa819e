import type { DatagramSocket, OutgoingDatagram } from "./datagram_socket.ts";
import type { NetError } from "./errors.ts";
import type { Flushable, FlushQueue } from "./flush_queue.ts";
import { WaitQueue } from "./wait_queue.ts";

/** Datagrams that may leave in one go: a kernel never makes a sender wait, so that a loop of writes would stop all else. */
const BURST = 64;

/** Datagrams of one call, which leave one after another. */
class Batch {
  readonly datagrams: readonly OutgoingDatagram[];
  /** How many have left. */
  sent = 0;
  /** Why the next one could not. */
  error: unknown = null;

  constructor(datagrams: readonly OutgoingDatagram[]) {
    this.datagrams = datagrams;
  }

  get done(): boolean {
    return this.error !== null || this.sent === this.datagrams.length;
  }
}

/** What is sent on a socket: call by call, in order, never mixed. */
export class DatagramSends implements Flushable {
  readonly #socket: DatagramSocket;
  readonly #flushQueue: FlushQueue;
  readonly #waiting = new WaitQueue<number, Batch>();
  /** The batch that the runtime is busy with: the first that waits, unless it was given up. */
  #inFlight: Batch | null = null;
  /** How many more may leave before the end of a turn is waited for. */
  #left = BURST;
  readonly #onIdle: () => void;

  /** `onIdle` is called when nobody waits any more. */
  constructor(socket: DatagramSocket, flushQueue: FlushQueue, onIdle: () => void) {
    this.#socket = socket;
    this.#flushQueue = flushQueue;
    this.#onIdle = onIdle;
  }

  /**
   * Sends; returns how many have left where that is known at once.
   *
   * @throws {NetError} when the first cannot leave
   */
  send(datagrams: readonly OutgoingDatagram[], signal?: AbortSignal): number | Promise<number> {
    const batch = new Batch(datagrams);
    if (this.#waiting.size === 0 && this.#inFlight === null && this.#run(batch)) return outcome(batch);
    return this.#waiting.wait(batch, signal);
  }

  /** Sends what can be sent now; `false` when the rest has to wait. */
  #run(batch: Batch): boolean {
    const { datagrams } = batch;
    try {
      while (batch.sent < datagrams.length) {
        if (this.#left === 0) return false;
        if (this.#sendMany(batch)) continue;
        const { data, addr } = datagrams[batch.sent]!;
        this.#spend(1);
        if (!this.#socket.send(data, addr)) {
          this.#inFlight = batch;
          return false;
        }
        batch.sent++;
      }
    } catch (error) {
      batch.error = error;
    }
    return true;
  }

  /** Whether some went, where several can go at once. */
  #sendMany(batch: Batch): boolean {
    const { datagrams, sent } = batch;
    const count = Math.min(datagrams.length - sent, this.#left);
    if (count < 2 || this.#socket.sendMany === undefined) return false;
    const went = this.#socket.sendMany(datagrams.slice(sent, sent + count));
    batch.sent += went;
    this.#spend(went);
    return went > 0;
  }

  #spend(count: number): void {
    this.#left -= count;
    if (this.#left === 0) this.#flushQueue.add(this);
  }

  /** The end of a turn. */
  flush(): void {
    this.#left = BURST;
    if (this.#inFlight === null) this.#runWaiting();
  }

  /** The socket's `onSent`. */
  onSent(error: NetError | null): void {
    const batch = this.#inFlight;
    this.#inFlight = null;
    // What was given up goes no further.
    if (batch !== null && batch === this.#waiting.first) {
      if (error === null) batch.sent++;
      else batch.error = error;
      if (batch.done) this.#settleFirst(batch);
    }
    this.#runWaiting();
  }

  #runWaiting(): void {
    for (let next = this.#waiting.first; next !== undefined; next = this.#waiting.first) {
      if (!this.#run(next)) return;
      this.#settleFirst(next);
    }
    this.#onIdle();
  }

  #settleFirst(batch: Batch): void {
    if (batch.sent === 0 && batch.error !== null) this.#waiting.rejectFirst(batch.error);
    else this.#waiting.resolveFirst(batch.sent);
  }

  /** Fails what waits. What the runtime has begun may still leave. */
  rejectAll(reason: unknown): void {
    this.#waiting.rejectAll(reason);
  }
}

function outcome({ sent, error }: Batch): number {
  if (sent === 0 && error !== null) throw error;
  return sent;
}
