/**
 * Cost of a connection without a network: the loop of an echo server over a socket in memory, ns a message.
 *
 *     node bench/connection.ts [rounds [part of a name]]
 *
 * This bench decided how short messages are copied, the two sizes of buffers, and which checks are made once a message
 * and which once a chunk.
 */
import process from "node:process";
import { currentAdapter } from "../adapters/runtime.ts";
import type { Conn } from "../mod.ts";
import { PIPE_ADDR } from "../src/net/addr.ts";
import { ChunkQueue } from "../src/net/chunk_queue.ts";
import { Runtime } from "../src/net/runtime.ts";
import type { StreamHandler, StreamSocket } from "../src/net/stream_socket.ts";
import { FIN, headerSize, MASKED, Opcode, writeHeader } from "../src/protocol/frame_header.ts";
import { applyMask } from "../src/bytes/mask.ts";
import { webSocketSettings } from "../src/websocket/options.ts";
import { WebSocketConn } from "../src/websocket/web_socket_conn.ts";

const rounds = Number(process.argv[2] ?? 5);
const runtime = new Runtime(currentAdapter());

/** A socket that takes all bytes at once. */
class NullSocket implements StreamSocket {
  readonly localAddr = PIPE_ADDR;
  readonly remoteAddr = PIPE_ADDR;
  handler!: StreamHandler;
  /** Called after a write. */
  onWrite: (() => void) | null = null;

  start(handler: StreamHandler): void {
    this.handler = handler;
  }
  write(): boolean {
    this.onWrite?.();
    return true;
  }
  pause(): void {}
  resume(): void {}
  closeWrite(): void {}
  close(): void {}
  reset(): void {}
  setNoDelay(): void {}
  setKeepAlive(): void {}
  ref(): void {}
  unref(): void {}
}

function connect(): { ws: WebSocketConn; socket: NullSocket } {
  const socket = new NullSocket();
  const ws = new WebSocketConn({
    runtime,
    role: "server",
    netConn: { localAddr: PIPE_ADDR, remoteAddr: PIPE_ADDR } as Conn,
    detached: { socket, chunks: new ChunkQueue(), ended: false, error: null },
    settings: webSocketSettings({ readLimit: 1 << 24 }),
    subprotocol: "",
    compression: null,
    rest: new Uint8Array(0),
  });
  return { ws, socket };
}

/** `count` masked frames as one array of bytes. */
function frames(opcode: Opcode, size: number, count: number): Uint8Array {
  const payload = new Uint8Array(size).fill(0x61);
  const length = headerSize(size, true) + size;
  const bytes = new Uint8Array(length * count);
  for (let i = 0; i < count; i++) {
    const start = writeHeader(bytes, i * length, FIN | opcode, size, 0x12345678);
    bytes.set(payload, start);
    applyMask(bytes, start, start + size, 0x12345678);
  }
  if ((bytes[1]! & MASKED) === 0) throw new Error("not masked");
  return bytes;
}

async function echo(
  opcode: Opcode,
  size: number,
  burst: number,
  total: number,
  { step = Infinity, own = false } = {},
): Promise<number> {
  const { ws, socket } = connect();
  void (async () => {
    for await (const message of ws) await ws.writeMessage(message.data);
  })().catch(() => {});
  const wire = frames(opcode, size, burst);
  let chunk = new Uint8Array(wire.length);
  const start = performance.now();
  for (let i = 0; i < total; i += burst) {
    // Each chunk in an array of its own, as on Bun.
    if (own) chunk = new Uint8Array(wire.length);
    chunk.set(wire);
    const answered = new Promise<void>((resolve) => socket.onWrite = resolve);
    for (let at = 0; at < chunk.length; at += step) {
      socket.handler.onData(step < chunk.length ? chunk.subarray(at, at + step) : chunk, !own);
    }
    await answered;
  }
  const ns = (performance.now() - start) * 1e6 / total;
  ws.closeNow();
  return ns;
}

const { Binary, Text } = Opcode;
const all: readonly [string, () => Promise<number>][] = [
  ["binary 16 B, 32 in a chunk", () => echo(Binary, 16, 32, 500_000)],
  ["binary 16 B, 1 in a chunk", () => echo(Binary, 16, 1, 200_000)],
  ["binary 128 B, 1 in a chunk", () => echo(Binary, 128, 1, 200_000)],
  ["binary 128 B, 1 in a chunk of its own", () => echo(Binary, 128, 1, 200_000, { own: true })],
  ["binary 600 B, 1 in a chunk of its own", () => echo(Binary, 600, 1, 200_000, { own: true })],
  ["text 1 KiB, 32 in a chunk", () => echo(Text, 1024, 32, 200_000)],
  ["binary 64 KiB, 4 in a chunk", () => echo(Binary, 65536, 4, 10_000)],
  ["binary 64 KiB, in chunks of 50,000", () => echo(Binary, 65536, 4, 10_000, { step: 50_000 })],
  ["binary 1 MiB, in chunks of a byte", () => echo(Binary, 1 << 20, 1, 3, { step: 1 })],
  ["binary 1 MiB, in chunks of 64 KiB", () => echo(Binary, 1 << 20, 1, 500, { step: 65536 })],
  ["binary 1 MiB, in chunks of 256 KiB", () => echo(Binary, 1 << 20, 1, 500, { step: 262144 })],
];
const cases = all.filter(([name]) => name.includes(process.argv[3] ?? ""));
const results = cases.map((): number[] => []);
for (let round = 0; round <= rounds; round++) {
  for (const [i, [, run]] of cases.entries()) {
    const ns = await run();
    if (round > 0) results[i]!.push(ns);
  }
}
for (const [i, [name]] of cases.entries()) {
  const sorted = results[i]!.sort((a, b) => a - b);
  console.log(name.padEnd(40), sorted[sorted.length >> 1]!.toFixed(0).padStart(9), "ns");
}
process.exit(0);
