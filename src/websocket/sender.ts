import type { TextCodec } from "../bytes/text.ts";
import type { WaitOptions } from "../net/conn.ts";
import { MAX_CONTROL_PAYLOAD, Opcode } from "../protocol/frame_header.ts";
import { COPY_BELOW } from "../protocol/frame_writer.ts";
import type { Protocol } from "../protocol/protocol.ts";
import { type Bytes, type MessageData, type MessageType, toBytes } from "./message.ts";
import type { MessageBatch } from "./message_batch.ts";
import type { Outgoing } from "./outgoing.ts";
import { PreparedMessage, serverFrame } from "./prepared_message.ts";

/** How to send a message. */
export interface WriteOptions extends WaitOptions {
  /** Default: text for a string, binary for bytes. Bytes sent as text must be UTF-8. */
  type?: MessageType;
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

  constructor(
    owner: SenderOwner,
    protocol: Protocol,
    outgoing: Outgoing,
    text: TextCodec,
    isClient: boolean,
  ) {
    this.#owner = owner;
    this.#protocol = protocol;
    this.#outgoing = outgoing;
    this.#text = text;
    this.#isClient = isClient;
  }

  write(data: MessageData, options?: WriteOptions): Promise<void> {
    try {
      const signal = options?.signal;
      this.#check(signal);
      if (typeof data === "string" && options?.type !== "binary") {
        this.#protocol.sendText(data);
        return this.#outgoing.written(false, signal);
      }
      const text = options?.type === "text";
      const bytes = typeof data === "string" ? this.#text.encode(data) : toBytes(data);
      if (text) this.#checkUtf8(bytes);
      return this.#writeBytes(text ? Opcode.Text : Opcode.Binary, bytes, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #writeBytes(
    opcode: typeof Opcode.Text | typeof Opcode.Binary,
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
    else this.#protocol.output.writeEncoded(batch.bytes(serverFrame));
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
    if (!this.#isClient) return this.#protocol.output.writeEncoded(message.encodedBy(serverFrame));
    this.#protocol.sendBytes(message.type === "text" ? Opcode.Text : Opcode.Binary, message.payload);
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
