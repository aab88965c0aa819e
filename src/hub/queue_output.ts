import { Deferred } from "../net/deferred.ts";
import type { BatchWriter } from "../websocket/batch_writer.ts";
import type { DrainListener } from "../websocket/drain_listener.ts";
import type { MessageBatch } from "../websocket/message_batch.ts";
import { Backlog } from "./backlog.ts";
import type { HubCounters } from "./hub_counters.ts";
import type { QueuePolicy } from "./queue_policy.ts";
import type { QueueTerms } from "./queue_terms.ts";

/**
 * The messages that wait for one member, and their way to its socket, one write at a time. They wait in one batch that
 * members share, or in a {@linkcode Backlog} of the member's own, never in both.
 */
export abstract class QueueOutput implements DrainListener {
  readonly counters: HubCounters;
  /** Bounds and policy of the member, or of its hub. */
  protected readonly policy: QueuePolicy;
  /** Whether the policy is the member's own, which a room's policy does not replace. */
  readonly #ownPolicy: boolean;
  readonly #writer: BatchWriter;
  protected batch: MessageBatch | null = null;
  protected backlog: Backlog | null = null;
  /** Messages that the socket was handed and has not taken. */
  protected inFlight: MessageBatch | null = null;
  /** Whether no more messages are accepted. */
  protected ended = false;
  /** Whether a message must take the slow path: `ended`, or there is a backlog. */
  protected slow = false;
  #flushed: Deferred<void> | null = null;

  constructor(writer: BatchWriter, counters: HubCounters, policy: QueuePolicy, ownPolicy: boolean) {
    this.#writer = writer;
    this.counters = counters;
    this.policy = policy;
    this.#ownPolicy = ownPolicy;
  }

  /** The socket failed: the member is to be removed. */
  protected abstract onBroken(): void;

  /** Bytes of payload that the socket has not taken. */
  get queuedBytes(): number {
    return this.waitingBytes + (this.inFlight?.size ?? 0);
  }

  /** Messages that the socket has not taken. */
  get queuedMessages(): number {
    return this.waitingMessages + (this.inFlight?.count ?? 0);
  }

  protected get waitingMessages(): number {
    return (this.batch?.count ?? 0) + (this.backlog?.count ?? 0);
  }

  protected get waitingBytes(): number {
    return (this.batch?.size ?? 0) + (this.backlog?.size ?? 0);
  }

  // ── Waiting messages ──

  /** The policy for a message: the member's own, or the room's, or the hub's. */
  protected policyFor(terms: QueueTerms | null): QueuePolicy {
    return this.#ownPolicy ? this.policy : terms?.policy ?? this.policy;
  }

  /** Moves the batch into a backlog. */
  protected startBacklog(): Backlog {
    if (this.backlog !== null) return this.backlog;
    const backlog = new Backlog();
    for (const { message, mark } of this.batch?.entries() ?? []) {
      const terms = mark as QueueTerms | null;
      backlog.push(message, terms, this.policyFor(terms));
    }
    this.batch = null;
    this.slow = true;
    return this.backlog = backlog;
  }

