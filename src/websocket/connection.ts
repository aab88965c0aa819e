import type { CopyOwner, CopySpace } from "../bytes/chunk_copies.ts";
import type { Addr } from "../net/addr.ts";
import type { Conn } from "../net/conn.ts";
import type { DebugTrace } from "./debug.ts";
import { DeadlineExceededError, type NetError } from "../net/errors.ts";
import type { Runtime } from "../net/runtime.ts";
import type { DetachedSocket } from "../net/socket_conn.ts";
import type { TimerQueue } from "../net/timer_queue.ts";
import { connOver } from "../net/tls_conn.ts";
import type { StreamHandler, StreamSocket } from "../net/stream_socket.ts";
import type { MessageTooBigError, ProtocolError } from "../protocol/protocol_error.ts";
import type { Protocol } from "../protocol/protocol.ts";
import { Keepalive, type KeepaliveOwner } from "./keepalive.ts";
import type { Compression } from "./compression.ts";
import { Lifecycle, type LifecycleParts } from "./lifecycle.ts";
import type { Bytes } from "./message.ts";
import type { WebSocketSettings } from "./options.ts";
import { GRAIN, MemoryAccount, MemoryBudget, type MemoryHolder } from "./memory_budget.ts";
import { Outgoing, type OutgoingOwner } from "./outgoing.ts";
import { Pings } from "./pings.ts";
import { Receiver, type ReceiverOwner } from "./receiver.ts";
import { controlPayload, Sender, type SenderOwner } from "./sender.ts";

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
  /** The trace that the connection goes on with, where the application debugs. */
  readonly trace?: DebugTrace | null;
}

