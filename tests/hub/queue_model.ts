/** What a member that is behind is to get under each policy, in the plainest form; and a socket that reports to it. */

import assert from "node:assert/strict";
import type { HubSocket } from "../../src/hub/hub_socket.ts";
import { offerBatches } from "../../src/hub/socket_writer.ts";
import type { QueuePolicy } from "../../src/hub/queue_policy.ts";
import { Deferred } from "../../src/net/deferred.ts";
import type { Addr } from "../../src/net/addr.ts";
import { type BatchWriter, batchWriterOf } from "../../src/websocket/batch_writer.ts";
import type { MessageBatch } from "../../src/websocket/message_batch.ts";
import type { WebSocketConn } from "../../mod.ts";

/** A message as the model knows it. */
export interface ModelMessage {
  readonly number: number;
  readonly size: number;
  readonly key: string | null;
}

/**
 * One member's queue. It is told of each message before the hub is, and by the socket of each write: what the kernel
 * takes, and when, is nobody's to foresee, and all else follows from it.
 */
export class QueueModel {
  readonly #policy: Omit<QueuePolicy, "keepsNewest">;
  readonly #handed: number[] = [];
  #waiting: ModelMessage[] = [];
  #inFlight: ModelMessage[] = [];
  dropped = 0;
  coalesced = 0;
  evicted = false;

  constructor(policy: Omit<QueuePolicy, "keepsNewest">) {
    this.#policy = policy;
  }

  get queuedMessages(): number {
    return this.#queued.length;
  }

  get queuedBytes(): number {
    return sizeOf(this.#queued);
  }

  /** The numbers of all that the member gets if nothing more is sent. */
  get expected(): number[] {
    return [...this.#handed, ...this.#waiting.map(({ number }) => number)];
  }

  get #queued(): ModelMessage[] {
    return [...this.#inFlight, ...this.#waiting];
  }

  push(message: ModelMessage): void {
    if (this.evicted) return;
    const { overflow } = this.#policy;
    if (overflow === "coalesce" && message.key !== null) {
      const stays = this.#waiting.filter(({ key }) => key !== message.key);
      this.coalesced += this.#waiting.length - stays.length;
      this.#waiting = stays;
    }
    while (!this.#hasRoom(message)) {
      assert.ok(this.#inFlight.length > 0, "this test does not send so much in one turn");
      if (overflow === "drop-newest") {
        this.dropped++;
        return;
      }
      if (overflow === "close") {
        this.dropped += this.#waiting.length + 1;
        this.#waiting = [];
        this.evicted = true;
        return;
      }
      assert.ok(this.#waiting.length > 0, "what is in flight leaves room for what is newest");
      this.#waiting.shift();
      this.dropped++;
    }
    this.#waiting.push(message);
  }

  #hasRoom(message: ModelMessage): boolean {
    return this.queuedMessages + 1 <= this.#policy.maxQueuedMessages &&
      this.queuedBytes + message.size <= this.#policy.maxQueuedBytes;
  }

  /** The socket is handed messages: they must be the first of those that wait. */
  onWrite(numbers: number[]): void {
    assert.equal(this.#inFlight.length, 0, "a socket that is busy is handed nothing");
    this.#inFlight = this.#waiting.splice(0, numbers.length);
    assert.deepEqual(numbers, this.#inFlight.map(({ number }) => number));
    this.#handed.push(...numbers);
  }

  /** The socket has taken what it was handed. */
  onTaken(): void {
    this.#inFlight = [];
  }
}

function sizeOf(messages: readonly ModelMessage[]): number {
  return messages.reduce((sum, { size }) => sum + size, 0);
}

/** A real socket, whose writes the model hears of before the hub does. */
export class ReportingSocket implements HubSocket, BatchWriter {
  readonly remoteAddr: Addr;
  readonly closed: Promise<unknown>;
  /** What the hub closed it with. */
  closedWith: number | undefined;
  readonly #socket: WebSocketConn;
  readonly #model: QueueModel;
  /** The first thing that was not as the model has it: the hub does not pass it on. */
  #failure: unknown = null;

  constructor(socket: WebSocketConn, model: QueueModel) {
    this.#socket = socket;
    this.#model = model;
    this.remoteAddr = socket.remoteAddr;
    this.closed = socket.closed;
    offerBatches(this, this);
  }

  send(): boolean {
    throw new Error("a hub writes batches to a socket that takes them");
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  /** Throws what a write found wrong. */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  writeBatch(batch: MessageBatch): Promise<void> | null {
    try {
      this.#model.onWrite(batch.messages().map((message) => Number.parseInt(message.text())));
    } catch (error) {
      this.#failure ??= error;
    }
    const told = new Deferred<void>();
    const listener = { onDrained: told.resolve, onFailed: () => told.reject(new Error("failed")) };
    const busy = batchWriterOf(this.#socket)!.writeBatch(batch, listener);
    if (busy !== null) {
      const taken = busy === listener ? told.promise : busy as Promise<void>;
      return taken.then(() => this.#model.onTaken());
    }
    this.#model.onTaken();
    return null;
  }

  close(code?: number, reason?: string): Promise<unknown> {
    this.closedWith = code;
    return this.#socket.close(code, reason);
  }

  closeNow(): void {
    this.#socket.closeNow();
  }
}
