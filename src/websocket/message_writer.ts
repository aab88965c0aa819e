import { Utf8Validator } from "../bytes/utf8.ts";
import type { WaitOptions, Writer } from "../net/conn.ts";
import { ClosedError } from "../net/errors.ts";
import type { Flushable, FlushQueue } from "../net/flush_queue.ts";
import type { MessageData, MessageType } from "./message.ts";

/** Writes are gathered into fragments of up to so many bytes until the turn ends. */
const GATHER = 4096;

/**
 * One message, written in parts, RFC 6455, 5.4. The parts leave as fragments: those of one turn of the event loop
 * together, up to 4 KiB; a larger part by itself. Go: the `io.WriteCloser` of gorilla's `NextWriter`.
 *
 * While it is open, every other message of the connection waits for its end; pings, pongs and the close frame do not.
 * If it is never closed, the connection can send no other message. Closing the connection leaves the message without
 * an end.
 */
export interface MessageWriter extends Writer, AsyncDisposable {
  /** What the message is. */
  readonly type: MessageType;
  /**
   * Adds a part; resolves to its length in bytes, and waits as `writeMessage` does. A text may be cut anywhere, also
   * inside a character, where it is given as bytes.
   *
   * @throws {TypeError} when it is neither text nor bytes, or bytes with which a text is not UTF-8; nothing of it is sent
   * @throws {ClosedError} after `close`
   */
  write(data: MessageData, options?: WaitOptions): Promise<number>;
  /**
   * Ends the message. A second call does nothing.
   *
   * @throws {TypeError} when a text ends inside a character; it stays open
   */
  close(options?: WaitOptions): Promise<void>;
}

/** What an {@linkcode OutgoingMessage} needs of its connection. */
export interface OutgoingMessageOwner {
  /** Whether anything can be sent. */
  readonly writable: boolean;
  /** Throws when a call cannot be served. */
  check(signal?: AbortSignal): void;
  bytesOf(data: MessageData): Uint8Array;
  /** Sends a short fragment, of which nothing is kept. */
  sendPart(type: MessageType, bytes: Uint8Array, first: boolean, last: boolean): void;
  /** Sends a fragment of any length; resolves when more may follow. */
  writePart(type: MessageType, bytes: Uint8Array, first: boolean, signal?: AbortSignal): Promise<void>;
  /** Resolves when more may follow. */
  whenRoom(signal?: AbortSignal): Promise<void>;
  /** Sends at once what was written. */
  flushNow(): void;
  /** The message has ended. */
  onEnd(): void;
}

/** A {@linkcode MessageWriter}, and how its parts become fragments. */
export class OutgoingMessage implements MessageWriter, Flushable {
  readonly type: MessageType;
  readonly #owner: OutgoingMessageOwner;
  readonly #flushQueue: FlushQueue;
  /** Of a text. */
  readonly #utf8: Utf8Validator | null;
  #gathered: Uint8Array | null = null;
  #gatheredLength = 0;
  #inTurn = false;
  #begun = false;
  #closed = false;

  constructor(type: MessageType, owner: OutgoingMessageOwner, flushQueue: FlushQueue) {
    this.type = type;
    this.#owner = owner;
    this.#flushQueue = flushQueue;
    this.#utf8 = type === "text" ? new Utf8Validator() : null;
  }

  /** Bytes that wait for the end of the turn. */
  get gatheredBytes(): number {
    return this.#gatheredLength;
  }

  async write(data: MessageData, options?: WaitOptions): Promise<number> {
    const signal = options?.signal;
    if (this.#closed) throw new ClosedError("write", "websocket message");
    this.#owner.check(signal);
    const bytes = this.#owner.bytesOf(data);
    const { length } = bytes;
    if (length === 0) return 0;
    if (this.#utf8?.pushWhole(bytes) === false) {
      throw new TypeError("Cannot send as text: the bytes are not UTF-8");
    }
    if (this.#gatheredLength + length > GATHER) this.#sendGathered(false);
    if (length > GATHER) await this.#owner.writePart(this.type, bytes, this.#isFirst(), signal);
    else await this.#gather(bytes, signal);
    return length;
  }

  async close(options?: WaitOptions): Promise<void> {
    if (this.#closed) return;
    this.#owner.check(options?.signal);
    if (this.#utf8?.complete === false) {
      throw new TypeError("Cannot end the text: it ends inside a character");
    }
    this.#closed = true;
    this.#sendGathered(true);
    const room = this.#owner.whenRoom(options?.signal);
    this.#owner.onEnd();
    await room;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The end of the turn. */
  flush(): void {
    this.#inTurn = false;
    if (!this.#owner.writable) return;
    this.#sendGathered(false);
    this.#owner.flushNow();
  }

  #gather(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.#gathered ??= new Uint8Array(GATHER);
    this.#gathered.set(bytes, this.#gatheredLength);
    this.#gatheredLength += bytes.length;
    if (!this.#inTurn) {
      this.#inTurn = true;
      this.#flushQueue.add(this);
    }
    return this.#owner.whenRoom(signal);
  }

  #sendGathered(last: boolean): void {
    const length = this.#gatheredLength;
    if (length === 0 && !last) return;
    const bytes = this.#gathered?.subarray(0, length) ?? NOTHING;
    this.#gatheredLength = 0;
    this.#owner.sendPart(this.type, bytes, this.#isFirst(), last);
    if (last) this.#gathered = null;
  }

  /** Whether the fragment that is sent now is the first. */
  #isFirst(): boolean {
    const first = !this.#begun;
    this.#begun = true;
    return first;
  }
}

const NOTHING = new Uint8Array(0);
