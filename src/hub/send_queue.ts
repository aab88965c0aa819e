import { MessageBatch } from "../websocket/message_batch.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import type { Backlog } from "./backlog.ts";
import type { QueuePolicy } from "./queue_policy.ts";
import type { QueueTerms } from "./queue_terms.ts";
import { QueueOutput } from "./queue_output.ts";

/** Bytes of payload from which a batch is sent without waiting for the end of the turn. */
const FLUSH_SIZE = 65536;

/** The most messages of a shared batch among which one is looked for by its key; among more, a backlog is faster. */
const MAX_SEARCH = 64;

/**
 * One member's queue: the messages that wait for the end of the turn or for the socket. The messages of a turn leave in
 * one write. While the socket is busy the queue grows up to its bound; then its policy decides.
 *
 * Members that got the same messages hold the same batch, so queueing a message is mostly two comparisons and a store.
 * A member that is behind and may lose messages has a `Backlog` instead, until that is sent.
 */
export abstract class SendQueue extends QueueOutput {
  #dropped = 0;
  #coalesced = 0;

  /** A first message waits for the end of the turn. */
  protected abstract flushSoon(): void;
  /** A message does not fit, and the policy is to close. */
  protected abstract onFull(): void;
  /** `messages` messages of `bytes` bytes in all were dropped, queued ones or the new one. */
  protected abstract onDropped(policy: QueuePolicy, messages: number, bytes: number): void;

  /** Messages that were lost because the queue was full. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Messages that a later one of the same key replaced before the socket had them. */
  get coalesced(): number {
    return this.#coalesced;
  }

  /** Queues a message: the step that a broadcast makes for each member. Returns whether it was accepted. */
  push(message: PreparedMessage): boolean {
    if (this.slow) return this.#pushSlowly(message, null);
    const waiting = this.batch;
    const batch = waiting === null ? MessageBatch.of(message) : waiting.with(message);
    const { inFlight } = this;
    const { maxQueuedBytes, maxQueuedMessages } = this.policy;
    const bytes = batch.size + (inFlight === null ? 0 : inFlight.size);
    const count = batch.count + (inFlight === null ? 0 : inFlight.count);
    if (bytes > maxQueuedBytes || count > maxQueuedMessages) {
      return this.#overflow(message, null, this.policy);
    }
    this.batch = batch;
    if (inFlight !== null) return true;
    if (batch.size >= FLUSH_SIZE) this.flush();
    else if (waiting === null) this.flushSoon();
    return true;
  }

  /** Queues a message that has a key, or whose room has its own policy. Returns whether it was accepted. */
  pushOnTerms(message: PreparedMessage, terms: QueueTerms): boolean {
    if (this.slow) return this.#pushSlowly(message, terms);
    const policy = this.policyFor(terms);
    const coalesces = terms.label !== null && policy.overflow === "coalesce";
    const waiting = this.batch;
    if (coalesces && waiting !== null && waiting.count > MAX_SEARCH) {
      this.startBacklog();
      return this.#pushSlowly(message, terms);
    }
    const batch = waiting === null
      ? terms.batchOf(message)
      : coalesces
      ? waiting.withLatest(message, terms)
      : waiting.withMarked(message, terms);
    if (!this.#fits(batch.count, batch.size, policy)) return this.#overflow(message, terms, policy);
    this.batch = batch;
    if (waiting !== null) {
      const replaced = waiting.count + 1 - batch.count;
      if (replaced > 0) this.#countCoalesced(replaced, waiting.size + message.payload.length - batch.size);
    }
    if (this.inFlight !== null) return true;
    if (batch.size >= FLUSH_SIZE) this.flush();
    else if (waiting === null) this.flushSoon();
    return true;
  }

  #pushSlowly(message: PreparedMessage, terms: QueueTerms | null): boolean {
    const { backlog } = this;
    if (this.ended || backlog === null) return false;
    const policy = this.policyFor(terms);
    const replaced = backlog.replacedBy(terms, policy);
    const count = backlog.count + (replaced === null ? 1 : 0);
    const size = backlog.size + message.payload.length - (replaced?.message.payload.length ?? 0);
    if (!this.#fits(count, size, policy)) return this.#overflow(message, terms, policy);
    this.#removeReplaced(backlog, terms, policy);
    backlog.push(message, terms, policy);
    return true;
  }

  /** Whether `count` messages of `size` bytes may wait beside those in flight. */
  #fits(count: number, size: number, policy: QueuePolicy): boolean {
    const { inFlight } = this;
    return count + (inFlight?.count ?? 0) <= policy.maxQueuedMessages &&
      size + (inFlight?.size ?? 0) <= policy.maxQueuedBytes;
  }

  // ── A full queue ──

  #overflow(message: PreparedMessage, terms: QueueTerms | null, policy: QueuePolicy): boolean {
    // The socket is idle, so the member is not slow: flush early instead of applying the policy.
    if (this.inFlight === null && this.waitingMessages > 0) {
      this.flush();
      return terms === null ? this.push(message) : this.pushOnTerms(message, terms);
    }
    if (policy.overflow === "close") {
      this.#countDropped(policy, this.waitingMessages + 1, this.waitingBytes + message.payload.length);
      this.onFull();
      return false;
    }
    if (policy.keepsNewest && this.#replaceOldest(message, terms, policy)) return true;
    this.#countDropped(policy, 1, message.payload.length);
    return false;
  }

  /** Queues a message in place of the oldest ones. Returns `false`, with none dropped, where dropping all is not enough. */
  #replaceOldest(message: PreparedMessage, terms: QueueTerms | null, policy: QueuePolicy): boolean {
    const { length } = message.payload;
    if (this.waitingMessages === 0 || length > policy.maxQueuedBytes) return false;
    const backlog = this.startBacklog();
    const { count: kept, size: keptSize } = backlog.undroppable;
    if (!this.#fits(kept + 1, keptSize + length, policy)) return false;
    this.#removeReplaced(backlog, terms, policy);
    let messages = 0;
    let bytes = 0;
    while (!this.#fits(backlog.count + 1, backlog.size + length, policy)) {
      messages++;
      bytes += backlog.dropOldest().message.payload.length;
    }
    if (messages > 0) {
      this.subtractQueued(messages, bytes);
      this.#countDropped(policy, messages, bytes);
    }
    backlog.push(message, terms, policy);
    return true;
  }

  #removeReplaced(backlog: Backlog, terms: QueueTerms | null, policy: QueuePolicy): void {
    const replaced = backlog.replacedBy(terms, policy);
    if (replaced === null) return;
    backlog.remove(replaced);
    this.#countCoalesced(1, replaced.message.payload.length);
  }

  #countCoalesced(messages: number, bytes: number): void {
    this.#coalesced += messages;
    this.counters.coalesced += messages;
    this.subtractQueued(messages, bytes);
  }

  #countDropped(policy: QueuePolicy, messages: number, bytes: number): void {
    this.#dropped += messages;
    this.counters.dropped[policy.overflow] += messages;
    this.onDropped(policy, messages, bytes);
  }
}
