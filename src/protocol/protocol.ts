import type { BufferPool } from "../bytes/buffer_pool.ts";
import { WORDS_FROM } from "../bytes/mask.ts";
import type { MaskMemory } from "../bytes/mask_memory.ts";
import type { TextCodec } from "../bytes/text.ts";
import { Utf8Validator } from "../bytes/utf8.ts";
import { CloseCode, isSendableCloseCode, MAX_REASON_BYTES } from "./close_code.ts";
import type { DeflateParameters } from "./deflate_negotiation.ts";
import type { DeflatePool } from "./deflate_pool.ts";
import { FIN, Opcode, RSV1 } from "./frame_header.ts";
import { type FrameHandler, FrameReader } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";
import { MessageDeflater } from "./message_deflater.ts";
import { MessageInflater } from "./message_inflater.ts";
import { type ByteSink, MIN_BORROWED_BYTES, OutputQueue } from "./output_queue.ts";
import { MessageTooBigError, ProtocolError } from "./protocol_error.ts";

/** From here on it pays to move a chunk to where it is unmasked faster, whatever its frames (`bench/connection.ts`). */
const MOVED_FROM = 1024;

/** Who hears of the messages. */
export interface ProtocolHandler {
  /**
   * A piece of a message is `chunk[start, end)`. `first` and `last` say whether it begins and ends the message. Text in
   * pieces was checked; text in one piece (`first` and `last`) was not: decoding finds out, and `fail` tells the peer.
   * What is `lent` is valid during the call; the rest may be kept where it lies.
   */
  onMessageData(
    text: boolean,
    chunk: Uint8Array,
    start: number,
    end: number,
    first: boolean,
    last: boolean,
    lent: boolean,
  ): void;
  /** A ping came and was answered. */
  onPing(payload: Uint8Array): void;
  /** A pong came, whether a ping asked for it or not. */
  onPong(payload: Uint8Array): void;
  /** The peer's close frame came. It was answered if this side had not sent one. */
  onCloseFrame(code: number, reason: string): void;
  /** The peer broke the protocol or a limit. It was told so; nothing more is read. */
  onFault(error: ProtocolError | MessageTooBigError): void;
}

/** What was agreed on for compression, and how it is done. */
export interface DeflateOptions {
  /** As negotiated. */
  readonly parameters: DeflateParameters;
  /** 0 to 9. */
  readonly level: number;
  /** Compressors for messages that are compressed each by itself. */
  readonly pool: DeflatePool;
}

/** What a {@linkcode Protocol} needs. Time and randomness come from outside. */
export interface ProtocolOptions {
  /** Which side this is: a client masks what it sends, and a server takes nothing else. */
  role: "client" | "server";
  /** The largest message, bytes. */
  readLimit: number;
  /** In how many small fragments a message may come; see {@linkcode FrameReaderOptions.maxFragments}. */
  maxFragments?: number;
  /** Draws a masking key that nobody can guess; a client's. */
  nextKey: () => number;
  /** Where the output's buffers come from. */
  buffers: BufferPool;
  /** Text to bytes and back. */
  text: TextCodec;
  /** Where what comes is unmasked, if there is such a place. */
  maskMemory?: MaskMemory | null;
  /** permessage-deflate, if it was agreed on. */
  deflate?: DeflateOptions | null;
}

/**
 * One side of a WebSocket connection after the handshake, without I/O: bytes go in by `receiveData`, the handler is
 * called with what they mean, and what is to be sent is taken from `output`.
 *
 * `closeHandshake` says how far it is closed.
 */
export class Protocol implements FrameHandler {
  /** The bytes to send: after each call, `take` and `release` them until there are no more. */
  readonly output: OutputQueue;
  readonly #writer: FrameWriter;
  readonly #handler: ProtocolHandler;
  readonly #reader: FrameReader;
  /** A server's. */
  readonly #maskMemory: MaskMemory | null;
  readonly #text: TextCodec;
  /** Made by the first text that comes in pieces. */
  #utf8: Utf8Validator | null = null;
  readonly #deflater: MessageDeflater | null = null;
  readonly #inflater: MessageInflater | null = null;
  /** Whether the message that is being decompressed is text. */
  #inflatedText = false;
  #readLimit: number;
  /** Whether the chunk that is being read is. */
  #lent = false;
  #closeSent = false;
  #closeReceived = false;
  #failed = false;

