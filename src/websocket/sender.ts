import type { TextCodec } from "../bytes/text.ts";
import type { WaitOptions } from "../net/conn.ts";
import type { Deadline } from "../net/deadline.ts";
import type { StreamSocket } from "../net/stream_socket.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import type { FlushQueue } from "../net/flush_queue.ts";
import { rejected } from "../net/handled.ts";
import { MAX_CONTROL_PAYLOAD, Opcode } from "../protocol/frame_header.ts";
import { MIN_BORROWED_BYTES } from "../protocol/output_queue.ts";
import type { Protocol } from "../protocol/protocol.ts";
import type { BatchWriter } from "./batch_writer.ts";
import type { Compression } from "./compression.ts";
import type { DrainListener } from "./drain_listener.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { type Bytes, type MessageData, type MessageType, toBytes } from "./message.ts";
import type { MessageBatch } from "./message_batch.ts";
import { FragmentWriter, type MessageWriter } from "./message_writer.ts";
import { type MessageEncoding, PreparedMessage, serverFrame } from "./prepared_message.ts";
import type { SocketOutput } from "./socket_output.ts";
import { WriterLock } from "./writer_lock.ts";

/** How to send a message. */
export interface WriteOptions extends WaitOptions {
  /** Type of the message. Default: text for a string, binary for bytes. Bytes sent as text must be UTF-8. */
  type?: MessageType;
  /** Whether to compress the message, where the peer agreed to that. Default: from `compression.threshold` on. */
  compress?: boolean;
}

/** Parts and settings of a connection that a {@linkcode Sender} uses. */
export interface SenderParts {
  readonly lifecycle: Lifecycle;
  readonly protocol: Protocol;
  readonly output: SocketOutput;
  readonly socket: StreamSocket;
  readonly text: TextCodec;
  readonly isClient: boolean;
  readonly compression: Compression | null;
  readonly flushQueue: FlushQueue;
  readonly timers: TimerQueue;
}

/** Sends the application's messages: checks and encodes them, and delays them where too much is buffered already. */
export class Sender implements BatchWriter {
  readonly output: SocketOutput;
  readonly #lifecycle: Lifecycle;
  readonly #protocol: Protocol;
  readonly #socket: StreamSocket;
  readonly #text: TextCodec;
  readonly #isClient: boolean;
  readonly #compression: Compression | null;
  /** Whether the application wants compression. */
  #compresses = true;
  readonly #flushQueue: FlushQueue;
  readonly #timers: TimerQueue;
  /** Holds back other messages while one is written in parts; made by the first such message. */
  #lock: WriterLock | null = null;
  /** The message that is being written in parts, while it is open. */
  #open: FragmentWriter | null = null;

  constructor(parts: SenderParts) {
    this.#lifecycle = parts.lifecycle;
    this.#protocol = parts.protocol;
    this.output = parts.output;
    this.#socket = parts.socket;
    this.#text = parts.text;
    this.#isClient = parts.isClient;
    this.#compression = parts.compression;
    this.#flushQueue = parts.flushQueue;
    this.#timers = parts.timers;
  }

  /** Switches compression, for what is written from now on. */
  setCompression(on: boolean): void {
    this.#compresses = on;
  }

  /** Sets the time at which waiting calls fail. */
  setDeadline(t: Deadline): void {
    this.output.setDeadline(t);
    this.#lock?.setDeadline(this.output.deadline);
  }

  /** Bytes of payload that wait before they become frames. */
  get waitingBytes(): number {
    return this.#lock === null ? 0 : this.#lock.waitingBytes + (this.#open?.gatheredBytes ?? 0);
  }

  /** Whether messages may be sent; see {@linkcode Lifecycle.writable}. */
  get writable(): boolean {
    return this.#lifecycle.writable;
  }

