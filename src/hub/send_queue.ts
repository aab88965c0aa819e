import { Deferred } from "../net/deferred.ts";
import type { BatchWriter } from "../websocket/batch_writer.ts";
import type { DrainListener } from "../websocket/drain_listener.ts";
import { MessageBatch } from "../websocket/message_batch.ts";
import type { PreparedMessage } from "../websocket/prepared_message.ts";
import { Backlog } from "./backlog.ts";
import type { HubCounters } from "./hub_counters.ts";
import type { Mark } from "./mark.ts";
import { batchWriterOfMember, type HubSocket } from "./hub_socket.ts";
import type { QueuePolicy } from "./queue_policy.ts";

/** A batch of this many bytes is sent without waiting for the end of the turn. */
const FLUSH_SIZE = 65536;

/** Among so many waiting messages one with a key is looked for in the shared batch; among more, in a list of the member's own. */
const MAX_SEARCH = 64;

/**
 * The messages that wait for one member: for the end of the turn, or for its socket. What was queued in a turn leaves
 * in one write; while the socket is busy the queue grows up to its bound, and then its policy decides.
 *
 * Members that got the same messages hold the same batch: to queue a message is mostly two comparisons and a store.
 * Who is behind and may lose messages has a {@linkcode Backlog} in its place, until that is sent.
 */
export abstract class SendQueue implements DrainListener {
  /** What it was registered with. */
  readonly socket: HubSocket;
  readonly counters: HubCounters;
  readonly #writer: BatchWriter;
  readonly #policy: QueuePolicy;
  /** Whether the policy is the member's own, so that a room's does not count. */
  readonly #ownPolicy: boolean;
  /** Whether a message must take the slow way: nothing is taken any more, or there is a backlog. */
  #slow = false;
  #ended = false;
  #batch: MessageBatch | null = null;
  #backlog: Backlog | null = null;
  /** Messages that the socket is busy with. */
  #inFlight: MessageBatch | null = null;
  #flushed: Deferred<void> | null = null;
  #dropped = 0;
  #coalesced = 0;

  constructor(socket: HubSocket, counters: HubCounters, policy: QueuePolicy, ownPolicy: boolean) {
    this.socket = socket;
    this.#writer = batchWriterOfMember(socket);
    this.counters = counters;
    this.#policy = policy;
    this.#ownPolicy = ownPolicy;
  }

  /** There is something to send at the end of the turn. */
  protected abstract flushSoon(): void;
  /** There is no room for a message, and the policy is to close. */
  protected abstract onFull(): void;
  /** Messages were dropped for one that had no room, or that one itself. */
  protected abstract onDropped(policy: QueuePolicy, messages: number, bytes: number): void;
  /** The socket failed. */
  protected abstract onBroken(): void;

  /** Bytes of payload that its socket has not taken. */
  get queuedBytes(): number {
    return this.#waitingBytes + (this.#inFlight?.size ?? 0);
  }

  /** Messages that its socket has not taken. */
  get queuedMessages(): number {
    return this.#waitingMessages + (this.#inFlight?.count ?? 0);
  }

  /** Messages that it lost because its queue was full. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Messages whose place a later one of the same key took, before its socket had them. */
  get coalesced(): number {
    return this.#coalesced;
  }

  get #waitingMessages(): number {
    return (this.#batch?.count ?? 0) + (this.#backlog?.count ?? 0);
  }

  get #waitingBytes(): number {
    return (this.#batch?.size ?? 0) + (this.#backlog?.size ?? 0);
  }

  // ── In ──

