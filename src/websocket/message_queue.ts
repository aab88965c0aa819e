import type { Message } from "./message.ts";

/** What a message costs beside its payload, bytes: without it, empty messages could wait without end. */
const MESSAGE_COST = 64;

/** Places of taken messages at the front before the rest moves up. */
const MOVE_UP_AFTER = 64;

/** Messages in order, and what they cost. */
export class MessageQueue {
  /** Made by the first; an idle connection may have had none. */
  #messages: (Message | undefined)[] | null = null;
  #head = 0;
  #cost = 0;

  get empty(): boolean {
    return this.#messages === null || this.#messages.length === 0;
  }

  /** Bytes that the messages are counted for. */
  get cost(): number {
    return this.#cost;
  }

  push(message: Message): void {
    (this.#messages ??= []).push(message);
    this.#cost += costOf(message);
  }

  /** Forgets them. */
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

  /** Moves on without shifting the array each time, though a queue that never runs empty must not grow for ever. */
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