  /**
   * Checks that a call may send: throws once its signal is aborted, the connection ends or the deadline has passed.
   *
   * @throws the signal's reason, {@linkcode CloseError} or {@linkcode DeadlineExceededError}
   */
  check(signal?: AbortSignal): void {
    signal?.throwIfAborted();
    if (!this.#lifecycle.writable) throw this.#lifecycle.notWritable();
    if (this.output.expired) throw this.output.expiredError();
  }

  // ── Whole messages ──

  write(data: MessageData, options?: WriteOptions): Promise<void> {
    try {
      if (options === undefined && this.#open === null && this.#compression === null) {
        const sent = this.#writePlain(data);
        if (sent !== null) return sent;
      }
      return this.#writeWith(data, options);
    } catch (error) {
      return rejected(error);
    }
  }

  /** The usual case, on the shortest way: a text, or up to 64 KiB, without any option. `null` for every other case. */
  #writePlain(data: MessageData): Promise<void> | null {
    if (typeof data === "string") {
      this.check();
      this.#protocol.sendText(data);
    } else if (data instanceof Uint8Array && data.length > 0 && data.length < MIN_BORROWED_BYTES) {
      this.check();
      this.#protocol.sendBytes(Opcode.Binary, data);
    } else return null;
    return this.output.written(false);
  }

  #writeWith(data: MessageData, options: WriteOptions | undefined): Promise<void> {
    const signal = options?.signal;
    this.check(signal);
    const text = typeof data === "string" ? options?.type !== "binary" : options?.type === "text";
    const bytes = this.bytesOf(data);
    if (text && typeof data !== "string") this.#checkUtf8(bytes);
    const type = text ? "text" : "binary";
    const compress = this.#isCompressed(bytes, options?.compress);
    if (this.#open === null) return this.#writeBytes(type, bytes, compress, signal);
    // A short array may be used again after the call, as when it is sent at once.
    const kept = bytes.length < MIN_BORROWED_BYTES ? new Uint8Array(bytes) : bytes;
    return this.#lock!.wait(bytes.length, () => this.#writeBytes(type, kept, compress, signal), signal);
  }

  #isCompressed(bytes: Uint8Array, compress: boolean | undefined): boolean {
    if (this.#compression === null || !this.#compresses) return false;
    return compress ?? bytes.length >= this.#compression.threshold;
  }