  /** Queues a message: the step that a broadcast makes for each member. Returns whether it was taken. */
  push(message: PreparedMessage): boolean {
    if (this.#slow) return this.#pushSlowly(message, null);
    const waiting = this.#batch;
    const batch = waiting === null ? MessageBatch.of(message) : waiting.with(message);
    const inFlight = this.#inFlight;
    const { maxQueuedBytes, maxQueuedMessages } = this.#policy;
    const bytes = batch.size + (inFlight === null ? 0 : inFlight.size);
    const count = batch.count + (inFlight === null ? 0 : inFlight.count);
    if (bytes > maxQueuedBytes || count > maxQueuedMessages) {
      return this.#overflow(message, null, this.#policy);
    }
    this.#batch = batch;
    if (inFlight !== null) return true;
    if (batch.size >= FLUSH_SIZE) this.flush();
    else if (waiting === null) this.flushSoon();
    return true;
  }

  /** The same for a message with a key, or for a room with a policy of its own. */
  pushMarked(message: PreparedMessage, mark: Mark): boolean {
    if (this.#slow) return this.#pushSlowly(message, mark);
    const policy = this.#policyOf(mark);
    const coalesces = mark.label !== null && policy.overflow === "coalesce";
    const waiting = this.#batch;
    if (coalesces && waiting !== null && waiting.count > MAX_SEARCH) {
      this.#startBacklog();
      return this.#pushSlowly(message, mark);
    }
    const batch = waiting === null
      ? mark.alone(message)
      : coalesces
      ? waiting.withLatest(message, mark)
      : waiting.withMarked(message, mark);
    if (!this.#fits(batch.count, batch.size, policy)) return this.#overflow(message, mark, policy);
    this.#batch = batch;
    if (waiting !== null) {
      this.#countCoalesced(
        waiting.count + 1 - batch.count,
        waiting.size + message.payload.length - batch.size,
      );
    }
    if (this.#inFlight !== null) return true;
    if (batch.size >= FLUSH_SIZE) this.flush();
    else if (waiting === null) this.flushSoon();
    return true;
  }

  #pushSlowly(message: PreparedMessage, mark: Mark | null): boolean {
    const backlog = this.#backlog;
    if (this.#ended || backlog === null) return false;
    const policy = this.#policyOf(mark);
    const label = policy.overflow === "coalesce" ? mark?.label ?? null : null;
    const replaced = label === null ? null : backlog.labelled(label);
    const count = backlog.count + (replaced === null ? 1 : 0);
    const size = backlog.size + message.payload.length - (replaced?.message.payload.length ?? 0);
    if (!this.#fits(count, size, policy)) return this.#overflow(message, mark, policy);
    if (replaced !== null) {
      backlog.remove(replaced);
      this.#countCoalesced(1, replaced.message.payload.length);
    }
    backlog.push(message, mark, policy);
    return true;
  }

  // ── No room ──

  #overflow(message: PreparedMessage, mark: Mark | null, policy: QueuePolicy): boolean {
    // A member is slow when its socket is: before that, there is only more in this turn than a queue holds.
    if (this.#inFlight === null && this.#waitingMessages > 0) {
      this.flush();
      return mark === null ? this.push(message) : this.pushMarked(message, mark);
    }
    if (policy.overflow === "close") {
      const lost = this.#waitingMessages + 1;
      this.#countDropped(policy, lost, this.#waitingBytes + message.payload.length);
      this.onFull();
      return false;
    }
    if (policy.keepsNewest && this.#canMakeRoom(message, policy)) {
      this.#makeRoom(message, mark, policy);
      return true;
    }
    this.#countDropped(policy, 1, message.payload.length);
    return false;
  }

  /** Whether there is room when all that may be dropped is: if not, nothing is dropped for it. */
  #canMakeRoom(message: PreparedMessage, policy: QueuePolicy): boolean {
    if (message.payload.length > policy.maxQueuedBytes) return false;
    const backlog = this.#startBacklog();
    const count = backlog.count - backlog.droppableCount + 1;
    const size = backlog.size - backlog.droppableSize + message.payload.length;
    if (this.#fits(count, size, policy)) return true;
    if (backlog.count === 0) this.#endBacklog();
    return false;
  }

  #makeRoom(message: PreparedMessage, mark: Mark | null, policy: QueuePolicy): void {
    const backlog = this.#backlog!;
    const label = policy.overflow === "coalesce" ? mark?.label ?? null : null;
    const replaced = label === null ? null : backlog.labelled(label);
    if (replaced !== null) {
      backlog.remove(replaced);
      this.#countCoalesced(1, replaced.message.payload.length);
    }
    const { length } = message.payload;
    let messages = 0;
    let bytes = 0;
    while (!this.#fits(backlog.count + 1, backlog.size + length, policy)) {
      messages++;
      bytes += backlog.dropOldest().message.payload.length;
    }
    if (messages > 0) {
      this.#settle(messages, bytes);
      this.#countDropped(policy, messages, bytes);
    }
    backlog.push(message, mark, policy);
  }

  #policyOf(mark: Mark | null): QueuePolicy {
    return this.#ownPolicy ? this.#policy : mark?.policy ?? this.#policy;
  }

  /** Whether so much may wait, with what is in flight. */
  #fits(count: number, size: number, policy: QueuePolicy): boolean {
    const inFlight = this.#inFlight;
    return count + (inFlight?.count ?? 0) <= policy.maxQueuedMessages &&
      size + (inFlight?.size ?? 0) <= policy.maxQueuedBytes;
  }

  #startBacklog(): Backlog {
    if (this.#backlog !== null) return this.#backlog;
    const backlog = new Backlog();
    for (const { message, mark } of this.#batch?.entries() ?? []) {
      backlog.push(message, mark, this.#policyOf(mark as Mark | null));
    }
    this.#batch = null;
    this.#slow = true;
    return this.#backlog = backlog;
  }

  #endBacklog(): void {
    this.#backlog = null;
    this.#slow = this.#ended;
  }

