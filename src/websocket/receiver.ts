import { ChunkCopies } from "../bytes/chunk_copies.ts";
import type { TextCodec } from "../bytes/text.ts";
import { CloseCode } from "../protocol/close_code.ts";
import { isWhole, PieceFlag } from "../protocol/message_piece.ts";
import type { MessageTooBigError, ProtocolError } from "../protocol/protocol_error.ts";
import { Protocol, type ProtocolHandler, type ProtocolOptions } from "../protocol/protocol.ts";
import type { ArrivingMessage } from "./arriving_message.ts";
import type { Connection } from "./connection.ts";
import type { Inbox } from "./inbox.ts";
import type { ReceivedMessage } from "./message_reader.ts";

/**
 * Makes messages of what the protocol reads, and puts them into the inbox: text is decoded, bytes are kept, pieces are
 * gathered or passed to the reader of their message. Control frames and faults go to the parts that they concern.
 */
export class Receiver implements ProtocolHandler {
  readonly protocol: Protocol;
  readonly #connection: Connection;
  readonly #inbox: Inbox;
  readonly #text: TextCodec;
  readonly #maxCheapArray: number;
  /** Copies of bytes to keep; made by the first chunk after a silence, because an idle connection needs none. */
  #copies: ChunkCopies | null = null;
  #dropsMessages = false;

  /** @param maxCheapArray see {@linkcode ChunkCopies} */
  constructor(connection: Connection, inbox: Inbox, options: ProtocolOptions, maxCheapArray: number) {
    this.#connection = connection;
    this.#inbox = inbox;
    this.#text = options.text;
    this.#maxCheapArray = maxCheapArray;
    this.protocol = new Protocol(this, options);
  }

  /** To be called when a chunk comes, of `size` bytes, before the protocol reads it. */
  beginChunk(size: number): void {
    this.#copies ??= new ChunkCopies(this.#maxCheapArray);
    this.#copies.begin(size);
  }

  /** Lets go of the buffer that the next short copies would share: nothing has come for a while. */
  onSilence(): void {
    this.#copies = null;
  }

  /** Drops the messages that still come: this side is closing. */
  dropMessages(): void {
    this.#dropsMessages = true;
  }

  // ── From the protocol ──

  onMessageData(chunk: Uint8Array, start: number, end: number, flags: number): void {
    if (this.#dropsMessages) return;
    if (!isWhole(flags)) return this.#addPiece(chunk, start, end, flags);
    if ((flags & PieceFlag.Text) !== 0) return this.#addText(chunk, start, end);
    // Bytes of the frame's header: at least this many lie before the payload, or in the chunk before.
    const room = Math.min(start, end - start < 65536 ? 4 : 10);
    const lent = (flags & PieceFlag.Lent) !== 0;
    this.#inbox.add({ type: "binary", data: this.#copies!.keep(chunk, start, end, lent, room) });
  }

  onPing(payload: Uint8Array): boolean {
    const { trace } = this.#connection;
    trace?.control("received", "ping", payload);
    const isAnswered = this.#connection.onPing(payload) !== false;
    if (isAnswered && !this.protocol.closeSent) trace?.control("sent", "pong", payload);
    return isAnswered;
  }

  onPong(payload: Uint8Array): void {
    this.#connection.trace?.control("received", "pong", payload);
    this.#connection.onPong(payload);
  }

  onCloseFrame(code: number, reason: string): void {
    const { lifecycle, trace } = this.#connection;
    trace?.closeFrame("received", code, reason);
    lifecycle.onPeerClose(code, reason);
  }

  onFault(error: ProtocolError | MessageTooBigError): void {
    this.#connection.lifecycle.onFault(error);
  }

  // ── Messages ──

  /** Adds a text message, unless it is not UTF-8: then the connection fails (RFC 6455, 8.1). */
  #addText(bytes: Uint8Array, start: number, end: number): void {
    this.#addDecoded(this.#text.decode(bytes, start, end));
  }

  #addDecoded(data: string | null): void {
    if (data !== null) this.#inbox.add({ type: "text", data });
    else this.protocol.fail(CloseCode.InvalidFramePayloadData, "a text message is not UTF-8");
  }

  #addPiece(chunk: Uint8Array, start: number, end: number, flags: number): void {
    const { messageLength, readLimit } = this.protocol;
    const message = this.#inbox.arrive((flags & PieceFlag.Text) !== 0 ? "text" : "binary");
    const { reader } = message;
    if (reader !== null) this.#passTo(reader, chunk, start, end, flags);
    else {
      try {
        message.gather(chunk, start, end, messageLength, readLimit);
      } catch {
        return this.protocol.fail(CloseCode.MessageTooBig, "a message is longer than an array can be");
      }
    }
    if ((flags & PieceFlag.Last) === 0) return;
    this.#inbox.endArriving();
    if (reader !== null) return reader.end();
    this.#addGathered(message);
  }

  #addGathered(message: ArrivingMessage): void {
    const data = message.bytes();
    if (message.type === "binary") return this.#inbox.add({ type: "binary", data });
    let text: string | null;
    try {
      text = this.#text.decode(data, 0, data.length);
    } catch {
      // Engines have strings of at most half a gibibyte to four.
      return this.protocol.fail(CloseCode.MessageTooBig, "a message is longer than a string can be");
    }
    this.#addDecoded(text);
  }

  #passTo(reader: ReceivedMessage, chunk: Uint8Array, start: number, end: number, flags: number): void {
    if (start === end || reader.discarded) return;
    reader.push(this.#copies!.keep(chunk, start, end, (flags & PieceFlag.Lent) !== 0));
  }
}
