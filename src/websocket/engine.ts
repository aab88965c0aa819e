import type { Addr } from "../net/addr.ts";
import type { Conn, WaitOptions } from "../net/conn.ts";
import { DeadlineExceededError, type NetError } from "../net/errors.ts";
import type { Runtime } from "../net/runtime.ts";
import type { DetachedSocket } from "../net/socket_conn.ts";
import type { StreamHandler, StreamSocket } from "../net/stream_socket.ts";
import { Alarm } from "../net/timer_queue.ts";
import { CloseCode, isSendableCloseCode, MAX_REASON_BYTES } from "../protocol/close_code.ts";
import { MAX_CONTROL_PAYLOAD, Opcode } from "../protocol/frame_header.ts";
import { COPY_BELOW } from "../protocol/frame_writer.ts";
import type { MessageTooBigError, ProtocolError } from "../protocol/protocol_error.ts";
import { Protocol, type ProtocolHandler } from "../protocol/protocol.ts";
import { CloseError, type CloseInfo, isQuietClose } from "./close_error.ts";
import { Incoming, type IncomingOwner } from "./incoming.ts";
import { Keepalive, type KeepaliveOwner } from "./keepalive.ts";
import { type Bytes, type Message, type MessageData, type MessageType, toBytes } from "./message.ts";
import type { MessageBatch } from "./message_batch.ts";
import type { WebSocketSettings } from "./options.ts";
import { Outgoing, type OutgoingOwner } from "./outgoing.ts";
import { Pings } from "./pings.ts";
import { type PreparedMessage, serverFrame } from "./prepared_message.ts";

/** How to send a message. */
export interface WriteOptions extends WaitOptions {
  /** Default: text for a string, binary for bytes. Bytes sent as text must be UTF-8. */
  type?: MessageType;
}

/** What the handshake led to. */
export interface WebSocketInit {
  readonly runtime: Runtime;
  readonly role: "client" | "server";
  readonly netConn: Conn;
  readonly detached: DetachedSocket;
  readonly settings: WebSocketSettings;
  readonly subprotocol: string;
  /** Bytes that came after the handshake's head. */
  readonly rest: Uint8Array;
  /** Sent before the first frame: a server's answer to the handshake. */
  readonly preamble?: Uint8Array;
}

/** Joins the protocol to a socket: what a `WebSocketConn` is inside. */
export class Engine implements StreamHandler, ProtocolHandler, IncomingOwner, OutgoingOwner, KeepaliveOwner {
  readonly incoming: Incoming;
  readonly outgoing: Outgoing;
  readonly closed: Promise<CloseInfo>;
  readonly #protocol: Protocol;
  readonly #runtime: Runtime;
  readonly #socket: StreamSocket;
  readonly #remoteAddr: Addr;
  readonly #isClient: boolean;
  readonly #closeTimeout: number;
  readonly #keepalive: Keepalive | null;
  #resolveClosed!: (info: CloseInfo) => void;
  #pings: Pings | null = null;
  #closeAlarm: Alarm | null = null;
  /** The peer's close frame. */
  #peerClose: CloseInfo | null = null;
  /** What the peer did wrong. */
  #fault: Error | null = null;
  /** This side called `close`: what still comes is for nobody. */
  #leaving = false;
  /** The peer ended TCP. */
  #peerEnded = false;
  /** How far this side has ended TCP. */
  #transport: "open" | "half-closed" | "closing" | "gone" = "open";

