import type { DatagramSocket, OutgoingDatagram } from "./datagram_socket.ts";
import type { NetError } from "./errors.ts";
import type { Flushable, FlushQueue } from "./flush_queue.ts";
import { WaitQueue } from "./wait_queue.ts";

/**
 * Upper bound of the datagrams sent in one turn of the event loop. Kernels hardly ever make a sender wait, so a loop of
 * writes would otherwise starve everything else.
 */
const BURST = 64;

/** The datagrams of one call, which are sent in order. */
class Batch {
  readonly datagrams: readonly OutgoingDatagram[];
  /** Number of datagrams sent. */
  sent = 0;
  /** Error of the datagram after those; `null` for none. */
  error: unknown = null;

  constructor(datagrams: readonly OutgoingDatagram[]) {
    this.datagrams = datagrams;
  }

  get done(): boolean {
    return this.error !== null || this.sent === this.datagrams.length;
  }
}

/** The outgoing datagrams of a socket: sent in the order of the calls, with those of one call together. */
export class DatagramSends implements Flushable {
  readonly #socket: DatagramSocket;
  readonly #flushQueue: FlushQueue;
  readonly #waiting = new WaitQueue<number, Batch>();
  /** The batch whose datagram the runtime is sending: the first that waits, unless its call was aborted or expired. */
  #inFlight: Batch | null = null;
  /** Number of datagrams that may still be sent in this turn. */
  #left = BURST;
  readonly #onIdle: () => void;

  /** @param onIdle called when no call waits any more */
  constructor(socket: DatagramSocket, flushQueue: FlushQueue, onIdle: () => void) {
    this.#socket = socket;
    this.#flushQueue = flushQueue;
    this.#onIdle = onIdle;
  }

  /** Whether no call waits. */
  get idle(): boolean {
    return this.#waiting.size === 0;
  }

  /**
   * Sends datagrams. Returns the number sent, as a promise when the call has to wait.
   *
   * @throws {NetError} when the first one cannot be sent
   */
  send(datagrams: readonly OutgoingDatagram[], signal?: AbortSignal): number | Promise<number> {
    const batch = new Batch(datagrams);
    if (this.#waiting.size === 0 && this.#inFlight === null && this.#run(batch)) return outcome(batch);
    return this.#waiting.wait(batch, signal);
  }

  /** Sends as much of a batch as possible now; `false` when the rest has to wait. */
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

  /** Sends several datagrams by one system call, where the runtime can; `false` when none was sent. */
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

  /** Goes on at the end of the turn. */
  flush(): void {
    this.#left = BURST;
    if (this.#inFlight === null) this.#runWaiting();
  }

  /** Handles the socket's `onSent`. */
  onSent(error: NetError | null): void {
    const batch = this.#inFlight;
    this.#inFlight = null;
    // A batch whose call was aborted or expired is not continued.
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

  /** Fails all waiting calls. A datagram that the runtime has begun to send may still be sent. */
  rejectAll(reason: unknown): void {
    this.#waiting.rejectAll(reason);
  }
}

function outcome({ sent, error }: Batch): number {
  if (sent === 0 && error !== null) throw error;
  return sent;
}
