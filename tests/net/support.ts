/** Helpers for the tests of sockets. */

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { ClosedError, DeadlineExceededError, NetError } from "../../src/net/errors.ts";

/** Options of every test. */
export const limit: { timeout: number } = { timeout: 20_000 };

/**
 * Keeps the process alive while the tests of this file or group run. The library's timers are unref'd on purpose,
 * so that Node would end a test that waits for a deadline and nothing else.
 */
export function holdProcess(): void {
  let timer: ReturnType<typeof setInterval>;
  before(() => void (timer = setInterval(() => {}, 1 << 30)));
  after(() => clearInterval(timer));
}

/** Waits until a number grows no more, though the event loop turned often enough that it could. */
export async function untilStill(number: () => number): Promise<void> {
  for (let [looks, before] = [0, -1]; looks < 20; looks++) {
    if (number() !== before) [looks, before] = [0, number()];
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Random numbers that are equal in each run. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

/** The bytes of a stream from `start` to `end`: no two stretches of it are alike, so a lost or doubled byte shows. */
export function pattern(start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(end - start);
  for (let i = 0, at = start; at < end; i++, at++) bytes[i] = Math.imul(at ^ (at >>> 8), 0x9e3779b1) >>> 24;
  return bytes;
}

/** Compares bytes; a failure's message does not contain them, which may be megabytes. */
export function assertBytes(actual: Uint8Array, expected: Uint8Array, at = 0): void {
  assert.equal(actual.length, expected.length, "the lengths differ");
  const wrong = actual.findIndex((byte, i) => byte !== expected[i]);
  assert.equal(wrong, -1, `byte ${at + wrong} differs`);
}

export function isDeadlineExceeded(error: unknown): true {
  assert.ok(error instanceof DeadlineExceededError, `not a DeadlineExceededError: ${error}`);
  assert.equal(error.timeout, true);
  assert.equal(error.code, "ETIMEDOUT");
  assert.equal(error.name, "DeadlineExceededError");
  return true;
}

export function isClosed(error: unknown): true {
  assert.ok(error instanceof ClosedError, `not a ClosedError: ${error}`);
  assert.equal(error.timeout, false);
  return true;
}

/** The peer broke the connection. */
export function isBroken(error: unknown): true {
  assert.ok(error instanceof NetError, `not a NetError: ${error}`);
  assert.match(error.code, /^(ECONNRESET|EPIPE)$/);
  assert.equal(error.timeout, false);
  return true;
}

/** A signal that counts its listeners. */
export function countedSignal(): { abort: AbortController; signal: AbortSignal; listeners: () => number } {
  const abort = new AbortController();
  const signal = abort.signal;
  /** Listeners, with whether the abort itself removes them (`once`). */
  const listeners = new Map<unknown, boolean>();
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener(this: AbortSignal, ...args: Parameters<typeof addEventListener>) {
      listeners.set(args[1], typeof args[2] === "object" && args[2].once === true);
      addEventListener.apply(this, args);
    },
    removeEventListener(this: AbortSignal, ...args: Parameters<typeof removeEventListener>) {
      listeners.delete(args[1]);
      removeEventListener.apply(this, args);
    },
  });
  const left = () => [...listeners.values()].filter((once) => !(once && signal.aborted)).length;
  return { abort, signal, listeners: left };
}
