import { MessageBatch } from "../websocket/message_batch.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { QueuePolicy } from "./queue_policy.ts";
import type { QueueTerms } from "./queue_terms.ts";

/** A message in a {@linkcode Backlog}. */
export interface Waiting {
  readonly message: PreparedMessage;
  readonly terms: QueueTerms | null;
  /** The policy that the message was queued under. */
  readonly policy: QueuePolicy;
  before: Waiting | null;
  after: Waiting | null;
}

/**
 * The messages of a member that is behind, as a linked list of its own, from which any message can be dropped. Shared
 * batches are faster to extend, but dropping their first message means rebuilding them; here every step costs the same,
 * however long the list is.
 */
export class Backlog {
  /** Messages in the list. */
  count = 0;
  /** Bytes of their payloads. */
  size = 0;
  #droppableCount = 0;
  #droppableSize = 0;
  #first: Waiting | null = null;
  #last: Waiting | null = null;
  /** The first message that may be dropped; `null` when none may. */
  #oldestDroppable: Waiting | null = null;
  /** The last message of each label. */
  readonly #labelled: Map<string, Waiting> = new Map();

  /** Adds a message at the end. */
  push(message: PreparedMessage, terms: QueueTerms | null, policy: QueuePolicy): void {
    const waiting: Waiting = { message, terms, policy, before: this.#last, after: null };
    if (this.#last === null) this.#first = waiting;
    else this.#last.after = waiting;
    this.#last = waiting;
    this.count++;
    this.size += message.payload.length;
    if (isDroppable(waiting)) {
      this.#droppableCount++;
      this.#droppableSize += message.payload.length;
      this.#oldestDroppable ??= waiting;
    }
    if (terms !== null && terms.label !== null) this.#labelled.set(terms.label, waiting);
  }

  /** The message whose place a new one takes: under `coalesce`, the last with the same label; `null` for none. */
  replacedBy(terms: QueueTerms | null, policy: QueuePolicy): Waiting | null {
    if (policy.overflow !== "coalesce" || terms === null || terms.label === null) return null;
    return this.#labelled.get(terms.label) ?? null;
  }

  /** Count and bytes of the messages that must not be dropped: those that were queued under `close`. */
  get undroppable(): { readonly count: number; readonly size: number } {
    return { count: this.count - this.#droppableCount, size: this.size - this.#droppableSize };
  }

  /** Removes the oldest message that may be dropped; there must be one. */
  dropOldest(): Waiting {
    const oldest = this.#oldestDroppable!;
    this.remove(oldest);
    return oldest;
  }

  /** Removes a message. */
  remove(waiting: Waiting): void {
    const { message, terms, before, after } = waiting;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    this.count--;
    this.size -= message.payload.length;
    if (isDroppable(waiting)) {
      this.#droppableCount--;
      this.#droppableSize -= message.payload.length;
      if (this.#oldestDroppable === waiting) this.#oldestDroppable = nextDroppable(after);
    }
    const label = terms?.label ?? null;
    if (label !== null && this.#labelled.get(label) === waiting) this.#labelled.delete(label);
  }

  /**
   * Removes the first messages, for one write: at least one. Where the policy of any of them keeps the newest messages,
   * they are at most half of that policy's bounds. The list must not be empty.
   */
  take(): MessageBatch {
    let batch: MessageBatch | null = null;
    let maxBytes = Infinity;
    let maxMessages = Infinity;
    for (let waiting = this.#first; waiting !== null; waiting = this.#first) {
      if (waiting.policy.keepsNewest) {
        maxBytes = Math.min(maxBytes, waiting.policy.maxQueuedBytes / 2);
        maxMessages = Math.min(maxMessages, waiting.policy.maxQueuedMessages / 2);
      }
      const size = (batch?.size ?? 0) + waiting.message.payload.length;
      if (batch !== null && (size > maxBytes || batch.count + 1 > maxMessages)) break;
      batch = new MessageBatch(waiting.message, batch);
      this.remove(waiting);
    }
    return batch!;
  }
}

/** A message that was queued under `close` arrives or its member is closed; no other message's policy drops it. */
function isDroppable(waiting: Waiting): boolean {
  return waiting.policy.overflow !== "close";
}

function nextDroppable(waiting: Waiting | null): Waiting | null {
  while (waiting !== null && !isDroppable(waiting)) waiting = waiting.after;
  return waiting;
}
