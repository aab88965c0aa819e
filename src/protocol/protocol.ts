import type { BufferPool } from "../bytes/buffer_pool.ts";
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
import { type InflateOutcome, MessageInflater } from "./message_inflater.ts";
import { isWhole, type MessageDataHandler, PieceFlag } from "./message_piece.ts";
import { type ByteSink, MIN_BORROWED_BYTES, OutputQueue } from "./output_queue.ts";
import { MessageTooBigError, ProtocolError } from "./protocol_error.ts";
import { isWorthMoving, readInMemory } from "./unmasking.ts";

/**
 * Receives what the peer sends. Of messages, pieces are decompressed, and text in several pieces is checked to be UTF-8.
 * Text in one piece (`PieceFlag.Whole`) is not: decode it, and call {@linkcode Protocol.fail} with 1007 when that fails.
 */
export interface ProtocolHandler extends MessageDataHandler {
  /**
   * Called for each ping. The payload is valid during the call.
   *
   * @returns `false` when the ping is not to be answered; anything else answers it, after the call
   */
  onPing(payload: Uint8Array): boolean | void;
  /** Called for each pong, also one that answers no ping. The payload is valid during the call. */
  onPong(payload: Uint8Array): void;
  /**
   * Called for the peer's close frame. No message follows. The answer is not written yet, so that what answers the messages
   * before the close frame can be sent first: call {@linkcode Protocol.answerClose} then, or at once.
   *
   * @param code the peer's close code; 1005 when it gave none
   * @param reason the peer's reason, or `""`
   */
  onCloseFrame(code: number, reason: string): void;
  /**
   * Called once when the connection fails (7.1.7). No message follows. The close frame that says why is not written yet:
   * call {@linkcode Protocol.answerClose} as for `onCloseFrame`.
   */
  onFault(error: ProtocolError | MessageTooBigError): void;
}

/** Compression as both sides agreed on it, RFC 7692, 7. */
export interface DeflateOptions {
  /** The result of the negotiation. */
  readonly parameters: DeflateParameters;
  /** The compression level, 0 (none) to 9 (best). */
  readonly level: number;
  /** Compressors and decompressors for messages that refer to no other. */
  readonly pool: DeflatePool;
}

/** Parameters of a {@linkcode Protocol}. Time and randomness come from outside. */
export interface ProtocolOptions {
  /** Role of this side. Frames of a client are masked, frames of a server are not. */
  role: "client" | "server";
  /** The largest message that may come, bytes. */
  readLimit: number;
  /** The largest number of small fragments in a message; see {@linkcode FrameReaderOptions.maxFragments}. */
  maxFragments?: number;
  /** Draws an unpredictable 32-bit masking key; called for each frame of a client. */
  nextKey: () => number;
  /** The pool of the output's buffers. */
  buffers: BufferPool;
  /** Converts between text and UTF-8. */
  text: TextCodec;
  /** The memory in which a server unmasks long chunks. Default: none, chunks are unmasked in place. */
  maskMemory?: MaskMemory | null;
  /** permessage-deflate, if it was agreed on. Default: no compression. */
  deflate?: DeflateOptions | null;
}

/**
 * One side of a WebSocket connection after the handshake, without I/O: bytes go in by `receiveData`, the handler is
 * called with what they mean, and bytes to send are taken from `output`.
 *
 * `closeHandshake` says how far it is closed.
 */
export class Protocol implements FrameHandler {
  /** The bytes to send: after each call, `take` and `release` them until there are no more. */
  readonly output: OutputQueue;
  readonly #writer: FrameWriter;
  readonly #handler: ProtocolHandler;
  readonly #reader: FrameReader;
  /** Memory in which a server unmasks, if it has one; `null` for a client, whose peer does not mask. */
  readonly #maskMemory: MaskMemory | null;
  readonly #text: TextCodec;
  /** Checks text that comes in pieces; made by the first such text. */
  #utf8: Utf8Validator | null = null;
  readonly #deflater: MessageDeflater | null = null;
  readonly #inflater: MessageInflater | null = null;
  #readLimit: number;
  #held = false;
  /** Whether a chunk is being read. */
  #reading = false;
  /** What came and is to be read after `resume`; made by the first `hold`. */
  #rest: Uint8Array[] | null = null;
  #restBytes = 0;
  #closeSent = false;
  #closeReceived = false;
  #failed = false;
  /** The payload of the close frame that `answerClose` sends; `null` for none. */
  #answer: Uint8Array | null = null;

