import { MessageBatch, type MessageMark } from "../websocket/message_batch.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { QueuePolicy } from "./queue_policy.ts";

/**
 * What is said of a message beside its content: its key, and the policy of the room that it is for. Most messages have
 * none. All members hold the same mark, so that what they share does not depend on it.
 */
export class Mark implements MessageMark {
  /** Key and where it counts, `null` without a key. */
  readonly label: string | null;
  /** The room's policy, `null` when it has none of its own. */
  readonly policy: QueuePolicy | null;
  #alone: MessageBatch | null = null;

  constructor(label: string | null, policy: QueuePolicy | null) {
    this.label = label;
    this.policy = policy;
  }

  /** The batch of this message alone, the same for all who begin with it. */
  alone(message: PreparedMessage): MessageBatch {
    if (this.#alone?.message === message) return this.#alone;
    return this.#alone = new MessageBatch(message, null, this);
  }
}

/** A key and its room in one: the same key in another room is another value. */
export function labelOf(room: string | null, key: string): string {
  return room === null ? `*${key}` : `${room.length}:${room}${key}`;
}
