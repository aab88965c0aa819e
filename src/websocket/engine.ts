import type { CopyOwner, CopySpace } from "../bytes/chunk_copies.ts";
import type { Addr } from "../net/addr.ts";
import type { Conn } from "../net/conn.ts";
import { DeadlineExceededError, type NetError } from "../net/errors.ts";
import type { Runtime } from "../net/runtime.ts";
import type { DetachedSocket } from "../net/socket_conn.ts";
import { connOver } from "../net/tls_conn.ts";
import type { StreamHandler, StreamSocket } from "../net/stream_socket.ts";
import { CloseCode } from "../protocol/close_code.ts";
import type { MessageTooBigError, ProtocolError } from "../protocol/protocol_error.ts";
import { Protocol, type ProtocolHandler } from "../protocol/protocol.ts";
import { CloseError, type CloseInfo, isQuietClose } from "./close_error.ts";
import { checkClose, Closing } from "./closing.ts";
import { Incoming, type IncomingOwner } from "./incoming.ts";
import { Keepalive, type KeepaliveOwner } from "./keepalive.ts";
import type { Compression } from "./compression.ts";
import type { Bytes, Message } from "./message.ts";
import type { IncomingMessage, MessageReader } from "./message_reader.ts";
import type { WebSocketSettings } from "./options.ts";
import { GRAIN, MemoryAccount, MemoryBudget, type MemoryHolder } from "./memory_budget.ts";
import { Outgoing, type OutgoingOwner } from "./outgoing.ts";
import { Pings } from "./pings.ts";
import { controlPayload, Sender, type SenderOwner } from "./sender.ts";

export type { WriteOptions } from "./sender.ts";

/** What the handshake led to. */
export interface WebSocketInit {
  readonly runtime: Runtime;
  readonly role: "client" | "server";
  /** The connection below; `null` where none was made, until somebody asks for it. */
  readonly netConn: Conn | null;
  readonly detached: DetachedSocket;
  readonly settings: WebSocketSettings;
  readonly subprotocol: string;
  /** Compression, if it was agreed on. */
  readonly compression: Compression | null;
  /** Bytes that came after the handshake's head. */
  readonly rest: Uint8Array;
  /** Sent before the first frame: a server's answer to the handshake. */
  readonly preamble?: string;
}