  /** Makes a protocol in the state after the handshake: no close frame was sent or received. */
  constructor(handler: ProtocolHandler, options: ProtocolOptions) {
    const { readLimit, maxFragments, buffers, text, deflate = null } = options;
    const isClient = options.role === "client";
    this.#handler = handler;
    this.#text = text;
    this.#readLimit = readLimit;
    this.#maskMemory = isClient ? null : options.maskMemory ?? null;
    const allowRsv1 = deflate !== null;
    const limits = { readLimit, maxFragments: maxFragments ?? Infinity };
    this.#reader = new FrameReader(this, { masked: !isClient, allowRsv1, wholeMessages: handler, ...limits });
    if (deflate !== null) {
      const { parameters, level, pool } = deflate;
      const { serverNoContextTakeover, clientNoContextTakeover } = parameters;
      const { serverMaxWindowBits, clientMaxWindowBits } = parameters;
      const server = { pool, windowBits: serverMaxWindowBits, contextTakeover: !serverNoContextTakeover };
      const client = { pool, windowBits: clientMaxWindowBits, contextTakeover: !clientNoContextTakeover };
      const [ours, theirs] = isClient ? [client, server] : [server, client];
      this.#deflater = new MessageDeflater({ ...ours, level });
      const onInflated = (bytes: Uint8Array, length: number, flags: number) =>
        this.#deliver(bytes, 0, length, flags);
      this.#inflater = new MessageInflater({ ...theirs, buffers }, onInflated);
    }
    const nextKey = isClient ? options.nextKey : null;
    this.output = new OutputQueue(options.buffers);
    this.#writer = new FrameWriter(this.output, { nextKey, text: options.text });
  }

  /**
   * State of the closing handshake (RFC 6455, 7.1): `begun` once one close frame was sent or received, `complete` once
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

  /** Whether this side has failed the connection (7.1.7), for a fault of the peer or by {@linkcode Protocol.fail}. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Bytes that the frames of the current message have announced so far, on the wire. */
  get messageLength(): number {
    return this.#reader.messageLength;
  }

  /** The largest message that may come, bytes. */
  get readLimit(): number {
    return this.#readLimit;
  }

  /** Changes the largest message that may come, bytes; it is checked from the next frame header on. */
  setReadLimit(bytes: number): void {
    this.#readLimit = bytes;
    this.#reader.setReadLimit(bytes);
  }

  // ── Receiving ──