  #countCoalesced(messages: number, bytes: number): void {
    if (messages === 0) return;
    this.#coalesced += messages;
    this.counters.coalesced += messages;
    this.#settle(messages, bytes);
  }

  #countDropped(policy: QueuePolicy, messages: number, bytes: number): void {
    this.#dropped += messages;
    this.counters.dropped[policy.overflow] += messages;
    this.onDropped(policy, messages, bytes);
  }

  /** So much waits no more. What comes in is counted by who sends it, once for all members. */
  #settle(messages: number, bytes: number): void {
    const { counters } = this;
    counters.queuedMessages -= messages;
    counters.queuedBytes -= bytes;
  }

  // ── Out ──

  /** Hands the socket what waits, unless it is busy. */
  flush(): void {
    const batch = this.#batch;
    if (this.#inFlight !== null) return;
    if (batch === null || this.#policy.keepsNewest) return this.#flushSlowly(false);
    this.#batch = null;
    this.#write(batch);
  }

  #flushSlowly(behind: boolean): void {
    if (this.#backlog === null && this.#isTooMuchForOneWrite(behind)) this.#startBacklog();
    // While the socket takes what it is given, a backlog leaves in several writes.
    while (this.#backlog !== null && this.#inFlight === null) {
      const batch = this.#backlog.take();
      if (this.#backlog.count === 0) this.#endBacklog();
      this.#write(batch);
    }
    const batch = this.#batch;
    if (batch === null || this.#inFlight !== null) return;
    this.#batch = null;
    this.#write(batch);
  }

  /** Whether some of it is kept back, so that there is room for what is newer; the backlog knows how much. */
  #isTooMuchForOneWrite(behind: boolean): boolean {
    const batch = this.#batch;
    if (batch === null || batch.count === 1) return false;
    const { keepsNewest, maxQueuedBytes, maxQueuedMessages } = this.#policy;
    if (keepsNewest && (batch.size * 2 > maxQueuedBytes || batch.count * 2 > maxQueuedMessages)) return true;
    // A room's policy may ask for it. Only who is behind pays for a look at each message.
    return behind && batch.marked && !this.#ownPolicy;
  }

  #write(batch: MessageBatch): void {
    let busy: Promise<void> | DrainListener | null;
    try {
      busy = this.#writer.writeBatch(batch, this);
    } catch {
      this.onBroken();
      return;
    }
    if (busy === null) return this.#onWritten(batch);
    this.#inFlight = batch;
    if (busy !== this) (busy as Promise<void>).then(() => this.#onTaken(batch), () => this.#onFailed(batch));
  }

  /** The socket has taken what is in flight. */
  onDrained(): void {
    if (this.#inFlight !== null) this.#onTaken(this.#inFlight);
  }

  /** The socket gave it up. */
  onFailed(): void {
    if (this.#inFlight !== null) this.onBroken();
  }

  #onTaken(batch: MessageBatch): void {
    // A queue that was released has nothing in flight.
    if (this.#inFlight !== batch) return;
    this.#inFlight = null;
    this.#onWritten(batch);
    this.#flushSlowly(true);
    if (this.#inFlight === null) this.#flushed?.resolve();
  }

  #onFailed(batch: MessageBatch): void {
    if (this.#inFlight === batch) this.onBroken();
  }

  #onWritten(batch: MessageBatch): void {
    this.#settle(batch.count, batch.size);
    this.counters.written += batch.count;
    this.counters.writtenBytes += batch.size;
  }

  // ── The end ──

  /** Takes no more. What waits is still sent. */
  end(): void {
    this.#ended = true;
    this.#slow = true;
  }

  /** Resolves when nothing waits any more: it was sent, or given up. */
  flushed(): Promise<void> {
    this.flush();
    if (this.queuedMessages === 0) return Promise.resolve();
    this.#flushed ??= new Deferred();
    return this.#flushed.promise;
  }

  /** Takes no more, and hands the socket all that waits though it may be busy: it is about to be closed. */
  endNow(): void {
    this.end();
    this.flush();
    while (this.#waitingMessages > 0) {
      const batch = this.#backlog?.take() ?? this.#batch!;
      if (this.#backlog?.count === 0) this.#endBacklog();
      this.#batch = null;
      try {
        // What becomes of it, `closed` tells.
        const busy = this.#writer.writeBatch(batch, NOBODY);
        if (busy !== null && busy !== NOBODY) (busy as Promise<void>).catch(() => {});
        this.#onWritten(batch);
      } catch {
        this.onBroken();
      }
    }
  }

  /** Forgets everything: the hub let go of the member. */
  release(): void {
    this.#settle(this.queuedMessages, this.queuedBytes);
    this.end();
    this.#batch = null;
    this.#backlog = null;
    this.#inFlight = null;
    this.#flushed?.resolve();
  }
}

const NOBODY: DrainListener = { onDrained() {}, onFailed() {} };
