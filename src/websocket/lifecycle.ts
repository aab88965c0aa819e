import { Alarm, type TimerQueue } from "../net/timer_queue.ts";
import type { NetError } from "../net/errors.ts";
import type { StreamSocket } from "../net/stream_socket.ts";
import { CloseCode, isSendableCloseCode, MAX_REASON_BYTES } from "../protocol/close_code.ts";
import type { MessageTooBigError, ProtocolError } from "../protocol/protocol_error.ts";
import type { Protocol } from "../protocol/protocol.ts";
import { CloseError, type CloseInfo, isQuietClose } from "./close_error.ts";
import type { Receiver } from "./receiver.ts";
import type { Sender } from "./sender.ts";
import type { SocketOutput } from "./socket_output.ts";

/**
 * Checks what a close frame is to say.
 *
 * @throws {RangeError} when the code must not be sent or the reason is too long
 */
export function checkClose(code: number, reason: string): void {
  if (!isSendableCloseCode(code)) throw new RangeError(`Cannot close: code ${code} must not be sent`);
  if (typeof reason !== "string") throw new TypeError("Cannot close: the reason is not a string");
  if (encoder.encode(reason).length > MAX_REASON_BYTES) {
    throw new RangeError(`Cannot close: the reason is longer than ${MAX_REASON_BYTES} bytes`);
  }
}

const encoder = new TextEncoder();

/**
 * Phases of a connection. Every phase but `open` and `gone` has an alarm, which leads to `ending`.
 *
 * ```text
 *  open ──(1)──▶ flushing ──(2)──▶ waiting ──(3)──▶ ending ──(5)──▶ gone
 *    │                                │                ▲
 *    │                               (4)               │
 *    │                                ▼                │
 *    │                           half-closed ───(3)────┤
 *    └─────────────(6), from any phase─────────────────┘
 *
 *  (1) close() · the peer's close frame · the peer broke the protocol · the peer's FIN
 *  (2) the output queue, with the close frame in it, has left
 *  (3) the peer's FIN came, or both close frames were exchanged and this side is the server (RFC 6455, 7.1.1)
 *  (4) the peer broke the protocol: FIN is sent, what the peer still sends is read and ignored (7.1.7)
 *  (5) the socket reports its end
 *  (6) closeNow() · the alarm · the peer is dead · memory is short
 * ```
 */
type Phase = "open" | "flushing" | "waiting" | "half-closed" | "ending" | "gone";

/** The parts of a connection that its end concerns. */
export interface LifecycleParts {
  readonly protocol: Protocol;
  readonly receiver: Receiver;
  readonly sender: Sender;
  readonly output: SocketOutput;
  readonly socket: StreamSocket;
  readonly timers: TimerQueue;
  readonly closeTimeout: number;
  readonly isClient: boolean;
  /** The phase `open` is over. */
  onEnding(): void;
  /** The socket is gone. */
  onGone(reason: () => Error): void;
}

