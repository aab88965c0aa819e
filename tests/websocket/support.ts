/** Helpers for the tests of WebSockets. */

import assert from "node:assert/strict";
import {
  CloseError,
  type Conn,
  dial,
  dialWebSocket,
  listen,
  listenAndServe,
  type Listener,
  pipe,
  serve,
  type ServeOptions,
  type Server,
  type WebSocketConn,
  type WebSocketDialOptions,
  type WebSocketOptions,
} from "../../mod.ts";
import { currentAdapter } from "../../adapters/runtime.ts";
import { ClosedError } from "../../src/net/errors.ts";
import { type Addr, PIPE_ADDR } from "../../src/net/addr.ts";

export const runtimeName: string = currentAdapter().name;

/** Two ends of one WebSocket. */
export interface Pair {
  readonly client: WebSocketConn;
  readonly server: WebSocketConn;
  /** Drops both. */
  stop(): Promise<void>;
}

export interface PairOptions {
  client?: Partial<WebSocketDialOptions>;
  server?: Partial<WebSocketOptions>;
}

export type MakePair = (options?: PairOptions) => Promise<Pair>;

/** A listener in memory. */
export class MemoryListener implements Listener {
  readonly addr: Addr = PIPE_ADDR;
  readonly #waiting: ((conn: Conn) => void)[] = [];
  readonly #rejects: ((error: Error) => void)[] = [];
  readonly #conns: Conn[] = [];
  #closed = false;

  ref(): void {}
  unref(): void {}

  /** The client's end of a new connection. */
  connect(): Conn {
    const [a, b] = pipe();
    this.offer(b);
    return a;
  }

  offer(conn: Conn): void {
    const waiting = this.#waiting.shift();
    this.#rejects.shift();
    if (waiting === undefined) this.#conns.push(conn);
    else waiting(conn);
  }

  accept(): Promise<Conn> {
    const conn = this.#conns.shift();
    if (conn !== undefined) return Promise.resolve(conn);
    if (this.#closed) return Promise.reject(new ClosedError("accept", "pipe"));
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      this.#rejects.push(reject);
    });
  }

  setDeadline(): void {}

  async close(): Promise<void> {
    this.#closed = true;
    for (const reject of this.#rejects.splice(0)) reject(new ClosedError("accept", "pipe"));
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Conn> {
    while (!this.#closed) yield await this.accept();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function joinPair(
  server: Server,
  accepted: Promise<WebSocketConn>,
  dialling: Promise<WebSocketConn>,
  release: () => void,
): Promise<Pair> {
  const [client, conn] = await Promise.all([dialling, accepted]);
  return {
    client,
    server: conn,
    async stop() {
      client.closeNow();
      server.close();
      release();
      await server.finished;
    },
  };
}

/** What `serve` is given so that one connection can be had from it. */
function oneConn(options: Partial<ServeOptions>): {
  options: ServeOptions;
  accepted: Promise<WebSocketConn>;
  release: () => void;
} {
  const { promise: accepted, resolve } = Promise.withResolvers<WebSocketConn>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const websocket = (conn: WebSocketConn): Promise<void> => {
    resolve(conn);
    return released;
  };
  return { options: { ...options, websocket }, accepted, release };
}

/** Over TCP. */
export async function tcpPair({ client, server }: PairOptions = {}): Promise<Pair> {
  const { options, accepted, release } = oneConn(server ?? {});
  const listening = await listenAndServe("tcp", "127.0.0.1:0", options);
  return joinPair(listening, accepted, dialWebSocket(`ws://${listening.addr}/`, client), release);
}

/** In memory. */
export function memoryPair({ client, server }: PairOptions = {}): Promise<Pair> {
  const { options, accepted, release } = oneConn(server ?? {});
  const listener = new MemoryListener();
  const netDial = () => Promise.resolve(listener.connect());
  return joinPair(
    serve(listener, options),
    accepted,
    dialWebSocket("ws://memory/", { netDial, ...client }),
    release,
  );
}

/** Over connections that somebody else made: driven through their own calls. */
export function foreignPair({ client, server }: PairOptions = {}): Promise<Pair> {
  const { options, accepted, release } = oneConn(server ?? {});
  const listener = new MemoryListener();
  const netDial = () => {
    const [a, b] = pipe();
    listener.offer(foreign(b));
    return Promise.resolve(foreign(a));
  };
  return joinPair(
    serve(listener, options),
    accepted,
    dialWebSocket("ws://memory/", { netDial, ...client }),
    release,
  );
}

/** The same connection behind a class that the library does not know. */
export function foreign(conn: Conn): Conn {
  return {
    get readable() {
      return conn.readable;
    },
    get writable() {
      return conn.writable;
    },
    localAddr: conn.localAddr,
    remoteAddr: conn.remoteAddr,
    read: (p, options) => conn.read(p, options),
    readChunk: (options) => conn.readChunk(options),
    write: (p, options) => conn.write(p, options),
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
    closeNow: () => conn.closeNow(),
    setDeadline: (t) => conn.setDeadline(t),
    setReadDeadline: (t) => conn.setReadDeadline(t),
    setWriteDeadline: (t) => conn.setWriteDeadline(t),
    ref: () => conn.ref(),
    unref: () => conn.unref(),
    [Symbol.asyncDispose]: () => conn.close(),
  };
}

/** A server for one test; `stop` drops everything. */
export async function startServer(
  options: Partial<ServeOptions> = {},
): Promise<{ server: Server; address: string; url: string; stop: () => Promise<void> }> {
  const websocket = async (conn: WebSocketConn) => {
    for await (const { data } of conn) await conn.writeMessage(data);
  };
  const onError = (error: unknown) => {
    throw error;
  };
  const server = await listenAndServe("tcp", "127.0.0.1:0", { websocket, onError, ...options });
  const stop = async () => {
    server.close();
    await server.finished;
  };
  return { server, address: String(server.addr), url: `ws://${server.addr}/`, stop };
}

/** A TCP server whose only connection a test handles by itself. */
export async function startRawServer(
  handle: (conn: Conn) => Promise<unknown>,
): Promise<{ url: string; stop: () => Promise<void>; handled: Promise<unknown> }> {
  const listener = await listen("tcp", "127.0.0.1:0");
  let accepted: Conn | null = null;
  const handled = listener.accept().then((conn) => handle(accepted = conn));
  handled.catch(() => {});
  const stop = async () => {
    accepted?.closeNow();
    await listener.close();
  };
  return { url: `ws://${listener.addr}/`, stop, handled };
}

export { dial };

export function closedWith(code: number, reason?: string): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof CloseError, `not a CloseError: ${error}`);
    assert.equal(error.code, code);
    if (reason !== undefined) assert.equal(error.reason, reason);
    return true;
  };
}

/** Lets the event loop turn, so that what is ready happens. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Waits for something that will be, turn by turn; the test's own time limit ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