  /** Begins after the handshake, before any close frame. */
  constructor(handler: ProtocolHandler, options: ProtocolOptions) {
    const isClient = options.role === "client";
    this.#handler = handler;
    this.#text = options.text;
    this.#readLimit = options.readLimit;
    const { readLimit, maxFragments = Infinity, deflate = null } = options;
    this.#maskMemory = isClient ? null : options.maskMemory ?? null;
    const allowRsv1 = deflate !== null;
    this.#reader = new FrameReader(this, {
      masked: !isClient,
      maskMemory: this.#maskMemory,
      allowRsv1,
      readLimit,
      maxFragments,
    });
    if (deflate !== null) {
      const { parameters, level, pool } = deflate;
      const { serverNoContextTakeover, clientNoContextTakeover } = parameters;
      const { serverMaxWindowBits, clientMaxWindowBits } = parameters;
      const server = { pool, windowBits: serverMaxWindowBits, contextTakeover: !serverNoContextTakeover };
      const client = { pool, windowBits: clientMaxWindowBits, contextTakeover: !clientNoContextTakeover };
      const [ours, theirs] = isClient ? [client, server] : [server, client];
      this.#deflater = new MessageDeflater({ ...ours, level });
      this.#inflater = new MessageInflater(
        { ...theirs, buffers: options.buffers },
        (bytes, length, first, last) => this.#onInflated(bytes, length, first, last),
      );
    }
    const nextKey = isClient ? options.nextKey : null;
    this.output = new OutputQueue(options.buffers);
    this.#writer = new FrameWriter(this.output, { nextKey, text: options.text });
  }

  /**
   * How far the closing handshake is (RFC 6455, 7.1): `begun` once one close frame was sent or received, `complete` once
   * both were. Says nothing of the transport.
   */
  get closeHandshake(): "not begun" | "begun" | "complete" {
    if (this.#closeSent && this.#closeReceived) return "complete";
    return this.#closeSent || this.#closeReceived ? "begun" : "not begun";
  }

  /** Whether this side's close frame was queued: nothing can be sent afterwards. */
  get closeSent(): boolean {
    return this.#closeSent;
  }

  /** Whether this side ended it because the peer broke the protocol. */
  get failed(): boolean {
    return this.#failed;
  }

  /** How many bytes the frames of the message under way have announced. */
  get messageLength(): number {
    return this.#reader.messageLength;
  }

  /** The largest message, bytes. */
  get readLimit(): number {
    return this.#readLimit;
  }

  /** Changes the largest message, bytes. */
  setReadLimit(bytes: number): void {
    this.#readLimit = bytes;
    this.#reader.setReadLimit(bytes);
  }

  // ── Receiving ──

  /**
   * The next bytes from the peer. The chunk is changed: frames are unmasked in place.
   *
   * @param lent whether it is somebody else's again after the call
   */
  receiveData(chunk: Uint8Array, lent = false): void {
    const memory = this.#maskMemory;
    if (memory !== null && !memory.inUse && isMoved(chunk)) {
      return this.#receiveMoved(memory, chunk, lent);
    }
    this.#lent = lent;
    this.#reader.receive(chunk);
  }

  /** By way of the memory where it is unmasked fast. */
  #receiveMoved(memory: MaskMemory, chunk: Uint8Array, lent: boolean): void {
    const { bytes, workspace } = memory;
    this.#lent = true;
    memory.inUse = true;
    try {
      if (lent && chunk.buffer === bytes.buffer) {
        // It was read into there.
        const start = chunk.byteOffset - bytes.byteOffset;
        return this.#reader.receive(bytes, start, start + chunk.length);
      }
      const size = bytes.length - workspace;
      for (let at = 0; at < chunk.length; at += size) {
        const piece = chunk.length <= size ? chunk : chunk.subarray(at, at + size);
        bytes.set(piece, workspace);
        this.#reader.receive(bytes, workspace, workspace + piece.length);
      }
    } finally {
      memory.inUse = false;
    }
  }

  /** What the frame reader calls. */
  onData(
    opcode: Opcode,
    rsv1: boolean,
    chunk: Uint8Array,
    start: number,
    end: number,
    first: boolean,
    last: boolean,
  ): void {
    const text = opcode === Opcode.Text;
    if (rsv1) return this.#receiveCompressed(text, chunk, start, end, first, last);
    // 8.1: text is UTF-8. In one piece it is checked by decoding it, in several as they come.
    if (text && !(first && last) && !this.#checkText(chunk, start, end, first, last)) return;
    this.#handler.onMessageData(text, chunk, start, end, first, last, this.#lent);
  }

  /** RFC 7692, 6.2: RSV1 on its first frame says that a message is compressed. */
  #receiveCompressed(
    text: boolean,
    chunk: Uint8Array,
    start: number,
    end: number,
    first: boolean,
    last: boolean,
  ): void {
    this.#inflatedText = text;
    const outcome = this.#inflater!.receive(chunk, start, end, first, last, this.#readLimit);
    if (outcome === "too big") {
      this.onFault(CloseCode.MessageTooBig, `a message is larger than ${this.#readLimit} bytes`);
    } else if (outcome === "invalid") {
      this.fail(CloseCode.InvalidFramePayloadData, "a message is not DEFLATE");
    }
  }

  #onInflated(bytes: Uint8Array, length: number, first: boolean, last: boolean): void {
    if (this.#failed) return;
    const text = this.#inflatedText;
    if (text && !(first && last) && !this.#checkText(bytes, 0, length, first, last)) return;
    // This buffer is somebody else's next.
    this.#handler.onMessageData(text, bytes, 0, length, first, last, true);
  }

  #checkText(chunk: Uint8Array, start: number, end: number, first: boolean, last: boolean): boolean {
    const utf8 = this.#utf8 ??= new Utf8Validator();
    if (first) utf8.reset();
    if (utf8.push(chunk, start, end) && (!last || utf8.complete)) return true;
    this.fail(CloseCode.InvalidFramePayloadData, "a text message is not UTF-8");
    return false;
  }

  /** What the frame reader calls. */
  onControl(opcode: Opcode, payload: Uint8Array): void {
    if (opcode === Opcode.Close) return this.#receiveClose(payload);
    if (opcode === Opcode.Pong) return this.#handler.onPong(payload);
    // 5.5.2: a ping is answered with its own payload, unless a close frame was sent.
    if (!this.#closeSent) this.#writer.writeControl(Opcode.Pong, payload);
    this.#handler.onPing(payload);
  }

  /** What the frame reader calls. */
  onFault(code: CloseCode, reason: string): void {
    this.fail(code, reason);
  }

  #receiveClose(payload: Uint8Array): void {
    // 5.5.1: a body has a code of two bytes, then a reason in UTF-8.
    const code = payload.length === 0 ? CloseCode.NoStatusReceived : (payload[0]! << 8) | (payload[1] ?? 0);
    if (payload.length === 1) return this.fail(CloseCode.ProtocolError, "a close frame has one byte");
    if (payload.length > 0 && !isSendableCloseCode(code)) {
      return this.fail(CloseCode.ProtocolError, `close code ${code} must not be sent`);
    }
    const reason = payload.length > 2 ? this.#text.decode(payload, 2, payload.length) : "";
    if (reason === null) return this.fail(CloseCode.InvalidFramePayloadData, "a close reason is not UTF-8");
    this.#closeReceived = true;
    this.#reader.stop();
    // 5.5.1: the answer is a close frame, as a rule with the code that came; and so the peer sees its own reason.
    if (!this.#closeSent) this.#writeClose(payload);
    this.#handler.onCloseFrame(code, reason);
  }

  // ── Sending ──

  /** Sends what comes before the first frame: a server's answer to the handshake, of one byte a character. */
  sendHead(text: string): void {
    this.#writer.writeHead(text);
  }

  /**
   * Sends a text message, or a part of one.
   *
   * @param first whether the message begins with this part
   * @param last whether the message ends with this part
   * @throws {Error} when a close frame was sent, as all that send
   */
  sendText(text: string, first = true, last = true): void {
    this.#checkCloseNotSent();
    this.#writer.writeText(text, (last ? FIN : 0) | (first ? Opcode.Text : Opcode.Continuation));
  }

  /** Sends bytes as {@linkcode Protocol.sendText} sends text. Those of a text message must be UTF-8. */
  sendBytes(
    opcode: typeof Opcode.Text | typeof Opcode.Binary,
    data: Uint8Array,
    first = true,
    last = true,
  ): void {
    this.#checkCloseNotSent();
    this.#writer.writeBytes(data, (last ? FIN : 0) | (first ? opcode : Opcode.Continuation));
  }

  /** Sends a whole message compressed, RFC 7692, 6.1. */
  sendCompressed(opcode: typeof Opcode.Text | typeof Opcode.Binary, data: Uint8Array): void {
    this.#checkCloseNotSent();
    const payload = this.#deflater!.compress(data);
    // A large payload is sent from where it lies, and the compressor writes the next payload there.
    const kept = payload.length < MIN_BORROWED_BYTES ? payload : new Uint8Array(payload);
    this.#writer.writeBytes(kept, FIN | RSV1 | opcode);
  }

  /** Sends a whole message whose payload was compressed elsewhere, without reference to earlier messages. */
  sendPrecompressed(opcode: typeof Opcode.Text | typeof Opcode.Binary, payload: Uint8Array): void {
    this.#checkCloseNotSent();
    this.#deflater!.skip();
    this.#writer.writeBytes(payload, FIN | RSV1 | opcode);
  }

  /**
   * Sends whole frames that were encoded elsewhere, for many connections: unmasked, so only a server can send them, and
   * compressed, if at all, without reference to earlier messages.
   *
   * @param sink given the frames at once, past `output`, where nothing waits before them. Default: none
   */
  sendEncoded(frames: Uint8Array, sink: ByteSink | null = null): void {
    this.#checkCloseNotSent();
    // The peer's window may hold bytes now that this side's compressor has not seen: the next message must not refer back.
    this.#deflater?.skip();
    this.output.appendEncoded(frames, sink);
  }

  /** Frees what zlib holds. The connection is over. */
  close(): void {
    this.#deflater?.close();
    this.#inflater?.close();
  }

  /** Sends a ping of at most 125 bytes. */
  sendPing(payload: Uint8Array): void {
    this.#checkCloseNotSent();
    this.#writer.writeControl(Opcode.Ping, payload);
  }

  /** Sends a pong without a ping before it (5.5.3), of at most 125 bytes. */
  sendPong(payload: Uint8Array): void {
    this.#checkCloseNotSent();
    this.#writer.writeControl(Opcode.Pong, payload);
  }

  /**
   * Sends a close frame after what was sent before; nothing can be sent afterwards. Does nothing the second time.
   *
   * @param code 1005 for a frame without one
   * @param reason cut where it is too long
   * @throws {RangeError} when the code must not be sent
   */
  sendClose(code: number, reason: string): void {
    if (this.#closeSent) return;
    if (code === CloseCode.NoStatusReceived) return this.#writeClose(new Uint8Array(0));
    if (!isSendableCloseCode(code)) throw new RangeError(`Cannot close: code ${code} must not be sent`);
    const text = this.#text.encode(reason);
    const payload = new Uint8Array(2 + reasonLength(text));
    payload[0] = code >> 8;
    payload[1] = code;
    payload.set(text.subarray(0, payload.length - 2), 2);
    this.#writeClose(payload);
  }

  /** Fails the connection (7.1.7): tells the peer why, and reads nothing more. Does nothing the second time. */
  fail(code: CloseCode, reason: string): void {
    if (this.#failed) return;
    this.#reader.stop();
    this.#inflater?.close();
    this.#failed = true;
    this.sendClose(code, reason);
    const tooBig = code === CloseCode.MessageTooBig;
    this.#handler.onFault(tooBig ? new MessageTooBigError(this.#readLimit) : new ProtocolError(code, reason));
  }

  #writeClose(payload: Uint8Array): void {
    this.#closeSent = true;
    this.#writer.writeControl(Opcode.Close, payload, true);
  }

  /** 5.5.1: a close frame is the last frame of all. */
  #checkCloseNotSent(): void {
    if (this.#closeSent) throw new Error("Cannot send: a close frame was sent");
  }
}

/** How much of a reason fits, without a cut inside a code point, which would not be UTF-8. */
function reasonLength(reason: Uint8Array): number {
  let length = Math.min(reason.length, MAX_REASON_BYTES);
  if (length < reason.length) { while ((reason[length]! & 0xc0) === 0x80) length--; }
  return length;
}

/**
 * Whether to move a chunk. A short one, too, where its first frame would be unmasked through a view: on Bun, where each chunk
 * is an array in the engine's own heap, a view moves its bytes out of there, and the collector stops for two and a half times
 * as long (`bench/connection.ts`, "128 B, 1 in a chunk of its own": 1,420 → 630 ns; `bench/latency.ts`: p99 2.8 → 0.9 ms).
 */
function isMoved(chunk: Uint8Array): boolean {
  if (chunk.length >= MOVED_FROM) return true;
  return chunk.length > WORDS_FROM && (chunk[1]! & 0x7f) >= WORDS_FROM;
}
