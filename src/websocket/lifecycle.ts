import { Alarm } from "../net/timer_queue.ts";
import type { NetError } from "../net/errors.ts";
import { CloseCode } from "../protocol/close_code.ts";
import type { MessageTooBigError, ProtocolError } from "../protocol/protocol_error.ts";
import { checkClose } from "./check_close.ts";
import { CloseError, type CloseInfo, endOf, isQuietClose } from "./close_error.ts";
import type { Connection } from "./connection.ts";
import type { DebugTrace } from "./debug.ts";

/**
 * Phases of a connection. A phase never returns to an earlier one.
 *
 * ```text
 *    ┌─────────────(1)──────────────┐
 *    │                              ▼
 *  open ──(0)──▶ answering ──(1)──▶ flushing ──(2)──▶ waiting ──(3)──▶ ending ──(5)──▶ gone
 *                                                        │               ▲
 *                                                       (4)              │
 *                                                        ▼               │
 *                                                   half-closed ───(3)───┘
 *
 *  each phase before gone ──(6)──▶ ending     each phase before ending ──(5)──▶ gone
 *
 *  (0) the peer's end came, and the application, which reads, has not read so far: an end is the peer's close frame, its
 *      FIN, or a fault of it. What the application writes until then is sent
 *  (1) close() · the peer's end came, and the application has read so far, or does not read, or a fifth of `closeTimeout`
 *      is over · memory is short and the peer has taken all that was sent. A close frame is sent that answers the peer's,
 *      or says what is wrong
 *  (2) the output has left, and with it the close frame if one was sent: none is sent to a peer that only sent FIN
 *  (3) the peer's FIN came · from waiting only: both close frames were exchanged, nothing failed, and this side is the
 *      server, which is the first to close TCP (RFC 6455, 7.1.1)
 *  (4) the connection failed: FIN is sent, what the peer still sends is read and ignored (7.1.7)
 *  (5) the socket reports its end
 *  (6) closeNow() · the alarm · the peer is dead · memory is short otherwise: the socket is reset
 * ```
 *
 * (0) sets the alarm to a fifth of `closeTimeout`, (1) to all of it, and (2) sets it anew; it stays set until it rings or the
 * connection is gone. (6) from `open` sets none: a reset waits for nothing.
 *
 * Bytes that the kernel has accepted may still be on their way, and a reset would take them away from a peer that reads
 * slowly. So the alarm of `waiting` leads to `half-closed` (a FIN behind the bytes) where much was sent, and the alarm of
 * that phase allows for them at the lowest rate, `closeMinRate`.
 */
export type ConnectionPhase =
  | "open"
  | "answering"
  | "flushing"
  | "waiting"
  | "half-closed"
  | "ending"
  | "gone";

