/** npm `ws` in both roles, imported by its path, because a runtime may replace a package of that name. */

import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import type * as Ws from "ws";
import { type CloseInfo, dialWebSocket, isCloseError } from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { closedWith, startServer, until } from "../websocket/support.ts";
import { checkClient, checkEcho, type WebClient, WebClientReader } from "./scenarios.ts";

const path = "../../node_modules/ws/wrapper.mjs";
const real: typeof Ws = await import(path);

async function startWs(
  ws: typeof Ws,
  options: Ws.ServerOptions,
  handle: (peer: Ws.WebSocket) => void,
): Promise<{ url: string; stop: () => Promise<void> }> {
  const server = new ws.WebSocketServer({ port: 0, host: "127.0.0.1", ...options });
  server.on("connection", handle);
  await once(server, "listening");
  const stop = async () => {
    for (const peer of server.clients) peer.terminate();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, stop };
}

const echo = (peer: Ws.WebSocket) =>
  void peer.on("message", (data, isBinary) => peer.send(data, { binary: isBinary }));

describe("our client and npm ws's server", () => {
  holdProcess();

  it("text, binary, a burst", limit, async () => {
    // It is ready to compress; we do not ask for it.
    for (const perMessageDeflate of [false, true]) {
      const { url, stop } = await startWs(real, { perMessageDeflate }, echo);
      const ws = await dialWebSocket(url);
      await checkEcho(ws);
      assert.deepEqual(await ws.close(3000, "done"), { code: 3000, reason: "done", wasClean: true });
      await stop();
    }
  });

  it("pings both ways", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const { url, stop } = await startWs(real, {}, (peer) => {
      peer.ping("from ws");
      peer.on("pong", (data) => resolve(data.toString()));
    });
    const ws = await dialWebSocket(url);
    assert.equal(await promise, "from ws");
    for (const size of [0, 1, 125]) assert.ok(await ws.ping(new Uint8Array(size)) >= 0);
    ws.closeNow();
    await stop();
  });

  it("fragments with a ping between them", limit, async () => {
    const { url, stop } = await startWs(real, {}, (peer) => {
      peer.send("one ", { fin: false });
      peer.ping();
      peer.send("two ", { fin: false });
      peer.send("three", { fin: true });
    });
    const ws = await dialWebSocket(url);
    assert.deepEqual(await ws.readMessage(), { type: "text", data: "one two three" });
    ws.closeNow();
    await stop();
  });

  it("close codes and reasons both ways", limit, async () => {
    const closes: unknown[] = [];
    for (const code of [1000, 1001, 1008, 1011, 3000, 4999]) {
      const { url, stop } = await startWs(
        real,
        {},
        (peer) => peer.on("close", (code, reason) => closes.push([code, String(reason)])),
      );
      const ws = await dialWebSocket(url);
      assert.deepEqual(await ws.close(code, "grüß"), { code, reason: "grüß", wasClean: true });
      await until(() => closes.length > 0);
      assert.deepEqual(closes.pop(), [code, "grüß"]);
      await stop();
      const other = await startWs(real, {}, (peer) => peer.close(code, "grüß"));
      const second = await dialWebSocket(other.url);
      await assert.rejects(second.readMessage(), closedWith(code, "grüß"));
      assert.equal((await second.closed).wasClean, true);
      await other.stop();
    }
  });

  it("no code at all, and no close frame at all", limit, async () => {
    const { url, stop } = await startWs(real, {}, (peer) => peer.close());
    await assert.rejects((await dialWebSocket(url)).readMessage(), closedWith(1005));
    await stop();
    const other = await startWs(real, {}, (peer) => peer.terminate());
    await assert.rejects(
      dialWebSocket(other.url).then((ws) => ws.readMessage()),
      (error) => isCloseError(error, 1006),
    );
    await other.stop();
  });

  it("a message that is too large for it", limit, async () => {
    const { url, stop } = await startWs(real, { maxPayload: 1000 }, (peer) => peer.on("error", () => {}));
    const ws = await dialWebSocket(url);
    await ws.writeMessage(new Uint8Array(1001));
    await assert.rejects(ws.readMessage(), closedWith(1009));
    await stop();
  });

  it("a subprotocol, and a refusal", limit, async () => {
    const { url, stop } = await startWs(real, { handleProtocols: () => "b" }, echo);
    const ws = await dialWebSocket(url, { subprotocols: ["a", "b"] });
    assert.equal(ws.subprotocol, "b");
    ws.closeNow();
    await stop();
    const closed = await startWs(
      real,
      { verifyClient: (_info, done) => done(false, 401, "Who are you") },
      echo,
    );
    await assert.rejects(dialWebSocket(closed.url), { name: "HandshakeError", status: 401 });
    await closed.stop();
  });
});

describe("npm ws's client and our server", () => {
  holdProcess();

  it("text, binary, a burst", limit, async () => {
    const { url, stop } = await startServer();
    // It offers compression by default; we decline.
    const client = new real.WebSocket(url);
    const reader = new WebClientReader(client as unknown as WebClient);
    await reader.opened;
    await checkClient(reader);
    client.close(3001, "done");
    assert.deepEqual(await reader.closed, { code: 3001, reason: "done", wasClean: true });
    await stop();
  });

  it("pings both ways", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const { url, stop } = await startServer({
      async websocket(conn) {
        resolve(await conn.ping());
        await conn.closed;
      },
    });
    const client = new real.WebSocket(url);
    assert.ok(await promise >= 0);
    const pong = once(client, "pong");
    client.ping("from ws");
    assert.equal(String((await pong)[0]), "from ws");
    client.terminate();
    await stop();
  });

  it("close codes and reasons from the server", limit, async () => {
    for (const code of [1000, 1001, 1008, 1011, 1013, 3000, 4999]) {
      const { promise, resolve } = Promise.withResolvers<CloseInfo>();
      const { url, stop } = await startServer({
        websocket: async (conn) => resolve(await conn.close(code, "grüß")),
      });
      const [got, reason] = await once(new real.WebSocket(url), "close");
      assert.deepEqual([got, String(reason)], [code, "grüß"]);
      assert.equal((await promise).code, code);
      await stop();
    }
  });

  it("fragments with a ping between them", limit, async () => {
    const { url, stop } = await startServer();
    const client = new real.WebSocket(url);
    await once(client, "open");
    client.send("one ", { fin: false });
    client.ping("between");
    client.send("two", { fin: true });
    const [data] = await once(client, "message");
    assert.equal(String(data), "one two");
    client.terminate();
    await stop();
  });

  it("faults, which it is told", limit, async () => {
    const { url, stop } = await startServer({ readLimit: 1000 });
    for (
      const [code, options, data] of [[1002, { mask: false }, "x"], [1009, {}, "x".repeat(1001)]] as const
    ) {
      const client = new real.WebSocket(url);
      await once(client, "open");
      client.send(data, options);
      const [got] = await once(client, "close");
      assert.equal(got, code);
    }
    await stop();
  });

  it("an origin that is refused with its status", limit, async () => {
    const { url, stop } = await startServer();
    const client = new real.WebSocket(url, { origin: "http://evil.example" });
    const [error] = await once(client, "error");
    assert.match(String(error), /403/);
    await stop();
  });
});
