import { concat } from "../bytes/concat.ts";
import { type MessageEncoding, type PreparedMessage, share, sharedBy } from "./prepared_message.ts";

/** What a sender notes with a message, for who queues it. Batches keep it, and compare it by identity. */
export interface MessageMark {
  /** A later message with the same label may take this one's place; `null` for none. */
  readonly label: string | null;
}

/**
 * Messages that go to somebody in one write. Batches are shared: everybody who got the same messages in the same order
 * holds the same batch, and its bytes are joined once for all of them. A batch is never changed; `with` gives the one
 * that is longer by a message.
 */
export class MessageBatch {
  readonly #before: MessageBatch | null;
  /** The last of its messages. */
  readonly message: PreparedMessage;
  /** What is noted with the last of its messages. */
  readonly mark: MessageMark | null;
  /** Whether anything is noted with any of them. */
  readonly marked: boolean;
  /** How many messages. */
  readonly count: number;
  /** Bytes of all payloads. */
  readonly size: number;
  /** The longer batch that was asked for last: nearly always the one that the next receiver asks for. */
  #next: MessageBatch | null = null;
  /** The same with a mark; and that in which the last message took another's place. */
  #nextMarked: MessageBatch | null = null;
  #latest: MessageBatch | null = null;
  #encoding: MessageEncoding | null = null;
  #bytes: Uint8Array | null = null;

  /**
   * Makes one.
   *
   * @param message the last of its messages
   * @param before the batch of those before it
   * @param mark what is noted with the message
   */
  constructor(message: PreparedMessage, before: MessageBatch | null = null, mark: MessageMark | null = null) {
    this.#before = before;
    this.message = message;
    this.mark = mark;
    this.marked = mark !== null || (before?.marked ?? false);
    this.count = (before?.count ?? 0) + 1;
    this.size = (before?.size ?? 0) + message.payload.length;
  }

  /** The batch of one message alone, made once: every receiver whose batch begins with the message shares it. */
  static of(message: PreparedMessage): MessageBatch {
    const shared = sharedBy(message);
    if (shared !== null) return shared as MessageBatch;
    const batch = new MessageBatch(message);
    share(message, batch);
    return batch;
  }

  /** The batch with one message more. */
  with(message: PreparedMessage): MessageBatch {
    if (this.#next?.message === message) return this.#next;
    return this.#next = new MessageBatch(message, this);
  }

  /** The batch with one message more, and what is noted with it. */
  withMarked(message: PreparedMessage, mark: MessageMark): MessageBatch {
    const next = this.#nextMarked;
    if (next?.message === message && next.mark === mark) return next;
    return this.#nextMarked = new MessageBatch(message, this, mark);
  }

  /** The same without those messages that have the mark's label. Looks at all of them once, for whoever shares the batch. */
  withLatest(message: PreparedMessage, mark: MessageMark): MessageBatch {
    const next = this.#latest;
    if (next?.message === message && next.mark === mark) return next;
    return this.#latest = new MessageBatch(message, this.#without(mark.label), mark);
  }

  #without(label: string | null): MessageBatch | null {
    const stays = this.entries().filter(({ mark }) => mark === null || mark.label !== label);
    if (stays.length === this.count) return this;
    let batch: MessageBatch | null = null;
    for (const { message, mark } of stays) batch = new MessageBatch(message, batch, mark);
    return batch;
  }

  /** The batches that each end with one of the messages, in order: messages and their marks. */
  entries(): MessageBatch[] {
    const entries = new Array<MessageBatch>(this.count);
    entries[this.count - 1] = this;
    for (let batch = this.#before; batch !== null; batch = batch.#before) entries[batch.count - 1] = batch;
    return entries;
  }

  /** The messages in order. */
  messages(): PreparedMessage[] {
    const messages = new Array<PreparedMessage>(this.count);
    messages[this.count - 1] = this.message;
    let batch = this.#before;
    for (let i = this.count - 2; batch !== null; i--) {
      messages[i] = batch.message;
      batch = batch.#before;
    }
    return messages;
  }

  /** All of it in an encoding, joined the first time. */
  bytes(encoding: MessageEncoding): Uint8Array {
    if (this.count === 1) return this.message.encodedBy(encoding);
    if (this.#encoding !== encoding || this.#bytes === null) {
      this.#encoding = encoding;
      this.#bytes = concat(this.messages().map((message) => message.encodedBy(encoding)));
    }
    return this.#bytes;
  }
}
