import type { TextCodec } from "../bytes/text.ts";
import { type Deadline, deadlineTime, DeadlineTimer } from "../net/deadline.ts";
import { WaitQueue } from "../net/wait_queue.ts";
import { ArrivingMessage } from "./arriving_message.ts";
import type { Connection } from "./connection.ts";
import type { Message, MessageType } from "./message.ts";
import { MessageQueue } from "./message_queue.ts";
import { ReceivedMessage } from "./message_reader.ts";

/** Kind of result that a reading call wants: the message, an iterator's result with it, or a reader of it. */
export type Wanted = "message" | "result" | "reader";

/** Result of a reading call. */
export type Reading = Message | IteratorResult<Message, undefined> | ReceivedMessage;

const END: IteratorResult<Message, undefined> = { value: undefined, done: true };

/** Messages that came and were not read, up to a bound, and the calls that wait for more. */
export class Inbox {
  readonly #connection: Connection;
  readonly #text: TextCodec;
  /** Bytes that the unread messages may cost before the socket is paused. */
  readonly #capacity: number;
  readonly #queue = new MessageQueue();
  /** The calls that wait for a message. */
  readonly #reads = new WaitQueue<Reading, Wanted>();
  /** Read deadline; made when one is set. */
  #deadline: DeadlineTimer | null = null;
  #full = false;
  /** The message that is coming in pieces. */
  #arriving: ArrivingMessage | null = null;
  /** Readers that the application has and that are not at the end of their message; made for the first. */
  #readers: Set<ReceivedMessage> | null = null;
  /** Cost of the unread bytes in these readers, bytes. */
  #readersCost = 0;
  /** The error of reading after the last message; `null` while messages may come. */
  #end: (() => Error) | null = null;
  /** Whether iterations end without that error. */
  #endsQuietly = false;
  /** Whether the application reads: a call for a message was made. */
  #isUsed = false;
  /** Whether the application has not got the connection yet, so that it may still read. */
  early = false;
  /** Whether the application has read to the end, or does not read. */
  #endReached = false;

  constructor(connection: Connection, text: TextCodec, capacity: number) {
    this.#connection = connection;
    this.#text = text;
    this.#capacity = capacity;
  }

  /** Whether the unread messages reach the bound, so that the socket is paused. */
  get full(): boolean {
    return this.#full;
  }

  /** Bytes that came and were not read. */
  get heldBytes(): number {
    return this.#queue.cost + this.#readersCost + (this.#arriving?.heldBytes ?? 0);
  }

  // ── From the application ──

