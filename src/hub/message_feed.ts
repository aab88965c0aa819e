import { Deferred } from "../net/deferred.ts";
import { Alarm, type TimerQueue } from "../net/timer_queue.ts";
import type { BatchWriter } from "../websocket/batch_writer.ts";
import type { MessageBatch } from "../websocket/message_batch.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { HubSocket } from "./hub_socket.ts";

/** Milliseconds that a socket has at most to take the last messages before it is closed. */
const CLOSE_WAIT = 5_000;

/** Milliseconds until a message that was refused right behind `drained` is offered again. */
const REFUSAL_PAUSE = 10;

/**
 * Feeds batches to a {@linkcode HubSocket}, which takes single messages. At most one batch waits here, and counts as in
 * flight for the member's queue; only a member that is being closed hands over the rest of its queue as well.
 */
export class MessageFeed implements BatchWriter {
  readonly #socket: HubSocket;
  readonly #timers: TimerQueue;
  /** Messages of the batches under way; those from `#next` on were not taken yet. */
  readonly #messages: PreparedMessage[] = [];
  #next = 0;
  /** Settles when all messages were taken; `null` while none waits. */
  #emptied: Promise<void> | null = null;
  /** Whether `socket.send` is being called: a write from inside that call must not send again. */
  #sending = false;

  constructor(socket: HubSocket, timers: TimerQueue) {
    this.#socket = socket;
    this.#timers = timers;
  }

  writeBatch(batch: MessageBatch): Promise<void> | null {
    for (const message of batch.messages()) this.#messages.push(message);
    if (this.#emptied !== null) return this.#emptied;
    if (!this.#sending && this.#feed()) return null;
    return this.#emptied = this.#feedLater();
  }

  /** Sends messages until the socket refuses one; returns whether none is left. */
  #feed(): boolean {
    this.#sending = true;
    try {
      while (this.#next < this.#messages.length) {
        const taken: unknown = this.#socket.send(this.#messages[this.#next]!);
        if (taken === false) return false;
        if (taken !== true) {
          throw new TypeError("Cannot send to the member: send returned neither true nor false");
        }
        this.#next++;
      }
    } finally {
      this.#sending = false;
    }
    this.stop();
    return true;
  }

  async #feedLater(): Promise<void> {
    // From inside `socket.send`: the loop that calls it sends these messages too, as far as the socket takes them.
    if (this.#sending) await null;
    while (this.#messages.length > 0) {
      await this.#socket.drained();
      // A socket that refuses the first message right behind its `drained` must not keep the event loop busy.
      const before = this.#next;
      if (!this.#feed() && this.#next === before) await this.#pause();
    }
    this.#emptied = null;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#timers.set(new Alarm(resolve), this.#timers.now() + REFUSAL_PAUSE));
  }

  /** Drops the messages that the socket has not taken. */
  stop(): void {
    this.#messages.length = 0;
    this.#next = 0;
  }

  /** Resolves when the socket has taken all messages or is closed, at the latest after 5 s; drops what is left then. */
  async empty(): Promise<void> {
    if (this.#emptied === null) return;
    const ended = new Deferred<void>();
    const alarm = new Alarm(ended.resolve);
    this.#timers.set(alarm, this.#timers.now() + CLOSE_WAIT);
    this.#emptied.then(ended.resolve, ended.resolve);
    this.#socket.closed.then(() => ended.resolve(), () => ended.resolve());
    await ended.promise;
    this.#timers.clear(alarm);
    this.stop();
  }
}
