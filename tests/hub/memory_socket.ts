import { type Addr, PIPE_ADDR } from "../../src/net/addr.ts";
import type { HubSocket } from "../../src/hub/hub_socket.ts";
import { offerBatches } from "../../src/hub/socket_writer.ts";
import type { BatchWriter } from "../../src/websocket/batch_writer.ts";
import { MessageBatch } from "../../src/websocket/message_batch.ts";
import {
  type MessageEncoding,
  type PreparedMessage,
  serverFrame,
} from "../../src/websocket/prepared_message.ts";

/** A member's socket that takes whole batches, keeps what it got, and takes more only when the test lets it. */
export class MemorySocket implements HubSocket, BatchWriter {
  readonly remoteAddr: Addr = PIPE_ADDR;
  readonly closed: Promise<void>;
  /** One entry a write. */
  readonly writes: string[][] = [];
  /** The bytes of each write, to see who shares them. */
  readonly bytes: Uint8Array[] = [];
  /** How the socket was closed: with a code, or `"now"`. */
  closedBy: number | "now" | null = null;
  pings = 0;
  answersPings = true;
  readonly #encoding: MessageEncoding;
  readonly #unanswered: (() => void)[] = [];
  #stalled = false;
  #take: (() => void) | null = null;
  #fail: ((error: Error) => void) | null = null;
  #resolveClosed!: () => void;

  constructor(encoding: MessageEncoding = serverFrame) {
    this.#encoding = encoding;
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
    offerBatches(this, this);
  }

  /** All messages in order. */
  get messages(): string[] {
    return this.writes.flat();
  }

  /** Answers all pings that are unanswered. */
  answer(): void {
    for (const pong of this.#unanswered.splice(0)) pong();
  }

  /** From now on a write lasts until `takeOne`. */
  stall(): void {
    this.#stalled = true;
  }

  /** The socket takes everything again. */
  recover(): void {
    this.#stalled = false;
    this.takeOne();
  }

  /** Whether a write lasts. */
  get busy(): boolean {
    return this.#take !== null;
  }

  /** The socket has room again for one write. */
  takeOne(): void {
    const take = this.#take;
    this.#take = null;
    take?.();
  }

  /** The socket breaks under a write. */
  breakWrite(): void {
    this.#fail?.(new Error("broken"));
  }

  /** Not called by hubs, which write batches. */
  send(message: PreparedMessage): boolean {
    if (this.busy) return false;
    this.writeBatch(MessageBatch.of(message));
    return true;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  writeBatch(batch: MessageBatch): Promise<void> | null {
    this.writes.push(batch.messages().map((message) => message.text()));
    this.bytes.push(batch.bytes(this.#encoding));
    if (!this.#stalled) return null;
    return new Promise((resolve, reject) => {
      this.#take = resolve;
      this.#fail = reject;
    });
  }

  ping(): Promise<unknown> {
    this.pings++;
    return this.answersPings
      ? Promise.resolve()
      : new Promise((resolve) => this.#unanswered.push(() => resolve(null)));
  }

  close(code = 1000): Promise<void> {
    this.closedBy ??= code;
    this.#resolveClosed();
    return this.closed;
  }

  closeNow(): void {
    this.closedBy ??= "now";
    this.#resolveClosed();
  }
}
