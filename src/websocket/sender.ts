import type { TextCodec } from "../bytes/text.ts";
import type { WaitOptions } from "../net/conn.ts";
import type { Deadline } from "../net/deadline.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import type { FlushQueue } from "../net/flush_queue.ts";
import { MAX_CONTROL_PAYLOAD, Opcode } from "../protocol/frame_header.ts";
import { COPY_BELOW } from "../protocol/frame_writer.ts";
import type { Protocol } from "../protocol/protocol.ts";
import { type Bytes, type MessageData, type MessageType, toBytes } from "./message.ts";
import type { Compression } from "./compression.ts";
import type { BatchWriter } from "./batch_writer.ts";
import type { DrainListener } from "./drain_listener.ts";
import type { MessageBatch } from "./message_batch.ts";
import { MessageTurns } from "./message_turns.ts";
import { type MessageWriter, OutgoingMessage, type OutgoingMessageOwner } from "./message_writer.ts";
import type { Outgoing } from "./outgoing.ts";
import { type MessageEncoding, PreparedMessage, serverFrame } from "./prepared_message.ts";

/** How to send a message. */
export interface WriteOptions extends WaitOptions {
  /** Default: text for a string, binary for bytes. Bytes sent as text must be UTF-8. */
  type?: MessageType;
  /** Whether to compress it, where the peer agreed to that. Default: from `compression.threshold` on. */
  compress?: boolean;
}

/** Who knows the state of the connection. */
export interface SenderOwner {
  /** Whether messages may be sent. */
  readonly writable: boolean;
  /** The error for a call that comes too late. */
  notWritable(): Error;
  /** The error for a call whose deadline passed. */
  writeExpired(): Error;
}

/** What a sender works with. */
export interface SenderParts {
  readonly protocol: Protocol;
  readonly outgoing: Outgoing;
  readonly text: TextCodec;
  readonly isClient: boolean;
  readonly compression: Compression | null;
  readonly flushQueue: FlushQueue;
  readonly timers: TimerQueue;
}

/** What the application sends: checked, encoded, and waited for where too much waits already. */
export class Sender implements OutgoingMessageOwner, BatchWriter {
  readonly #owner: SenderOwner;
  readonly #protocol: Protocol;
  readonly #outgoing: Outgoing;
  readonly #text: TextCodec;
  readonly #isClient: boolean;
  readonly #compression: Compression | null;
  /** The application wants compression. */
  #compresses = true;
  readonly #flushQueue: FlushQueue;
  readonly #timers: TimerQueue;
  /** Made by the first message that is written in parts. */
  #turns: MessageTurns | null = null;
  /** That message, while it is open. */
  #open: OutgoingMessage | null = null;

