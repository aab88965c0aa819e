import assert from "node:assert/strict";
import type { NetError } from "../../src/net/errors.ts";
import type { StreamHandler, StreamSocket } from "../../src/net/stream_socket.ts";
import { assertBytes, pattern } from "../net/support.ts";

/**
 * A handler that records its events and compares the bytes with the pattern. The recorder also checks the order of
 * events: data, then the end, then the close, each of the last two once, and none after the handler asked to leave.
 */
export class Recorder implements StreamHandler {
  /** `data`, `end`, `drain` and `close`, in the order in which they came; runs of data are one. */
  readonly events: string[] = [];
  readonly chunks: Uint8Array[] = [];
  /** Where in the pattern the bytes begin. */
  bytes = 0;
  drains = 0;
  error: NetError | null = null;
  closed = false;
  ended = false;
  /** Set around calls from inside of which nothing may be heard. */
  inside: string | null = null;
  /** The first rule that was broken. */
  fault: unknown = null;
  readonly #waiting = new Set<() => void>();
  keepChunks = false;

  onData(chunk: Uint8Array, lent: boolean): void {
    this.#hear("data", () => {
      assert.equal(this.ended, false, "data after the end");
      assert.ok(chunk.length > 0, "an empty chunk");
      assertBytes(chunk, pattern(this.bytes, this.bytes + chunk.length), this.bytes);
      this.bytes += chunk.length;
      if (this.keepChunks) this.chunks.push(lent ? chunk.slice() : chunk);
    });
  }

  onEnd(): void {
    this.#hear("end", () => {
      assert.equal(this.ended, false, "a second end");
      this.ended = true;
    });
  }

  onDrain(): void {
    this.#hear("drain", () => this.drains++);
  }

  onClose(error: NetError | null): void {
    this.#hear("close", () => {
      this.closed = true;
      this.error = error;
    });
  }

  /** Resolves when `condition` holds after something was heard; at once when it holds already. */
  async until(condition: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (this.fault === null && !condition()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
    if (this.fault !== null) throw this.fault;
  }

  untilClosed(): Promise<void> {
    return this.until(() => this.closed);
  }

  /** Makes a call from inside of which nothing may be heard. */
  around<T>(name: string, call: () => T): T {
    this.inside = name;
    try {
      return call();
    } finally {
      this.inside = null;
    }
  }

  /** Sends the pattern from `start` to `end`, and waits until it was taken. */
  async send(socket: StreamSocket, start: number, end: number, step: number = end - start): Promise<void> {
    for (let at = start; at < end; at += step) {
      const drains = this.drains;
      const bytes = pattern(at, Math.min(end, at + step));
      const taken = this.around("write", () => socket.write(bytes));
      if (!taken) await this.until(() => this.drains > drains || this.closed);
      if (this.closed) throw this.error ?? new Error("closed");
      if (!taken) assert.equal(this.drains, drains + 1);
    }
  }

  #hear(event: string, check: () => void): void {
    try {
      assert.equal(this.inside, null, `${event} from inside ${this.inside}`);
      assert.equal(this.closed, false, `${event} after the close`);
      check();
    } catch (error) {
      this.fault ??= error;
    }
    if (event !== "data" || this.events.at(-1) !== "data") this.events.push(event);
    for (const look of this.#waiting) look();
  }
}