  /**
   * Receives the next bytes of the peer, and calls the handler for what is in them. A server unmasks them in the chunk.
   *
   * @param lent whether the chunk is valid during the call only; then pieces of it have `PieceFlag.Lent`. Default: no
   */
  receiveData(chunk: Uint8Array, lent = false): void {
    const read = this.#held ? 0 : this.#read(chunk, lent);
    if (this.#held && read < chunk.length) this.#keep(chunk.subarray(read), lent);
  }

  #read(chunk: Uint8Array, lent: boolean): number {
    const memory = this.#maskMemory;
    const isMoved = memory !== null && !memory.inUse && isWorthMoving(chunk);
    this.#reading = true;
    const read = isMoved
      ? readInMemory(this.#reader, memory, chunk, lent)
      : this.#reader.receive(chunk, lent);
    this.#reading = false;
    return read;
  }

  /**
   * Reads and decompresses nothing more for now, not even the rest of the chunk or of the message that is being read: what
   * came is kept until `resume`, as are chunks that still come. May be called by the handler.
   */
  hold(): void {
    this.#held = true;
    this.#reader.hold();
    if (this.#inflater !== null) this.#inflater.held = true;
  }

  /** Reads again, first what was kept, until that is read or `hold` is called. */
  resume(): void {
    this.#held = false;
    this.#reader.resume();
    if (this.#inflater !== null) this.#inflater.held = false;
    // Called by the handler: what is being read goes on by itself.
    if (this.#reading) return;
    if (this.#inflater !== null && !this.#failed) {
      this.#reading = true;
      this.#checkInflated(this.#inflater.resume());
      this.#reading = false;
    }
    for (let chunk = this.#rest?.shift(); chunk !== undefined; chunk = this.#rest?.shift()) {
      this.#restBytes -= chunk.length;
      const read = this.#held ? 0 : this.#read(chunk, false);
      if (!this.#held) continue;
      if (read < chunk.length && this.#rest !== null) {
        this.#rest.unshift(chunk.subarray(read));
        this.#restBytes += chunk.length - read;
      }
      return;
    }
  }

  /** Whether `hold` was called last, and not `resume`. */
  get held(): boolean {
    return this.#held;
  }

  /** Bytes that came and are kept until `resume`; `null` when nothing is: there may be output of the decompressor alone. */
  get keptBytes(): number | null {
    const inflating = this.#inflater?.inputLeft ?? null;
    return this.#restBytes === 0 ? inflating : this.#restBytes + (inflating ?? 0);
  }

  #keep(rest: Uint8Array, lent: boolean): void {
    if (this.#closeReceived || this.#failed) return;
    (this.#rest ??= []).push(lent ? new Uint8Array(rest) : rest);
    this.#restBytes += rest.length;
  }

  /** Called by the frame reader, for all messages but the short whole ones, which go straight to the handler. */
  onMessageData(chunk: Uint8Array, start: number, end: number, flags: number): void {
    if ((flags & PieceFlag.Compressed) !== 0) this.#inflate(chunk, start, end, flags);
    else this.#deliver(chunk, start, end, flags);
  }

  #inflate(chunk: Uint8Array, start: number, end: number, flags: number): void {
    this.#checkInflated(this.#inflater!.receive(chunk, start, end, flags, this.#readLimit));
  }

  #checkInflated(outcome: InflateOutcome): void {
    if (outcome === "too big") {
      this.fail(CloseCode.MessageTooBig, `a message is larger than ${this.#readLimit} bytes`);
    } else if (outcome === "invalid") {
      this.fail(CloseCode.InvalidFramePayloadData, "a message is not DEFLATE");
    }
  }

  /** 8.1: text is UTF-8. In several pieces it is checked as they come; in one, the handler finds out by decoding it. */
  #deliver(chunk: Uint8Array, start: number, end: number, flags: number): void {
    if (this.#failed) return;
    const isChecked = (flags & PieceFlag.Text) !== 0 && !isWhole(flags);
    if (isChecked && !this.#isUtf8(chunk, start, end, flags)) {
      this.fail(CloseCode.InvalidFramePayloadData, "a text message is not UTF-8");
    } else {
      this.#handler.onMessageData(chunk, start, end, flags);
    }
  }

  /** Whether the text up to this piece can become UTF-8; with the last piece, whether all of it is UTF-8. */
  #isUtf8(chunk: Uint8Array, start: number, end: number, flags: number): boolean {
    const utf8 = this.#utf8 ??= new Utf8Validator();
    if ((flags & PieceFlag.First) !== 0) utf8.reset();
    return utf8.push(chunk, start, end) && ((flags & PieceFlag.Last) === 0 || utf8.complete);
  }

  /** Called by the frame reader. */
  onControl(opcode: Opcode, payload: Uint8Array): void {
    if (opcode === Opcode.Close) return this.#receiveClose(payload);
    if (opcode === Opcode.Pong) return this.#handler.onPong(payload);
    // 5.5.2: a ping is answered with its own payload, unless a close frame was sent.
    const isAnswered = this.#handler.onPing(payload) !== false;
    if (isAnswered && !this.#closeSent) this.#writer.writeControl(Opcode.Pong, payload);
  }

  /** Called by the frame reader. */
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
    this.#stopReading();
    // 5.5.1: the answer is a close frame, which typically repeats the peer's code; the reason is repeated as well.
    this.#answer = payload.slice();
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

  /** Sends bytes as {@linkcode Protocol.sendText} sends text. The bytes of a text message must be UTF-8. */
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
    this.#writeClose(this.#closePayload(code, reason));
  }

  /**
   * Sends the close frame that is owed: the answer to the peer's, or, after a fault, the one that says what is wrong.
   * Nothing can be sent afterwards. Does nothing when none is owed, as when this side has sent a close frame.
   *
   * @returns whether a close frame was sent
   */
  answerClose(): boolean {
    if (this.#answer === null || this.#closeSent) return false;
    this.#writeClose(this.#answer);
    return true;
  }

  #closePayload(code: number, reason: string): Uint8Array {
    if (code === CloseCode.NoStatusReceived) return new Uint8Array(0);
    if (!isSendableCloseCode(code)) throw new RangeError(`Cannot close: code ${code} must not be sent`);
    const text = this.#text.encode(reason);
    const payload = new Uint8Array(2 + reasonLength(text));
    payload[0] = code >> 8;
    payload[1] = code;
    payload.set(text.subarray(0, payload.length - 2), 2);
    return payload;
  }

  /**
   * Fails the connection (7.1.7): stops reading and calls the handler's `onFault`, which is to call
   * {@linkcode Protocol.answerClose}. Does nothing the second time.
   *
   * @param code the close code to send
   * @param reason what is wrong, at most 123 bytes of UTF-8; a longer one is cut
   */
  fail(code: CloseCode, reason: string): void {
    if (this.#failed) return;
    this.#stopReading();
    this.#inflater?.close();
    this.#failed = true;
    this.#answer ??= this.#closePayload(code, reason);
    const tooBig = code === CloseCode.MessageTooBig;
    this.#handler.onFault(
      tooBig ? new MessageTooBigError(this.#readLimit, reason) : new ProtocolError(code, reason),
    );
  }

  #stopReading(): void {
    this.#reader.stop();
    this.#rest = null;
    this.#restBytes = 0;
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

/** Bytes of a reason that fit, without a cut inside a code point, which would not be UTF-8. */
function reasonLength(reason: Uint8Array): number {
  let length = Math.min(reason.length, MAX_REASON_BYTES);
  if (length < reason.length) { while ((reason[length]! & 0xc0) === 0x80) length--; }
  return length;
}