  constructor(owner: SenderOwner, parts: SenderParts) {
    this.#owner = owner;
    this.#protocol = parts.protocol;
    this.#outgoing = parts.outgoing;
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

  write(data: MessageData, options?: WriteOptions): Promise<void> {
    try {
      if (options === undefined && this.#open === null && this.#compression === null) {
        const sent = this.#writePlain(data);
        if (sent !== null) return sent;
      }
      const signal = options?.signal;
      this.check(signal);
      const text = typeof data === "string" ? options?.type !== "binary" : options?.type === "text";
      const bytes = this.bytesOf(data);
      if (text && typeof data !== "string") this.#checkUtf8(bytes);
      const type = text ? "text" : "binary";
      const compress = this.#isCompressed(bytes, options?.compress);
      if (this.#open !== null) return this.#writeLater(type, bytes, compress, signal);
      return compress
        ? this.#writeCompressed(type, bytes, signal)
        : this.#writeBytes(type, bytes, true, true, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The usual case, on the shortest way: a text, or a few bytes, with nothing to heed. `null` when it is none. */
  #writePlain(data: MessageData): Promise<void> | null {
    if (typeof data === "string") {
      this.check();
      this.#protocol.sendText(data);
    } else if (data instanceof Uint8Array && data.length > 0 && data.length < COPY_BELOW) {
      this.check();
      this.#protocol.sendBytes(Opcode.Binary, data);
    } else return null;
    return this.#outgoing.written(false);
  }

  #isCompressed(bytes: Uint8Array, compress: boolean | undefined): boolean {
    if (this.#compression === null || !this.#compresses) return false;
    return compress ?? bytes.length >= this.#compression.threshold;
  }

  #writeCompressed(type: MessageType, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    this.#protocol.sendCompressed(type === "text" ? Opcode.Text : Opcode.Binary, bytes);
    return this.#outgoing.written(false, signal);
  }

  /** After the message that is being written in parts. */
  #writeLater(
    type: MessageType,
    bytes: Uint8Array,
    compress: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    // A short array can be used again at once, as it can when it is sent at once.
    if (bytes.length < COPY_BELOW) bytes = new Uint8Array(bytes);
    const send = () =>
      compress
        ? this.#writeCompressed(type, bytes, signal)
        : this.#writeBytes(type, bytes, true, true, signal);
    return this.#turns!.wait(bytes.length, send, signal);
  }

  #writeBytes(
    type: MessageType,
    bytes: Uint8Array,
    first: boolean,
    last: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let borrowed = !this.#isClient && bytes.length >= COPY_BELOW;
    if (borrowed && (signal !== undefined || this.#outgoing.hasDeadline)) {
      // The call may end before the bytes have left. Then the array is the caller's again, and what it is used for
      // next is none of the peer's business.
      bytes = new Uint8Array(bytes);
      borrowed = false;
    }
    this.sendPart(type, bytes, first, last);
    return this.#outgoing.written(borrowed, signal);
  }

  writePrepared(message: PreparedMessage, signal?: AbortSignal): Promise<void> {
    try {
      if (!(message instanceof PreparedMessage)) {
        throw new TypeError("Cannot send: the message is not a PreparedMessage");
      }
      this.check(signal);
      if (this.#open !== null) {
        return this.#turns!.wait(message.payload.length, () => this.writePrepared(message, signal), signal);
      }
      this.#sendPrepared(message);
      return this.#outgoing.written(false, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  writeBatch(batch: MessageBatch, listener?: DrainListener): Promise<void> | DrainListener | null {
    if (!this.#owner.writable) return null;
    if (this.#open !== null) {
      const send = () => this.writeBatch(batch) as Promise<void> ?? undefined;
      return this.#turns!.wait(batch.size, send, undefined, false);
    }
    if (this.#isClient) { for (const message of batch.messages()) this.#sendPrepared(message); }
    else this.#sendEncoded(batch.bytes(this.#encoding));
    this.#outgoing.flushNow();
    if (this.#outgoing.drained) return null;
    if (listener !== undefined && this.#outgoing.tellDrained(listener)) return listener;
    return this.#outgoing.whenDrained();
  }

  // ── Messages in parts ──

  nextWriter(type: MessageType, signal?: AbortSignal): Promise<MessageWriter> {
    try {
      if (type !== "text" && type !== "binary") {
        throw new TypeError(`Cannot send: "${type}" is no message type`);
      }
      this.check(signal);
      if (this.#open !== null) return this.#turns!.wait(0, () => this.#begin(type), signal);
      return Promise.resolve(this.#begin(type));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #begin(type: MessageType): MessageWriter {
    if (this.#turns === null) {
      this.#turns = new MessageTurns(this.#timers, () => this.#owner.writeExpired());
      this.#turns.setDeadline(this.#outgoing.deadline);
    }
    this.#turns.take();
    return this.#open = new OutgoingMessage(type, this, this.#flushQueue);
  }

  /** Bytes of what was written and has to wait on this side of the protocol. */
  get waitingBytes(): number {
    return this.#turns === null ? 0 : this.#turns.waitingBytes + (this.#open?.gatheredBytes ?? 0);
  }

  setDeadline(t: Deadline): void {
    this.#outgoing.setDeadline(t);
    this.#turns?.setDeadline(this.#outgoing.deadline);
  }

  /** Hands over what was gathered: a close frame is to follow. */
  flush(): void {
    this.#open?.flush();
  }

  /** Nothing more can be sent. */
  stop(error: () => Error): void {
    this.#open = null;
    this.#turns?.stop(error());
  }

  get writable(): boolean {
    return this.#owner.writable;
  }

  bytesOf(data: MessageData): Uint8Array {
    return typeof data === "string" ? this.#text.encode(data) : toBytes(data);
  }

  sendPart(type: MessageType, bytes: Uint8Array, first: boolean, last: boolean): void {
    this.#protocol.sendBytes(type === "text" ? Opcode.Text : Opcode.Binary, bytes, first, last);
  }

  writePart(type: MessageType, bytes: Uint8Array, first: boolean, signal?: AbortSignal): Promise<void> {
    return this.#writeBytes(type, bytes, first, false, signal);
  }

  whenRoom(signal?: AbortSignal): Promise<void> {
    return this.#outgoing.written(false, signal);
  }

  flushNow(): void {
    this.#outgoing.flushNow();
  }

  onEnd(): void {
    this.#open = null;
    this.#turns!.end();
  }

  // ── Control ──

  /** Sends a ping, whose payload must not be changed by its owner: it is what the pong is known by. */
  ping(payload: Uint8Array, signal?: AbortSignal): void {
    this.check(signal);
    this.#protocol.sendPing(payload);
    this.#outgoing.flushSoon();
  }

  pong(data: Bytes): Promise<void> {
    const payload = controlPayload(data);
    this.check();
    this.#protocol.sendPong(payload);
    return this.#outgoing.written(false);
  }

  #sendPrepared(message: PreparedMessage): void {
    if (!this.#isClient) return this.#writeEncoded(message.encodedBy(this.#encoding));
    const opcode = message.type === "text" ? Opcode.Text : Opcode.Binary;
    const compression = this.#compresses ? this.#compression : null;
    if (compression === null || !message.isCompressible(compression.threshold)) {
      return this.#protocol.sendBytes(opcode, message.payload);
    }
    this.#protocol.sendPrecompressed(opcode, message.encodedBy(compression.payload));
  }

  /** How a server encodes what it shares. */
  get #encoding(): MessageEncoding {
    return this.#compression !== null && this.#compresses ? this.#compression.frame : serverFrame;
  }

  /** Without waiting for the end of the turn. */
  #sendEncoded(frames: Uint8Array): void {
    if (!this.#outgoing.sendAlone(frames)) return this.#writeEncoded(frames);
    this.#skipCompressed();
  }

  #writeEncoded(frames: Uint8Array): void {
    this.#skipCompressed();
    this.#protocol.output.writeEncoded(frames);
  }

  /** The peer's window gets what it has not got from this side's compressor. */
  #skipCompressed(): void {
    if (this.#compression !== null) this.#protocol.skipCompressed();
  }

  check(signal?: AbortSignal): void {
    signal?.throwIfAborted();
    if (!this.#owner.writable) throw this.#owner.notWritable();
    if (this.#outgoing.expired) throw this.#owner.writeExpired();
  }

  #checkUtf8(bytes: Uint8Array): void {
    if (this.#text.decode(bytes, 0, bytes.length) === null) {
      throw new TypeError("Cannot send as text: the bytes are not UTF-8");
    }
  }
}

/**
 * The payload of a ping or pong.
 *
 * @throws {RangeError} when it is longer than 125 bytes (RFC 6455, 5.5)
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
