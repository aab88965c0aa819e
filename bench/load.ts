/**
 * A load generator: frames are made before the clock starts, answers are counted and not looked at. It runs on Node, in a
 * process of its own, and shares no code with what it measures but the framing of its own messages.
 */
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { constants, deflateRawSync } from "node:zlib";

/** What to send, and how much of it at once. */
export interface Load {
  readonly port: number;
  readonly conns: number;
  /** Bytes of a message. */
  readonly size: number;
  /** Messages in flight on each connection; in a broadcast, of the one that sends. */
  readonly inFlight: number;
  readonly text?: boolean;
  readonly deflate?: boolean;
  /** One connection sends, and everybody gets it. */
  readonly broadcast?: boolean;
  /** The bytes of the frames, without a handshake. */
  readonly bareTcp?: boolean;
}

/** Counts what a server sends back. */
export class Generator {
  readonly #load: Load;
  readonly #conns: Connection[] = [];
  #stopped = false;
  /** Of broadcasts that were not followed by the next yet. */
  #delivered = 0;

  private constructor(load: Load) {
    this.#load = load;
  }

  /** Connects everybody, and begins to send. */
  static async start(load: Load): Promise<Generator> {
    const generator = new Generator(load);
    const message = frame(payload(load), load);
    const perSend = Math.max(1, load.inFlight >> 1);
    for (let i = 0; i < load.conns; i++) {
      const socket = await open(load);
      const conn = new Connection(socket, message, load.bareTcp ? message.length : null);
      generator.#conns.push(conn);
      if (load.broadcast) {
        conn.onMessages = (count) => generator.#onDelivered(count, perSend);
        continue;
      }
      let free = 0;
      conn.onMessages = (count) => {
        free += count;
        if (free < perSend || generator.#stopped) return;
        conn.send(free);
        free = 0;
      };
    }
    const senders = load.broadcast ? generator.#conns.slice(0, 1) : generator.#conns;
    for (const conn of senders) conn.send(load.inFlight);
    return generator;
  }

  /** A broadcast is over when everybody has it: else the next would leave with it, in one write. */
  #onDelivered(count: number, perSend: number): void {
    this.#delivered += count;
    const over = Math.floor(this.#delivered / this.#load.conns);
    if (over < perSend || this.#stopped) return;
    this.#delivered -= over * this.#load.conns;
    this.#conns[0]!.send(over);
  }

  /** Messages that have come back until now, on all connections. */
  get received(): number {
    return this.#conns.reduce((sum, conn) => sum + conn.received, 0);
  }

  /** Leaves. */
  stop(): void {
    this.#stopped = true;
    for (const conn of this.#conns) conn.socket.destroy();
  }
}

/** Opens connections as fast as it can, at most 64 at a time. */
export async function openMany(port: number, count: number): Promise<{ sockets: Socket[] }> {
  const sockets: Socket[] = [];
  let begun = 0;
  const worker = async () => {
    while (begun++ < count) sockets.push(await open({ port }));
  };
  await Promise.all(Array.from({ length: 64 }, worker));
  return { sockets };
}

/** Connects everybody of a load, at most 64 at a time; nobody sends yet. */
export async function connectAll(load: Load): Promise<Connection[]> {
  const message = frame(payload(load), load);
  const connections: Connection[] = [];
  let begun = 0;
  const worker = async () => {
    while (begun++ < load.conns) {
      connections.push(new Connection(await open(load), message, load.bareTcp ? message.length : null));
    }
  };
  await Promise.all(Array.from({ length: 64 }, worker));
  return connections;
}

/** One connection, whose incoming frames are counted by their heads. */
export class Connection {
  readonly socket: Socket;
  received = 0;
  onMessages: ((count: number) => void) | null = null;
  readonly #message: Uint8Array;
  readonly #burst: Uint8Array;
  readonly #bareSize: number | null;
  /** Bytes of the frame under way that are still to come. */
  #left = 0;
  #head = new Uint8Array(10);
  #headLength = 0;
  #final = true;

  constructor(socket: Socket, message: Uint8Array, bareSize: number | null) {
    this.socket = socket;
    this.#message = message;
    this.#bareSize = bareSize;
    const most = Math.max(1, Math.min(64, Math.floor(262144 / message.length)));
    this.#burst = new Uint8Array(message.length * most);
    for (let i = 0; i < most; i++) this.#burst.set(message, i * message.length);
    socket.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    socket.on("error", () => {});
  }

  send(count: number): void {
    const most = this.#burst.length / this.#message.length;
    for (; count > 0; count -= most) {
      this.socket.write(count >= most ? this.#burst : this.#burst.subarray(0, count * this.#message.length));
    }
  }

  #receive(chunk: Uint8Array): void {
    const before = this.received;
    if (this.#bareSize !== null) this.#countBytes(chunk.length, this.#bareSize);
    else this.#countFrames(chunk);
    if (this.received > before) this.onMessages?.(this.received - before);
  }

  #countBytes(bytes: number, size: number): void {
    this.#left += bytes;
    this.received += Math.floor(this.#left / size);
    this.#left %= size;
  }

  #countFrames(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const count = Math.min(this.#left, chunk.length - at);
        this.#left -= count;
        at += count;
        if (this.#left === 0 && this.#final) this.received++;
        continue;
      }
      this.#head[this.#headLength++] = chunk[at++]!;
      if (this.#headLength >= 2) this.#readHead();
    }
  }

  #readHead(): void {
    const head = this.#head;
    const short = head[1]! & 127;
    if (this.#headLength < (short < 126 ? 2 : short === 126 ? 4 : 10)) return;
    this.#headLength = 0;
    const view = new DataView(head.buffer);
    this.#left = short < 126 ? short : short === 126 ? view.getUint16(2) : Number(view.getBigUint64(2));
    const opcode = head[0]! & 15;
    // A ping of the server's is not a message; who is pinged within these few seconds is busy anyway.
    this.#final = opcode < 8 && (head[0]! & 0x80) !== 0;
  }
}

const KEY = randomBytes(4);
const RECEIVED = Buffer.alloc(65536);

/** Masked, with one key for all: the server must undo it all the same. */
function frame(payload: Uint8Array, { text = false, deflate = false }: Load): Uint8Array {
  const size = payload.length;
  const head = size < 126
    ? [0x80 | size]
    : size < 65536
    ? [0xfe, size >> 8, size & 255]
    : [0xff, 0, 0, 0, 0, size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255];
  const bytes = new Uint8Array(1 + head.length + 4 + size);
  bytes[0] = 0x80 | (deflate ? 0x40 : 0) | (text ? 1 : 2);
  bytes.set(head, 1);
  bytes.set(KEY, 1 + head.length);
  const start = 5 + head.length;
  for (let i = 0; i < size; i++) bytes[start + i] = payload[i]! ^ KEY[i & 3]!;
  return bytes;
}

/** Text, or bytes; for compression, JSON as chats and feeds have it, compressed without reference to what came before. */
function payload({ size, deflate }: Load): Uint8Array {
  if (!deflate) return new Uint8Array(size).fill(0x61);
  const rows = [];
  for (let i = 0; JSON.stringify(rows).length < size - 60; i++) {
    rows.push({
      id: i,
      symbol: `S${(i * 7919) % 97}`,
      price: (i * 104729) % 100000 / 100,
      side: i % 3 ? "buy" : "sell",
    });
  }
  const json = JSON.stringify(rows).padEnd(size);
  return deflateRawSync(json, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

async function open({ port, deflate, bareTcp }: Partial<Load> & { port: number }): Promise<Socket> {
  // All read into one buffer, so that the load leaves nothing for a collector to stop it for.
  const callback = (length: number) => {
    socket.emit("data", RECEIVED.subarray(0, length));
    return true;
  };
  const options = { port, host: "127.0.0.1", noDelay: true, onread: { buffer: RECEIVED, callback } };
  const socket: Socket = connect(options);
  await once(socket, "connect");
  if (bareTcp) return socket;
  const key = randomBytes(16).toString("base64");
  const extensions = deflate
    ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    : "";
  socket.write(
    `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n${extensions}\r\n`,
  );
  const head = await readHead(socket);
  const accept = createHash("sha1").update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  if (!head.startsWith("HTTP/1.1 101") || !head.includes(accept)) throw new Error(`Not a handshake: ${head}`);
  if (deflate && !/permessage-deflate/i.test(head)) throw new Error("The server does not compress");
  return socket;
}

async function readHead(socket: Socket): Promise<string> {
  let head = "";
  while (!head.includes("\r\n\r\n")) head += String((await once(socket, "data"))[0]);
  socket.removeAllListeners("data");
  return head;
}
