import { POOL_BUFFER_SIZE } from "../bytes/buffer_pool.ts";
import { type Deadline, deadlineTime, DeadlineTimer } from "../net/deadline.ts";
import { DeadlineExceededError } from "../net/errors.ts";
import type { StreamSocket } from "../net/stream_socket.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import type { Flushable, FlushQueue } from "../net/flush_queue.ts";
import { handled } from "../net/handled.ts";
import { WaitQueue } from "../net/wait_queue.ts";
import type { OutputQueue } from "../protocol/output_queue.ts";
import type { Connection } from "./connection.ts";
import type { DrainListener } from "./drain_listener.ts";

/** The result of a write that need not wait: one promise for all of them. */
const DONE = Promise.resolve();

/**
 * Moves the output queue to the socket: at the latest at the end of the turn, at once when a buffer is full or the
 * application is about to wait. One write is under way at a time. Bytes are counted by the queue alone.
 */
export class SocketOutput implements Flushable {
  readonly #connection: Connection;
  readonly #queue: OutputQueue;
  readonly #socket: StreamSocket;
  readonly #flushQueue: FlushQueue;
  readonly #timers: TimerQueue;
  /** Bytes that may be buffered before a write waits. */
  readonly #highWaterMark: number;
  /** Write deadline; made when one is set. */
  #deadline: DeadlineTimer | null = null;
  /** Calls, each until the queue's `acceptedInOrder` reaches its number; made when a call has to wait. */
  #waiting: WaitQueue<void, number> | null = null;
  /** Called when `acceptedInOrder` reaches `#listenerTarget`. */
  #listener: DrainListener | null = null;
  #listenerTarget = 0;
  /** The queue's `writtenInOrder` behind the last array that a waiting call has lent. */
  #borrowedUntil = 0;
  /** Whether `flush` is to be called at the end of the turn. */
  #inTurn = false;
  #stopped = false;

  constructor(
    connection: Connection,
    queue: OutputQueue,
    socket: StreamSocket,
    flushQueue: FlushQueue,
    timers: TimerQueue,
    highWaterMark: number,
  ) {
    this.#connection = connection;
    this.#queue = queue;
    this.#socket = socket;
    this.#flushQueue = flushQueue;
    this.#timers = timers;
    this.#highWaterMark = highWaterMark;
  }

  /** Bytes that the socket has not accepted; 0 once the connection is gone. */
  get bufferedBytes(): number {
    return this.#stopped ? 0 : this.#queue.bufferedBytes;
  }

  /** Whether the socket has accepted everything. */
  get drained(): boolean {
    return this.#queue.bufferedBytes === 0;
  }

  // ── The deadline ──

  /** Time at which waiting calls fail, milliseconds on the monotonic clock; `Infinity` for never. */
  get deadline(): number {
    return this.#deadline?.time ?? Infinity;
  }

  /** Whether the write deadline has passed. */
  get expired(): boolean {
    return this.#deadline !== null && this.#deadline.expired;
  }

  /** The error for a call whose deadline has passed. */
  expiredError(): Error {
    return new DeadlineExceededError("write", "websocket", this.#socket.remoteAddr);
  }

  setDeadline(t: Deadline): void {
    if (this.#deadline === null) {
      if (deadlineTime(t) === Infinity) return;
      this.#deadline = new DeadlineTimer(this.#timers, () => this.#expire());
      if (this.#waits) this.#deadline.startWait();
    }
    this.#deadline.set(t);
    // From now on calls may be given up: only the piece that the runtime has got already still lies in the caller's array.
    if (this.#borrows && this.#deadline.time !== Infinity) this.#queue.copyBorrowed();
  }

  /** Whether a call waits whose array the queue refers to. */
  get #borrows(): boolean {
    return this.#borrowedUntil > this.#queue.acceptedInOrder;
  }

  /** The deadline has passed: calls that wait fail, and their arrays are their callers' again. */
  #expire(): void {
    const error = this.expiredError();
    const isLent = this.#borrows && this.#queue.copyBorrowed() && this.#socket.takeBack?.() !== true;
    this.#fail(() => error);
    // The runtime would send what the caller writes into the array from now on.
    if (isLent) {
      this.#connection.lifecycle.drop(
        error,
        "the write deadline passed while the runtime held the caller's array",
      );
    }
  }

