import { showFields } from "../bytes/inspection.ts";
import type { Addr } from "../net/addr.ts";
import type { Conn, WaitOptions } from "../net/conn.ts";
import type { Deadline } from "../net/deadline.ts";
import { CloseCode } from "../protocol/close_code.ts";
import { setBatchWriterOf } from "./batch_writer.ts";
import { type CloseInfo, isEndOf } from "./close_error.ts";
import { Connection, type WebSocketInit } from "./connection.ts";
import { extensionsText } from "./compression.ts";
import type { HandshakeResponse } from "./handshake_response.ts";
import type { Reading, Wanted } from "./inbox.ts";
import type { Bytes, Message, MessageData, MessageType } from "./message.ts";
import { fromJson, toJson } from "./message_json.ts";
import type { MessageReader, ReceivedMessage } from "./message_reader.ts";
import type { MessageWriter } from "./message_writer.ts";
import type { PreparedMessage } from "./prepared_message.ts";
import type { WriteOptions } from "./sender.ts";

/** Reads the next result of an iteration. */
let readResult: (conn: WebSocketConn) => Promise<IteratorResult<Message, undefined>>;

/** Whether an error tells the end of this connection, and not of another. For the server, which made the connection. */
export let isOwnEnd: (conn: WebSocketConn, error: unknown) => boolean;

/**
 * A WebSocket connection, RFC 6455, of either role. Go: gorilla's `Conn`.
 *
 * The connection reads ahead of the application, up to `readBufferSize`: pings are answered and the peer's close is seen
 * while the application does something else. An application that does not read slows the peer down. Calls may overlap;
 * messages are sent in order of calling. Frames that are written in one turn of the event loop leave in one write.
 *
 * @example
 * ```ts
 * import { dialWebSocket, listenAndServe } from "jackfield";
 *
 * const server = await listenAndServe("tcp", "127.0.0.1:0", {
 *   websocket: async (conn) => {
 *     for await (const message of conn) await conn.writeMessage(message.data);
 *   },
 * });
 * const conn = await dialWebSocket(`ws://${server.addr}/`);
 * await conn.writeMessage("hello");
 * conn.setReadDeadline(Date.now() + 10_000);
 * console.log((await conn.readMessage()).data); // hello
 * await conn.close();
 * await server.shutdown();
 * ```
 */
export class WebSocketConn implements AsyncIterable<Message>, AsyncDisposable {
  /** The subprotocol that both sides agreed on, or `""`. */
  readonly subprotocol: string;
  /** The extensions that both sides agreed on, as in `Sec-WebSocket-Extensions`, or `""`. */
  readonly extensions: string;
  /** On the client, the server's 101 response, with its headers; `null` on the server. */
  readonly response: HandshakeResponse | null;
  readonly #connection: Connection;
  #netConn: Conn | null;
  /** Whether `closeRead` was called. */
  #readClosed = false;

