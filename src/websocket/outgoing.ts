import { type Deadline, deadlineTime, DeadlineTimer } from "../net/deadline.ts";
import type { StreamSocket } from "../net/stream_socket.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import type { Flushable, FlushQueue } from "../net/flush_queue.ts";
import { WaitQueue } from "../net/wait_queue.ts";
import { POOL_BUFFER_SIZE } from "../bytes/buffer_pool.ts";
import type { FrameWriter } from "../protocol/frame_writer.ts";
import type { DrainListener } from "./drain_listener.ts";

/** What a write that need not wait gives: one promise for all of them. */
const DONE = Promise.resolve();

/**
 * The most that the socket is given at once, so that the progress of a large payload can be seen: who takes some of it
 * now and then is slow, not dead.
 */
const PIECE = 262144;

/** Who is told about the state of the output. */
export interface OutgoingOwner {
  /** Everything that was written has been taken. */
  onDrained(): void;
  /** More waits than a writer should go on with. */
  onBacklog(): void;
  /** The error for a call whose deadline passed. */
  writeExpired(): Error;
}

/**
 * Moves frames from the writer to the socket: at the latest at the end of the turn, at once when a buffer is full or
 * the application is about to wait. One write is under way at a time.
 */
export class Outgoing implements Flushable {
  readonly #owner: OutgoingOwner;
  readonly #writer: FrameWriter;
  readonly #socket: StreamSocket;
  readonly #flushQueue: FlushQueue;
  readonly #timers: TimerQueue;
  /** Made when one is set. */
  #deadline: DeadlineTimer | null = null;
  readonly #highWaterMark: number;
  /** Each waits until so many bytes in order have left; made when one has to. */
  #waiting: WaitQueue<void, number> | null = null;
  /** Is told when so many bytes in order have left. */
  #listener: DrainListener | null = null;
  #listenerTarget = 0;
  /** The socket is busy with what it was given. */
  #blocked = false;
  #inTurn = false;
  #stopped = false;
  /** Bytes that have left in all. */
  #left = 0;
  /** The same without control frames that overtook: a call that waits is not done earlier because of them. */
  #leftInOrder = 0;

  // What the writer gave last: bytes up to `#takenAt` were given to the socket, up to `#takenLeft` it took them.
  #taken: Uint8Array | null = null;
  #takenLength = 0;
  #takenAt = 0;
  #takenLeft = 0;
  /** Whether they are control frames that overtook. */
  #takenUrgent = false;

  constructor(
    owner: OutgoingOwner,
    writer: FrameWriter,
    socket: StreamSocket,
    flushQueue: FlushQueue,
    timers: TimerQueue,
    highWaterMark: number,
  ) {
    this.#owner = owner;
    this.#writer = writer;
    this.#socket = socket;
    this.#flushQueue = flushQueue;
    this.#highWaterMark = highWaterMark;
    this.#timers = timers;
  }

  /** Bytes that the runtime has not taken. */
  get bufferedBytes(): number {
    return this.#stopped ? 0 : this.#writer.bufferedBytes - this.#takenLeft;
  }

  /** Bytes that have left in all: what a keep-alive takes for progress. */
  get bytesLeft(): number {
    return this.#left;
  }

  /** Whether everything that was written has been taken. */
  get drained(): boolean {
    return !this.#blocked && !this.#writer.pending;
  }

  /** Whether the write deadline has passed. */
  get expired(): boolean {
    return this.#deadline !== null && this.#deadline.expired;
  }

  /** Whether a call that waits may end before its bytes have left. */
  get hasDeadline(): boolean {
    return this.deadline !== Infinity;
  }

  /** When calls that wait fail, `Infinity` for never. */
  get deadline(): number {
    return this.#deadline?.time ?? Infinity;
  }

