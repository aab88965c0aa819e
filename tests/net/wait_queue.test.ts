import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WaitQueue } from "../../src/net/wait_queue.ts";
import { countedSignal, limit } from "./support.ts";

describe("WaitQueue", () => {
  it("serves in order of calling", limit, async () => {
    const queue = new WaitQueue<string, string>();
    const [a, b, c] = [queue.wait("a"), queue.wait("b"), queue.wait("c")];
    assert.equal(queue.size, 3);
    assert.equal(queue.first, "a");
    queue.resolveFirst("first");
    assert.equal(queue.first, "b");
    const failed = assert.rejects(b, /second/);
    queue.rejectFirst(new Error("second"));
    queue.resolveFirst("third");
    assert.equal(queue.first, undefined);
    assert.deepEqual([await a, await c], ["first", "third"]);
    await failed;
  });

  it("does nothing when nobody waits", limit, () => {
    const queue = new WaitQueue<string>();
    queue.resolveFirst("nobody");
    queue.rejectFirst(new Error("nobody"));
    queue.rejectAll(new Error("nobody"));
    assert.equal(queue.size, 0);
  });

  it("fails all", limit, async () => {
    const queue = new WaitQueue<string>();
    const reason = new Error("all");
    const outcomes = Promise.allSettled([queue.wait(undefined), queue.wait(undefined)]);
    queue.rejectAll(reason);
    assert.equal(queue.size, 0);
    assert.deepEqual(await outcomes, [{ status: "rejected", reason }, { status: "rejected", reason }]);
  });

  it("lets an aborted call leave from the middle", limit, async () => {
    const queue = new WaitQueue<string, string>();
    const { abort, signal, listeners } = countedSignal();
    const told: string[] = [];
    const a = queue.wait("a");
    const b = queue.wait("b", signal, (item) => void told.push(`${item} of ${queue.size}`));
    const c = queue.wait("c");
    assert.equal(listeners(), 1);
    const failed = assert.rejects(b, (error) => error === signal.reason);
    abort.abort();
    await failed;
    assert.deepEqual(told, ["b of 2"]);
    assert.equal(listeners(), 0);
    queue.resolveFirst("1");
    queue.resolveFirst("2");
    assert.deepEqual([await a, await c], ["1", "2"]);
  });

  it("rejects with the signal's reason, whatever it is", limit, async () => {
    for (const reason of [null, "a text", new Error("an error")]) {
      const queue = new WaitQueue<string>();
      const abort = new AbortController();
      const outcome = Promise.allSettled([queue.wait(undefined, abort.signal)]);
      abort.abort(reason);
      assert.deepEqual(await outcome, [{ status: "rejected", reason }]);
    }
  });

  it("takes its listener off when a call was served or failed, and hears no later abort", limit, async () => {
    const queue = new WaitQueue<string>();
    const { abort, signal, listeners } = countedSignal();
    const told: unknown[] = [];
    const served = queue.wait(undefined, signal, (item) => void told.push(item));
    const failed = assert.rejects(queue.wait(undefined, signal, (item) => void told.push(item)), /no/);
    const next = queue.wait(undefined);
    queue.resolveFirst("yes");
    queue.rejectFirst(new Error("no"));
    assert.equal(listeners(), 0);
    abort.abort();
    queue.resolveFirst("next");
    assert.deepEqual([await served, await next], ["yes", "next"]);
    await failed;
    assert.deepEqual(told, []);
  });

  it("lets one signal abort many calls", limit, async () => {
    const queue = new WaitQueue<string>();
    const { abort, signal, listeners } = countedSignal();
    const calls = Array.from({ length: 100 }, () => queue.wait(undefined, signal));
    const outcomes = Promise.allSettled(calls);
    abort.abort();
    assert.ok((await outcomes).every(({ status }) => status === "rejected"));
    assert.deepEqual([queue.size, listeners()], [0, 0]);
  });
});
