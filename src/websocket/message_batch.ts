import { concat } from "../bytes/concat.ts";
import type { MessageEncoding, PreparedMessage } from "./prepared_message.ts";

/**
 * Messages that go to somebody in one write. Batches are shared: everybody who got the same messages in the same order
 * holds the same batch, and its bytes are joined once for all of them. A batch is never changed; `with` gives the one
 * that is longer by a message.
 */
export class MessageBatch {
  readonly #before: MessageBatch | null;
  /** The last of its messages. */
  readonly message: PreparedMessage;
  /** How many messages. */
  readonly count: number;
  /** Bytes of all payloads. */
  readonly size: number;
  /** The longer batch that was asked for last: nearly always the one that the next receiver asks for. */
  #next: MessageBatch | null = null;
  #encoding: MessageEncoding | null = null;
  #bytes: Uint8Array | null = null;

  /**
   * Makes one.
   *
   * @param message the last of its messages
   * @param before the batch of those before it
   */
  constructor(message: PreparedMessage, before: MessageBatch | null = null) {
    this.#before = before;
    this.message = message;
    this.count = (before?.count ?? 0) + 1;
    this.size = (before?.size ?? 0) + message.payload.length;
  }

  /** The batch with one message more. */
  with(message: PreparedMessage): MessageBatch {
    if (this.#next?.message === message) return this.#next;
    return this.#next = new MessageBatch(message, this);
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