/** Joins the protocol to a socket: what a `WebSocketConn` is inside. */
export class Engine
  implements
    StreamHandler,
    ProtocolHandler,
    IncomingOwner,
    OutgoingOwner,
    SenderOwner,
    KeepaliveOwner,
    MemoryHolder,
    CopyOwner {
  copySpace: CopySpace | null = null;
  /** A server moves them to where they are unmasked. */
  readonly copiesLong: boolean;
  readonly incoming: Incoming;
  readonly outgoing: Outgoing;
  readonly sender: Sender;
  readonly #protocol: Protocol;
  readonly #runtime: Runtime;
  readonly #socket: StreamSocket;
  readonly #keepalive: Keepalive | null;
  readonly #settings: WebSocketSettings;
  readonly #isClient: boolean;
  // Each is made when there is something to it: most connections are idle.
  #closing: Closing | null = null;
  #memory: MemoryAccount | null = null;
  #pings: Pings | null = null;
  /** This side called `close`: what still comes is for nobody. */
  #leaving = false;
  /** Why this side dropped the connection. */
  #dropCause: Error | null = null;

  constructor({ runtime, role, detached, settings, preamble, compression }: WebSocketInit) {
    const { buffers, timers, turn, adapter, random } = runtime;
    const { socket } = detached;
    this.#runtime = runtime;
    this.#socket = socket;
    this.#settings = settings;
    const isClient = role === "client";
    this.#isClient = isClient;
    this.copiesLong = !isClient && adapter.maskMemory !== null;
    const { readLimit, maxFragments, readBufferSize, writeBufferSize, pingInterval, pongTimeout } = settings;
    const { text, maskMemory } = adapter;
    const protocol = new Protocol(this, {
      role,
      readLimit,
      maxFragments,
      nextKey: random.nextKey,
      buffers,
      text,
      maskMemory,
      deflate: compression,
    });
    this.#protocol = protocol;
    this.incoming = new Incoming(this, text, timers, runtime.copies, readBufferSize);
    this.outgoing = new Outgoing(this, protocol.output, socket, turn, timers, writeBufferSize);
    this.sender = new Sender(this, {
      protocol,
      outgoing: this.outgoing,
      text,
      isClient,
      compression,
      turn,
      timers,
    });
    this.#keepalive = pingInterval === Infinity
      ? null
      : new Keepalive(this, timers, pingInterval, pongTimeout);
    if (preamble !== undefined) protocol.output.writeHead(preamble);
  }

  /** Takes the socket over, with what it had already received. */
  start({ rest, detached }: WebSocketInit): void {
    const { chunks, ended, error } = detached;
    if (this.#protocol.output.pending) this.outgoing.flushSoon();
    if (rest.length > 0) this.onData(rest, false);
    for (let chunk = chunks?.shift(); chunk !== undefined; chunk = chunks?.shift()) this.onData(chunk, false);
    if (error !== null) return this.onClose(error);
    this.#socket.start(this);
    if (ended) this.onEnd();
  }

  get closing(): Closing {
    return this.#closing ??= new Closing(
      this.#protocol,
      this.outgoing,
      this.#socket,
      this.#runtime.timers,
      this.#settings.closeTimeout,
      this.#isClient,
    );
  }

  get state(): "open" | "closing" | "closed" {
    return this.#closing === null ? "open" : this.#closing.state;
  }

  /** Whether the socket is gone. */
  get #gone(): boolean {
    return this.#closing !== null && this.#closing.gone;
  }

  get localAddr(): Addr {
    return this.#socket.localAddr;
  }

  get remoteAddr(): Addr {
    return this.#socket.remoteAddr;
  }

  /** A connection over the socket, for its addresses and options: it acts as closed. */
  makeNetConn(): Conn {
    return connOver(this.#socket, this.#runtime.timers, null, true);
  }

  // ── From the application ──

  readMessage(signal?: AbortSignal): Promise<Message> {
    return this.incoming.read("message", signal) as Promise<Message>;
  }

  readIterated(): Promise<IteratorResult<Message, undefined>> {
    return this.incoming.read("result") as Promise<IteratorResult<Message, undefined>>;
  }

  nextReader(signal?: AbortSignal): Promise<MessageReader> {
    return this.incoming.read("reader", signal) as Promise<IncomingMessage>;
  }

  setReadLimit(bytes: number): void {
    this.#protocol.setReadLimit(bytes);
  }

  async ping(data: Bytes | undefined, signal?: AbortSignal): Promise<number> {
    this.#pings ??= new Pings(this.#runtime.timers);
    // A copy: its owner may go on with it, while the pong is known by what was sent.
    const payload = data === undefined ? this.#pings.nextPayload() : new Uint8Array(controlPayload(data));
    this.sender.ping(payload, signal);
    return await this.#pings.sent(payload, signal);
  }

  async close(code: number, reason: string): Promise<CloseInfo> {
    checkClose(code, reason);
    if (this.writable) {
      this.#leaving = true;
      this.sender.flush();
      this.#protocol.sendClose(code, reason);
      this.#startClosing();
    }
    return await this.closing.closed;
  }

  closeNow(): void {
    if (this.#gone) return;
    this.#leaving = true;
    this.closing.drop();
  }

  // ── From the socket ──

  onData(chunk: Uint8Array, lent: boolean): void {
    this.#keepalive?.heard();
    this.#runtime.copies.begin(this, chunk.length);
    this.#protocol.receiveData(chunk, lent);
    // Pongs and close frames are written while reading, with nobody else to send them.
    if (this.#protocol.output.pending) this.outgoing.flushSoon();
    this.#account();
  }

  onEnd(): void {
    this.closing.onEnd();
    this.#endReading();
    this.#startClosing();
  }

  onDrain(): void {
    this.outgoing.onDrain();
  }

  onClose(error: NetError | null): void {
    if (this.#gone) return;
    this.#keepalive?.stop();
    this.#protocol.close();
    this.#memory?.close();
    const info = this.closing.end();
    const reason = lazily(() => new CloseError(info, error ?? this.#dropCause ?? undefined));
    this.incoming.end(reason, this.#leaving || isQuietClose(info.code));
    this.sender.stop(reason);
    this.outgoing.stop(reason);
    this.#pings?.fail(reason());
  }

  // ── From the protocol ──

  onMessageData(
    text: boolean,
    chunk: Uint8Array,
    start: number,
    end: number,
    first: boolean,
    last: boolean,
    lent: boolean,
  ): void {
    if (this.#leaving) return;
    const protocol = this.#protocol;
    const valid = first && last
      ? this.incoming.addWhole(text, chunk, start, end, lent)
      : this.incoming.addPiece(
        text,
        chunk,
        start,
        end,
        last,
        lent,
        protocol.messageLength,
        protocol.readLimit,
      );
    if (!valid) protocol.fail(CloseCode.InvalidFramePayloadData, "a text message is not UTF-8");
  }

  onPing(): void {}

  onPong(payload: Uint8Array): void {
    this.#pings?.onPong(payload);
  }

  onCloseFrame(code: number, reason: string): void {
    this.closing.onCloseFrame(code, reason);
    this.#endReading();
    this.#startClosing();
  }

  onFault(error: ProtocolError | MessageTooBigError): void {
    this.incoming.end(() => error, this.#leaving);
    this.#startClosing();
  }

  // ── From the parts ──

  onFull(full: boolean): void {
    if (this.#gone) return;
    if (full) this.#socket.pause();
    else this.#socket.resume();
  }

  onWait(): void {
    this.#account();
    // What the application wrote until now leaves, in one write.
    this.outgoing.flushNow();
  }

  onDrained(): void {
    this.#closing?.advance();
    this.#account();
  }

  onBacklog(): void {
    this.#account();
  }

  #account(): void {
    const held = this.incoming.heldBytes + this.outgoing.bufferedBytes + this.sender.waitingBytes;
    if (this.#memory !== null) this.#memory.update(held);
    else if (held >= GRAIN) this.#openAccount().update(held);
  }

  #openAccount(): MemoryAccount {
    const budget = this.#settings.memoryBudget ?? defaultBudget(this.#runtime);
    const account = new MemoryAccount(budget, this);
    // What is over holds nothing.
    if (this.#gone) account.close();
    return this.#memory = account;
  }

  /** Other connections need the memory: what came is forgotten, and the peer may try again later. */
  endForMemory(): void {
    if (this.#gone) return;
    this.#memory?.close();
    const reason = "the memory budget is used up";
    const error = new CloseError({ code: CloseCode.TryAgainLater, reason, wasClean: false });
    this.incoming.end(() => error, false);
    this.incoming.clear();
    this.#dropCause = error;
    // A peer that does not take what was sent will not take a close frame either.
    if (this.outgoing.bufferedBytes > 0 || !this.writable) return this.closing.drop();
    this.#protocol.fail(CloseCode.TryAgainLater, reason);
  }

  get writable(): boolean {
    return this.#closing === null ? this.#protocol.writable : this.#closing.writable;
  }

  notWritable(): Error {
    return new CloseError(this.closing.info);
  }

  readExpired(): Error {
    return new DeadlineExceededError("read", "websocket", this.remoteAddr);
  }

  writeExpired(): Error {
    return new DeadlineExceededError("write", "websocket", this.remoteAddr);
  }

  get bytesLeft(): number {
    return this.outgoing.bytesLeft;
  }

  get sendBlocked(): boolean {
    return !this.outgoing.drained;
  }

  get readPaused(): boolean {
    return this.incoming.full;
  }

  onSilent(): void {
    this.copySpace = null;
  }

  sendKeepalivePing(): void {
    if (!this.writable) return;
    this.#protocol.sendPing(new Uint8Array(0));
    this.outgoing.flushNow();
  }

  onDead(): void {
    this.#dropCause = this.readExpired();
    this.closing.drop();
  }

  // ── Closing ──

  #startClosing(): void {
    this.#keepalive?.stop();
    this.sender.stop(lazily(() => this.notWritable()));
    // Nothing that comes is kept any more, and the peer's end has to be seen.
    if (this.incoming.full) this.#socket.resume();
    this.closing.begin();
  }

  /** Nothing more will come, though the transport may take its time to go. */
  #endReading(): void {
    const { info } = this.closing;
    this.incoming.end(lazily(() => new CloseError(info)), this.#leaving || isQuietClose(info.code));
  }
}

/**
 * An error that is made when somebody is to get it, and then once. Most connections end with nobody waiting, and the trace
 * that each error takes was a tenth of what a short connection cost.
 */
function lazily(make: () => Error): () => Error {
  let error: Error | null = null;
  return () => error ??= make();
}

/** What the connections of a runtime may hold together, where nothing else is said. */
const DEFAULT_BUDGET = 1 << 30;

const budgets = new WeakMap<Runtime, MemoryBudget>();

function defaultBudget(runtime: Runtime): MemoryBudget {
  let budget = budgets.get(runtime);
  if (budget === undefined) budgets.set(runtime, budget = new MemoryBudget(DEFAULT_BUDGET));
  return budget;
}
