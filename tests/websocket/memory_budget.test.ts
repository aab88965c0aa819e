/** The bound of the memory that many connections hold together. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  dial,
  dialWebSocket,
  isCloseError,
  listenAndServe,
  MemoryBudget,
  type WebSocketConn,
  type WebSocketOptions,
} from "../../mod.ts";
import { assertBytes, holdProcess, limit, pattern } from "../net/support.ts";
import { until } from "./support.ts";

holdProcess();

const KIB = 1024;

/** Connections to one server; nobody reads on either side but the body. */
async function withConns(
  count: number,
  options: Partial<WebSocketOptions>,
  body: (clients: WebSocketConn[], servers: WebSocketConn[]) => Promise<void>,
): Promise<void> {
  const servers: WebSocketConn[] = [];
  const server = await listenAndServe("tcp", "127.0.0.1:0", {
    readLimit: 64 << 20,
    readBufferSize: 64 << 20,
    ...options,
    async websocket(conn) {
      servers.push(conn);
      await conn.closed;
    },
  });
  const clients: WebSocketConn[] = [];
  for (let i = 0; i < count; i++) {
    clients.push(await dialWebSocket(`ws://${server.addr}/`));
    await until(() => servers.length > i);
  }
  try {
    await body(clients, servers);
  } finally {
    for (const client of clients) client.closeNow();
    server.close();
    await server.finished;
  }
}

describe("a memory budget", () => {
  it("counts what came and is not read, and forgets it when it is", limit, async () => {
    const memoryBudget = new MemoryBudget(10_000 * KIB);
    await withConns(2, { memoryBudget }, async (clients, [first, second]) => {
      await clients[0]!.writeMessage(pattern(0, 300 * KIB));
      await clients[1]!.writeMessage(pattern(1, 500 * KIB + 1));
      await until(() => memoryBudget.heldBytes >= 800 * KIB);
      assertBytes((await first!.readMessage()).data as Uint8Array, pattern(0, 300 * KIB));
      const waiting = first!.readMessage();
      await until(() => memoryBudget.heldBytes < 600 * KIB);
      second!.closeNow();
      await until(() => memoryBudget.heldBytes === 0);
      await clients[0]!.writeMessage("done");
      await waiting;
      assert.equal(memoryBudget.endedConnections, 0);
    });
  });

  it("ends who holds most with 1013, and nobody else", limit, async () => {
    const memoryBudget = new MemoryBudget(1000 * KIB);
    await withConns(3, { memoryBudget }, async (clients, servers) => {
      const sizes = [300 * KIB, 500 * KIB, 250 * KIB];
      const closed = clients.map((client) => client.readMessage().catch((error) => error));
      for (const [i, size] of sizes.entries()) {
        await clients[i]!.writeMessage(pattern(0, size));
        await until(() => memoryBudget.heldBytes > 0 || memoryBudget.endedConnections > 0);
      }
      assert.ok(isCloseError(await closed[1], 1013), String(await closed[1]));
      await assert.rejects(servers[1]!.readMessage(), (error) => isCloseError(error, 1013));
      assert.equal(memoryBudget.endedConnections, 1);
      for (const i of [0, 2]) {
        assertBytes((await servers[i]!.readMessage()).data as Uint8Array, pattern(0, sizes[i]!));
        await servers[i]!.writeMessage("still here");
        assert.equal((await closed[i]).data, "still here");
      }
    });
  });

  it("counts messages that are not complete", limit, async () => {
    const memoryBudget = new MemoryBudget(1000 * KIB);
    await withConns(1, { memoryBudget }, async (clients, servers) => {
      const writer = await clients[0]!.nextWriter("binary");
      const closed = clients[0]!.readMessage().catch((error) => error);
      for (let i = 0; i < 40; i++) await writer.write(new Uint8Array(50 * KIB)).catch(() => {});
      assert.ok(isCloseError(await closed, 1013), String(await closed));
      await assert.rejects(servers[0]!.readMessage(), (error) => isCloseError(error, 1013));
    });
  });

  it("counts what a peer does not take, and drops it", limit, async () => {
    const memoryBudget = new MemoryBudget(8 << 20);
    const accepted = Promise.withResolvers<WebSocketConn>();
    const server = await listenAndServe("tcp", "127.0.0.1:0", {
      memoryBudget,
      async websocket(conn) {
        accepted.resolve(conn);
        await conn.closed;
      },
    });
    const deaf = await dial("tcp", String(server.addr));
    const head = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    await deaf.write(new TextEncoder().encode(head));
    const conn = await accepted.promise;
    const writes: Promise<unknown>[] = [];
    for (let i = 0; i < 1000 && memoryBudget.endedConnections === 0; i++) {
      writes.push(conn.writeMessage(new Uint8Array(20 * KIB)).catch((error) => error));
    }
    assert.equal(memoryBudget.endedConnections, 1);
    await conn.closed;
    await Promise.all(writes);
    assert.equal(memoryBudget.heldBytes, 0);
    assert.ok(isCloseError(await conn.readMessage().catch((error) => error), 1013));
    deaf.closeNow();
    await server.shutdown();
  });

  it("is a positive number", () => {
    for (const bytes of [0, -1, NaN]) assert.throws(() => new MemoryBudget(bytes), RangeError);
  });
});
