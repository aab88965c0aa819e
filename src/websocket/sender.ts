import type { TextCodec } from "../bytes/text.ts";
import type { WaitOptions } from "../net/conn.ts";
import { MAX_CONTROL_PAYLOAD, Opcode } from "../protocol/frame_header.ts";
import { COPY_BELOW } from "../protocol/frame_writer.ts";
import type { Protocol } from "../protocol/protocol.ts";
import { type Bytes, type MessageData, type MessageType, toBytes } from "./message.ts";
import type { Compression } from "./compression.ts";
import type { MessageBatch } from "./message_batch.ts";
import type { Outgoing } from "./outgoing.ts";
import { type MessageEncoding, PreparedMessage, serverFrame } from "./prepared_message.ts";

type DataOpcode = typeof Opcode.Text | typeof Opcode.Binary;

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

/** What the application sends: checked, encoded, and waited for where too much waits already. */
export class Sender {
  readonly #owner: SenderOwner;
  readonly #protocol: Protocol;
  readonly #outgoing: Outgoing;
  readonly #text: TextCodec;
  readonly #isClient: boolean;
  readonly #compression: Compression | null;
  /** The application wants compression. */
  #compresses = true;

  constructor(
    owner: SenderOwner,
    protocol: Protocol,
    outgoing: Outgoing,
    text: TextCodec,
    isClient: boolean,
    compression: Compression | null,
  ) {
    this.#compression = compression;
    this.#owner = owner;
    this.#protocol = protocol;
    this.#outgoing = outgoing;
    this.#text = text;
    this.#isClient = isClient;
  }

  /** Switches compression, for what is written from now on. */
  setCompression(on: boolean): void {
    this.#compresses = on;
  }

  write(data: MessageData, options?: WriteOptions): Promise<void> {
    try {
      const signal = options?.signal;
      this.#check(signal);
      if (this.#compression !== null) return this.#writeCompressible(data, options, this.#compression);
      if (typeof data === "string" && options?.type !== "binary") {
        this.#protocol.sendText(data);
        return this.#outgoing.written(false, signal);
      }
      return this.#writeBytes(...this.#opcodeAndBytes(data, options?.type), signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #opcodeAndBytes(data: MessageData, type: MessageType | undefined): [DataOpcode, Uint8Array] {
    const bytes = typeof data === "string" ? this.#text.encode(data) : toBytes(data);
    if (type === "text" && typeof data !== "string") this.#checkUtf8(bytes);
    const text = type === undefined ? typeof data === "string" : type === "text";
    return [text ? Opcode.Text : Opcode.Binary, bytes];
  }

  #writeCompressible(
    data: MessageData,
    options: WriteOptions | undefined,
    { threshold }: Compression,
  ): Promise<void> {
    const [opcode, bytes] = this.#opcodeAndBytes(data, options?.type);
    const compress = this.#compresses && (options?.compress ?? bytes.length >= threshold);
    if (!compress) return this.#writeBytes(opcode, bytes, options?.signal);
    this.#protocol.sendCompressed(opcode, bytes);
    return this.#outgoing.written(false, options?.signal);
  }

  #writeBytes(
    opcode: DataOpcode,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let borrowed = !this.#isClient && bytes.length >= COPY_BELOW;
    if (borrowed && (signal !== undefined || this.#outgoing.hasDeadline)) {
      // The call may end before the bytes have left. Then the array is the caller's again, and what it is used for
      // next is none of the peer's business.
      bytes = new Uint8Array(bytes);
      borrowed = false;
    }
    this.#protocol.sendBytes(opcode, bytes);
    return this.#outgoing.written(borrowed, signal);
  }

  writePrepared(message: PreparedMessage, signal?: AbortSignal): Promise<void> {
    try {
      if (!(message instanceof PreparedMessage)) {
        throw new TypeError("Cannot send: the message is not a PreparedMessage");
      }
      this.#check(signal);
      this.#sendPrepared(message);
      return this.#outgoing.written(false, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  writeBatch(batch: MessageBatch): Promise<void> | null {
    if (!this.#owner.writable) return null;
    if (this.#isClient) { for (const message of batch.messages()) this.#sendPrepared(message); }
    else this.#writeEncoded(batch.bytes(this.#encoding));
    this.#outgoing.flushNow();
    return this.#outgoing.drained ? null : this.#outgoing.whenDrained();
  }

  /** Sends a ping, whose payload must not be changed by its owner: it is what the pong is known by. */
  ping(payload: Uint8Array, signal?: AbortSignal): void {
    this.#check(signal);
    this.#protocol.sendPing(payload);
    this.#outgoing.flushSoon();
  }

  pong(data: Bytes): Promise<void> {
    const payload = controlPayload(data);
    this.#check();
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

  #writeEncoded(frames: Uint8Array): void {
    // The peer's window gets what it has not got from this side's compressor.
    if (this.#compression !== null) this.#protocol.skipCompressed();
    this.#protocol.output.writeEncoded(frames);
  }

  #check(signal?: AbortSignal): void {
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