  #writeBytes(
    type: MessageType,
    bytes: Uint8Array,
    compress: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (!compress) return this.writePart(type, bytes, true, true, signal);
    this.#protocol.sendCompressed(opcodeOf(type), bytes);
    return this.output.written(false, signal);
  }

  writePrepared(message: PreparedMessage, signal?: AbortSignal): Promise<void> {
    try {
      if (!(message instanceof PreparedMessage)) {
        throw new TypeError("Cannot send: the message is not a PreparedMessage");
      }
      this.check(signal);
      if (this.#open !== null) {
        return this.#lock!.wait(message.payload.length, () => this.writePrepared(message, signal), signal);
      }
      if (this.#isClient) this.#sendMasked(message);
      else this.#protocol.sendEncoded(message.encodedBy(this.#encoding));
      return this.output.written(false, signal);
    } catch (error) {
      return rejected(error);
    }
  }

  writeBatch(batch: MessageBatch, listener?: DrainListener): Promise<void> | DrainListener | null {
    if (!this.#lifecycle.writable) return null;
    if (this.#open !== null) {
      const send = () => this.writeBatch(batch) as Promise<void> ?? undefined;
      return this.#lock!.wait(batch.size, send, undefined, false);
    }
    if (this.#isClient) { for (const message of batch.messages()) this.#sendMasked(message); }
    else this.#protocol.sendEncoded(batch.bytes(this.#encoding), this.#socket);
    this.output.flushNow();
    return this.output.drained ? null : this.output.whenDrained(listener);
  }

  /** Sends a client's frame, which has a mask of its own, so that at most the encoded payload is shared. */
  #sendMasked(message: PreparedMessage): void {
    const opcode = opcodeOf(message.type);
    const compression = this.#compresses ? this.#compression : null;
    if (compression === null || !message.isCompressible(compression.threshold)) {
      return this.#protocol.sendBytes(opcode, message.payload);
    }
    this.#protocol.sendPrecompressed(opcode, message.encodedBy(compression.payload));
  }

  /** Encoding of a server's messages that connections share. */
  get #encoding(): MessageEncoding {
    return this.#compression !== null && this.#compresses ? this.#compression.frame : serverFrame;
  }

  // ── Messages in parts ──

  nextWriter(type: MessageType, signal?: AbortSignal): Promise<MessageWriter> {
    try {
      if (type !== "text" && type !== "binary") {
        throw new TypeError(`Cannot send: type is "${type}", not "text" or "binary"`);
      }
      this.check(signal);
      if (this.#open !== null) return this.#lock!.wait(0, () => this.#begin(type), signal);
      return Promise.resolve(this.#begin(type));
    } catch (error) {
      return rejected(error);
    }
  }

  #begin(type: MessageType): MessageWriter {
    if (this.#lock === null) {
      this.#lock = new WriterLock(this.#timers, () => this.output.expiredError());
      this.#lock.setDeadline(this.output.deadline);
    }
    this.#lock.lock();
    return this.#open = new FragmentWriter(type, this, this.#flushQueue);
  }

  /** Bytes to send; a text is encoded. */
  bytesOf(data: MessageData): Uint8Array {
    return typeof data === "string" ? this.#text.encode(data) : toBytes(data);
  }

  /** Sends a short part of a message, which is copied. */
  sendPart(type: MessageType, bytes: Uint8Array, first: boolean, last: boolean): void {
    this.#protocol.sendBytes(opcodeOf(type), bytes, first, last);
  }

  /** Sends a part of any length, or a whole message; resolves when more may follow. */
  writePart(
    type: MessageType,
    bytes: Uint8Array,
    first: boolean,
    last: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let borrowed = !this.#isClient && bytes.length >= MIN_BORROWED_BYTES;
    if (borrowed && (signal !== undefined || this.output.deadline !== Infinity)) {
      // The call may end before the bytes have left. The array is the caller's again then, and what the caller writes into
      // it must not reach the peer.
      bytes = new Uint8Array(bytes);
      borrowed = false;
    }
    this.#protocol.sendBytes(opcodeOf(type), bytes, first, last);
    return this.output.written(borrowed, signal);
  }

  /** The message that was written in parts has ended. */
  onWriterClosed(): void {
    this.#open = null;
    this.#lock!.unlock();
  }

  /** Sends what the open message has gathered: a close frame is to follow. */
  flush(): void {
    this.#open?.flush();
  }

  /** Sends nothing more; calls that wait reject with what `error` gives. */
  stop(error: () => Error): void {
    this.#open = null;
    this.#lock?.stop(error());
  }

  // ── Control ──

  /** Sends a ping. The payload must stay as it is: the pong is known by it. */
  ping(payload: Uint8Array, signal?: AbortSignal): void {
    this.check(signal);
    this.#protocol.sendPing(payload);
    this.#lifecycle.trace?.control("sent", "ping", payload);
    this.output.flushSoon();
  }

  pong(data: Bytes): Promise<void> {
    try {
      const payload = controlPayload(data);
      this.check();
      this.#protocol.sendPong(payload);
      this.#lifecycle.trace?.control("sent", "pong", payload);
      return this.output.written(false);
    } catch (error) {
      return rejected(error);
    }
  }

  #checkUtf8(bytes: Uint8Array): void {
    if (this.#text.decode(bytes, 0, bytes.length) === null) {
      throw new TypeError("Cannot send as text: the bytes are not UTF-8");
    }
  }
}

function opcodeOf(type: MessageType): typeof Opcode.Text | typeof Opcode.Binary {
  return type === "text" ? Opcode.Text : Opcode.Binary;
}

/**
 * The payload of a ping or pong.
 *
 * @throws {RangeError} when the payload is longer than 125 bytes (RFC 6455, 5.5)
 */
export function controlPayload(data: Bytes): Uint8Array {
  const payload = toBytes(data);
  if (payload.length > MAX_CONTROL_PAYLOAD) {
    throw new RangeError(
      `Cannot send: a control frame takes ${MAX_CONTROL_PAYLOAD} bytes, not ${payload.length}`,
    );
  }
  return payload;
}
