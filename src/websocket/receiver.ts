import type { ChunkCopies } from "../bytes/chunk_copies.ts";
import { Gather } from "../bytes/gather.ts";
import type { TextCodec } from "../bytes/text.ts";
import { type Deadline, deadlineTime, DeadlineTimer } from "../net/deadline.ts";
import type { Runtime } from "../net/runtime.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import { WaitQueue } from "../net/wait_queue.ts";
import { CloseCode } from "../protocol/close_code.ts";
import type { MessageTooBigError, ProtocolError } from "../protocol/protocol_error.ts";
import { Protocol, type ProtocolHandler, type ProtocolOptions } from "../protocol/protocol.ts";
import type { Message } from "./message.ts";
import { MessageQueue } from "./message_queue.ts";
import { IncomingMessage, type IncomingMessageOwner } from "./message_reader.ts";

/** A reading call wants the message, an iterator's result around it, or a reader of it. */
export type Wanted = "message" | "result" | "reader";

/** What a reading call gets. */
export type Reading = Message | IteratorResult<Message, undefined> | IncomingMessage;

const END: IteratorResult<Message, undefined> = { value: undefined, done: true };

/** The connection, as its receiver knows it. */
export interface ReceiverOwner {
  /** The queue is full (true), or has room again (false). */
  onFull(full: boolean): void;
  /** A call is about to wait. */
  onWait(): void;
  /** The error for a call whose deadline passed. */
  readExpired(): Error;
  /** Control frames, and what the peer broke. */
  onPong(payload: Uint8Array): void;
  onPeerClose(code: number, reason: string): void;
  onFault(error: ProtocolError | MessageTooBigError): void;
}

/**
 * Messages that came and were not read yet, and the calls that wait for more. A message that comes in pieces is put
 * together first, unless its reader is wanted: then that gets the pieces as they come.
 */
export class Receiver implements ProtocolHandler, IncomingMessageOwner {
  readonly protocol: Protocol;
  readonly #owner: ReceiverOwner;
  readonly #text: TextCodec;
  readonly #capacity: number;
  readonly #timers: TimerQueue;
  /** Made when one is set. */
  #deadline: DeadlineTimer | null = null;
  readonly #readers = new WaitQueue<Reading, Wanted>();
  readonly #queue = new MessageQueue();
  readonly #copies: ChunkCopies;
  #full = false;
  /** The message that comes in pieces. */
  #partial: Gather | null = null;
  #partialText = false;
  /** The reader that it is handed to instead. */
  #arriving: IncomingMessage | null = null;
  /** Readers that were handed out and are not at their end; made when there is one. */
  #open: Set<IncomingMessage> | null = null;
  /** What waits in them, bytes. */
  #openCost = 0;
  /** Why no message follows. */
  #end: (() => Error) | null = null;
  #quiet = false;
  /** This side leaves: what still comes is for nobody. */
  #ignoresRest = false;

  constructor(owner: ReceiverOwner, runtime: Runtime, options: ProtocolOptions, capacity: number) {
    this.#owner = owner;
    this.#text = options.text;
    this.#capacity = capacity;
    this.#timers = runtime.timers;
    this.#copies = runtime.copies;
    this.protocol = new Protocol(this, options);
  }

  // ── From the protocol ──

