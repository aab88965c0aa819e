import { handled, rejected } from "../net/handled.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import { WaitQueue } from "../net/wait_queue.ts";
import type { Bytes } from "./message.ts";
import { controlPayload, type Sender } from "./sender.ts";

interface Ping {
  readonly payload: Uint8Array;
  /** Milliseconds on the monotonic clock. */
  readonly sentAt: number;
}

/** Pings of the application that wait for their pongs. */
export class Pings {
  readonly #sender: Sender;
  readonly #timers: TimerQueue;
  readonly #sent = new WaitQueue<number, Ping>();
  /** Payloads that were drawn. */
  #count = 0;

  constructor(sender: Sender, timers: TimerQueue) {
    this.#sender = sender;
    this.#timers = timers;
  }

  /**
   * Sends a ping; resolves to the milliseconds until its pong comes.
   *
   * @param data the payload, at most 125 bytes. Default: one that no other ping of this connection has
   */
  send(data: Bytes | undefined, signal?: AbortSignal): Promise<number> {
    try {
      // A copy: the caller may change the array, and the pong is found by the payload.
      const payload = data === undefined ? this.#nextPayload() : new Uint8Array(controlPayload(data));
      this.#sender.ping(payload, signal);
      return handled(this.#sent.wait({ payload, sentAt: this.#timers.now() }, signal));
    } catch (error) {
      return rejected(error);
    }
  }

  #nextPayload(): Uint8Array {
    const count = ++this.#count;
    return new Uint8Array([count >>> 24, count >>> 16, count >>> 8, count]);
  }

  /** Resolves the ping that a pong answers, and the pings before it: RFC 6455, 5.5.3 lets the peer answer only the last. */
  onPong(payload: Uint8Array): void {
    if (!this.#sent.some((ping) => equal(ping.payload, payload))) return;
    for (let ping = this.#sent.first; ping !== undefined; ping = this.#sent.first) {
      this.#sent.resolveFirst(this.#timers.now() - ping.sentAt);
      if (equal(ping.payload, payload)) return;
    }
  }

  /** Fails the pings that wait: no pong will come. */
  fail(error: Error): void {
    this.#sent.rejectAll(error);
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
