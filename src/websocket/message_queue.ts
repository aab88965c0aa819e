import type { Message } from "./message.ts";

/** Bytes that a message counts beside its payload: without them, empty messages could be queued without a bound. */
const MESSAGE_COST = 64;

/** Places at the front whose messages were taken before the rest may move up. */
const MOVE_UP_AFTER = 64;

/** Messages in order of arrival, and what they cost. */
export class MessageQueue {
  /** The messages, behind `#head` empty places; made by the first message, because many connections get none. */
  #messages: (Message | undefined)[] | null = null;
  #head = 0;
  #cost = 0;

  get empty(): boolean {
    return this.#messages === null || this.#messages.length === 0;
  }

  /** Cost of the messages, bytes: their payloads, and `MESSAGE_COST` for each. */
  get cost(): number {
    return this.#cost;
  }

  push(message: Message): void {
    (this.#messages ??= []).push(message);
    this.#cost += costOf(message);
  }

  /** Drops the messages. */
  clear(): void {
    this.#messages = null;
    this.#head = 0;
    this.#cost = 0;
  }

  shift(): Message | undefined {
    const messages = this.#messages;
    const message = messages?.[this.#head];
    if (message === undefined) return undefined;
    this.#cost -= costOf(message);
    this.#advance(messages!);
    return message;
  }

  /** Frees the first place. Not by `shift`, which moves the rest each time: the rest moves up when half of the array is empty. */
  #advance(messages: (Message | undefined)[]): void {
    messages[this.#head++] = undefined;
    if (this.#head === messages.length) {
      messages.length = 0;
      this.#head = 0;
    } else if (this.#head >= MOVE_UP_AFTER && 2 * this.#head >= messages.length) {
      messages.copyWithin(0, this.#head);
      messages.length -= this.#head;
      this.#head = 0;
    }
  }
}

function costOf(message: Message): number {
  return (message.type === "text" ? message.data.length : message.data.byteLength) + MESSAGE_COST;
}