  // ── Waiting ──

  /**
   * Has to be called after a frame was queued.
   *
   * @param borrowed whether the queue refers to the caller's array, so that the call lasts until all of it has left
   * @returns a promise that resolves at once while `bufferedBytes` is below the high-water mark, and otherwise when
   * enough has left
   */
  written(borrowed: boolean, signal?: AbortSignal): Promise<void> {
    this.flushSoon();
    if (borrowed || this.#queue.bufferedBytes >= POOL_BUFFER_SIZE) this.#send();
    const buffered = this.bufferedBytes;
    if (buffered < this.#highWaterMark && !(borrowed && buffered > 0)) return DONE;
    if (borrowed) this.#borrowedUntil = this.#queue.writtenInOrder;
    const waiting = this.#wait(this.#queue.writtenInOrder - (borrowed ? 0 : this.#highWaterMark - 1), signal);
    this.#deadline?.startWait();
    // Last: the memory budget may end the connection, and with it the waiting.
    this.#connection.onBacklog();
    return waiting;
  }

  /**
   * Waits until everything queued up to now has left.
   *
   * @param listener called instead of a promise, unless another listener waits
   * @returns `listener` when it was registered, otherwise a promise
   */
  whenDrained(listener: DrainListener | undefined): Promise<void> | DrainListener {
    if (listener === undefined || this.#listener !== null) {
      const waiting = this.#wait(this.#queue.writtenInOrder);
      this.#connection.onBacklog();
      return waiting;
    }
    this.#listener = listener;
    this.#listenerTarget = this.#queue.writtenInOrder;
    this.#connection.onBacklog();
    return listener;
  }

  #wait(target: number, signal?: AbortSignal): Promise<void> {
    this.#waiting ??= new WaitQueue();
    return handled(this.#waiting.wait(target, signal));
  }

  /** Whether a call waits. */
  get #waits(): boolean {
    return this.#waiting !== null && this.#waiting.size > 0;
  }

  // ── Sending ──

  /** Sends what is queued at the end of the turn. */
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

  /** Sends what is queued, without waiting for the end of the turn. */
  flushNow(): void {
    if (this.#queue.pending) this.#send();
  }

  #send(): void {
    const queue = this.#queue;
    if (queue.busy || this.#stopped) return;
    for (let piece = queue.take(); piece !== null; piece = queue.take()) {
      if (!this.#socket.write(piece)) return;
      queue.release();
      if (this.#waiting !== null) this.#wake(this.#waiting);
    }
    this.#connection.onDrained();
  }

  /** The socket has accepted the piece that it was busy with. */
  onDrain(): void {
    const queue = this.#queue;
    if (!queue.busy) return;
    queue.release();
    if (this.#waiting !== null) this.#wake(this.#waiting);
    this.#send();
    // Last, as the listener may write more.
    if (this.#listener !== null && this.#listenerTarget <= queue.acceptedInOrder) {
      this.#takeListener()!.onDrained();
    }
  }

  /** Resolves the calls whose bytes have left. */
  #wake(waiting: WaitQueue<void, number>): void {
    if (waiting.size === 0) return;
    const { acceptedInOrder } = this.#queue;
    for (let target = waiting.first; target !== undefined && target <= acceptedInOrder;) {
      waiting.resolveFirst();
      target = waiting.first;
    }
    if (waiting.size === 0) this.#deadline?.endWait();
  }

  // ── The end ──

  /** Sends nothing more; calls that wait reject with what `error` gives. */
  stop(error: () => Error): void {
    this.#stopped = true;
    this.#queue.drop();
    this.#fail(error);
    this.#deadline?.stop();
  }

  #fail(error: () => Error): void {
    if (this.#waits) this.#waiting!.rejectAll(error());
    this.#takeListener()?.onFailed();
  }

  #takeListener(): DrainListener | null {
    const listener = this.#listener;
    this.#listener = null;
    return listener;
  }
}
