/** Messages for the tests with every foreign peer. */

import assert from "node:assert/strict";
import { dialWebSocket } from "../../mod.ts";

/** Options of every test. */
export const limit: { timeout: number } = { timeout: 20_000 };

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));

/** Messages that an echo server must return unchanged. */
export const messages: readonly (readonly [what: string, message: string | Uint8Array])[] = [
  ["text", "hello"],
  ["empty text", ""],
  ["text of all lengths of UTF-8", "a \u00e4 \u20ac \u{1f600} \ufeff \ufffd"],
  ["text of 125 bytes", "x".repeat(125)],
  ["text of 126 bytes", "x".repeat(126)],
  ["text of 65,535 bytes", "x".repeat(65_535)],
  ["text of 65,536 bytes", "x".repeat(65_536)],
  ["text of 1 MiB", "\u00e4".repeat(1 << 19)],
  ["binary", bytes(5)],
  ["empty binary", bytes(0)],
  ["binary of 70,000 bytes", bytes(70_000)],
  ["binary of 1 MiB", bytes(1 << 20)],
];

/** Compares what came with what was sent, whatever the peer calls bytes. */
export function assertSame(actual: unknown, expected: string | Uint8Array): void {
  if (typeof expected === "string") {
    assert.equal(typeof actual, "string");
    assert.ok(actual === expected, "the texts differ");
    return;
  }
  const view = actual instanceof ArrayBuffer ? new Uint8Array(actual) : actual as Uint8Array;
  assert.ok(view instanceof Uint8Array, `${actual} is not bytes`);
  assert.equal(view.length, expected.length);
  assert.equal(view.findIndex((byte, i) => byte !== expected[i]), -1);
}

/** A server that echoes sends every message back, and ends in order. */
export async function checkMessages(url: string): Promise<void> {
  const conn = await dialWebSocket(url, { readLimit: 1 << 21 });
  for (const [, message] of messages) {
    await conn.writeMessage(message);
    assertSame((await conn.readMessage()).data, message);
  }
  assert.equal((await conn.close()).wasClean, true);
}

/** A server that echoes sends 1,000 messages back in order. */
export async function checkOrder(url: string): Promise<void> {
  const conn = await dialWebSocket(url);
  for (let i = 0; i < 1000; i++) await conn.writeMessage(`message ${i}`);
  for (let i = 0; i < 1000; i++) assert.equal((await conn.readMessage()).data, `message ${i}`);
  await conn.close();
}
