import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pipe } from "../../mod.ts";
import { testConn } from "./conformance.ts";
import { limit } from "./support.ts";

const makePipe = async () => {
  const [a, b] = pipe();
  const stop = async () => {
    a.closeNow();
    b.closeNow();
  };
  return { a, b, stop };
};

testConn("pipe", makePipe, { resets: true });

describe("pipe", () => {
  it("has addresses", limit, async () => {
    const { a, b, stop } = await makePipe();
    assert.equal(String(a.localAddr), "pipe");
    assert.equal(String(b.remoteAddr), "pipe");
    assert.equal(a.localAddr.network, "pipe");
    await stop();
  });
});
