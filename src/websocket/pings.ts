import type { TimerQueue } from "../net/timer_queue.ts";
import { WaitQueue } from "../net/wait_queue.ts";

interface Ping {
  readonly payload: Uint8Array;
  readonly sentAt: number;
}

/** Pings that wait for their pongs. */
export class Pings {
  readonly #timers: TimerQueue;
  readonly #sent = new WaitQueue<number, Ping>();
  #count = 0;

  constructor(timers: TimerQueue) {
    this.#timers = timers;
  }

  /** A payload that no other ping of this connection has. */
  nextPayload(): Uint8Array {
    const count = ++this.#count;
    return new Uint8Array([count >>> 24, count >>> 16, count >>> 8, count]);
  }

  /** Resolves to the milliseconds until the pong with this payload comes; it must not be changed. */
  sent(payload: Uint8Array, signal?: AbortSignal): Promise<number> {
    return this.#sent.wait({ payload, sentAt: this.#timers.now() }, signal);
  }

  /** A pong came. It answers its ping and, as RFC 6455, 5.5.3 lets the peer skip some, those before it. */
  onPong(payload: Uint8Array): void {
    if (!this.#sent.some((ping) => equal(ping.payload, payload))) return;
    for (let ping = this.#sent.first; ping !== undefined; ping = this.#sent.first) {
      this.#sent.resolveFirst(this.#timers.now() - ping.sentAt);
      if (equal(ping.payload, payload)) return;
    }
  }

  /** No pong will come. */
  fail(error: Error): void {
    this.#sent.rejectAll(error);
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