  constructor({ runtime, role, detached, settings, netConn, preamble }: WebSocketInit) {
    const { buffers, timers, turn, adapter, random } = runtime;
    this.#runtime = runtime;
    this.#socket = detached.socket;
    this.#remoteAddr = netConn.remoteAddr;
    this.#isClient = role === "client";
    this.#closeTimeout = settings.closeTimeout;
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
    const { readLimit, readBufferSize, writeBufferSize, pingInterval, pongTimeout } = settings;
    const nextKey = () => random.next();
    this.#protocol = new Protocol(this, { role, readLimit, nextKey, buffers, text: adapter.text });
    const { output } = this.#protocol;
    this.incoming = new Incoming(this, adapter.text, timers, readBufferSize);
    this.outgoing = new Outgoing(this, output, this.#socket, turn, timers, writeBufferSize);
    this.#keepalive = pingInterval === Infinity
      ? null
      : new Keepalive(this, timers, pingInterval, pongTimeout);
    if (preamble !== undefined) output.writeEncoded(preamble);
  }

  /** Takes the socket over, with what it had already received. */
  start({ rest, detached }: WebSocketInit): void {
    const { chunks, ended, error } = detached;
    if (this.#protocol.output.pending) this.outgoing.flushSoon();
    if (rest.length > 0) this.onData(rest);
    if (error !== null) return this.onClose(error);
    for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) this.onData(chunk);
    this.#socket.start(this);
    if (ended) this.onEnd();
  }

  get state(): "open" | "closing" | "closed" {
    if (this.#transport === "gone") return "closed";
    return this.#closeAlarm === null && this.#transport === "open" ? "open" : "closing";
  }

  // ── From the application ──

  read(iterated: boolean, signal?: AbortSignal): Promise<Message | IteratorResult<Message, undefined>> {
    // The application is about to wait: what it wrote until now leaves, in one write.
    if (this.incoming.empty) this.outgoing.flushNow();
    return this.incoming.read(iterated, signal);
  }

  readIterated(): Promise<IteratorResult<Message, undefined>> {
    return this.read(true) as Promise<IteratorResult<Message, undefined>>;
  }

  setReadLimit(bytes: number): void {
    this.#protocol.setReadLimit(bytes);
  }

  write(data: MessageData, options?: WriteOptions): Promise<void> {
    try {
      this.#checkWrite(options?.signal);
      if (typeof data === "string" && options?.type !== "binary") {
        this.#protocol.sendText(data);
        return this.outgoing.written(false, options?.signal);
      }
      const bytes = typeof data === "string" ? this.#runtime.adapter.text.encode(data) : toBytes(data);
      const text = options?.type === "text";
      if (text) this.#checkUtf8(bytes);
      this.#protocol.sendBytes(text ? Opcode.Text : Opcode.Binary, bytes);
      return this.outgoing.written(!this.#isClient && bytes.length >= COPY_BELOW, options?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  writePrepared(message: PreparedMessage, signal?: AbortSignal): Promise<void> {
    try {
      this.#checkWrite(signal);
      this.#sendPrepared(message);
      return this.outgoing.written(false, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  writeBatch(batch: MessageBatch): Promise<void> | null {
    if (!this.#protocol.writable || this.#transport !== "open") return null;
    if (this.#isClient) { for (const message of batch.messages()) this.#sendPrepared(message); }
    else this.#protocol.output.writeEncoded(batch.bytes(serverFrame));
    this.outgoing.flushNow();
    return this.outgoing.drained ? null : this.outgoing.whenDrained();
  }

  ping(data: Bytes | undefined, signal?: AbortSignal): Promise<number> {
    try {
      this.#checkWrite(signal);
      this.#pings ??= new Pings(this.#runtime.timers);
      const payload = data === undefined ? this.#pings.nextPayload() : toControlPayload(data);
      this.#protocol.sendPing(payload);
      this.outgoing.flushSoon();
      return this.#pings.sent(payload, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  pong(data: Bytes): Promise<void> {
    this.#checkWrite();
    this.#protocol.sendPong(toControlPayload(data));
    return this.outgoing.written(false);
  }

  close(code: number, reason: string): Promise<CloseInfo> {
    if (!isSendableCloseCode(code)) {
      return Promise.reject(new RangeError(`Cannot close: code ${code} must not be sent`));
    }
    if (this.#runtime.adapter.text.encode(reason).length > MAX_REASON_BYTES) {
      return Promise.reject(
        new RangeError(`Cannot close: the reason is longer than ${MAX_REASON_BYTES} bytes`),
      );
    }
    if (this.#protocol.writable && this.#transport === "open") {
      this.#leaving = true;
      this.#protocol.sendClose(code, reason);
      this.#startClosing();
      // What came and was not read would keep the peer's close frame from being seen.
      this.incoming.clear();
    }
    return this.closed;
  }

  closeNow(): void {
    if (this.#transport === "closing" || this.#transport === "gone") return;
    this.#transport = "closing";
    this.#leaving = true;
    this.#socket.reset();
  }

  // ── From the socket ──

  onData(chunk: Uint8Array): void {
    this.#keepalive?.heard();
    this.#protocol.receiveData(chunk);
    // Pongs and close frames are written while reading, with nobody else to send them.
    if (this.#protocol.output.pending) this.outgoing.flushSoon();
  }

  onEnd(): void {
    this.#peerEnded = true;
    this.#startClosing();
  }

  onDrain(): void {
    this.outgoing.onDrain();
  }

  onClose(error: NetError | null): void {
    if (this.#transport === "gone") return;
    this.#transport = "gone";
    this.#keepalive?.stop();
    if (this.#closeAlarm !== null) this.#runtime.timers.clear(this.#closeAlarm);
    const info = this.#closeInfo();
    const reason = new CloseError(info, error ?? undefined);
    this.incoming.end(
      this.#fault ?? reason,
      this.#leaving || (this.#fault === null && isQuietClose(info.code)),
    );
    this.outgoing.stop(reason);
    this.#pings?.fail(reason);
    this.#resolveClosed(info);
  }

  // ── From the protocol ──

  onMessageData(
    text: boolean,
    chunk: Uint8Array,
    start: number,
    end: number,
    first: boolean,
    last: boolean,
  ): void {
    if (this.#leaving) return;
    const { messageLength, readLimit } = this.#protocol;
    const valid = first && last
      ? this.incoming.addWhole(text, chunk, start, end)
      : this.incoming.addPiece(text, chunk, start, end, last, messageLength, readLimit);
    if (!valid) this.#protocol.fail(CloseCode.InvalidFramePayloadData, "a text message is not UTF-8");
  }

  onPing(): void {}

  onPong(payload: Uint8Array): void {
    this.#pings?.onPong(payload);
  }

  onCloseFrame(code: number, reason: string): void {
    this.#peerClose = { code, reason, wasClean: true };
    this.#startClosing();
  }

  onFault(error: ProtocolError | MessageTooBigError): void {
    this.#fault = error;
    this.#startClosing();
  }

  // ── From the parts ──

  onFull(full: boolean): void {
    if (this.#transport === "gone") return;
    if (full) this.#socket.pause();
    else this.#socket.resume();
  }

  onDrained(): void {
    if (this.#closeAlarm === null || this.#transport === "closing" || this.#transport === "gone") return;
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

  readExpired(): Error {
    return new DeadlineExceededError("read", "websocket", this.#remoteAddr);
  }

  writeExpired(): Error {
    return new DeadlineExceededError("write", "websocket", this.#remoteAddr);
  }

  get bytesLeft(): number {
    return this.outgoing.bytesLeft;
  }

  get readPaused(): boolean {
    return this.incoming.full;
  }

  sendKeepalivePing(): void {
    if (!this.#protocol.writable) return;
    this.#protocol.sendPing(new Uint8Array(0));
    this.outgoing.flushNow();
  }

  onDead(): void {
    this.#socket.reset();
  }

  // ── Closing ──

  /** From now on the connection ends, by itself or by the alarm: no state without a timer. */
  #startClosing(): void {
    this.#keepalive?.stop();
    if (this.#closeAlarm === null) {
      this.#closeAlarm = new Alarm(() => this.closeNow());
      this.#runtime.timers.set(this.#closeAlarm, this.#runtime.timers.now() + this.#closeTimeout);
    }
    this.outgoing.flushNow();
    if (this.outgoing.drained) this.onDrained();
  }

  #closeInfo(): CloseInfo {
    if (this.#peerClose !== null) return this.#peerClose;
    return { code: CloseCode.AbnormalClosure, reason: "", wasClean: false };
  }

  // ── Checks ──

  #checkWrite(signal?: AbortSignal): void {
    signal?.throwIfAborted();
    if (!this.#protocol.writable || this.#transport !== "open") throw new CloseError(this.#closeInfo());
    if (this.outgoing.expired) throw this.writeExpired();
  }

  #checkUtf8(bytes: Uint8Array): void {
    if (this.#runtime.adapter.text.decode(bytes, 0, bytes.length) === null) {
      throw new TypeError("Cannot send as text: the bytes are not UTF-8");
    }
  }

  #sendPrepared(message: PreparedMessage): void {
    if (!this.#isClient) return this.#protocol.output.writeEncoded(message.encodedBy(serverFrame));
    this.#protocol.sendBytes(message.type === "text" ? Opcode.Text : Opcode.Binary, message.payload);
  }
}

function toControlPayload(data: Bytes): Uint8Array {
  const payload = toBytes(data);
  if (payload.length > MAX_CONTROL_PAYLOAD) {
    throw new RangeError(
      `Cannot send: a control frame takes ${MAX_CONTROL_PAYLOAD} bytes, not ${payload.length}`,
    );
  }
  return payload;
}
