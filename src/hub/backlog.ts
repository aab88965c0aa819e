import { MessageBatch, type MessageMark } from "../websocket/message_batch.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { QueuePolicy } from "./queue_policy.ts";

/** A message that waits. */
export interface Waiting {
  readonly message: PreparedMessage;
  readonly mark: MessageMark | null;
  /** What it was queued under. */
  readonly policy: QueuePolicy;
  before: Waiting | null;
  after: Waiting | null;
}

/**
 * The messages of a member that is behind, where any of them can be dropped. Shared batches are faster, but lose
 * their first message only by being made anew: this is a list of the member's own, and every step of it costs the
 * same, however long it is.
 */
export class Backlog {
  /** How many messages. */
  count = 0;
  /** Bytes of their payloads. */
  size = 0;
  /** How many of them may be dropped, and their bytes. */
  droppableCount = 0;
  droppableSize = 0;
  #first: Waiting | null = null;
  #last: Waiting | null = null;
  /** Nothing before it may be dropped; `null` when nothing may. */
  #oldestDroppable: Waiting | null = null;
  readonly #labelled: Map<string, Waiting> = new Map();

  /** Adds a message at the end. */
  push(message: PreparedMessage, mark: MessageMark | null, policy: QueuePolicy): void {
    const waiting: Waiting = { message, mark, policy, before: this.#last, after: null };
    if (this.#last === null) this.#first = waiting;
    else this.#last.after = waiting;
    this.#last = waiting;
    this.count++;
    this.size += message.payload.length;
    if (isDroppable(waiting)) {
      this.droppableCount++;
      this.droppableSize += message.payload.length;
      this.#oldestDroppable ??= waiting;
    }
    if (mark !== null && mark.label !== null) this.#labelled.set(mark.label, waiting);
  }

  /** The last message with this label. */
  labelled(label: string): Waiting | null {
    return this.#labelled.get(label) ?? null;
  }

  /** Drops the oldest message that may be; there must be one. */
  dropOldest(): Waiting {
    const oldest = this.#oldestDroppable!;
    this.remove(oldest);
    return oldest;
  }

  /** Takes a message out. */
  remove(waiting: Waiting): void {
    const { message, mark, before, after } = waiting;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    this.count--;
    this.size -= message.payload.length;
    if (isDroppable(waiting)) {
      this.droppableCount--;
      this.droppableSize -= message.payload.length;
      if (this.#oldestDroppable === waiting) this.#oldestDroppable = nextDroppable(after);
    }
    const label = mark?.label ?? null;
    if (label !== null && this.#labelled.get(label) === waiting) this.#labelled.delete(label);
  }

  /**
   * Takes the first messages out, for one write: all of them, but no more than half of the bounds of those that were
   * queued under a policy which keeps what is newest; at least one. There must be one.
   */
  take(): MessageBatch {
    let batch: MessageBatch | null = null;
    let mostBytes = Infinity;
    let mostMessages = Infinity;
    for (let waiting = this.#first; waiting !== null; waiting = this.#first) {
      if (waiting.policy.keepsNewest) {
        mostBytes = Math.min(mostBytes, waiting.policy.maxQueuedBytes / 2);
        mostMessages = Math.min(mostMessages, waiting.policy.maxQueuedMessages / 2);
      }
      const size = (batch?.size ?? 0) + waiting.message.payload.length;
      if (batch !== null && (size > mostBytes || batch.count + 1 > mostMessages)) break;
      batch = new MessageBatch(waiting.message, batch);
      this.remove(waiting);
    }
    return batch!;
  }
}

/** What was sent under `close` arrives, or the member is closed: no other message's policy costs it. */
function isDroppable(waiting: Waiting): boolean {
  return waiting.policy.overflow !== "close";
}

function nextDroppable(waiting: Waiting | null): Waiting | null {
  while (waiting !== null && !isDroppable(waiting)) waiting = waiting.after;
  return waiting;
}