/** How a connection ends, RFC 6455, 7: the phase it is in, and all that moves it from one to the next. */
export class Lifecycle {
  readonly #parts: LifecycleParts;
  #phase: Phase = "open";
  /** This side called `close` or `closeNow`. */
  #closedHere = false;
  /** Why this side dropped the connection. */
  #dropCause: Error | null = null;
  /** The peer's close frame. */
  #peerClose: CloseInfo | null = null;
  /** The peer sent FIN. */
  #peerEnded = false;
  #alarm: Alarm | null = null;
  /** Bytes that the socket had accepted when the alarm was set. */
  #bytesAccepted = 0;
  /** The promise of `closed`; made by the first who asks. */
  #closed: Promise<CloseInfo> | null = null;
  #resolveClosed: ((info: CloseInfo) => void) | null = null;

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
  }

  /** Whether messages may be sent. */
  get writable(): boolean {
    return this.#phase === "open";
  }

  get gone(): boolean {
    return this.#phase === "gone";
  }

  get state(): "open" | "closing" | "closed" {
    return this.#phase === "open" ? "open" : this.#phase === "gone" ? "closed" : "closing";
  }

  /** What is known of how the connection ended. */
  get info(): CloseInfo {
    return this.#peerClose ?? { code: CloseCode.AbnormalClosure, reason: "", wasClean: false };
  }

  /** Settles when the socket is gone. */
  get closed(): Promise<CloseInfo> {
    return this.#closed ??= this.gone
      ? Promise.resolve(this.info)
      : new Promise((resolve) => this.#resolveClosed = resolve);
  }

  /** The error of a write that comes too late. */
  notWritable(): Error {
    return new CloseError(this.info);
  }

  // ── What ends a connection ──

  /** The application closes it. */
  async close(code: number, reason: string): Promise<CloseInfo> {
    checkClose(code, reason);
    if (this.#phase === "open") {
      this.#leave();
      this.#parts.sender.flush();
      this.#parts.protocol.sendClose(code, reason);
      this.#begin();
    }
    return await this.closed;
  }

  /** The application drops it. */
  closeNow(): void {
    if (this.gone) return;
    this.#leave();
    this.drop();
  }

  /** The peer's close frame came, and was answered. */
  onPeerClose(code: number, reason: string): void {
    this.#peerClose = { code, reason, wasClean: true };
    this.#endReading();
    this.#begin();
  }

  /** The peer sent FIN. */
  onPeerEnd(): void {
    this.#peerEnded = true;
    this.#endReading();
    this.#begin();
  }

  /** The peer broke the protocol, and was told. */
  onFault(error: ProtocolError | MessageTooBigError): void {
    this.#parts.receiver.end(() => error, this.#closedHere);
    this.#begin();
  }

  /** Ends TCP at once. */
  drop(cause: Error | null = null): void {
    if (this.gone) return;
    if (cause !== null) this.#dropCause = cause;
    this.#phase = "ending";
    this.#parts.socket.reset();
  }

  /** Other connections need the memory: what came is forgotten, and the peer may try again later. */
  endForMemory(): void {
    if (this.gone) return;
    const { receiver, output, protocol } = this.#parts;
    const reason = "the memory budget is used up";
    const error = new CloseError({ code: CloseCode.TryAgainLater, reason, wasClean: false });
    receiver.end(() => error, false);
    receiver.clear();
    // A peer that does not take what was sent will not take a close frame either.
    if (output.bufferedBytes > 0 || this.#phase !== "open") return this.drop(error);
    this.#dropCause = error;
    protocol.fail(CloseCode.TryAgainLater, reason);
  }

  /** The socket is gone. */
  onGone(error: NetError | null): void {
    if (this.gone) return;
    const { receiver, sender, output, timers } = this.#parts;
    this.#phase = "gone";
    if (this.#alarm !== null) timers.clear(this.#alarm);
    // 7.1.4: not clean when the answer to the peer's close frame stayed here.
    if (!output.drained) this.#peerClose &&= { ...this.#peerClose, wasClean: false };
    const info = this.info;
    this.#resolveClosed?.(info);
    const reason = lazily(() => new CloseError(info, error ?? this.#dropCause ?? undefined));
    receiver.end(reason, this.#isQuiet);
    sender.stop(reason);
    output.stop(reason);
    this.#parts.onGone(reason);
  }

  // ── From phase to phase ──

  #begin(): void {
    const { receiver, sender, output, socket } = this.#parts;
    this.#parts.onEnding();
    sender.stop(lazily(() => this.notWritable()));
    // Nothing that comes is kept any more, and the peer's end has to be seen.
    if (receiver.full) socket.resume();
    if (this.#phase === "open") {
      this.#phase = "flushing";
      this.#setAlarm();
    }
    output.flushNow();
    this.advance();
  }

  /** Takes the next step, where everything that was written has left. */
  advance(): void {
    if (this.#phase === "open" || this.#phase === "ending" || this.gone) return;
    const { protocol, output, socket, isClient } = this.#parts;
    if (!output.drained) return;
    if (this.#phase === "flushing") {
      // The peer's time to answer begins.
      this.#phase = "waiting";
      this.#setAlarm();
    }
    const { closeHandshake, failed } = protocol;
    if (this.#peerEnded || (closeHandshake === "complete" && !failed && !isClient)) {
      // 7.1.1: the server is the first to close TCP, the client waits for it.
      this.#phase = "ending";
      socket.close();
    } else if (failed && this.#phase === "waiting") {
      // Closing with bytes unread would send a reset, which can take the close frame away from under the peer.
      this.#phase = "half-closed";
      socket.closeWrite();
    }
  }

  #setAlarm(): void {
    const { timers, protocol, closeTimeout } = this.#parts;
    this.#alarm ??= new Alarm(() => this.#onTimeout());
    this.#bytesAccepted = protocol.output.acceptedBytes;
    timers.set(this.#alarm, timers.now() + closeTimeout);
  }

  /** What was written before the close frame may take its time, as long as some of it leaves. */
  #onTimeout(): void {
    if (this.#phase === "flushing" && this.#parts.protocol.output.acceptedBytes !== this.#bytesAccepted) {
      this.#setAlarm();
    } else this.drop();
  }

  #leave(): void {
    this.#closedHere = true;
    this.#parts.receiver.ignoreRest();
  }

  /** Nothing more will come, though the socket may take its time to go. */
  #endReading(): void {
    const { info } = this;
    this.#parts.receiver.end(lazily(() => new CloseError(info)), this.#isQuiet);
  }

  /** Whether iterations end without an error. */
  get #isQuiet(): boolean {
    return this.#closedHere || isQuietClose(this.info.code);
  }
}

/**
 * An error that is made when somebody is to get it, and then once. Most connections end with nobody waiting, and the trace
 * that each error takes was a tenth of what a short connection cost.
 */
function lazily(make: () => Error): () => Error {
  let error: Error | null = null;
  return () => error ??= make();
}
