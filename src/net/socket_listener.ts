import { showFields } from "../bytes/inspection.ts";
import type { Addr } from "./addr.ts";
import type { Listener, TcpConn, WaitOptions } from "./conn.ts";
import { countedSocket } from "./counted_socket.ts";
import { type Deadline, DeadlineTimer } from "./deadline.ts";
import { Deferred } from "./deferred.ts";
import { ClosedError, DeadlineExceededError, type NetError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import { askOptions, type TcpOptions } from "./socket_conn.ts";
import { connOver } from "./tls_conn.ts";
import type {
  AcceptHandler,
  ListenRequest,
  SocketServer,
  SocketTarget,
  StreamSocket,
} from "./stream_socket.ts";
import { WaitQueue } from "./wait_queue.ts";

/**
 * Upper bound of the connections that wait for `accept` when the runtime cannot leave them in the kernel; further ones
 * are dropped.
 */
const ACCEPT_AHEAD = 511;

/** Options of a listener that adapters need not know. */
export interface SocketListenerOptions extends TcpOptions {
  signal?: AbortSignal;
  maxConnections?: number;
}

/** Creates a stage, such as TLS, that accepted sockets pass between the runtime and the listener. */
export type AcceptStage = (handler: AcceptHandler) => AcceptHandler & { close(): void };

/** The {@linkcode Listener} over a runtime's listening socket. */
export class SocketListener implements Listener<TcpConn>, AcceptHandler {
  readonly #runtime: Runtime;
  readonly #options: TcpOptions;
  readonly #deadline: DeadlineTimer;
  readonly #accepted: StreamSocket[] = [];
  readonly #accepts = new WaitQueue<TcpConn>();
  /** Called with every socket once {@linkcode SocketListener.serve} has taken the listener over; `null` before. */
  #onSocket: ((socket: StreamSocket) => void) | null = null;
  /** Resolved when the listener is closed, for {@linkcode SocketListener.serve}. */
  readonly #served = new Deferred<void>();
  #server!: SocketServer;
  #stage: { close(): void } | null = null;
  #signal: AbortSignal | null = null;
  readonly #onAbort = (): void => void this.close();
  #closed: Promise<void> | null = null;
  /** Number of further connections that may be open at once. */
  #free: number;

  private constructor(runtime: Runtime, options: SocketListenerOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#free = options.maxConnections ?? Infinity;
    this.#deadline = new DeadlineTimer(runtime.timers, () => this.#accepts.rejectAll(this.#expired()));
  }

  /** Listens on `target`, until it is closed or the signal is aborted. */
  static async open(
    runtime: Runtime,
    target: SocketTarget,
    request: ListenRequest,
    options: SocketListenerOptions,
    makeStage?: AcceptStage,
  ): Promise<SocketListener> {
    const { signal } = options;
    signal?.throwIfAborted();
    const listener = new SocketListener(runtime, options);
    const stage = makeStage?.(listener) ?? null;
    listener.#server = await runtime.adapter.listen(target, request, stage ?? listener);
    listener.#stage = stage;
    if (signal !== undefined) await listener.#closeWith(signal);
    return listener;
  }

  async #closeWith(signal: AbortSignal): Promise<void> {
    if (signal.aborted) {
      await this.close();
      throw signal.reason;
    }
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort);
  }

  get addr(): Addr {
    return this.#server.addr;
  }

  /**
   * Passes every accepted socket to `onSocket`, which must start it in the same turn: for a protocol that drives its
   * sockets itself. Resolves when the listener is closed; until then `accept` fails.
   */
  static serve(listener: SocketListener, onSocket: (socket: StreamSocket) => void): Promise<void> {
    if (listener.#closed === null) {
      listener.#onSocket = onSocket;
      listener.#accepts.rejectAll(listener.#takenError());
      listener.#deadline.endWait();
      listener.#handOut();
      if (listener.#free > 0) listener.#server.resume();
    }
    return listener.#served.promise;
  }

  async accept(options?: WaitOptions): Promise<TcpConn> {
    if (this.#closed !== null) throw this.#closedError();
    if (this.#onSocket !== null) throw this.#takenError();
    options?.signal?.throwIfAborted();
    if (this.#deadline.expired) throw this.#expired();
    const socket = this.#free > 0 ? this.#accepted.shift() : undefined;
    if (socket !== undefined) return this.#connOver(socket);
    const next = this.#accepts.wait(undefined, options?.signal);
    this.#deadline.startWait();
    if (this.#free > 0) this.#server.resume();
    return next;
  }

  onAccept(socket: StreamSocket): void {
    if (this.#closed !== null || this.#accepted.length >= ACCEPT_AHEAD) return socket.reset();
    this.#accepted.push(socket);
    this.#handOut();
    if (this.#accepts.size === 0) this.#deadline.endWait();
    if (!this.#isAwaited || this.#free === 0) this.#server.pause();
  }

  /** Whether a connection is wanted. */
  get #isAwaited(): boolean {
    return this.#onSocket !== null || this.#accepts.size > 0;
  }

  #handOut(): void {
    while (this.#isAwaited && this.#free > 0 && this.#accepted.length > 0) {
      const socket = this.#accepted.shift()!;
      if (this.#onSocket === null) this.#accepts.resolveFirst(this.#connOver(socket));
      else this.#serve(socket, this.#onSocket);
    }
  }

  #serve(socket: StreamSocket, onSocket: (socket: StreamSocket) => void): void {
    const counted = this.#counted(socket);
    askOptions(counted, this.#options);
    onSocket(counted);
  }

  /** Called when one of a limited number of connections has closed. */
  #onGone(): void {
    this.#free++;
    this.#handOut();
    if (this.#accepts.size === 0) this.#deadline.endWait();
    if (this.#isAwaited && this.#free > 0 && this.#closed === null) this.#server.resume();
  }

  onError(error: NetError): void {
    this.#accepts.rejectFirst(error);
  }

  setDeadline(t: Deadline): void {
    this.#deadline.set(t);
  }

  ref(): void {
    if (this.#closed === null) this.#server.ref();
  }

  unref(): void {
    if (this.#closed === null) this.#server.unref();
  }

  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  #close(): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#deadline.stop();
    this.#stage?.close();
    for (const socket of this.#accepted.splice(0)) socket.reset();
    this.#accepts.rejectAll(this.#closedError());
    this.#served.resolve();
    return this.#server.close();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<TcpConn> {
    while (this.#closed === null) {
      try {
        yield await this.accept();
      } catch (error) {
        if (error instanceof ClosedError && this.#closed !== null) return;
        throw error;
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #connOver(socket: StreamSocket): TcpConn {
    return connOver(this.#counted(socket), this.#runtime.timers, this.#options);
  }

  #counted(socket: StreamSocket): StreamSocket {
    if (this.#free === Infinity) return socket;
    this.#free--;
    return countedSocket(socket, () => this.#onGone());
  }

  #expired(): DeadlineExceededError {
    return new DeadlineExceededError("accept", this.addr.network, this.addr);
  }

  #takenError(): TypeError {
    return new TypeError("Cannot accept: the listener is in use by a server");
  }

  #closedError(): ClosedError {
    return new ClosedError("accept", this.addr.network, this.addr);
  }
}

showFields(SocketListener, ({ addr }) => ({ addr: String(addr) }));
