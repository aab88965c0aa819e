import type { Addr } from "../net/addr.ts";
import type { Conn } from "../net/conn.ts";
import type { DebugTrace } from "./debug.ts";
import { DeadlineExceededError, type NetError } from "../net/errors.ts";
import type { Runtime } from "../net/runtime.ts";
import type { DetachedSocket } from "../net/socket_conn.ts";
import { Alarm, type TimerQueue } from "../net/timer_queue.ts";
import { connOver } from "../net/tls_conn.ts";
import type { StreamHandler, StreamSocket } from "../net/stream_socket.ts";
import type { Protocol } from "../protocol/protocol.ts";
import { Keepalive } from "./keepalive.ts";
import type { Compression } from "./compression.ts";
import type { HandshakeResponse } from "./handshake_response.ts";
import { Inbox } from "./inbox.ts";
import { Lifecycle } from "./lifecycle.ts";
import type { WebSocketSettings } from "./options.ts";
import type { WebSocketConn } from "./web_socket_conn.ts";
import { callHook } from "./control_hooks.ts";
import { defaultBudget, MemoryAccount, REPORT_STEP } from "./memory_account.ts";
import type { MemoryHolder } from "./memory_budget.ts";
import { SocketOutput } from "./socket_output.ts";
import { Pings } from "./pings.ts";
import { Receiver } from "./receiver.ts";
import { Sender } from "./sender.ts";

/** The outcome of the opening handshake. */
export interface WebSocketInit {
  readonly runtime: Runtime;
  readonly role: "client" | "server";
  /** The connection below; `null` where none was made: then the first access makes it. */
  readonly netConn: Conn | null;
  readonly detached: DetachedSocket;
  readonly settings: WebSocketSettings;
  /** The subprotocol that was agreed on, or `""`. */
  readonly subprotocol: string;
  /** Compression, if it was agreed on. */
  readonly compression: Compression | null;
  /** Bytes that came after the head of the handshake. */
  readonly rest: Uint8Array;
  /** The head to send before the first frame: a server's answer to the handshake. */
  readonly preamble?: string;
  /** The trace that the connection goes on with, where the application debugs. */
  readonly trace?: DebugTrace | null;
  /** The server's response, for a client. */
  readonly response?: HandshakeResponse;
}

/** Makes the parts of a `WebSocketConn`, and passes on what the socket and the parts report. */
export class Connection implements StreamHandler, MemoryHolder {
  /** A server moves long chunks to the mask memory, so that the runtime may lend them. */
  readonly copiesLong: boolean;
  readonly isClient: boolean;
  readonly socket: StreamSocket;
  readonly protocol: Protocol;
  readonly inbox: Inbox;
  readonly receiver: Receiver;
  readonly output: SocketOutput;
  readonly sender: Sender;
  readonly lifecycle: Lifecycle;
  /** `null` where the application does not debug. */
  readonly trace: DebugTrace | null;
  /** What the application has of this connection. */
  readonly #conn: WebSocketConn;
  readonly #runtime: Runtime;
  readonly #settings: WebSocketSettings;
  readonly #keepalive: Keepalive | null;
  readonly #compresses: boolean;
  #paused = false;
  /** Whether the peer's FIN waits until what came before it is read. */
  #endsLater = false;
  /** Ends the wait of the FIN. */
  #endAlarm: Alarm | null = null;
  /** Whether the socket is gone: nothing can be slowed down. */
  #isOver = false;
  // Parts made at first use, because most connections are idle.
  #memory: MemoryAccount | null = null;
  #pings: Pings | null = null;

  constructor(conn: WebSocketConn, init: WebSocketInit) {
    const { runtime, role, detached, settings, preamble, compression, trace = null } = init;
    const { buffers, timers, flushQueue, adapter, random } = runtime;
    const { text, maskMemory, maxCheapArray } = adapter;
    const { readLimit, maxFragments, readBufferSize, writeBufferSize, pingInterval, pongTimeout } = settings;
    const { nextKey } = random;
    const isClient = role === "client";
    const socket = detached.socket;
    const limits = { readLimit, maxFragments };
    this.#conn = conn;
    this.#runtime = runtime;
    this.#settings = settings;
    this.#compresses = compression !== null;
    this.trace = trace;
    this.socket = socket;
    this.isClient = isClient;
    this.copiesLong = !isClient && maskMemory !== null;
    this.lifecycle = new Lifecycle(this);
    this.inbox = new Inbox(this, text, readBufferSize);
    const protocolOptions = { role, ...limits, nextKey, buffers, text, maskMemory, deflate: compression };
    this.receiver = new Receiver(this, this.inbox, protocolOptions, maxCheapArray);
    const { protocol } = this.receiver;
    this.protocol = protocol;
    const output = new SocketOutput(this, protocol.output, socket, flushQueue, timers, writeBufferSize);
    this.output = output;
    const { lifecycle } = this;
    this.sender = new Sender({
      lifecycle,
      protocol,
      output,
      socket,
      text,
      isClient,
      compression,
      flushQueue,
      timers,
    });
    this.#keepalive = pingInterval === Infinity
      ? null
      : new Keepalive(this, timers, pingInterval, pongTimeout);
    if (preamble !== undefined) protocol.sendHead(preamble);
  }