  /** Takes messages for one write out of the backlog, which ends when it is empty. */
  #takeFromBacklog(backlog: Backlog): MessageBatch {
    const batch = backlog.take();
    if (backlog.count === 0) {
      this.backlog = null;
      this.slow = this.ended;
    }
    return batch;
  }

  /** Subtracts from the hub's gauges. The broadcaster adds to them, once for all members. */
  protected subtractQueued(messages: number, bytes: number): void {
    const { counters } = this;
    counters.queuedMessages -= messages;
    counters.queuedBytes -= bytes;
  }

  // ── Writing ──

  /** Hands the socket what waits, unless it is busy. */
  flush(): void {
    const { batch } = this;
    if (this.inFlight !== null) return;
    if (batch === null || this.policy.keepsNewest) return this.#flushInPieces(false);
    this.batch = null;
    this.#write(batch);
  }

  /** @param behind whether the socket was busy until now */
  #flushInPieces(behind: boolean): void {
    if (this.backlog === null && this.#exceedsOneWrite(behind)) this.startBacklog();
    // While the socket takes everything at once, a backlog leaves in several writes.
    while (this.backlog !== null && this.inFlight === null) this.#write(this.#takeFromBacklog(this.backlog));
    const { batch } = this;
    if (batch === null || this.inFlight !== null) return;
    this.batch = null;
    this.#write(batch);
  }

  /** Whether the batch may be more than one write takes under its policies. {@linkcode Backlog.take} knows exactly. */
  #exceedsOneWrite(behind: boolean): boolean {
    const { batch } = this;
    if (batch === null || batch.count === 1) return false;
    const { keepsNewest, maxQueuedBytes, maxQueuedMessages } = this.policy;
    if (keepsNewest && (batch.size * 2 > maxQueuedBytes || batch.count * 2 > maxQueuedMessages)) return true;
    // A room's policy may allow less. Looking at each message is left to members that are behind.
    return behind && batch.marked && !this.#ownPolicy;
  }

  #write(batch: MessageBatch): void {
    let busy: Promise<void> | DrainListener | null;
    try {
      busy = this.#writer.writeBatch(batch, this);
    } catch {
      this.subtractQueued(batch.count, batch.size);
      this.onBroken();
      return;
    }
    if (busy === null) return this.#countWritten(batch);
    this.inFlight = batch;
    if (busy !== this) (busy as Promise<void>).then(() => this.#onTaken(batch), () => this.#onFailed(batch));
  }

  /** Called by the socket: it has taken what is in flight. */
  onDrained(): void {
    if (this.inFlight !== null) this.#onTaken(this.inFlight);
  }

  /** Called by the socket: it gave up what is in flight. */
  onFailed(): void {
    if (this.inFlight !== null) this.onBroken();
  }

  #onTaken(batch: MessageBatch): void {
    // A queue that was released has nothing in flight.
    if (this.inFlight !== batch) return;
    this.inFlight = null;
    this.#countWritten(batch);
    this.#flushInPieces(true);
    if (this.inFlight === null) this.#flushed?.resolve();
  }

  #onFailed(batch: MessageBatch): void {
    if (this.inFlight === batch) this.onBroken();
  }

  #countWritten(batch: MessageBatch): void {
    this.subtractQueued(batch.count, batch.size);
    this.counters.written += batch.count;
    this.counters.writtenBytes += batch.size;
  }

  // ── The end ──

  /** Accepts no more messages. The waiting ones are still sent. */
  end(): void {
    this.ended = true;
    this.slow = true;
  }

  /** Resolves when nothing waits any more, because it was sent or given up. */
  flushed(): Promise<void> {
    this.flush();
    if (this.queuedMessages === 0) return Promise.resolve();
    this.#flushed ??= new Deferred();
    return this.#flushed.promise;
  }

  /** Accepts no more messages, and hands the socket those that wait even if it is busy: it is about to be closed. */
  endNow(): void {
    this.end();
    this.flush();
    while (this.waitingMessages > 0) {
      const batch = this.backlog === null ? this.batch! : this.#takeFromBacklog(this.backlog);
      this.batch = null;
      try {
        // The result is ignored: the socket's `closed` reports a failure.
        const busy = this.#writer.writeBatch(batch, IGNORE);
        if (busy !== null && busy !== IGNORE) (busy as Promise<void>).catch(() => {});
        this.#countWritten(batch);
      } catch {
        this.subtractQueued(batch.count, batch.size);
        this.onBroken();
      }
    }
  }

  /** Forgets all messages: the hub has removed the member. */
  release(): void {
    this.subtractQueued(this.queuedMessages, this.queuedBytes);
    this.end();
    this.batch = null;
    this.backlog = null;
    this.inFlight = null;
    this.#flushed?.resolve();
  }
}

const IGNORE: DrainListener = { onDrained() {}, onFailed() {} };
