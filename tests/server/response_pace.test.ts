/** The time in which a client must take a response. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { listenAndServe, type ServeOptions } from "../../mod.ts";
import { TimerQueue } from "../../src/net/timer_queue.ts";
import { PIECE, responseLimits, type ResponseOptions, ResponsePace } from "../../src/server/response_pace.ts";
import { holdProcess, limit } from "../net/support.ts";
import { VirtualClock } from "../net/virtual_clock.ts";
import { RawPeer } from "../websocket/raw_peer.ts";
import { dial, startServer } from "../websocket/support.ts";

/**
 * Pieces that a client gets before it is dropped, at most 10,000, when each takes it so many milliseconds; with the
 * milliseconds that went by.
 */
function piecesTaken(options: ResponseOptions, time: number): { pieces: number; passed: number } {
  const clock = new VirtualClock();
  const start = clock.now();
  let slow = false;
  const pace = new ResponsePace(new TimerQueue(clock), responseLimits(options), () => slow = true);
  let pieces = 0;
  for (; pieces < 10_000; pieces++) {
    pace.begin();
    clock.advance(time);
    if (slow) break;
    pace.end(PIECE);
  }
  return { pieces, passed: clock.now() - start };
}

describe("the pace of a response", () => {
  it("has no bound for a client that takes more than the lowest rate, but that of the whole", () => {
    const wide = { responseMinRate: 65_536, responseTimeout: Infinity };
    assert.equal(piecesTaken(wide, 1_000).pieces, 10_000);
    assert.equal(piecesTaken({ ...wide, responseTimeout: 100_500 }, 1_000).pieces, 100);
  });

  it("ends a client that stays below the lowest rate, when its first minute is used up", () => {
    const { pieces, passed } = piecesTaken({ responseMinRate: 65_536 }, 2_000);
    assert.ok(pieces >= 58 && pieces <= 60, `${pieces}`);
    assert.ok(passed <= 122_000, `${passed}`);
  });

  it("ends a client that takes nothing after a minute, however much it took before", () => {
    const clock = new VirtualClock();
    let slow = false;
    const pace = new ResponsePace(new TimerQueue(clock), responseLimits({}), () => slow = true);
    for (let i = 0; i < 1_000; i++) {
      pace.begin();
      pace.end(PIECE);
    }
    pace.begin();
    clock.advance(59_999);
    assert.equal(slow, false);
    clock.advance(4_002);
    assert.equal(slow, true);
  });

  it("ends by default after an hour of waiting in all, and without a lowest rate too", () => {
    assert.equal(piecesTaken({ responseMinRate: 0 }, 36_000).pieces, 99);
    assert.equal(piecesTaken({}, 36_000).pieces, 99);
  });

  it("counts no time between the writes", () => {
    const clock = new VirtualClock();
    const pace = new ResponsePace(new TimerQueue(clock), responseLimits({}), () => assert.fail("slow"));
    for (let i = 0; i < 10; i++) {
      pace.begin();
      pace.end(1);
      clock.advance(10_000_000);
    }
  });
});

describe("a response", () => {
  holdProcess();

  it("is taken whole by a client that needs longer than the handshake's time-out", limit, async () => {
    const body = new Uint8Array(8_000_000).fill("z".charCodeAt(0));
    const { address, stop } = await startServer({ handshakeTimeout: 100, fetch: () => new Response(body) });
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(`GET / HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const answer = await peer.readAll();
    // One piece or chunked, as the runtime's stream of an array gives it.
    assert.equal(answer.match(/z/g)?.length, body.length);
    peer.conn.closeNow();
    await stop();
  });

  it("that its client does not take is given up, whole array or stream", limit, async () => {
    const large = new Uint8Array(50_000_000);
    const { promise: cancelled, resolve: cancel } = Promise.withResolvers<void>();
    const stream = () => new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(1_000_000)), cancel });
    const { server, address } = await startServer({
      responseTimeout: 100,
      fetch: ({ url }) => new Response(url.endsWith("stream") ? stream() : large),
    });
    const peers = await Promise.all(["stream", "array"].map(async (path) => {
      const peer = new RawPeer(await dial("tcp", address));
      await peer.send(`GET /${path} HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
      await peer.readHead();
      return peer;
    }));
    await cancelled;
    await server.shutdown();
    for (const peer of peers) peer.conn.closeNow();
  });

  it("has bounds that are checked as options", limit, async () => {
    const bad: Partial<ServeOptions>[] = [
      { responseMinRate: -1 },
      { responseMinRate: NaN },
      { responseMinRate: Infinity },
      { responseMinRate: "1" as unknown as number },
      { responseTimeout: 0 },
      { responseTimeout: NaN },
    ];
    for (const options of bad) {
      const listening = listenAndServe("tcp", "127.0.0.1:0", { websocket: () => {}, ...options });
      const [name] = Object.keys(options);
      await assert.rejects(listening, { name: "RangeError", message: new RegExp(name!) });
    }
  });
});