/** How a connection ends, RFC 6455, 7: its phase, and everything that moves it to the next. */
export class Lifecycle {
  readonly #connection: Connection;
  #phase: ConnectionPhase = "open";
  /** Whether this side called `close` or `closeNow`. */
  #closedHere = false;
  /** Cause for which this side dropped the connection. */
  #dropCause: Error | null = null;
  /** Code and reason of the peer's close frame, and whether the end is clean; `null` before one came. */
  #peerClose: CloseInfo | null = null;
  /** What the close frame says that the peer is owed; `null` for none. */
  #owed: { readonly code: number; readonly reason: string } | null = null;
  /** The error of what the peer did wrong, or of the memory's end; `null` for none. */
  #fault: Error | null = null;
  /** Whether the peer sent FIN. */
  #peerEnded = false;
  /** Ends a phase that lasts longer than `closeTimeout`. */
  #alarm: Alarm | null = null;
  /** Bytes that the socket had accepted when the alarm was set. */
  #bytesAccepted = 0;
  /** Bytes that the socket had accepted when the phase `flushing` began, and when that was, on the clock of the timers. */
  #flushedFrom = 0;
  #flushingSince = 0;
  /** The promise of `closed`; made by the first access. */
  #closed: Promise<CloseInfo> | null = null;
  #resolveClosed: ((info: CloseInfo) => void) | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get trace(): DebugTrace | null {
    return this.#connection.trace;
  }

  /** Whether messages may be sent. */
  get writable(): boolean {
    return this.#phase === "open" || this.#phase === "answering";
  }

  /** Whether the socket is gone. */
  get gone(): boolean {
    return this.#phase === "gone";
  }

  /** `closing` from when nothing can be sent any more until the socket is gone. */
  get state(): "open" | "closing" | "closed" {
    return this.writable ? "open" : this.gone ? "closed" : "closing";
  }

  /** The peer's close frame, or 1006 as long as none came. */
  get info(): CloseInfo {
    return this.#peerClose ?? { code: CloseCode.AbnormalClosure, reason: "", wasClean: false };
  }

  /** Settles when the socket is gone. */
  get closed(): Promise<CloseInfo> {
    return this.#closed ??= this.gone
      ? Promise.resolve(this.info)
      : new Promise((resolve) => this.#resolveClosed = resolve);
  }

  /** The error of a write when `writable` is false. */
  notWritable(): Error {
    return this.#faultOfWrites() ??
      endOf(this.#connection, new CloseError(this.info, this.#dropCause ?? undefined));
  }

  // ── Causes of an end ──

  /** The application closes the connection: (1). */
  async close(code: number, reason: string): Promise<CloseInfo> {
    checkClose(code, reason);
    if (this.#phase === "open") {
      this.#leave();
      this.#connection.sender.flush();
      this.#connection.protocol.sendClose(code, reason);
      this.trace?.closeFrame("sent", code, reason);
      this.#begin("close() was called");
    } else if (this.#phase === "answering") {
      // The answer that the peer is owed says more than this call does.
      this.#leave();
      this.#begin("close() was called");
    }
    return await this.closed;
  }

  /** The application drops the connection: (6). */
  closeNow(): void {
    if (this.gone) return;
    this.#leave();
    // The answer to the handshake has been given, though it may not have left in this turn.
    const { output } = this.#connection;
    if (this.#connection.protocol.output.acceptedBytes === 0) output.flushNow();
    this.drop(null, "closeNow() was called");
  }

  /** The peer's close frame came: (0) or (1). */
  onPeerClose(code: number, reason: string): void {
    this.#peerClose = { code, reason, wasClean: true };
    this.#owed = this.#peerClose;
    this.#endReading("the peer sent a close frame");
  }

  /** The peer sent FIN: (0) or (1). */
  onPeerEnd(): void {
    this.#peerEnded = true;
    this.#endReading("the peer ended its side of TCP");
  }

  /** The connection failed: (0) or (1). */
  onFault(error: ProtocolError | MessageTooBigError): void {
    this.#fault ??= endOf(this.#connection, error);
    this.#owed ??= { code: error.closeCode, reason: error.reason };
    this.#endReading(error.message);
  }

  /** The application has read to the end of what came: (1). */
  onEndReached(): void {
    if (this.#phase === "answering") this.#begin("the application has read to the end");
  }

  /**
   * Resets the socket: (6).
   *
   * @param cause the error to report to the application, if this is not its doing
   * @param words the cause in words, for the debugging hook
   */
  drop(cause: Error | null, words: string = cause?.message ?? ""): void {
    if (this.gone) return;
    if (cause !== null) this.#dropCause = cause;
    if (this.#phase === "open") this.#connection.onEnding();
    if (this.#enter("ending", words)) this.#connection.socket.reset();
  }

  /** The memory is needed for other connections: drops what came. The peer gets 1013, as (1), or a reset, as (6). */
  endForMemory(): void {
    if (this.gone) return;
    const { inbox, output, protocol } = this.#connection;
    const reason = "the memory budget is used up";
    const closed = { code: CloseCode.TryAgainLater, reason, wasClean: false };
    const error = endOf(this.#connection, new CloseError(closed));
    this.#fault ??= error;
    inbox.end(() => error, false);
    inbox.clear();
    // A peer that has not taken what was sent before will not take a close frame either.
    if (output.bufferedBytes > 0 || !this.writable) return this.drop(error);
    this.#dropCause = error;
    protocol.fail(CloseCode.TryAgainLater, reason);
    if (this.#phase === "answering") this.#begin(reason);
  }

  /**
   * The socket is gone: (5).
   *
   * @param error what broke the socket; `null` after an end in order, or a reset by this side
   */
  onGone(error: NetError | null): void {
    if (this.gone) return;
    const { inbox, sender, output, timers, protocol } = this.#connection;
    this.#enter("gone", error?.message ?? "the socket is closed");
    if (this.#alarm !== null) timers.clear(this.#alarm);
    // 7.1.4: not clean if the answer to the peer's close frame has not left.
    if (!output.drained || !protocol.closeSent) this.#peerClose &&= { ...this.#peerClose, wasClean: false };
    const info = this.info;
    this.trace?.emit({ type: "ended", early: false, ...info, cause: error ?? this.#dropCause });
    this.#resolveClosed?.(info);
    if (error !== null) this.#dropCause = error;
    const cause = this.#dropCause ?? undefined;
    const reason = lazily(() =>
      this.#faultOfWrites() ?? endOf(this.#connection, new CloseError(info, cause))
    );
    inbox.end(reason, this.#isQuiet);
    sender.stop(reason);
    output.stop(reason);
    this.#connection.onGone(reason);
  }

  // ── From phase to phase ──

  /** The end of what the peer sent: (0), where the application is to read so far first, or (1). */
  #endReading(cause: string): void {
    const { inbox, closeTimeout } = this.#connection;
    const { info } = this;
    inbox.end(
      this.#fault === null ? lazily(() => endOf(this.#connection, new CloseError(info))) : () => this.#fault!,
      this.#isQuiet,
    );
    if (this.#phase === "answering") return;
    if (this.#phase !== "open" || inbox.endReached) return this.#begin(cause);
    this.#connection.onEnding();
    if (inbox.full) this.#connection.readOn();
    if (!this.#enter("answering", cause)) return;
    // A fifth: a peer that waits for the answer, such as a server that drains, gets the answer in time.
    this.#setAlarm(closeTimeout / 5);
  }

  /** Leaves `open` and `answering`, if that has not happened: (1). Then takes the steps for which all is there. */
  #begin(cause: string): void {
    const { inbox, sender, output } = this.#connection;
    this.#connection.onEnding();
    if (this.writable) this.#answer();
    sender.stop(lazily(() => this.notWritable()));
    // Nothing that comes is kept any more, and the peer's FIN has to be seen.
    if (inbox.full) this.#connection.readOn();
    if (this.writable) {
      const { timers, protocol } = this.#connection;
      if (!this.#enter("flushing", cause)) return;
      this.#flushingSince = timers.now();
      this.#flushedFrom = protocol.output.acceptedBytes;
      this.#setAlarm();
    }
    output.flushNow();
    this.advance();
  }

  /** Sends the close frame that the peer is owed, after what the application has written. */
  #answer(): void {
    const { sender, protocol } = this.#connection;
    if (protocol.closeSent) return;
    if (this.#owed !== null || this.#phase === "answering") sender.flush();
    if (protocol.answerClose()) this.trace?.closeFrame("sent", this.#owed!.code, this.#owed!.reason);
  }

  /** Takes the steps (2), (3) and (4) as far as their conditions hold. To be called when the output has left, too. */
  advance(): void {
    if (this.writable || this.#phase === "ending" || this.gone) return;
    const { protocol, output, socket, isClient } = this.#connection;
    if (!output.drained) return;
    if (this.#phase === "flushing") {
      if (!this.#enter("waiting", "everything written has left")) return;
      // The peer's time to answer begins.
      this.#setAlarm();
    }
    const { closeHandshake, failed } = protocol;
    if (this.#peerEnded || (closeHandshake === "complete" && !failed && !isClient)) {
      const cause = this.#peerEnded ? "both sides have ended" : "the closing handshake is complete";
      if (this.#enter("ending", cause)) socket.close();
    } else if (failed && this.#phase === "waiting") {
      // Closing with bytes unread would send a reset, which can take the close frame away from under the peer.
      if (this.#enter("half-closed", "the connection failed")) socket.closeWrite();
    }
  }

  /** Enters a phase; `false` when the hook for debugging, called with it, has led to another. */
  #enter(phase: ConnectionPhase, cause: string): boolean {
    const from = this.#phase;
    this.#phase = phase;
    if (from !== phase) this.trace?.emit({ type: "phase", from, to: phase, cause });
    return this.#phase === phase;
  }

  #setAlarm(delay: number = this.#connection.closeTimeout): void {
    const { timers, protocol } = this.#connection;
    this.#alarm ??= new Alarm(() => this.#onTimeout());
    this.#bytesAccepted = protocol.output.acceptedBytes;
    timers.set(this.#alarm, timers.now() + delay);
  }

  /**
   * (1) from `answering`. Otherwise (6), unless bytes written before the close frame are still leaving fast enough, or may
   * still be on their way.
   */
  #onTimeout(): void {
    const { socket, closeMinRate } = this.#connection;
    if (this.#phase === "answering") return this.#begin("the application has not read to the end in time");
    if (this.#phase === "flushing" && this.#isFlushing()) return this.#setAlarm();
    const allowance = this.#inFlight / closeMinRate * 1000;
    if (this.#phase !== "waiting" || allowance < LEAST_ALLOWANCE) return this.#giveUp();
    const cause = "closeTimeout is over; bytes sent before may still be on their way";
    if (!this.#enter("half-closed", cause)) return;
    this.#setAlarm(allowance);
    socket.closeWrite();
  }

  /** Whether the peer has taken some of the output since the alarm was set, and at the lowest rate on average. */
  #isFlushing(): boolean {
    const { timers, protocol, closeTimeout, closeMinRate } = this.#connection;
    const { acceptedBytes } = protocol.output;
    const late = timers.now() - this.#flushingSince - closeTimeout;
    return acceptedBytes !== this.#bytesAccepted &&
      acceptedBytes - this.#flushedFrom >= late * closeMinRate / 1000;
  }

  /** Bytes that the kernel has accepted and that may not have reached the peer, an upper bound. */
  get #inFlight(): number {
    return Math.min(this.#connection.protocol.output.acceptedBytes, MAX_IN_FLIGHT);
  }

  #giveUp(): void {
    const { output } = this.#connection;
    const lost = output.bufferedBytes === 0
      ? `up to ${this.#inFlight} bytes sent before may be lost`
      : `${output.bufferedBytes} bytes were not sent`;
    this.drop(new Error(`Cannot close in time: the peer has not ended the connection; ${lost}`));
  }

  /** The error of writes after a fault: the code that tells the peer of it, and the fault as the cause; `null` for none. */
  #faultOfWrites(): CloseError | null {
    const fault = this.#fault;
    if (fault === null || fault instanceof CloseError || this.#owed === null) {
      return fault as CloseError | null;
    }
    return new CloseError({ ...this.#owed, wasClean: false }, fault);
  }

  /** This side ends the connection: what still comes is dropped. */
  #leave(): void {
    this.#closedHere = true;
    this.#connection.receiver.dropMessages();
  }

  /** Whether iterations end without an error: this side closed the connection, or the peer did in order. */
  get #isQuiet(): boolean {
    return this.#closedHere || isQuietClose(this.info.code);
  }
}

/** Bytes that buffers of kernels between here and the peer may hold, as an upper bound. */
const MAX_IN_FLIGHT = 2_097_152;

/** Less time than this is not worth a phase of its own, milliseconds. */
const LEAST_ALLOWANCE = 1_000;

/**
 * An error that is made by the first call, and the same for each further one. Most connections end while no call waits, and
 * the stack trace of an error was a tenth of what a short connection cost.
 */
function lazily(make: () => Error): () => Error {
  let error: Error | null = null;
  return () => error ??= make();
}
