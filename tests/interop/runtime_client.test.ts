/** The runtime's own `WebSocket` against our server. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CloseInfo, WebSocketConn } from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { startServer } from "../websocket/support.ts";
import { checkClient, WebClientReader } from "./scenarios.ts";

const open = (url: string, protocols?: string[]) => new WebClientReader(new WebSocket(url, protocols));

describe("the runtime's own client", () => {
  holdProcess();

  it("is echoed text, binary, a burst", limit, async () => {
    const { url, stop } = await startServer();
    const reader = open(url);
    await reader.opened;
    assert.equal(reader.client.extensions, "");
    await checkClient(reader);
    reader.client.close();
    assert.deepEqual(await reader.closed, { code: 1005, reason: "", wasClean: true });
    await stop();
  });

  it("answers pings", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<number[]>();
    const { url, stop } = await startServer({
      async websocket(conn) {
        resolve(await Promise.all([conn.ping(), conn.ping(new Uint8Array(125)), conn.ping()]));
      },
    });
    const reader = open(url);
    assert.ok((await promise).every((trip) => trip >= 0));
    await reader.closed;
    await stop();
  });

  it("agrees on a subprotocol", limit, async () => {
    const { url, stop } = await startServer({ subprotocols: ["b"] });
    const reader = open(url, ["a", "b"]);
    await reader.opened;
    assert.equal(reader.client.protocol, "b");
    reader.client.close();
    await reader.closed;
    await stop();
  });

  it("closes with a code and a reason, both ways", limit, async () => {
    const infos: CloseInfo[] = [];
    let byServer = false;
    const { url, server, stop } = await startServer({
      async websocket(conn: WebSocketConn) {
        infos.push(byServer ? await conn.close(4002, "from the server: ö") : await conn.closed);
      },
    });
    const client = open(url);
    await client.opened;
    client.client.close(4001, "from the client: ü");
    assert.deepEqual(await client.closed, { code: 4001, reason: "from the client: ü", wasClean: true });
    byServer = true;
    assert.deepEqual(await open(url).closed, { code: 4002, reason: "from the server: ö", wasClean: true });
    await server.shutdown();
    assert.equal(infos.length, 2);
    assert.deepEqual(infos[0], { code: 4001, reason: "from the client: ü", wasClean: true });
    assert.equal(infos[1]!.code, 4002);
    await stop();
  });

  it("sees 1001 when the server shuts down, and 1006 when it vanishes", limit, async () => {
    const { url, server, stop } = await startServer();
    const [going, vanishing] = [open(url), open(url)];
    await Promise.all([going.opened, vanishing.opened]);
    [...server.conns][1]!.closeNow();
    assert.equal((await vanishing.closed).code, 1006);
    await server.shutdown();
    assert.equal((await going.closed).code, 1001);
    await stop();
  });

  it("is refused", limit, async () => {
    const { url, stop } = await startServer({ upgrade: () => new Response("no", { status: 403 }) });
    assert.equal((await open(url).closed).code, 1006);
    await stop();
  });

  it("sends too much and is told 1009", limit, async () => {
    const { url, stop } = await startServer({ readLimit: 1000 });
    const reader = open(url);
    await reader.opened;
    reader.client.send("x".repeat(1001));
    assert.equal((await reader.closed).code, 1009);
    await stop();
  });

  it("many at once", limit, async () => {
    const { url, stop } = await startServer();
    const readers = Array.from({ length: 50 }, () => open(url));
    await Promise.all(readers.map(async (reader, i) => {
      await reader.opened;
      reader.client.send(`hello ${i}`);
      assert.equal(await reader.next(), `hello ${i}`);
      reader.client.close(1000);
      assert.equal((await reader.closed).code, 1000);
    }));
    await stop();
  });
});