  setDeadline(t: Deadline): void {
    if (this.#deadline === null) {
      if (deadlineTime(t) === Infinity) return;
      this.#deadline = new DeadlineTimer(this.#timers, () => this.#fail(() => this.#owner.writeExpired()));
      if (this.#waits) this.#deadline.startWait();
    }
    this.#deadline.set(t);
  }

  /**
   * To be called after something was written.
   *
   * @param borrowed whether the caller's array is being sent from, so that the call lasts until it has left
   * @returns a promise to wait for, when too much waits already
   */
  written(borrowed: boolean, signal?: AbortSignal): Promise<void> {
    this.flushSoon();
    if (borrowed || this.#writer.bufferedBytes >= POOL_BUFFER_SIZE) this.#send();
    const buffered = this.bufferedBytes;
    if (buffered < this.#highWaterMark && !(borrowed && buffered > 0)) return DONE;
    const waiting = this.#wait(this.#written - (borrowed ? 0 : this.#highWaterMark - 1), signal);
    this.#deadline?.startWait();
    // Last: it may end the connection, and with it the waiting.
    this.#owner.onBacklog();
    return waiting;
  }

  /** Resolves when everything that was written until now has left. */
  whenDrained(): Promise<void> {
    const waiting = this.#wait(this.#written);
    this.#owner.onBacklog();
    return waiting;
  }

  /** The same for a listener; `false` when there is one already. */
  tellDrained(listener: DrainListener): boolean {
    if (this.#listener !== null) return false;
    this.#listener = listener;
    this.#listenerTarget = this.#written;
    this.#owner.onBacklog();
    return true;
  }

  #wait(target: number, signal?: AbortSignal): Promise<void> {
    this.#waiting ??= new WaitQueue();
    return this.#waiting.wait(target, signal);
  }

  /** Whether a call waits. */
  get #waits(): boolean {
    return this.#waiting !== null && this.#waiting.size > 0;
  }

  /** Bytes that were written in order, in all. */
  get #written(): number {
    return this.#leftInOrder + this.#writer.orderedBytes - this.#takenLeft;
  }

  /** Sends what was written at the end of the turn. */
  flushSoon(): void {
    if (this.#inTurn) return;
    this.#inTurn = true;
    this.#flushQueue.add(this);
  }

  /** The end of the turn. */
  flush(): void {
    this.#inTurn = false;
    this.#send();
  }

  /** Sends what was written, without waiting for the end of the turn. */
  flushNow(): void {
    if (this.#writer.pending) this.#send();
  }

  /**
   * Gives frames to the socket past the writer, where nothing waits before them: nearly always so for a broadcast, where it
   * saves a tenth on Node with 16 in flight (`bench/run.ts`). `false`: something does wait.
   */
  sendAlone(frames: Uint8Array): boolean {
    if (this.#blocked || this.#stopped || this.#writer.pending || frames.length > PIECE) return false;
    if (this.#socket.write(frames)) {
      this.#left += frames.length;
      this.#leftInOrder += frames.length;
      return true;
    }
    this.#blocked = true;
    this.#writer.holdTaken(frames);
    this.#taken = frames;
    this.#takenUrgent = false;
    this.#takenLength = this.#takenAt = frames.length;
    return true;
  }

  #send(): void {
    if (this.#blocked || this.#stopped) return;
    for (let piece = this.#nextPiece(); piece !== null; piece = this.#nextPiece()) {
      this.#blocked = true;
      if (!this.#socket.write(piece)) return;
      this.#blocked = false;
      this.#onTaken();
    }
    this.#owner.onDrained();
  }

  #nextPiece(): Uint8Array | null {
    if (this.#taken === null) {
      const bytes = this.#writer.take();
      if (bytes === null) return null;
      this.#taken = bytes;
      this.#takenUrgent = this.#writer.takenUrgent;
      this.#takenLength = this.#takenAt = bytes.length;
      if (bytes.length <= PIECE) return bytes;
      this.#takenAt = 0;
    }
    const start = this.#takenAt;
    const end = Math.min(start + PIECE, this.#takenLength);
    this.#takenAt = end;
    // A buffer that its owner gave away meanwhile is empty: its head has promised bytes, so that zeros have to do.
    const whole = this.#taken.length === this.#takenLength;
    return whole ? this.#taken.subarray(start, end) : new Uint8Array(end - start);
  }

  /** The socket took the last piece. */
  #onTaken(): void {
    const count = this.#takenAt - this.#takenLeft;
    this.#left += count;
    if (!this.#takenUrgent) this.#leftInOrder += count;
    if (this.#takenAt < this.#takenLength) {
      this.#takenLeft = this.#takenAt;
    } else {
      this.#taken = null;
      this.#takenLeft = 0;
      this.#writer.release();
    }
    if (this.#waiting !== null) this.#wake(this.#waiting);
  }

  /** The socket took what it was given, after a while. */
  onDrain(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#onTaken();
    this.#send();
    // Last, as it may write more.
    if (this.#listener !== null && this.#listenerTarget <= this.#leftInOrder) {
      this.#takeListener()!.onDrained();
    }
  }

  #takeListener(): DrainListener | null {
    const listener = this.#listener;
    this.#listener = null;
    return listener;
  }

  #fail(error: () => Error): void {
    if (this.#waits) this.#waiting!.rejectAll(error());
    this.#takeListener()?.onFailed();
  }

  /** Nothing more is sent; calls that wait reject with what `error` gives. */
  stop(error: () => Error): void {
    this.#stopped = true;
    this.#taken = null;
    this.#writer.drop();
    this.#fail(error);
    this.#deadline?.stop();
  }

  #wake(waiting: WaitQueue<void, number>): void {
    if (waiting.size === 0) return;
    for (let target = waiting.first; target !== undefined && target <= this.#leftInOrder;) {
      waiting.resolveFirst();
      target = waiting.first;
    }
    if (waiting.size === 0) this.#deadline?.endWait();
  }
}