  static {
    readResult = (conn) => conn.#read("result") as Promise<IteratorResult<Message, undefined>>;
    isOwnEnd = (conn, error) => isEndOf(conn.#connection, error);
    setBatchWriterOf((socket) =>
      typeof socket === "object" && socket !== null && #connection in socket
        ? socket.#connection.sender
        : null
    );
  }

  /** Called by `dialWebSocket` and `Upgrader`. */
  constructor(init: WebSocketInit) {
    this.#netConn = init.netConn;
    this.subprotocol = init.subprotocol;
    this.response = init.response ?? null;
    this.extensions = extensionsText(init.compression?.parameters ?? null);
    this.#connection = new Connection(this, init);
    const { subprotocol, extensions } = this;
    init.trace?.emit({ type: "open", subprotocol, extensions });
    this.#connection.start(init);
  }

  /** The address of this end. */
  get localAddr(): Addr {
    return this.#connection.localAddr;
  }

  /** The address of the peer. */
  get remoteAddr(): Addr {
    return this.#connection.remoteAddr;
  }

  /** The connection below, for its addresses and TCP options. Its other methods act as on a closed one. */
  get netConn(): Conn {
    return this.#netConn ??= this.#connection.makeNetConn();
  }

  /** Resolves when the connection is closed; never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#connection.lifecycle.closed;
  }

  /**
   * `closing` from when nothing can be sent any more until the transport is gone. A connection that the peer closes stays
   * `open` until the application has read what came before.
   */
  get state(): "open" | "closing" | "closed" {
    return this.#connection.lifecycle.state;
  }

  /** Bytes that were written and that the runtime has not taken yet, with the payloads of messages that wait for their turn. */
  get bufferedAmount(): number {
    return this.#connection.output.bufferedBytes + this.#connection.sender.waitingBytes;
  }

  // ── Reading ──

  /**
   * Resolves to the next message.
   *
   * @throws {CloseError} when the connection is closed and every message that came before is read
   * @throws {ProtocolError} or {@linkcode MessageTooBigError}, instead, when a fault of the peer closed it
   * @throws {DeadlineExceededError} when the read deadline passes; no message is lost, and reading can go on
   */
  readMessage(options?: WaitOptions): Promise<Message> {
    return this.#read("message", options) as Promise<Message>;
  }

  /**
   * Reads one message and parses it as JSON. Go: `ReadJSON`.
   *
   * @throws {SyntaxError} when the message is not valid JSON; the next one can be read
   * @throws as {@linkcode WebSocketConn.readMessage}
   */
  async readJson<T = unknown>(options?: WaitOptions): Promise<T> {
    const { data } = await this.readMessage(options);
    return fromJson(data) as T;
  }

  /**
   * Resolves to a reader of the next message as soon as its first bytes have come: for messages that are too long to be
   * held, or that are processed as they come. The read limit still holds; raise it for longer messages, up to `Infinity`.
   * Go: gorilla's `NextReader`.
   *
   * One message is read at a time: a later call that reads a message, by whatever method, drops the rest of this one, and
   * its reader fails from then on. Calls that already wait get the messages that follow.
   *
   * @throws as {@linkcode WebSocketConn.readMessage}
   */
  nextReader(options?: WaitOptions): Promise<MessageReader> {
    return this.#read("reader", options) as Promise<ReceivedMessage>;
  }

  /**
   * Iterates over the messages until the connection is closed: ends after `close` and `closeNow` of this side, and on the
   * peer's 1000, 1001 or close without a code; throws as {@linkcode WebSocketConn.readMessage} on any other end.
   */
  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return new MessageIterator(this);
  }