/** The parts of a `WebSocketConn`, and who of them hears what: nothing is decided here. */
export class Connection
  implements
    StreamHandler,
    ReceiverOwner,
    OutgoingOwner,
    SenderOwner,
    KeepaliveOwner,
    LifecycleParts,
    MemoryHolder,
    CopyOwner {
  copySpace: CopySpace | null = null;
  readonly copiesLong: boolean;
  readonly isClient: boolean;
  readonly socket: StreamSocket;
  readonly protocol: Protocol;
  readonly receiver: Receiver;
  readonly outgoing: Outgoing;
  readonly sender: Sender;
  readonly lifecycle: Lifecycle;
  readonly #runtime: Runtime;
  readonly #settings: WebSocketSettings;
  readonly #keepalive: Keepalive | null;
  // Each is made when there is something to it: most connections are idle.
  #memory: MemoryAccount | null = null;
  #pings: Pings | null = null;

  constructor({ runtime, role, detached, settings, preamble, compression }: WebSocketInit) {
    const { buffers, timers, turn, adapter, random } = runtime;
    const { text, maskMemory } = adapter;
    const { readLimit, maxFragments, readBufferSize, writeBufferSize, pingInterval, pongTimeout } = settings;
    const isClient = role === "client";
    const socket = detached.socket;
    this.#runtime = runtime;
    this.#settings = settings;
    this.socket = socket;
    this.isClient = isClient;
    this.copiesLong = !isClient && maskMemory !== null;
    this.lifecycle = new Lifecycle(this);
    const { nextKey } = random;
    const protocolOptions = {
      role,
      readLimit,
      maxFragments,
      nextKey,
      buffers,
      text,
      maskMemory,
      deflate: compression,
    };
    this.receiver = new Receiver(this, runtime, protocolOptions, readBufferSize);
    const { protocol } = this.receiver;
    this.protocol = protocol;
    const outgoing = new Outgoing(this, protocol.output, socket, turn, timers, writeBufferSize);
    this.outgoing = outgoing;
    this.sender = new Sender(this, { protocol, outgoing, text, isClient, compression, turn, timers });
    this.#keepalive = pingInterval === Infinity
      ? null
      : new Keepalive(this, timers, pingInterval, pongTimeout);
    if (preamble !== undefined) protocol.output.writeHead(preamble);
  }

  /** Takes the socket over, with what it had already received. */
  start({ rest, detached }: WebSocketInit): void {
    const { chunks, ended, error } = detached;
    if (this.protocol.output.pending) this.outgoing.flushSoon();
    if (rest.length > 0) this.onData(rest, false);
    for (let chunk = chunks?.shift(); chunk !== undefined; chunk = chunks?.shift()) this.onData(chunk, false);
    if (error !== null) return this.onClose(error);
    this.socket.start(this);
    if (ended) this.onEnd();
  }

  get timers(): TimerQueue {
    return this.#runtime.timers;
  }

  get closeTimeout(): number {
    return this.#settings.closeTimeout;
  }

  get localAddr(): Addr {
    return this.socket.localAddr;
  }

  get remoteAddr(): Addr {
    return this.socket.remoteAddr;
  }

  /** A connection over the socket, for its addresses and options: it acts as closed. */
  makeNetConn(): Conn {
    return connOver(this.socket, this.timers, null, true);
  }

  async ping(data: Bytes | undefined, signal?: AbortSignal): Promise<number> {
    this.#pings ??= new Pings(this.timers);
    // A copy: its owner may go on with it, while the pong is known by what was sent.
    const payload = data === undefined ? this.#pings.nextPayload() : new Uint8Array(controlPayload(data));
    this.sender.ping(payload, signal);
    return await this.#pings.sent(payload, signal);
  }

  // ── From the socket ──

  onData(chunk: Uint8Array, lent: boolean): void {
    this.#keepalive?.heard();
    this.#runtime.copies.begin(this, chunk.length);
    this.protocol.receiveData(chunk, lent);
    // Pongs and close frames are written while reading, with nobody else to send them.
    if (this.protocol.output.pending) this.outgoing.flushSoon();
    this.#account();
  }

  onEnd(): void {
    this.lifecycle.onPeerEnd();
  }

  onDrain(): void {
    this.outgoing.onDrain();
  }

  onClose(error: NetError | null): void {
    this.lifecycle.onGone(error);
  }

  // ── From the receiver ──

  onFull(full: boolean): void {
    if (this.lifecycle.gone) return;
    if (full) this.socket.pause();
    else this.socket.resume();
  }

  onWait(): void {
    this.#account();
    // What the application wrote until now leaves, in one write.
    this.outgoing.flushNow();
  }

  onPong(payload: Uint8Array): void {
    this.#pings?.onPong(payload);
  }

  onPeerClose(code: number, reason: string): void {
    this.lifecycle.onPeerClose(code, reason);
  }

  onFault(error: ProtocolError | MessageTooBigError): void {
    this.lifecycle.onFault(error);
  }

  readExpired(): Error {
    return new DeadlineExceededError("read", "websocket", this.remoteAddr);
  }

  // ── From the sender and the output ──

  get writable(): boolean {
    return this.lifecycle.writable;
  }

  notWritable(): Error {
    return this.lifecycle.notWritable();
  }

  writeExpired(): Error {
    return new DeadlineExceededError("write", "websocket", this.remoteAddr);
  }

  onDrained(): void {
    this.lifecycle.advance();
    this.#account();
  }

  onBacklog(): void {
    this.#account();
  }

  // ── From the lifecycle ──

  onEnding(): void {
    this.#keepalive?.stop();
  }

  onGone(reason: () => Error): void {
    this.#keepalive?.stop();
    this.protocol.close();
    this.#memory?.close();
    this.#pings?.fail(reason());
  }

  // ── From the keep-alive ──

  get bytesLeft(): number {
    return this.outgoing.bytesLeft;
  }

  get sendBlocked(): boolean {
    return !this.outgoing.drained;
  }

  get readPaused(): boolean {
    return this.receiver.full;
  }

  onSilent(): void {
    this.copySpace = null;
  }

  sendKeepalivePing(): void {
    if (!this.writable) return;
    this.protocol.sendPing(new Uint8Array(0));
    this.outgoing.flushNow();
  }

  onDead(): void {
    this.lifecycle.drop(this.readExpired());
  }

  // ── Memory ──

  endForMemory(): void {
    this.#memory?.close();
    this.lifecycle.endForMemory();
  }

  #account(): void {
    const held = this.receiver.heldBytes + this.outgoing.bufferedBytes + this.sender.waitingBytes;
    if (this.#memory !== null) this.#memory.update(held);
    else if (held >= GRAIN) this.#openAccount().update(held);
  }

  #openAccount(): MemoryAccount {
    const budget = this.#settings.memoryBudget ?? defaultBudget(this.#runtime);
    const account = new MemoryAccount(budget, this);
    // What is over holds nothing.
    if (this.lifecycle.gone) account.close();
    return this.#memory = account;
  }
}

/** What the connections of a runtime may hold together, where nothing else is said. */
const DEFAULT_BUDGET = 1 << 30;

const budgets = new WeakMap<Runtime, MemoryBudget>();

function defaultBudget(runtime: Runtime): MemoryBudget {
  let budget = budgets.get(runtime);
  if (budget === undefined) budgets.set(runtime, budget = new MemoryBudget(DEFAULT_BUDGET));
  return budget;
}
