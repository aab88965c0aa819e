import { checkBytes } from "../net/check_bytes.ts";
import { ChunkQueue } from "../net/chunk_queue.ts";
import type { Reader, WaitOptions } from "../net/conn.ts";
import { WaitQueue } from "../net/wait_queue.ts";
import { readableOf } from "../net/web_streams.ts";
import type { Inbox } from "./inbox.ts";
import type { MessageType } from "./message.ts";

/** Bytes that a chunk counts beside its own: without them, a message in single bytes would cost much more than it counts. */
const CHUNK_COST = 64;

/**
 * One message, read while it comes. Text is read as UTF-8, which was checked up to there. Unread bytes count towards
 * `readBufferSize`, where the peer is slowed down: a message of any length passes in little memory. Go: the `io.Reader` of
 * gorilla's `NextReader`.
 *
 * When the connection ends inside the message, the bytes that came can be read; then every call rejects as `readMessage`
 * does.
 */
export interface MessageReader extends Reader, AsyncIterable<Uint8Array<ArrayBuffer>> {
  /** Whether the message is text or binary. */
  readonly type: MessageType;
  /** The rest of the message as a web stream, made by the first access; see `Conn.readable`. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Reads into `p` what is there, waiting for one byte at least; resolves to their number, `null` at the end of the message. */
  read(p: Uint8Array, options?: WaitOptions): Promise<number | null>;
  /** Resolves to the next bytes as they came, which belong to the caller; `null` at the end of the message. */
  readChunk(options?: WaitOptions): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** A {@linkcode MessageReader} with the side that fills it. */
export class ReceivedMessage implements MessageReader {
  readonly type: MessageType;
  readonly #inbox: Inbox;
  readonly #chunks = new ChunkQueue();
  readonly #reads = new WaitQueue<number | Uint8Array | null, Uint8Array | null>();
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #cost = 0;
  /** Whether the last byte has come. */
  #complete = false;
  /** Why the rest of the message cannot be read. */
  #error: Error | null = null;
  /** Whether that is the end of the connection. */
  #cut = false;

  constructor(type: MessageType, inbox: Inbox) {
    this.type = type;
    this.#inbox = inbox;
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= readableOf(this);
  }

  read(p: Uint8Array, options?: WaitOptions): Promise<number | null> {
    try {
      return this.#read(checkBytes("read", "p", p), options?.signal) as Promise<number | null>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  readChunk(options?: WaitOptions): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#read(null, options?.signal) as Promise<Uint8Array<ArrayBuffer> | null>;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    for (let chunk = await this.readChunk(); chunk !== null; chunk = await this.readChunk()) yield chunk;
  }

  async #read(p: Uint8Array | null, signal?: AbortSignal): Promise<number | Uint8Array | null> {
    signal?.throwIfAborted();
    if (this.#inbox.expired) throw this.#inbox.readExpired();
    if (p?.length === 0) return 0;
    const ready = this.#reads.size === 0 ? this.#takeReady(p) : undefined;
    if (ready !== undefined) {
      this.#count();
      return ready;
    }
    const waiting = this.#reads.wait(p, signal);
    this.#inbox.onWait();
    return waiting;
  }

  /** The result of a read that need not wait, or `undefined`. Throws if the rest cannot be read. */
  #takeReady(p: Uint8Array | null): number | Uint8Array | null | undefined {
    if (this.#chunks.bytes > 0) {
      const taken = p === null ? this.#chunks.shift()! : this.#chunks.copyInto(p);
      if (this.#complete && this.#chunks.bytes === 0) this.#inbox.onRead(this);
      return taken;
    }
    if (this.#error !== null) {
      if (this.#cut) this.#inbox.reachEnd();
      throw this.#error;
    }
    return this.#complete ? null : undefined;
  }

  /** Reports the cost of the unread bytes. To be called last: the room that was made may let more bytes in at once. */
  #count(): void {
    const cost = this.#chunks.bytes + this.#chunks.count * CHUNK_COST;
    const change = cost - this.#cost;
    this.#cost = cost;
    if (change !== 0) this.#inbox.onCost(change);
  }

  // ── From the receiver and the inbox ──

  /** Whether bytes that still come are dropped. */
  get discarded(): boolean {
    return this.#error !== null;
  }

  /** Adds the next bytes, which belong to this message from now on. */
  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#serve();
    this.#count();
  }

  /** The last byte has come. */
  end(): void {
    this.#complete = true;
    if (this.#chunks.bytes === 0) this.#inbox.onRead(this);
    this.#serve();
  }

  /** The connection has ended, and the rest will not come: reads fail once the bytes that came are read. */
  fail(error: Error): void {
    if (this.#error !== null) return;
    this.#error = error;
    this.#cut = true;
    this.#serve();
  }

  /** Drops the unread bytes and those that still come: reads fail. */
  discard(error: Error): void {
    this.#chunks.clear();
    this.#error ??= error;
    this.#cut = false;
    this.#serve();
    this.#count();
  }

  /** Fails the reads that wait. No byte is lost. */
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
    this.#inbox.onServed();
  }
}
