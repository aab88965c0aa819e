/** A peer that writes arbitrary bytes, and reads frames without the library's reader. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Conn } from "../../mod.ts";
import { bytesOf, concat, dial, textOf } from "./support.ts";

export const OP = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  readonly first: number;
  readonly opcode: number;
  readonly fin: boolean;
  readonly masked: boolean;
  readonly payload: Uint8Array;
}

/** One frame; `mask` as a client's. */
export function frame(
  opcode: number,
  payload: Uint8Array | string = "",
  { mask = true, fin = true, rsv = 0 }: { mask?: boolean; fin?: boolean; rsv?: number } = {},
): Uint8Array {
  const data = typeof payload === "string" ? bytesOf(payload) : payload;
  const head = [(fin ? 0x80 : 0) | rsv | opcode];
  const bit = mask ? 0x80 : 0;
  if (data.length < 126) head.push(bit | data.length);
  else if (data.length < 65536) head.push(bit | 126, data.length >> 8, data.length & 255);
  else {head.push(
      bit | 127,
      0,
      0,
      0,
      0,
      data.length >>> 24,
      data.length >> 16 & 255,
      data.length >> 8 & 255,
      data.length & 255,
    );}
  if (!mask) return concat(new Uint8Array(head), data);
  const key = [0x37, 0xfa, 0x21, 0x3d];
  return concat(new Uint8Array([...head, ...key]), data.map((byte, i) => byte ^ key[i % 4]!));
}

export function closeFrame(code: number, reason?: string, options?: { mask?: boolean }): Uint8Array {
  return frame(OP.close, concat(new Uint8Array([code >> 8, code & 255]), bytesOf(reason ?? "")), options);
}

/** Takes bytes apart into frames. */
export class FrameParser {
  #bytes: Uint8Array = new Uint8Array(0);

  push(bytes: Uint8Array): void {
    this.#bytes = concat(this.#bytes, bytes);
  }

  /** Bytes that wait for the rest of their frame. */
  get left(): number {
    return this.#bytes.length;
  }

  shift(): Frame | null {
    const b = this.#bytes;
    if (b.length < 2) return null;
    const [first, second] = [b[0]!, b[1]!];
    const view = new DataView(b.buffer, b.byteOffset, b.length);
    const short = second & 127;
    let at = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (b.length < at) return null;
    const length = short === 126 ? view.getUint16(2) : short === 127 ? Number(view.getBigUint64(2)) : short;
    const masked = (second & 128) !== 0;
    const key = masked ? b.subarray(at, at + 4) : null;
    if (masked) at += 4;
    if (b.length < at + length) return null;
    const raw = b.slice(at, at + length);
    const payload = key === null ? raw : raw.map((byte, i) => byte ^ key[i % 4]!);
    this.#bytes = b.subarray(at + length);
    return { first, opcode: first & 15, fin: (first & 128) !== 0, masked, payload };
  }

  all(): Frame[] {
    const frames: Frame[] = [];
    for (let next = this.shift(); next !== null; next = this.shift()) frames.push(next);
    return frames;
  }
}

/** The same with the fragments of each message put together, control frames as they are. */
export function joined(frames: readonly Frame[]): Frame[] {
  const whole: Frame[] = [];
  for (const next of frames) {
    if (next.opcode !== OP.continuation) {
      whole.push(next);
      continue;
    }
    const at = whole.findLastIndex(({ opcode }) => opcode < 8);
    const begun = whole[at]!;
    assert.ok(!begun.fin, "a continuation continues nothing");
    whole[at] = { ...begun, fin: next.fin, payload: concat(begun.payload, next.payload) };
  }
  return whole;
}

export class RawPeer {
  readonly conn: Conn;
  readonly #frames = new FrameParser();
  #rest: Uint8Array = new Uint8Array(0);

  constructor(conn: Conn) {
    this.conn = conn;
  }

  async send(...parts: (Uint8Array | string)[]): Promise<void> {
    await this.conn.write(concat(...parts.map((part) => typeof part === "string" ? bytesOf(part) : part)));
  }

  /** An HTTP head, as text. */
  async readHead(): Promise<string> {
    for (;;) {
      const text = Array.from(this.#rest, (byte) => String.fromCharCode(byte)).join("");
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) {
        this.#frames.push(this.#rest.subarray(end + 4));
        this.#rest = new Uint8Array(0);
        return text.slice(0, end);
      }
      const chunk = await this.conn.readChunk();
      assert.ok(chunk !== null, `the stream ended in a head: ${text}`);
      this.#rest = concat(this.#rest, chunk);
    }
  }

  /** The next frame, `null` at the end of the stream. */
  async readFrame(): Promise<Frame | null> {
    for (let next = this.#frames.shift();; next = this.#frames.shift()) {
      if (next !== null) return next;
      const chunk = await this.conn.readChunk();
      if (chunk === null) return null;
      this.#frames.push(chunk);
    }
  }

  /** Reads frames up to the close frame, and gives its code and reason. */
  async readClose(): Promise<{ code: number; reason: string; before: Frame[] }> {
    const before: Frame[] = [];
    for (;;) {
      const next = await this.readFrame();
      assert.ok(next !== null, "the stream ended without a close frame");
      if (next.opcode === OP.close) {
        const { payload } = next;
        const code = payload.length === 0 ? 1005 : payload[0]! << 8 | payload[1]!;
        return { code, reason: textOf(payload.subarray(2)), before };
      }
      before.push(next);
    }
  }

  /** Everything up to the end of the stream, as text. */
  async readAll(): Promise<string> {
    const parts = [this.#rest];
    for (let chunk = await this.conn.readChunk(); chunk !== null; chunk = await this.conn.readChunk()) {
      parts.push(chunk);
    }
    return textOf(concat(...parts));
  }
}

export const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** A handshake's head; fields can be changed, added (an array gives several) or left out (`null`). */
export function handshake(
  host: string,
  fields: Record<string, string | string[] | null> = {},
  requestLine = "GET / HTTP/1.1",
): string {
  const all: Record<string, string | string[] | null> = {
    Host: host,
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    ...fields,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === null ? [] : [value].flat().map((one) => `${name}: ${one}`)
  );
  return [requestLine, ...lines, "", ""].join("\r\n");
}

/** Dials by hand and shakes hands. */
export async function rawClient(address: string): Promise<RawPeer> {
  const peer = new RawPeer(await dial("tcp", address));
  await peer.send(handshake(address));
  assert.match(await peer.readHead(), /^HTTP\/1\.1 101 /);
  return peer;
}

/** What answers a client's head. */
export function acceptHead(requestHead: string, fields = ""): string {
  const key = /^sec-websocket-key: *(.*)$/im.exec(requestHead)?.[1] ?? "";
  const accept = createHash("sha1").update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    `Sec-WebSocket-Accept: ${accept}\r\n${fields}\r\n`;
}

/** Answers a client that was accepted by hand. */
export async function rawServer(conn: Conn, fields?: string): Promise<RawPeer> {
  const peer = new RawPeer(conn);
  await peer.send(acceptHead(await peer.readHead(), fields));
  return peer;
}
