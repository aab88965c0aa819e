import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { interleave, race } from "../../src/net/happy_eyeballs.ts";
import { TimerQueue } from "../../src/net/timer_queue.ts";
import { limit } from "./support.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** Attempts to connect, which the test ends. */
class Attempts {
  readonly clock = new VirtualClock();
  readonly started: string[] = [];
  readonly discarded: string[] = [];
  readonly #ends = new Map<
    string,
    { resolve(value: string): void; reject(error: Error): void; signal: AbortSignal }
  >();

  race(addresses: string[], signal: AbortSignal | null = null): Promise<string> {
    return race<string>({
      addresses,
      signal,
      timers: new TimerQueue(this.clock),
      discard: (late) => this.discarded.push(late),
      connect: (address, signal) => {
        this.started.push(address);
        return new Promise((resolve, reject) => this.#ends.set(address, { resolve, reject, signal }));
      },
    });
  }

  connected(address: string): Promise<void> {
    this.#ends.get(address)!.resolve(address);
    return settle();
  }

  failed(address: string): Promise<void> {
    this.#ends.get(address)!.reject(new Error(address));
    return settle();
  }

  aborted(address: string): boolean {
    return this.#ends.get(address)!.signal.aborted;
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await null;
}

let attempts: Attempts;
beforeEach(() => void (attempts = new Attempts()));

describe("RFC 8305, 4: sorting", () => {
  it("lets the families take turns, the first one's first", () => {
    assert.deepEqual(interleave(["::1", "::2", "::3", "1.1.1.1"]), ["::1", "1.1.1.1", "::2", "::3"]);
    assert.deepEqual(interleave(["1.1.1.1", "2.2.2.2", "::1"]), ["1.1.1.1", "::1", "2.2.2.2"]);
    assert.deepEqual(interleave(["1.1.1.1"]), ["1.1.1.1"]);
    assert.deepEqual(interleave([]), []);
  });
});

describe("RFC 8305, 5: connection attempts", () => {
  it("starts the next attempt after 250 ms, and the first to answer wins", limit, async () => {
    const winner = attempts.race(["a", "b", "c"]);
    assert.deepEqual(attempts.started, ["a"]);
    attempts.clock.advance(249);
    assert.deepEqual(attempts.started, ["a"]);
    attempts.clock.advance(1);
    assert.deepEqual(attempts.started, ["a", "b"]);
    await attempts.connected("b");
    assert.equal(await winner, "b");
    assert.deepEqual([attempts.aborted("a"), attempts.aborted("b")], [true, true]);
    attempts.clock.advance(1000);
    assert.deepEqual(attempts.started, ["a", "b"]);
  });

  it("does not give up a slow attempt for a later one", limit, async () => {
    const winner = attempts.race(["a", "b"]);
    attempts.clock.advance(60_000);
    assert.equal(attempts.aborted("a"), false);
    await attempts.connected("a");
    assert.equal(await winner, "a");
  });

  it("starts the next attempt at once when one fails", limit, async () => {
    const winner = attempts.race(["a", "b", "c"]);
    await attempts.failed("a");
    assert.deepEqual(attempts.started, ["a", "b"]);
    attempts.clock.advance(250);
    assert.deepEqual(attempts.started, ["a", "b", "c"]);
    await attempts.failed("b");
    await attempts.connected("c");
    assert.equal(await winner, "c");
  });

  it("gets rid of a connection that comes too late", limit, async () => {
    const winner = attempts.race(["a", "b"]);
    attempts.clock.advance(250);
    await attempts.connected("a");
    await attempts.connected("b");
    assert.equal(await winner, "a");
    assert.deepEqual(attempts.discarded, ["b"]);
  });

  it("reports every failure, in the order of the addresses", limit, async () => {
    const winner = attempts.race(["a", "b"]);
    attempts.clock.advance(250);
    const failed = assert.rejects(
      winner,
      (error) =>
        error instanceof AggregateError && error.errors.map(({ message }) => message).join() === "a,b",
    );
    await attempts.failed("b");
    await attempts.failed("a");
    await failed;
    await assert.rejects(attempts.race([]), AggregateError);
  });

  it("ends with the signal's reason, and drops what is under way", limit, async () => {
    const abort = new AbortController();
    const winner = attempts.race(["a", "b"], abort.signal);
    abort.abort(new Error("enough"));
    await assert.rejects(winner, /enough/);
    assert.equal(attempts.aborted("a"), true);
    attempts.clock.advance(1000);
    assert.deepEqual(attempts.started, ["a"]);
    await assert.rejects(attempts.race(["a"], abort.signal), /enough/);
  });
});
