import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { dial, listen } from "../../mod.ts";
import { testConn } from "./conformance.ts";
import { limit } from "./support.ts";

const makePair = async (address = "127.0.0.1:0") => {
  const listener = await listen("tcp", address);
  const [a, b] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
  const stop = async () => {
    a.closeNow();
    b.closeNow();
    await listener.close();
  };
  return { a, b, stop };
};

// Deno has no call that sends RST: see the table of its adapter.
const resets = currentAdapter().name !== "deno";

testConn("tcp, the dialling end", makePair, { resets });
testConn("tcp over IPv6", () => makePair("[::1]:0"), { resets });

const makeReversed = async () => {
  const { a, b, stop } = await makePair();
  return { a: b, b: a, stop };
};
testConn("tcp, the accepting end", makeReversed, { resets });

describe("tcp", () => {
  it("has the addresses of both ends", limit, async () => {
    const { a, b, stop } = await makePair();
    assert.equal(a.localAddr.network, "tcp");
    assert.equal(String(a.localAddr), String(b.remoteAddr));
    assert.equal(String(a.remoteAddr), String(b.localAddr));
    assert.match(String(a.localAddr), /^127\.0\.0\.1:\d+$/);
    await stop();
    assert.match(String(a.remoteAddr), /^127\.0\.0\.1:\d+$/);
  });

  it("hands over plain arrays on every runtime", limit, async () => {
    const { a, b, stop } = await makePair();
    await a.write(Uint8Array.of(1, 2, 3));
    const chunk = await b.readChunk();
    assert.equal(Object.getPrototypeOf(chunk), Uint8Array.prototype);
    await stop();
  });

  it("takes its options at any time", limit, async () => {
    const { a, b, stop } = await makePair();
    for (const conn of [a, b]) {
      conn.setNoDelay(false);
      conn.setNoDelay();
      conn.setKeepAlive(false);
      conn.setKeepAlive(true, 1000);
      conn.setKeepAlive();
    }
    await b.close();
    assert.equal(await a.readChunk(), null);
    a.setNoDelay(false);
    a.setKeepAlive(false);
    await stop();
  });
});
