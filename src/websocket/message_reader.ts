import { ChunkQueue } from "../net/chunk_queue.ts";
import type { Reader, WaitOptions } from "../net/conn.ts";
import { WaitQueue } from "../net/wait_queue.ts";
import { readableOf } from "../net/web_streams.ts";
import type { MessageType } from "./message.ts";

/** What a chunk costs beside its bytes: without it, a message in single bytes would cost much more than it counts. */
const CHUNK_COST = 64;

/**
 * One message, read as it comes. Text is UTF-8 and was checked as far as it is given. What came and is not read yet
 * counts towards `readBufferSize`: then the peer is slowed down, so that a message of any length passes in little
 * memory. Go: the `io.Reader` of gorilla's `NextReader`.
 *
 * Every call fails as `readMessage` does when the connection ends before the message, after what came was read.
 */
export interface MessageReader extends Reader, AsyncIterable<Uint8Array> {
  /** What the message is. */
  readonly type: MessageType;
  /** The rest of the message as a web stream, made when first asked for; see `Conn.readable`. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Fills what it can of `p`; `null` at the end of the message. */
  read(p: Uint8Array, options?: WaitOptions): Promise<number | null>;
  /** The next bytes as they came; they are the caller's. `null` at the end of the message. */
  readChunk(options?: WaitOptions): Promise<Uint8Array | null>;
}

/** Who hands the bytes to an {@linkcode IncomingMessage}. */
export interface IncomingMessageOwner {
  /** Whether the read deadline has passed. */
  readonly expired: boolean;
  /** The error for a call whose deadline passed. */
  readExpired(): Error;
  /** A call is about to wait. */
  onWait(): void;
  /** No call waits any more in it. */
  onServed(): void;
  /** What waits to be read costs so many bytes more, or less. */
  onCost(change: number): void;
  /** Everything was read. */
  onRead(message: IncomingMessage): void;
}

/** A {@linkcode MessageReader}, and what fills it. */
export class IncomingMessage implements MessageReader {
  readonly type: MessageType;
  readonly #owner: IncomingMessageOwner;
  readonly #chunks = new ChunkQueue();
  readonly #reads = new WaitQueue<number | Uint8Array | null, Uint8Array | null>();
  #readable: ReadableStream<Uint8Array> | null = null;
  #cost = 0;
  /** All of it has come. */
  #complete = false;
  /** Why the rest will not be had. */
  #error: Error | null = null;

  constructor(type: MessageType, owner: IncomingMessageOwner) {
    this.type = type;
    this.#owner = owner;
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.#readable ??= readableOf(this);
  }

  read(p: Uint8Array, options?: WaitOptions): Promise<number | null> {
    if (!(p instanceof Uint8Array)) {
      return Promise.reject(new TypeError("Cannot read: p is not a Uint8Array"));
    }
    return this.#read(p, options?.signal) as Promise<number | null>;
  }

  readChunk(options?: WaitOptions): Promise<Uint8Array | null> {
    return this.#read(null, options?.signal) as Promise<Uint8Array | null>;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (let chunk = await this.readChunk(); chunk !== null; chunk = await this.readChunk()) yield chunk;
  }

  async #read(p: Uint8Array | null, signal?: AbortSignal): Promise<number | Uint8Array | null> {
    signal?.throwIfAborted();
    if (this.#owner.expired) throw this.#owner.readExpired();
    if (p?.length === 0) return 0;
    const ready = this.#reads.size === 0 ? this.#takeReady(p) : undefined;
    if (ready !== undefined) {
      this.#count();
      return ready;
    }
    const waiting = this.#reads.wait(p, signal);
    this.#owner.onWait();
    return waiting;
  }

  /** What can be read without waiting, or `undefined`. */
  #takeReady(p: Uint8Array | null): number | Uint8Array | null | undefined {
    if (this.#chunks.bytes > 0) {
      const taken = p === null ? this.#chunks.shift()! : this.#chunks.copyInto(p);
      if (this.#complete && this.#chunks.bytes === 0) this.#owner.onRead(this);
      return taken;
    }
    if (this.#error !== null) throw this.#error;
    return this.#complete ? null : undefined;
  }

  /** Tells what waits now. To be called last: the room that it makes may let more in at once. */
  #count(): void {
    const cost = this.#chunks.bytes + this.#chunks.count * CHUNK_COST;
    const change = cost - this.#cost;
    this.#cost = cost;
    if (change !== 0) this.#owner.onCost(change);
  }

  // ── From the connection ──

  /** Whether what comes is for nobody. */
  get discarded(): boolean {
    return this.#error !== null;
  }

  /** More bytes came; they are ours. */
  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#serve();
    this.#count();
  }

  /** All of it has come. */
  end(): void {
    this.#complete = true;
    if (this.#chunks.bytes === 0) this.#owner.onRead(this);
    this.#serve();
  }

  /** The rest will not come: reads fail after what there is. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#serve();
  }

  /** Nobody wants the rest. */
  discard(error: Error): void {
    this.#chunks.clear();
    this.fail(error);
    this.#count();
  }

  /** Calls that wait fail; nothing is lost. */
  rejectReads(error: Error): void {
    this.#reads.rejectAll(error);
  }

  #serve(): void {
    if (this.#reads.size === 0) return;
    while (this.#reads.size > 0) {
      try {
        const ready = this.#takeReady(this.#reads.first!);
        if (ready === undefined) return;
        this.#reads.resolveFirst(ready);
      } catch (error) {
        this.#reads.rejectFirst(error);
      }
    }
    this.#owner.onServed();
  }
}
