/** Applications that only write. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCloseError } from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { memoryPair, tcpPair } from "./support.ts";

describe("closeRead", () => {
  holdProcess();

  for (const [name, makePair] of [["TCP", tcpPair], ["memory", memoryPair]] as const) {
    it(`answers pings and sees the end, and discards what comes, over ${name}`, limit, async () => {
      const { client, server, stop } = await makePair({ server: { readBufferSize: 1024 } });
      server.closeRead();
      server.closeRead();
      for (let i = 0; i < 50; i++) await client.writeMessage("x".repeat(1_000));
      await client.writeMessage(new Uint8Array(300_000));
      await client.ping();
      await server.writeMessage("pushed");
      assert.equal((await client.readMessage()).data, "pushed");
      const [ours, theirs] = await Promise.all([client.close(4000), server.closed]);
      assert.deepEqual([ours.wasClean, theirs.code, theirs.wasClean], [true, 4000, true]);
      await stop();
    });
  }

  it("refuses messages with 1008 where it is told to", limit, async () => {
    const { client, server, stop } = await tcpPair();
    server.closeRead({ messages: "refuse" });
    await client.ping();
    assert.equal(server.state, "open");
    await client.writeMessage("not asked for");
    await assert.rejects(client.readMessage(), (error) => isCloseError(error, 1008));
    await stop();
  });

  it("leaves later reads nothing, and no deadline ends it", limit, async () => {
    const { client, server, stop } = await tcpPair();
    const waiting = server.readMessage();
    server.closeRead();
    server.setReadDeadline(new Date(0));
    await client.writeMessage("first");
    assert.equal((await waiting).data, "first");
    const closed = { message: "Cannot read: closeRead() was called" };
    await assert.rejects(server.readMessage(), closed);
    await assert.rejects(server.nextReader(), closed);
    await assert.rejects(server[Symbol.asyncIterator]().next(), closed);
    await client.writeMessage("second");
    await client.ping();
    await stop();
  });

  it("checks its option", limit, async () => {
    const { server, stop } = await tcpPair();
    const bad = { messages: "no" } as unknown as { messages: "discard" };
    assert.throws(() => server.closeRead(bad), { name: "TypeError", message: /messages/ });
    await stop();
  });
});