  onMessageData(
    text: boolean,
    chunk: Uint8Array,
    start: number,
    end: number,
    first: boolean,
    last: boolean,
    lent: boolean,
  ): void {
    if (this.#ignoresRest) return;
    const valid = first && last
      ? this.#addWhole(text, chunk, start, end, lent)
      : this.#addPiece(text, chunk, start, end, last, lent);
    if (!valid) this.protocol.fail(CloseCode.InvalidFramePayloadData, "a text message is not UTF-8");
  }

  onPing(): void {}

  onPong(payload: Uint8Array): void {
    this.#owner.onPong(payload);
  }

  onCloseFrame(code: number, reason: string): void {
    this.#owner.onPeerClose(code, reason);
  }

  onFault(error: ProtocolError | MessageTooBigError): void {
    this.#owner.onFault(error);
  }

  /** Messages that still come are dropped: this side leaves. */
  ignoreRest(): void {
    this.#ignoresRest = true;
  }

  /** Whether reading from the network has to stop. */
  get full(): boolean {
    return this.#full;
  }

  /** Bytes that came and were not read. */
  get heldBytes(): number {
    return this.#queue.cost + this.#openCost + (this.#partial?.length ?? 0);
  }

  /** Forgets what was not read. `end` was called. */
  clear(): void {
    this.#queue.clear();
    this.#discardOpen(this.#end!());
  }

  setDeadline(t: Deadline): void {
    if (this.#deadline === null) {
      if (deadlineTime(t) === Infinity) return;
      this.#deadline = new DeadlineTimer(this.#timers, () => this.#expire());
      // Somebody may wait, here or in a reader; if nobody does, it rings for nobody.
      if (this.#end === null) this.#deadline.startWait();
    }
    this.#deadline.set(t);
  }

  /** The next message. What is left of those whose readers were handed out before is for nobody. */
  read(wanted: Wanted, signal?: AbortSignal): Promise<Reading> {
    if (this.#queue.empty) this.#owner.onWait();
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.expired) return Promise.reject(this.readExpired());
    if (this.#open !== null) this.#discardOpen();
    const message = this.#queue.shift();
    if (message !== undefined) {
      const reading = this.#as(wanted, message);
      if (this.#full) this.#checkRoom();
      return Promise.resolve(reading);
    }
    if (this.#end !== null) {
      return wanted === "result" && this.#quiet ? Promise.resolve(END) : Promise.reject(this.#end());
    }
    if (wanted === "reader" && this.#partial !== null && this.#readers.size === 0) {
      return Promise.resolve(this.#openPartial(this.#partialText));
    }
    const waiting = this.#readers.wait(wanted, signal);
    this.#deadline?.startWait();
    return waiting;
  }

  /** A whole message is `chunk[start, end)`; `false` when it is text that is not UTF-8. */
  #addWhole(text: boolean, chunk: Uint8Array, start: number, end: number, lent: boolean): boolean {
    if (text) {
      const data = this.#text.decode(chunk, start, end);
      if (data === null) return false;
      this.#add({ type: "text", data });
    } else {
      // The frame's head, of which this many bytes at least lie before the payload, or in the chunk before.
      const room = Math.min(start, end - start < 65536 ? 4 : 10);
      this.#add({ type: "binary", data: this.#copies.keep(chunk, start, end, lent, room) });
    }
    return true;
  }

  /** A piece of a message; `false` when it is text that is not UTF-8. */
  #addPiece(
    text: boolean,
    chunk: Uint8Array,
    start: number,
    end: number,
    last: boolean,
    lent: boolean,
  ): boolean {
    if (this.#arriving === null && this.#readers.first === "reader") {
      this.#readers.resolveFirst(this.#openPartial(text));
      this.onServed();
    }
    if (this.#arriving !== null) {
      this.#addToReader(this.#arriving, chunk, start, end, last, lent);
      return true;
    }
    const partial = this.#partial ??= new Gather();
    this.#partialText = text;
    partial.add(chunk, start, end, this.protocol.messageLength, this.protocol.readLimit);
    if (!last) return true;
    this.#partial = null;
    const data = partial.bytes();
    if (text) return this.#addWhole(true, data, 0, data.length, false);
    this.#add({ type: "binary", data });
    return true;
  }

  /**
   * No message follows: calls that wait, and those that find nothing left, reject with what `error` gives, the same
   * each time. What is said first stands.
   *
   * @param quiet whether iterations just end
   */
  end(error: () => Error, quiet: boolean): void {
    if (this.#end !== null) return;
    this.#end = error;
    this.#quiet = quiet;
    this.#partial = null;
    this.#arriving?.fail(error());
    this.#arriving = null;
    while (this.#readers.size > 0) {
      if (quiet && this.#readers.first === "result") this.#readers.resolveFirst(END);
      else this.#readers.rejectFirst(error());
    }
    this.#deadline?.stop();
  }

  #add(message: Message): void {
    if (this.#readers.size > 0) {
      this.#readers.resolveFirst(this.#as(this.#readers.first!, message));
      if (this.#readers.size === 0) this.#deadline?.endWait();
      return;
    }
    this.#queue.push(message);
    if (!this.#full) this.#checkRoom();
  }

  #as(wanted: Wanted, message: Message): Reading {
    if (wanted === "message") return message;
    return wanted === "result" ? { value: message, done: false } : this.#readerOf(message);
  }

  /** Stops above the bound, goes on at half of it. */
  #checkRoom(): void {
    const cost = this.#queue.cost + this.#openCost;
    const full = this.#full ? cost * 2 >= this.#capacity : cost >= this.#capacity;
    if (full === this.#full) return;
    this.#full = full;
    this.#owner.onFull(full);
  }

  #expire(): void {
    const error = this.readExpired();
    this.#readers.rejectAll(error);
    this.#open?.forEach((reader) => reader.rejectReads(error));
  }

  // ── Readers ──

  /** A reader of the message that comes, with what has come. */
  #openPartial(text: boolean): IncomingMessage {
    const reader = this.#newReader(text ? "text" : "binary");
    this.#arriving = reader;
    const gathered = this.#partial?.bytes();
    this.#partial = null;
    if (gathered !== undefined) reader.push(gathered);
    return reader;
  }

  /** A reader of a message that is here already. */
  #readerOf({ type, data }: Message): IncomingMessage {
    const reader = this.#newReader(type);
    const bytes = typeof data === "string" ? this.#text.encode(data) : data;
    // A codec may have encoded into a buffer that it shares.
    reader.push(typeof data === "string" ? new Uint8Array(bytes) : bytes);
    reader.end();
    return reader;
  }

  #newReader(type: Message["type"]): IncomingMessage {
    const reader = new IncomingMessage(type, this);
    this.#open ??= new Set();
    this.#open.add(reader);
    return reader;
  }

  #addToReader(
    reader: IncomingMessage,
    chunk: Uint8Array,
    start: number,
    end: number,
    last: boolean,
    lent: boolean,
  ): void {
    if (start < end && !reader.discarded) reader.push(this.#copies.keep(chunk, start, end, lent));
    if (!last) return;
    this.#arriving = null;
    reader.end();
  }

  #discardOpen(error = new Error("Cannot read the message: a later call has asked for the next one")): void {
    const open = this.#open ?? [];
    // First, as the room that this makes may let the next message in.
    this.#open = null;
    for (const reader of open) reader.discard(error);
  }

  // ── From the readers ──

  get expired(): boolean {
    return this.#deadline !== null && this.#deadline.expired;
  }

  readExpired(): Error {
    return this.#owner.readExpired();
  }

  onWait(): void {
    this.#deadline?.startWait();
    this.#owner.onWait();
  }

  onServed(): void {
    if (this.#readers.size === 0) this.#deadline?.endWait();
  }

  onCost(change: number): void {
    this.#openCost += change;
    this.#checkRoom();
  }

  onRead(reader: IncomingMessage): void {
    this.#open?.delete(reader);
  }
}
