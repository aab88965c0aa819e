/** Scenarios for every foreign peer. */

import assert from "node:assert/strict";
import type { CloseInfo, WebSocketConn } from "../../mod.ts";
import { assertBytes, pattern } from "../net/support.ts";

const TEXTS = [
  "",
  "x",
  "hello",
  "κόσμε 你好 😀 \u{10ffff}",
  "\ufeff\0\u0080",
  "é".repeat(70_000),
  "x".repeat(125),
  "x".repeat(126),
  "x".repeat(65_536),
];
const SIZES = [0, 1, 125, 126, 65_535, 65_536, 300_000, 1_048_576];

/** Our end against a peer that echoes. */
export async function checkEcho(ws: WebSocketConn): Promise<void> {
  for (const text of TEXTS) {
    await ws.writeMessage(text);
    const message = await ws.readMessage();
    assert.equal(message.type, "text");
    assert.ok(message.data === text, `text of ${text.length}`);
  }
  for (const size of SIZES) {
    const data = pattern(size, 2 * size);
    const [message] = await Promise.all([ws.readMessage(), ws.writeMessage(data)]);
    assert.equal(message.type, "binary");
    assertBytes(message.data as Uint8Array, data);
  }
  const writes = Array.from({ length: 100 }, (_, i) => ws.writeMessage(`burst ${i}`));
  for (let i = 0; i < 100; i++) assert.equal((await ws.readMessage()).data, `burst ${i}`);
  await Promise.all(writes);
}

/** A client in the shape of the web's `WebSocket`. */
export interface WebClient {
  binaryType: string;
  readonly protocol: string;
  readonly extensions: string;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: never) => void): void;
}

/** Its events, one after the other. */
export class WebClientReader {
  readonly client: WebClient;
  readonly opened: Promise<void>;
  readonly closed: Promise<CloseInfo>;
  readonly #messages: unknown[] = [];
  #wake: (() => void) | null = null;

  constructor(client: WebClient) {
    this.client = client;
    client.binaryType = "arraybuffer";
    this.closed = new Promise((resolve) => {
      client.addEventListener(
        "close",
        ({ code, reason, wasClean }: CloseInfo) => resolve({ code, reason, wasClean }),
      );
    });
    this.opened = new Promise((resolve, reject) => {
      client.addEventListener("open", () => resolve());
      void this.closed.then(({ code }) => reject(new Error(`closed with ${code}`)));
    });
    this.opened.catch(() => {});
    client.addEventListener("message", ({ data }: { data: unknown }) => {
      this.#messages.push(data);
      this.#wake?.();
    });
  }

  async next(): Promise<unknown> {
    while (this.#messages.length === 0) await new Promise<void>((resolve) => this.#wake = resolve);
    return this.#messages.shift();
  }
}

/** A foreign client against our echo. */
export async function checkClient(reader: WebClientReader): Promise<void> {
  const { client } = reader;
  for (const text of TEXTS) {
    client.send(text);
    assert.ok(await reader.next() === text, `text of ${text.length}`);
  }
  for (const size of SIZES) {
    const data = pattern(size, 2 * size) as Uint8Array<ArrayBuffer>;
    client.send(data);
    const got = await reader.next();
    assertBytes(new Uint8Array(got as ArrayBuffer), data);
  }
  for (let i = 0; i < 100; i++) client.send(`burst ${i}`);
  for (let i = 0; i < 100; i++) assert.equal(await reader.next(), `burst ${i}`);
}