  /**
   * Ends reading for an application that only writes: from now on pings are answered and the peer's close is seen without
   * a call that reads. Messages are discarded, or end the connection with 1008. Calls that read reject, those that
   * already wait get their messages first. Go: coder/websocket's `CloseRead`.
   *
   * @throws {TypeError} when `messages` is neither `"discard"` nor `"refuse"`
   */
  closeRead(options: CloseReadOptions = {}): void {
    const { messages = "discard" } = options;
    if (messages !== "discard" && messages !== "refuse") {
      throw new TypeError(`Cannot close reading: messages is ${messages}, not "discard" or "refuse"`);
    }
    if (this.#readClosed) return;
    this.setReadDeadline(null);
    this.#readClosed = true;
    void discardMessages(this.#connection, messages === "refuse");
  }

  #read(wanted: Wanted, options?: WaitOptions): Promise<Reading> {
    if (this.#readClosed) return Promise.reject(new Error("Cannot read: closeRead() was called"));
    return this.#connection.inbox.read(wanted, options?.signal);
  }

  // ── Writing ──

  /**
   * Sends a message. Resolves when what waits is below `writeBufferSize`, a large array when all of it has left;
   * until then the array must stay as it is. A message whose write was given up, by a deadline or a signal, was queued
   * all the same: it arrives whole when the peer goes on reading, as it was when it was written. Only while it waits
   * for a message that is written in parts is it not sent.
   *
   * @throws {CloseError} when the connection is closing or closed; after a fault of the peer with the code that told the
   * peer of it, and the fault as `cause`
   * @throws {DeadlineExceededError} when the write deadline passes first
   * @throws {TypeError} when `data` is neither text nor bytes
   */
  writeMessage(data: MessageData, options?: WriteOptions): Promise<void> {
    return this.#connection.sender.write(data, options);
  }

  /** Sends a value as JSON text. Go: `WriteJSON`. */
  writeJson(value: unknown, options?: WaitOptions): Promise<void> {
    try {
      return this.#connection.sender.write(toJson(value), options);
    } catch (error) {
      // A fault of the value, whatever its `toJSON` throws.
      return Promise.reject(error);
    }
  }

  /** Sends a message that was encoded once for many. Go: gorilla's `WritePreparedMessage`. */
  writePrepared(message: PreparedMessage, options?: WaitOptions): Promise<void> {
    return this.#connection.sender.writePrepared(message, options?.signal);
  }

  /**
   * Begins a message that is written in parts. Resolves when the messages before it have ended; other messages,
   * broadcasts too, wait for its end. A write that is given up while it waits for that is not sent.
   * Go: gorilla's `NextWriter`.
   *
   * @throws as {@linkcode WebSocketConn.writeMessage}
   */
  nextWriter(type: MessageType, options?: WaitOptions): Promise<MessageWriter> {
    return this.#connection.sender.nextWriter(type, options?.signal);
  }

  // ── Control ──

  /**
   * Sends a ping and resolves to the round trip in milliseconds when its pong comes.
   *
   * @param data the payload, at most 125 bytes. Default: one that no other ping of this connection has
   */
  ping(data?: Bytes, options?: WaitOptions): Promise<number> {
    return this.#connection.pings.send(data, options?.signal);
  }

  /** Sends a pong that answers no ping (RFC 6455, 5.5.3), of at most 125 bytes. Default: an empty one. */
  pong(data: Bytes = new Uint8Array(0)): Promise<void> {
    return this.#connection.sender.pong(data);
  }

  /**
   * Closes the connection by the closing handshake (RFC 6455, 7): sends a close frame after what was written before, waits
   * for the peer's, `closeTimeout` at the most, and resolves when the transport is closed. Messages that came before can
   * still be read; messages that come later are dropped.
   *
   * @param code 1000 (default) to 1003, 1007 to 1014, or 3000 to 4999
   * @param reason at most 123 bytes of UTF-8
   * @throws {RangeError} when the code must not be sent or the reason is too long
   */
  close(code: number = CloseCode.NormalClosure, reason = ""): Promise<CloseInfo> {
    return this.#connection.lifecycle.close(code, reason);
  }

  /** Drops the transport at once, without a close frame. */
  closeNow(): void {
    this.#connection.lifecycle.closeNow();
  }

  // ── Deadlines and limits ──

  /** Sets both deadlines. */
  setDeadline(t: Deadline): void {
    this.setReadDeadline(t);
    this.setWriteDeadline(t);
  }

  /** Sets when pending and later reads fail; `null` for never. The connection stays open: move the deadline and go on reading. */
  setReadDeadline(t: Deadline): void {
    if (!this.#readClosed) this.#connection.inbox.setDeadline(t);
  }

  /**
   * Sets when pending and later writes fail; `null` for never. The connection stays open, unless a pending write's array is
   * with the runtime, which cannot give it back: Node and Deno, where the deadline was set after the call. Then the
   * connection drops, so that nothing else is sent out of the array.
   */
  setWriteDeadline(t: Deadline): void {
    this.#connection.sender.setDeadline(t);
  }

  /**
   * Sets the largest message that may come. A larger one closes the connection with 1009. The limit is checked from the
   * next frame on, against the length in its header.
   *
   * @param bytes `Infinity` for no limit
   * @throws {RangeError} when `bytes` is not a positive number
   */
  setReadLimit(bytes: number): void {
    if (!(bytes > 0)) throw new RangeError(`Cannot set the read limit: ${bytes} is not a positive number`);
    this.#connection.protocol.setReadLimit(bytes);
  }

  /** Switches compression of what is written from now on, where it was agreed on. Go: gorilla's `EnableWriteCompression`. */
  setWriteCompression(on: boolean): void {
    this.#connection.sender.setCompression(on);
  }

  /** Closes with 1000 as {@linkcode WebSocketConn.close} does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** A class, not a generator: a generator would cost each connection a function of its own. */
class MessageIterator implements AsyncIterator<Message, undefined> {
  readonly #conn: WebSocketConn;

  constructor(conn: WebSocketConn) {
    this.#conn = conn;
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    return readResult(this.#conn);
  }
}

/** Options of {@linkcode WebSocketConn.closeRead}. */
export interface CloseReadOptions {
  /** Whether messages are discarded, or a message closes the connection with 1008. Default: `"discard"`. */
  messages?: "discard" | "refuse";
}

/** Reads until the connection ends, message by message, and holds none of them. */
async function discardMessages({ inbox, lifecycle }: Connection, refuse: boolean): Promise<void> {
  try {
    for (;;) {
      await inbox.read("reader");
      if (refuse) void lifecycle.close(CloseCode.PolicyViolation, "No messages are expected");
    }
  } catch {
    // The connection has ended.
  }
}

showFields(WebSocketConn, ({ state, localAddr, remoteAddr, subprotocol, extensions, bufferedAmount }) => (
  { state, local: String(localAddr), remote: String(remoteAddr), subprotocol, extensions, bufferedAmount }
));
