import { MessageBatch, type MessageMark } from "../websocket/message_batch.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { QueuePolicy } from "./queue_policy.ts";

/**
 * The terms under which one message is queued, beyond those of the member: a key, and the policy of the message's room.
 * Most messages have none. All receivers of a message hold the same object, so that they can share batches.
 */
export class QueueTerms implements MessageMark {
  /** Key and room, as {@linkcode labelOf} joins them; `null` without a key. */
  readonly label: string | null;
  /** The room's policy; `null` when the room has none of its own. */
  readonly policy: QueuePolicy | null;
  #first: MessageBatch | null = null;

  constructor(label: string | null, policy: QueuePolicy | null) {
    this.label = label;
    this.policy = policy;
  }

  /** The batch of one message alone, shared by all receivers whose queues begin with the message. */
  batchOf(message: PreparedMessage): MessageBatch {
    if (this.#first?.message === message) return this.#first;
    return this.#first = new MessageBatch(message, null, this);
  }
}

/** A key and its room in one text: equal keys in different rooms are different values. */
export function labelOf(room: string | null, key: string): string {
  return room === null ? `*${key}` : `${room.length}:${room}${key}`;
}
