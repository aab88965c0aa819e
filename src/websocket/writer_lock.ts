import { DeadlineTimer } from "../net/deadline.ts";
import { handled } from "../net/handled.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import { WaitQueue } from "../net/wait_queue.ts";

/** A call that waits for the lock. */
interface Waiting {
  /** Bytes of payload that `bufferedAmount` counts while the call waits. */
  readonly bytes: number;
  /** Sends the message; may take the lock. */
  send(): unknown;
}

/**
 * Locked while a message is written in parts, when no other message may begin. Calls that wait are sent in order of
 * calling in the moment of `unlock`, before anything that is called later.
 */
export class WriterLock {
  readonly #waiting = new WaitQueue<unknown, Waiting>();
  readonly #deadline: DeadlineTimer;
  #locked = false;
  /** Bytes of payload of the calls that wait. */
  #bytes = 0;

  /** @param expired makes the error for calls whose deadline has passed */
  constructor(timers: TimerQueue, expired: () => Error) {
    this.#deadline = new DeadlineTimer(timers, () => this.#rejectAll(expired()));
  }

  /** Bytes of payload of the messages that wait. */
  get waitingBytes(): number {
    return this.#bytes;
  }

  /** Sets the time at which waiting calls fail, milliseconds on the monotonic clock. */
  setDeadline(time: number): void {
    this.#deadline.setTime(time);
  }

  /** A message is written in parts from now on. */
  lock(): void {
    this.#locked = true;
  }

  /**
   * Resolves to the result of `send`, which is called once the lock is free. A call that is given up before leaves no
   * trace.
   *
   * @param bytes bytes of payload to count meanwhile
   * @param timed whether the deadline applies to the call
   */
  wait<T>(bytes: number, send: () => T | Promise<T>, signal?: AbortSignal, timed = true): Promise<T> {
    this.#bytes += bytes;
    const waiting = this.#waiting.wait({ bytes, send }, signal, () => this.#bytes -= bytes);
    if (timed) this.#deadline.startWait();
    return handled(waiting) as Promise<T>;
  }

  /** The message has ended. Sends the messages that wait, up to the next that is written in parts. */
  unlock(): void {
    this.#locked = false;
    while (!this.#locked && this.#waiting.size > 0) {
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
    this.#locked = false;
    this.#rejectAll(error);
    this.#deadline.stop();
  }

  #rejectAll(error: Error): void {
    this.#bytes = 0;
    this.#waiting.rejectAll(error);
  }
}