  /** The next message. Readers that earlier calls got are discarded: their messages are passed over. */
  read(wanted: Wanted, signal?: AbortSignal): Promise<Reading> {
    this.#isUsed = true;
    if (this.#queue.empty) this.#connection.onWait();
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.expired) return Promise.reject(this.readExpired());
    if (this.#readers !== null) this.#discardReaders();
    const message = this.#queue.shift();
    if (message !== undefined) {
      const reading = this.#as(wanted, message);
      if (this.#full) this.#checkRoom();
      return Promise.resolve(reading);
    }
    if (this.#end !== null) {
      this.reachEnd();
      const quiet = wanted === "result" && this.#endsQuietly;
      return quiet ? Promise.resolve(END) : Promise.reject(this.#end());
    }
    const arriving = this.#arriving;
    if (wanted === "reader" && arriving !== null && arriving.reader === null && this.#reads.size === 0) {
      return Promise.resolve(this.#open(arriving));
    }
    const reading = this.#reads.wait(wanted, signal);
    this.#deadline?.startWait();
    return reading;
  }

  setDeadline(t: Deadline): void {
    if (this.#deadline === null) {
      if (deadlineTime(t) === Infinity) return;
      this.#deadline = new DeadlineTimer(this.#connection.timers, () => this.#expire());
      // A call may be waiting, here or in a reader. If none is, the alarm has no effect.
      if (this.#end === null) this.#deadline.startWait();
    }
    this.#deadline.set(t);
  }

  #expire(): void {
    const error = this.readExpired();
    this.#reads.rejectAll(error);
    this.#readers?.forEach((reader) => reader.rejectReads(error));
  }

  // ── From the receiver ──

  /** A whole message came. */
  add(message: Message): void {
    if (this.#reads.size > 0) {
      this.#reads.resolveFirst(this.#as(this.#reads.first!, message));
      if (this.#reads.size === 0) this.#deadline?.endWait();
      return;
    }
    this.#queue.push(message);
    if (!this.#full) this.#checkRoom();
  }

  /** A piece of a message comes: gives the message, which is opened if the next call that waits wants a reader. */
  arrive(type: MessageType): ArrivingMessage {
    const arriving = this.#arriving ??= new ArrivingMessage(type);
    if (arriving.reader === null && this.#reads.first === "reader") {
      this.#reads.resolveFirst(this.#open(arriving));
      this.onServed();
    }
    return arriving;
  }

  /** The last piece came. The message is with its reader, or is to be added. */
  endArriving(): void {
    this.#arriving = null;
  }

  // ── From the lifecycle ──

  /** Whether nothing that came before the end waits for the application, nor for an answer of it. */
  get endReached(): boolean {
    return this.#endReached;
  }

  /** The application reads, and has found the end. */
  reachEnd(): void {
    if (this.#endReached) return;
    this.#endReached = true;
    this.#connection.onEndReached();
  }

  /**
   * No message follows. Calls that wait, and those that find no message left, reject with what `error` gives. A second
   * call does nothing.
   *
   * @param quiet whether iterations end without the error
   */
  end(error: () => Error, quiet: boolean): void {
    if (this.#end !== null) return;
    this.#end = error;
    this.#endsQuietly = quiet;
    // An application that has never read answers nothing; one whose call waits has answered everything.
    const mayRead = this.#isUsed || this.early && !this.#queue.empty;
    if (!mayRead || this.#reads.size > 0) this.#endReached = true;
    this.#arriving?.reader?.fail(error());
    this.#arriving = null;
    while (this.#reads.size > 0) {
      if (quiet && this.#reads.first === "result") this.#reads.resolveFirst(END);
      else this.#reads.rejectFirst(error());
    }
    this.#deadline?.stop();
  }

  /** Drops what was not read. To be called after `end`. */
  clear(): void {
    this.#endReached = true;
    this.#queue.clear();
    this.#discardReaders(this.#end!());
  }

  // ── Readers ──

  #as(wanted: Wanted, message: Message): Reading {
    if (wanted === "message") return message;
    return wanted === "result" ? { value: message, done: false } : this.#readerOf(message);
  }

  /** A reader of a message that is here already. */
  #readerOf({ type, data }: Message): ReceivedMessage {
    const reader = this.#newReader(type);
    // A copy of the text: a codec may encode into a buffer that it uses again.
    reader.push(typeof data === "string" ? new Uint8Array(this.#text.encode(data)) : data);
    reader.end();
    return reader;
  }

  #open(arriving: ArrivingMessage): ReceivedMessage {
    const reader = this.#newReader(arriving.type);
    arriving.open(reader);
    return reader;
  }

  #newReader(type: MessageType): ReceivedMessage {
    const reader = new ReceivedMessage(type, this);
    this.#readers ??= new Set();
    this.#readers.add(reader);
    return reader;
  }

  #discardReaders(
    error = new Error("Cannot read the message: a later call has asked for the next one"),
  ): void {
    const readers = this.#readers ?? [];
    // First, as the room that this makes may let the next message in.
    this.#readers = null;
    for (const reader of readers) reader.discard(error);
  }

  // ── From the readers ──

  /** Whether the read deadline has passed. */
  get expired(): boolean {
    return this.#deadline !== null && this.#deadline.expired;
  }

  /** The error of a call that the read deadline ends. */
  readExpired(): Error {
    return this.#connection.readExpired();
  }

  /** A call on a reader starts to wait. */
  onWait(): void {
    this.#deadline?.startWait();
    this.#connection.onWait();
  }

  /** No call waits on the reader any more. */
  onServed(): void {
    if (this.#reads.size === 0) this.#deadline?.endWait();
  }

  /** The unread bytes of a reader cost `change` bytes more than before. */
  onCost(change: number): void {
    this.#readersCost += change;
    this.#checkRoom();
  }

  /** A reader is at the end of its message. */
  onRead(reader: ReceivedMessage): void {
    this.#readers?.delete(reader);
  }

  /** Pauses the socket at the bound, and resumes it below half of the bound. */
  #checkRoom(): void {
    const cost = this.#queue.cost + this.#readersCost;
    const full = this.#full ? cost * 2 >= this.#capacity : cost >= this.#capacity;
    if (full === this.#full) return;
    this.#full = full;
    this.#connection.onFull(full);
  }
}
