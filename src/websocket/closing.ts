import type { StreamSocket } from "../net/stream_socket.ts";
import { Alarm, type TimerQueue } from "../net/timer_queue.ts";
import { CloseCode, isSendableCloseCode, MAX_REASON_BYTES } from "../protocol/close_code.ts";
import type { Protocol } from "../protocol/protocol.ts";
import type { CloseInfo } from "./close_error.ts";
import type { Outgoing } from "./outgoing.ts";

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

/** How far this side has ended TCP. */
type Transport = "open" | "half-closed" | "closing" | "gone";

/**
 * How a connection ends, RFC 6455, 7: once something has begun it, by the handshake or by the alarm; there is no state
 * without a timer.
 */
export class Closing {
  readonly #protocol: Protocol;
  readonly #outgoing: Outgoing;
  readonly #socket: StreamSocket;
  readonly #timers: TimerQueue;
  readonly #timeout: number;
  readonly #isClient: boolean;
  /** Made when somebody asks for it. */
  #closed: Promise<CloseInfo> | null = null;
  #resolveClosed: ((info: CloseInfo) => void) | null = null;
  /** Set from the beginning of the end. */
  #alarm: Alarm | null = null;
  #bytesLeft = 0;
  /** The close frame, or whatever was last, has left. */
  #sent = false;
  #transport: Transport = "open";
  /** The peer's close frame. */
  #peerClose: CloseInfo | null = null;
  /** The peer ended TCP. */
  #peerEnded = false;

  constructor(
    protocol: Protocol,
    outgoing: Outgoing,
    socket: StreamSocket,
    timers: TimerQueue,
    timeout: number,
    isClient: boolean,
  ) {
    this.#protocol = protocol;
    this.#outgoing = outgoing;
    this.#socket = socket;
    this.#timers = timers;
    this.#timeout = timeout;
    this.#isClient = isClient;
  }

  /** Settles when the socket is gone. */
  get closed(): Promise<CloseInfo> {
    return this.#closed ??= this.gone
      ? Promise.resolve(this.info)
      : new Promise((resolve) => this.#resolveClosed = resolve);
  }

  get state(): "open" | "closing" | "closed" {
    if (this.gone) return "closed";
    return this.begun || this.#transport !== "open" ? "closing" : "open";
  }

  /** Whether the connection ends, for whatever reason. */
  get begun(): boolean {
    return this.#alarm !== null;
  }

  /** Whether messages may still be sent. */
  get writable(): boolean {
    return this.#protocol.writable && this.#transport === "open" && !this.#peerEnded;
  }

  /** Whether the socket is gone. */
  get gone(): boolean {
    return this.#transport === "gone";
  }

  /** What is known of how it ended. */
  get info(): CloseInfo {
    return this.#peerClose ?? { code: CloseCode.AbnormalClosure, reason: "", wasClean: false };
  }

  /** The peer's close frame came, and was answered. `begin` is to follow. */
  onCloseFrame(code: number, reason: string): void {
    this.#peerClose = { code, reason, wasClean: true };
  }

  /** The peer ended TCP. `begin` is to follow. */
  onEnd(): void {
    this.#peerEnded = true;
  }

  /** The connection ends from now on. */
  begin(): void {
    if (this.#alarm === null) {
      this.#alarm = new Alarm(() => this.#onTimeout());
      this.#setAlarm();
    }
    this.#outgoing.flushNow();
    this.advance();
  }

  #setAlarm(): void {
    this.#bytesLeft = this.#outgoing.bytesLeft;
    this.#timers.set(this.#alarm!, this.#timers.now() + this.#timeout);
  }

  /** What was written before the close frame may take its time, as long as some of it leaves. */
  #onTimeout(): void {
    if (!this.#sent && this.#outgoing.bytesLeft !== this.#bytesLeft) this.#setAlarm();
    else this.drop();
  }

  /** Takes the next step, where everything that was written has left. */
  advance(): void {
    if (this.#alarm === null || this.#transport === "closing" || this.gone) return;
    if (!this.#outgoing.drained) return;
    if (!this.#sent) {
      // The peer's time to answer begins.
      this.#sent = true;
      this.#setAlarm();
    }
    const { state, failed } = this.#protocol;
    if (this.#peerEnded || (state === "closed" && !failed && !this.#isClient)) {
      // 7.1.1: the server is the first to close TCP, the client waits for it.
      this.#transport = "closing";
      this.#socket.close();
    } else if (failed && this.#transport === "open") {
      // What the peer still sends is read and ignored until it ends too: closing with bytes unread would send a
      // reset, which can take the close frame away from under the peer.
      this.#transport = "half-closed";
      this.#socket.closeWrite();
    }
  }

  /** Ends TCP at once. */
  drop(): void {
    if (this.gone) return;
    this.#transport = "closing";
    this.#socket.reset();
  }

  /** The socket is gone. */
  end(): CloseInfo {
    this.#transport = "gone";
    if (this.#alarm !== null) this.#timers.clear(this.#alarm);
    // 7.1.4: not clean when the answer to the peer's close frame stayed here.
    if (!this.#outgoing.drained) this.#peerClose &&= { ...this.#peerClose, wasClean: false };
    const info = this.info;
    this.#resolveClosed?.(info);
    return info;
  }
}
