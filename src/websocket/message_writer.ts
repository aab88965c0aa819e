import { Utf8Validator } from "../bytes/utf8.ts";
import type { WaitOptions, Writer } from "../net/conn.ts";
import { ClosedError } from "../net/errors.ts";
import type { Flushable, FlushQueue } from "../net/flush_queue.ts";
import { handled, rejected } from "../net/handled.ts";
import type { MessageData, MessageType } from "./message.ts";
import type { Sender } from "./sender.ts";

/** Bytes gathered for one fragment until the turn ends, at most. */
const MAX_GATHERED_BYTES = 4096;

/**
 * One message, written in parts, RFC 6455, 5.4. The parts leave as fragments: those of one turn of the event loop
 * together, up to 4 KiB; a larger part by itself. Go: the `io.WriteCloser` of gorilla's `NextWriter`.
 *
 * While it is open, every other message of the connection waits for its end; pings, pongs and the close frame do not.
 * A connection whose writer is never closed can send no other message. Closing the connection leaves the message without
 * an end.
 */
export interface MessageWriter extends Writer, AsyncDisposable {
  /** Text or binary. */
  readonly type: MessageType;
  /**
   * Adds a part; resolves to its length in bytes, and waits as `writeMessage` does. A text may be cut anywhere, also
   * inside a character, where it is given as bytes.
   *
   * @throws {TypeError} when `data` is neither text nor bytes, or bytes with which a text is not UTF-8; nothing of `data`
   * is sent
   * @throws {ClosedError} after `close`
   */
  write(data: MessageData, options?: WaitOptions): Promise<number>;
  /**
   * Ends the message. A second call does nothing.
   *
   * @throws {TypeError} when a text ends inside a character; the message stays open
   */
  close(options?: WaitOptions): Promise<void>;
}

/** The {@linkcode MessageWriter} of a connection: makes fragments of the parts. */
export class FragmentWriter implements MessageWriter, Flushable {
  readonly type: MessageType;
  readonly #sender: Sender;
  readonly #flushQueue: FlushQueue;
  /** Checks a text across its parts; `null` for binary. */
  readonly #utf8: Utf8Validator | null;
  #gathered: Uint8Array | null = null;
  #gatheredLength = 0;
  /** Whether `flush` is to be called at the end of the turn. */
  #inTurn = false;
  /** Whether the first fragment was sent. */
  #begun = false;
  #closed = false;

  constructor(type: MessageType, sender: Sender, flushQueue: FlushQueue) {
    this.type = type;
    this.#sender = sender;
    this.#flushQueue = flushQueue;
    this.#utf8 = type === "text" ? new Utf8Validator() : null;
  }

  /** Bytes of payload that wait for the end of the turn. */
  get gatheredBytes(): number {
    return this.#gatheredLength;
  }

  write(data: MessageData, options?: WaitOptions): Promise<number> {
    try {
      return this.#write(data, options?.signal);
    } catch (error) {
      return rejected(error);
    }
  }

  #write(data: MessageData, signal: AbortSignal | undefined): Promise<number> {
    if (this.#closed) throw new ClosedError("write", "websocket message");
    this.#sender.check(signal);
    const bytes = this.#sender.bytesOf(data);
    const { length } = bytes;
    if (length === 0) return Promise.resolve(0);
    if (this.#utf8?.pushWhole(bytes) === false) {
      throw new TypeError("Cannot send as text: the bytes are not UTF-8");
    }
    if (this.#gatheredLength + length > MAX_GATHERED_BYTES) this.#sendGathered(false);
    const room = length > MAX_GATHERED_BYTES
      ? this.#sender.writePart(this.type, bytes, this.#isFirst(), false, signal)
      : this.#gather(bytes, signal);
    return handled(room.then(() => length));
  }

  close(options?: WaitOptions): Promise<void> {
    try {
      return this.#close(options?.signal);
    } catch (error) {
      return rejected(error);
    }
  }

  #close(signal: AbortSignal | undefined): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#sender.check(signal);
    if (this.#utf8?.complete === false) {
      throw new TypeError("Cannot end the text: it ends inside a character");
    }
    this.#closed = true;
    this.#sendGathered(true);
    const room = this.#sender.output.written(false, signal);
    this.#sender.onWriterClosed();
    return room;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The end of the turn. */
  flush(): void {
    this.#inTurn = false;
    if (!this.#sender.writable) return;
    this.#sendGathered(false);
    this.#sender.output.flushNow();
  }

  #gather(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.#gathered ??= new Uint8Array(MAX_GATHERED_BYTES);
    this.#gathered.set(bytes, this.#gatheredLength);
    this.#gatheredLength += bytes.length;
    if (!this.#inTurn) {
      this.#inTurn = true;
      this.#flushQueue.add(this);
    }
    return this.#sender.output.written(false, signal);
  }

  #sendGathered(last: boolean): void {
    const length = this.#gatheredLength;
    if (length === 0 && !last) return;
    const bytes = this.#gathered?.subarray(0, length) ?? NOTHING;
    this.#gatheredLength = 0;
    this.#sender.sendPart(this.type, bytes, this.#isFirst(), last);
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
