import { concat } from "../bytes/concat.ts";
import { type MessageEncoding, type PreparedMessage, share, sharedBy } from "./prepared_message.ts";

/** A note of the sender on a message, for the queues that the message passes. Batches compare marks by identity. */
export interface MessageMark {
  /** Label of the message: a later one with the same label may replace it; `null` when none may. */
  readonly label: string | null;
}

/**
 * Messages that leave in one write. Batches are shared: all receivers of the same messages in the same order hold the same
 * batch, whose bytes are joined once for all of them. A batch is never changed; `with` returns a longer one.
 */
export class MessageBatch {
  readonly #before: MessageBatch | null;
  /** The last message. */
  readonly message: PreparedMessage;
  /** The mark of the last message; `null` for none. */
  readonly mark: MessageMark | null;
  /** Whether any of the messages has a mark. */
  readonly marked: boolean;
  /** Number of messages. */
  readonly count: number;
  /** Bytes of all payloads together. */
  readonly size: number;
  /** Last result of `with`: nearly always what the next receiver asks for. */
  #next: MessageBatch | null = null;
  /** Last result of `withMarked`. */
  #nextMarked: MessageBatch | null = null;
  /** Last result of `withLatest`. */
  #latest: MessageBatch | null = null;
  /** The encoding of `#bytes`. */
  #encoding: MessageEncoding | null = null;
  #bytes: Uint8Array | null = null;

  /**
   * Makes a batch.
   *
   * @param message the last message
   * @param before the batch of the messages before; default: none
   * @param mark the mark of the last message; default: none
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

  /** The batch with one message more, and its mark. */
  withMarked(message: PreparedMessage, mark: MessageMark): MessageBatch {
    const next = this.#nextMarked;
    if (next?.message === message && next.mark === mark) return next;
    return this.#nextMarked = new MessageBatch(message, this, mark);
  }

  /**
   * The batch with one message more, and without earlier messages of the mark's label. One search serves all receivers
   * that share the batch.
   */
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

  /** The bytes of all messages in an encoding, joined at the first call. */
  bytes(encoding: MessageEncoding): Uint8Array {
    if (this.count === 1) return this.message.encodedBy(encoding);
    if (this.#encoding !== encoding || this.#bytes === null) {
      this.#encoding = encoding;
      this.#bytes = concat(this.messages().map((message) => message.encodedBy(encoding)));
    }
    return this.#bytes;
  }
}
