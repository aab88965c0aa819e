import { Gather } from "../bytes/gather.ts";
import type { TextCodec } from "../bytes/text.ts";
import type { Deadline } from "../net/deadline.ts";
import { DeadlineTimer } from "../net/deadline.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import { WaitQueue } from "../net/wait_queue.ts";
import type { Message } from "./message.ts";
import { MessageQueue } from "./message_queue.ts";

/** A piece of a chunk below this is copied, so that keeping a short message does not keep a long chunk. */
const COPY_BELOW = 4096;

/** And so is one of a chunk that is more than so many times as long. */
const MAX_KEPT_RATIO = 8;

/** A reading call wants the message, or an iterator's result around it. */
type Reading = Message | IteratorResult<Message, undefined>;

const END: IteratorResult<Message, undefined> = { value: undefined, done: true };

/** Who is told about the state of the queue. */
export interface IncomingOwner {
  /** The queue is full (true), or has room again (false). */
  onFull(full: boolean): void;
  /** The error for a call whose deadline passed. */
  readExpired(): Error;
}

/** Messages that came and were not read yet, and the calls that wait for more. */
export class Incoming {
  readonly #owner: IncomingOwner;
  readonly #text: TextCodec;
  readonly #capacity: number;
  readonly #deadline: DeadlineTimer;
  readonly #readers = new WaitQueue<Reading, boolean>();
  readonly #queue = new MessageQueue();
  #full = false;
  /** The message that comes in pieces. */
  #partial: Gather | null = null;
  /** Why no message follows. */
  #end: Error | null = null;
  #quiet = false;

  constructor(owner: IncomingOwner, text: TextCodec, timers: TimerQueue, capacity: number) {
    this.#owner = owner;
    this.#text = text;
    this.#capacity = capacity;
    this.#deadline = new DeadlineTimer(timers, () => this.#readers.rejectAll(owner.readExpired()));
  }

  /** Whether a call would have to wait. */
  get empty(): boolean {
    return this.#queue.empty;
  }

  /** Whether reading from the network has to stop. */
  get full(): boolean {
    return this.#full;
  }

  setDeadline(t: Deadline): void {
    this.#deadline.set(t);
  }

  /**
   * The next message.
   *
   * @param iterated whether as an iterator's result
   */
  read(iterated: boolean, signal?: AbortSignal): Promise<Reading> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#deadline.expired) return Promise.reject(this.#owner.readExpired());
    const message = this.#queue.shift();
    if (message !== undefined) {
      if (this.#full && this.#queue.cost * 2 < this.#capacity) this.#setFull();
      return Promise.resolve(iterated ? { value: message, done: false } : message);
    }
    if (this.#end !== null) return iterated && this.#quiet ? Promise.resolve(END) : Promise.reject(this.#end);
    const waiting = this.#readers.wait(iterated, signal);
    this.#deadline.startWait();
    return waiting;
  }

  /** A whole message is `chunk[start, end)`; `false` when it is text that is not UTF-8. */
  addWhole(text: boolean, chunk: Uint8Array, start: number, end: number): boolean {
    if (text) {
      const data = this.#text.decode(chunk, start, end);
      if (data === null) return false;
      this.#add({ type: "text", data });
    } else {
      const size = end - start;
      // A view would keep all of the chunk for a few bytes.
      const copied = size < COPY_BELOW || size * MAX_KEPT_RATIO < chunk.buffer.byteLength;
      // A plain view: the chunk may be of a subclass, whose `slice` need not copy.
      const view = new Uint8Array(chunk.buffer, chunk.byteOffset + start, size);
      this.#add({ type: "binary", data: copied ? view.slice() : view });
    }
    return true;
  }

  /**
   * A piece of a message; `false` when it is text that is not UTF-8.
   *
   * @param announced how many bytes of the message the frames have announced so far
   * @param limit how many it may have
   */
  addPiece(
    text: boolean,
    chunk: Uint8Array,
    start: number,
    end: number,
    last: boolean,
    announced: number,
    limit: number,
  ): boolean {
    const partial = this.#partial ??= new Gather();
    partial.add(chunk, start, end, announced, limit);
    if (!last) return true;
    this.#partial = null;
    const data = partial.bytes();
    if (text) return this.addWhole(true, data, 0, data.length);
    this.#add({ type: "binary", data });
    return true;
  }

  /**
   * No message follows: calls that wait, and those that find nothing left, reject with `error`. What is said first
   * stands.
   *
   * @param quiet whether iterations just end
   */
  end(error: Error, quiet: boolean): void {
    if (this.#end !== null) return;
    this.#end = error;
    this.#quiet = quiet;
    this.#partial = null;
    while (this.#readers.size > 0) {
      if (quiet && this.#readers.first!) this.#readers.resolveFirst(END);
      else this.#readers.rejectFirst(error);
    }
    this.#deadline.stop();
  }

  #add(message: Message): void {
    if (this.#readers.size > 0) {
      this.#readers.resolveFirst(this.#readers.first! ? { value: message, done: false } : message);
      if (this.#readers.size === 0) this.#deadline.endWait();
      return;
    }
    this.#queue.push(message);
    if (!this.#full && this.#queue.cost >= this.#capacity) this.#setFull();
  }

  #setFull(): void {
    const full = this.#queue.cost >= this.#capacity;
    if (full === this.#full) return;
    this.#full = full;
    this.#owner.onFull(full);
  }
}
