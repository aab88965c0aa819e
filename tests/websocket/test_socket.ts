/** A WebSocket over a socket that the test controls, with a clock that the test advances. */

import { currentAdapter } from "../../adapters/runtime.ts";
import type { Conn } from "../../mod.ts";
import { type Addr, PIPE_ADDR } from "../../src/net/addr.ts";
import { ChunkQueue } from "../../src/net/chunk_queue.ts";
import type { NetError } from "../../src/net/errors.ts";
import { Runtime, type RuntimeAdapter } from "../../src/net/runtime.ts";
import type { StreamHandler, StreamSocket } from "../../src/net/stream_socket.ts";
import { batchWriterOf } from "../../src/websocket/batch_writer.ts";
import type { DrainListener } from "../../src/websocket/drain_listener.ts";
import type { MessageBatch } from "../../src/websocket/message_batch.ts";
import { type WebSocketOptions, webSocketSettings } from "../../src/websocket/options.ts";
import { WebSocketConn } from "../../src/websocket/web_socket_conn.ts";
import { VirtualClock } from "../net/virtual_clock.ts";
import { type Frame, FrameParser } from "./raw_peer.ts";
import { concat } from "./support.ts";

/** Remembers what it was told to do. */
export class TestSocket implements StreamSocket {
  readonly localAddr: Addr = PIPE_ADDR;
  readonly remoteAddr: Addr = PIPE_ADDR;
  /** Each write that was taken. */
  readonly writes: Uint8Array[] = [];
  /** Everything else, in order. */
  readonly calls: string[] = [];
  /** Whether the kernel takes no more. */
  full = false;
  paused = false;
  #waiting: Uint8Array | null = null;
  #waitingLength = 0;
  handler!: StreamHandler;
  readonly #parser = new FrameParser();
  #parsed = 0;

  start(handler: StreamHandler): void {
    this.handler = handler;
  }

  pause(): void {
    this.paused = true;
    this.calls.push("pause");
  }

  resume(): void {
    this.paused = false;
    this.calls.push("resume");
  }

  write(bytes: Uint8Array): boolean {
    if (this.#waiting !== null) throw new Error("A write is under way already");
    if (this.full) {
      this.#waiting = bytes;
      this.#waitingLength = bytes.length;
      return false;
    }
    this.writes.push(bytes.slice());
    return true;
  }

  /** Whether `takeBack` can be served. */
  copies = true;

  takeBack(): boolean {
    if (this.copies) this.#waiting &&= this.#waiting.slice();
    return this.copies;
  }

  /** The kernel takes what waits; `more`: and whatever comes then. */
  drain(more = true): void {
    this.full = !more;
    const bytes = this.#waiting;
    if (bytes === null) return;
    this.#waiting = null;
    // As a kernel that reads memory which is not there: zeros.
    const gone = bytes.length < this.#waitingLength;
    this.writes.push(gone ? new Uint8Array(this.#waitingLength) : bytes.slice());
    this.handler.onDrain();
  }

  /** Bytes that the kernel did not take yet. */
  get waiting(): number {
    return this.#waiting?.length ?? 0;
  }

  closeWrite(): void {
    this.calls.push("closeWrite");
  }

  close(): void {
    this.calls.push("close");
  }

  reset(): void {
    this.calls.push("reset");
  }

  setNoDelay(): void {}
  setKeepAlive(): void {}
  ref(): void {}
  unref(): void {}

  // ── From the peer ──

  receive(...parts: Uint8Array[]): void {
    const chunk = concat(...parts);
    this.handler.onData(chunk, true);
    // It was lent: what is kept of it must be a copy.
    chunk.fill(0xee);
  }

  end(): void {
    this.handler.onEnd();
  }

  gone(error: NetError | null = null): void {
    this.handler.onClose(error);
  }

  /** The frames that were written since the last call. */
  frames(): Frame[] {
    for (; this.#parsed < this.writes.length; this.#parsed++) this.#parser.push(this.writes[this.#parsed]!);
    return this.#parser.all();
  }
}

export interface TestConn {
  readonly ws: WebSocketConn;
  readonly socket: TestSocket;
  readonly clock: VirtualClock;
}

const noConn = {
  localAddr: PIPE_ADDR,
  remoteAddr: PIPE_ADDR,
} as unknown as Conn;

/** A connection past its handshake. */
export function testConn(
  role?: "client" | "server",
  options?: WebSocketOptions,
  preamble?: string,
  overrides: Partial<RuntimeAdapter> = {},
): TestConn {
  const clock = new VirtualClock();
  const runtime = new Runtime({ ...currentAdapter(), ...overrides, name: "memory", clock });
  const socket = new TestSocket();
  const ws = new WebSocketConn({
    runtime,
    role: role ?? "server",
    netConn: noConn,
    detached: { socket, chunks: new ChunkQueue(), ended: false, error: null },
    settings: webSocketSettings(options ?? {}),
    subprotocol: "",
    compression: null,
    rest: new Uint8Array(0),
    ...(preamble && { preamble }),
  });
  return { ws, socket, clock };
}

/** Lets promises settle, without a turn of the event loop. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await null;
}

/** Sends a batch through a connection as a hub does. */
export function writeBatch(ws: WebSocketConn, batch: MessageBatch): Promise<void> | null;
export function writeBatch(
  ws: WebSocketConn,
  batch: MessageBatch,
  listener: DrainListener,
): Promise<void> | DrainListener | null;
export function writeBatch(
  ws: WebSocketConn,
  batch: MessageBatch,
  listener?: DrainListener,
): Promise<void> | DrainListener | null {
  return batchWriterOf(ws)!.writeBatch(batch, listener);
}
