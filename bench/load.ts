/**
 * A load generator, which runs on Node in its own process and shares no code with the servers. Frames are made before
 * the clock starts, and answers are counted by their headers without a look at their payload.
 */
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { constants, deflateRawSync } from "node:zlib";

/** Messages to send, and their number at a time. */
export interface Load {
  readonly port: number;
  readonly conns: number;
  /** Length of a message, bytes. */
  readonly size: number;
  /** Number of messages in flight on each connection; with `broadcast`, on the one that sends. */
  readonly inFlight: number;
  readonly text?: boolean;
  readonly deflate?: boolean;
  /** Whether one connection sends and the server passes each message to all. */
  readonly broadcast?: boolean;
  /** Whether the bytes of the frames are sent without a handshake. */
  readonly bareTcp?: boolean;
}

/** Sends a load to a server and counts the answers. */
export class Generator {
  readonly #load: Load;
  readonly #conns: Connection[] = [];
  #stopped = false;
  /** Number of deliveries of the current broadcasts. */
  #delivered = 0;

  private constructor(load: Load) {
    this.#load = load;
  }

  /** Opens all connections and begins to send. */
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

  /** Sends the next broadcasts once all connections have the last: earlier, both would leave in one write. */
  #onDelivered(count: number, perSend: number): void {
    this.#delivered += count;
    const over = Math.floor(this.#delivered / this.#load.conns);
    if (over < perSend || this.#stopped) return;
    this.#delivered -= over * this.#load.conns;
    this.#conns[0]!.send(over);
  }

  /** Number of answers so far, on all connections. */
  get received(): number {
    return this.#conns.reduce((sum, conn) => sum + conn.received, 0);
  }

  /** Drops all connections. */
  stop(): void {
    this.#stopped = true;
    for (const conn of this.#conns) conn.socket.destroy();
  }
}

/** Opens `count` connections, at most 64 at a time. */
export async function openMany(port: number, count: number): Promise<{ sockets: Socket[] }> {
  const sockets: Socket[] = [];
  let begun = 0;
  const worker = async () => {
    while (begun++ < count) sockets.push(await open({ port }));
  };
  await Promise.all(Array.from({ length: 64 }, worker));
  return { sockets };
}

/** Opens all connections of a load, at most 64 at a time, without sending. */
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

/** One connection, whose incoming frames are counted by their headers. */
export class Connection {
  readonly socket: Socket;
  received = 0;
  onMessages: ((count: number) => void) | null = null;
  readonly #message: Uint8Array;
  readonly #burst: Uint8Array;
  readonly #bareSize: number | null;
  /** Bytes of the current frame that are still to come. */
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
    // Control frames are not messages. A ping is not answered: the run ends before a server could miss the pong.
    this.#final = opcode < 8 && (head[0]! & 0x80) !== 0;
  }
}

const KEY = randomBytes(4);
const RECEIVED = Buffer.alloc(65536);

/** One masked frame. All frames have one key, which costs the server as much as many keys. */
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

/** Payload of a message; with `deflate`, JSON as in a feed, compressed without reference to earlier messages. */
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
  // All sockets read into one buffer, so that the generator makes no garbage to collect.
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
  if (!head.startsWith("HTTP/1.1 101") || !head.includes(accept)) {
    throw new Error(`The server did not accept the handshake: ${head}`);
  }
  if (deflate && !/permessage-deflate/i.test(head)) {
    throw new Error("The server did not agree to compression");
  }
  return socket;
}

async function readHead(socket: Socket): Promise<string> {
  let head = "";
  while (!head.includes("\r\n\r\n")) head += String((await once(socket, "data"))[0]);
  socket.removeAllListeners("data");
  return head;
}
