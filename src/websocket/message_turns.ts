import { DeadlineTimer } from "../net/deadline.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import { WaitQueue } from "../net/wait_queue.ts";

/** A call that waits for its turn. */
interface Waiting {
  /** What `bufferedAmount` counts it for. */
  readonly bytes: number;
  /** Sends; may take the next turn. */
  send(): unknown;
}

/**
 * Whose turn it is to send a message: while one is written in parts, no other may begin. Those that wait are sent in
 * order of calling in the moment when the turn ends, before anything that is called later.
 */
export class MessageTurns {
  readonly #waiting = new WaitQueue<unknown, Waiting>();
  readonly #deadline: DeadlineTimer;
  #taken = false;
  #bytes = 0;

  /** @param expired the error for a call whose deadline passed */
  constructor(timers: TimerQueue, expired: () => Error) {
    this.#deadline = new DeadlineTimer(timers, () => this.#rejectAll(expired()));
  }

  /** Whether a message is being written in parts. */
  get taken(): boolean {
    return this.#taken;
  }

  /** Bytes of the messages that wait. */
  get waitingBytes(): number {
    return this.#bytes;
  }

  setDeadline(time: number): void {
    this.#deadline.set(time);
  }

  /** A message is written in parts from now on. */
  take(): void {
    this.#taken = true;
  }

  /**
   * Resolves to what `send` gives when its turn has come. A call that is given up before leaves no trace.
   *
   * @param timed whether the deadline is looked at for it
   */
  wait<T>(bytes: number, send: () => T | Promise<T>, signal?: AbortSignal, timed = true): Promise<T> {
    this.#bytes += bytes;
    const waiting = this.#waiting.wait({ bytes, send }, signal, () => this.#bytes -= bytes);
    if (timed) this.#deadline.startWait();
    return waiting as Promise<T>;
  }

  /** The message that was written in parts has ended. */
  end(): void {
    this.#taken = false;
    while (!this.#taken && this.#waiting.size > 0) {
      const { bytes, send } = this.#waiting.first!;
      this.#bytes -= bytes;
      try {
        this.#waiting.resolveFirst(send());
      } catch (error) {
        this.#waiting.rejectFirst(error);
      }
    }
    if (this.#waiting.size === 0) this.#deadline.endWait();
  }

  /** Nothing more is sent: calls that wait reject with `error`. */
  stop(error: Error): void {
    this.#taken = false;
    this.#rejectAll(error);
    this.#deadline.stop();
  }

  #rejectAll(error: Error): void {
    this.#bytes = 0;
    this.#waiting.rejectAll(error);
  }
}