  /** Takes the socket over: reads what had come before, then what comes. */
  start({ rest, detached }: WebSocketInit): void {
    const { chunks, ended, error } = detached;
    if (this.protocol.output.pending) this.output.flushSoon();
    this.inbox.early = true;
    if (rest.length > 0) this.onData(rest, false);
    for (let chunk = chunks?.shift(); chunk !== undefined; chunk = chunks?.shift()) this.onData(chunk, false);
    this.inbox.early = false;
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

  get closeMinRate(): number {
    return this.#settings.closeMinRate;
  }

  get localAddr(): Addr {
    return this.socket.localAddr;
  }

  get remoteAddr(): Addr {
    return this.socket.remoteAddr;
  }

  /** Bytes that the application has not read: in messages, and kept without being parsed while the inbox is full. */
  get unreadBytes(): number {
    return this.inbox.heldBytes + (this.protocol.keptBytes ?? 0);
  }

  /** The pings of the application; made by the first access. */
  get pings(): Pings {
    return this.#pings ??= new Pings(this.sender, this.timers);
  }

  /** A `Conn` over the socket, for its addresses and options. Its other methods act as on a closed one. */
  makeNetConn(): Conn {
    return connOver(this.socket, this.timers, null, true);
  }

  // ── From the socket ──

  onData(chunk: Uint8Array, lent: boolean): void {
    this.#keepalive?.heard();
    this.receiver.beginChunk(chunk.length);
    this.protocol.receiveData(chunk, lent);
    // Pongs and close frames are written while reading; no call of the application sends them.
    if (this.protocol.output.pending) this.output.flushSoon();
    this.#reportMemory();
  }

  onEnd(): void {
    // Bytes that were kept come before the FIN. No more follow, so that plain ones can go beyond the inbox's bound. Compressed
    // ones wait for room, for `closeTimeout` at the most.
    if (this.protocol.keptBytes !== null && this.#compresses) return this.#endLater();
    if (this.protocol.keptBytes !== null) {
      this.#isOver = true;
      this.#readKept();
    }
    this.lifecycle.onPeerEnd();
  }

  #endLater(): void {
    this.#endsLater = true;
    this.#endAlarm = new Alarm(() => this.#end());
    this.timers.set(this.#endAlarm, this.timers.now() + this.closeTimeout);
  }

  /** Passes on the FIN that waited. */
  #end(): void {
    if (!this.#endsLater) return;
    this.#endsLater = false;
    this.timers.clear(this.#endAlarm!);
    this.lifecycle.onPeerEnd();
  }

  onDrain(): void {
    this.output.onDrain();
  }

  onClose(error: NetError | null): void {
    // What was kept is no more than came, unless it is compressed: then it is given up.
    this.#isOver = true;
    if (!this.#compresses) this.#readKept();
    this.lifecycle.onGone(error);
  }

  // ── From the receiver and the inbox ──

  /** The inbox is full (true), or has room again (false). */
  onFull(full: boolean): void {
    if (this.lifecycle.gone || this.#isOver) return;
    if (!full) return this.readOn();
    this.protocol.hold();
    if (this.#paused) return;
    this.#paused = true;
    this.socket.pause();
  }

  /** Reads what was kept, then the socket, as far as there is room. */
  readOn(): void {
    this.#readKept();
    if (this.protocol.held || !this.#paused) return;
    this.#paused = false;
    this.socket.resume();
    this.#end();
  }

  /** Reads what the protocol has kept. */
  #readKept(): void {
    const { protocol } = this;
    const bytes = protocol.keptBytes;
    if (bytes !== null) this.receiver.beginChunk(bytes);
    protocol.resume();
    if (bytes === null) return;
    if (protocol.output.pending) this.output.flushSoon();
    this.#reportMemory();
  }

  /** A reading call is about to wait: sends what the application has written until now, in one write. */
  onWait(): void {
    this.#reportMemory();
    this.output.flushNow();
  }

  /** The application has read to the end. */
  onEndReached(): void {
    this.lifecycle.onEndReached();
  }

  /** The application's answer to a ping: `false` for no pong. */
  onPing(payload: Uint8Array): boolean | void {
    return callHook(this.#settings.onPing, this.#conn, payload);
  }

  onPong(payload: Uint8Array): void {
    this.#pings?.onPong(payload);
    callHook(this.#settings.onPong, this.#conn, payload);
  }

  /** The error of a call that the read deadline ends. */
  readExpired(): Error {
    return new DeadlineExceededError("read", "websocket", this.remoteAddr);
  }

  // ── From the output ──

  /** The socket has accepted everything. */
  onDrained(): void {
    this.lifecycle.advance();
    this.#reportMemory();
  }

  /** More is buffered than a writer should add to. */
  onBacklog(): void {
    this.#reportMemory();
  }

  // ── From the lifecycle ──

  /** The connection begins to end. */
  onEnding(): void {
    this.#keepalive?.stop();
  }

  /** The socket is gone; calls that wait reject with what `reason` gives. */
  onGone(reason: () => Error): void {
    this.#keepalive?.stop();
    this.#endsLater = false;
    if (this.#endAlarm !== null) this.timers.clear(this.#endAlarm);
    this.protocol.close();
    this.#memory?.close();
    this.#pings?.fail(reason());
  }

  // ── Memory ──

  endForMemory(): void {
    this.#memory?.close();
    this.lifecycle.endForMemory();
  }

  #reportMemory(): void {
    const held = this.unreadBytes + this.output.bufferedBytes + this.sender.waitingBytes;
    if (this.#memory !== null) this.#memory.update(held);
    else if (held >= REPORT_STEP) this.#openAccount().update(held);
  }

  #openAccount(): MemoryAccount {
    const budget = this.#settings.memoryBudget ?? defaultBudget(this.#runtime);
    const account = new MemoryAccount(budget, this);
    // A connection that is gone holds nothing.
    if (this.lifecycle.gone) account.close();
    return this.#memory = account;
  }
}
