/** npm `ws` in both roles. On Bun this name is a part of the runtime, and so one more foreign peer. */

import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { WebSocket as WsClient, WebSocketServer as WsServer } from "ws";
import {
  CloseError,
  dialWebSocket,
  HandshakeError,
  listenAndServe,
  type Server,
  type WebSocketConn,
} from "../../mod.ts";
import { assertSame, checkMessages, checkOrder, limit, messages } from "./messages.ts";

describe("npm ws as the client", () => {
  let server: Server;
  let conns: ((conn: WebSocketConn) => void)[];
  before(async () => {
    conns = [];
    server = await listenAndServe("tcp", "127.0.0.1:0", {
      readLimit: 1 << 21,
      async websocket(conn) {
        conns.shift()?.(conn);
        for await (const message of conn) await conn.writeMessage(message.data);
      },
    });
  });
  after(() => server.shutdown());

  async function open(): Promise<{ client: WsClient; conn: WebSocketConn }> {
    const accepted = new Promise<WebSocketConn>((resolve) => conns.push(resolve));
    const client = new WsClient(`ws://${server.addr}/`, { perMessageDeflate: false });
    await once(client, "open");
    return { client, conn: await accepted };
  }

  it("gets every message back", limit, async () => {
    const { client } = await open();
    for (const [, message] of messages) {
      const answer = once(client, "message");
      client.send(message);
      const [data, isBinary] = await answer as [Uint8Array | string, boolean];
      assertSame(
        isBinary || typeof data === "string"
          ? data
          : new TextDecoder("utf-8", { ignoreBOM: true }).decode(data),
        message,
      );
    }
    client.close();
    await once(client, "close");
  });

  it("pings and is pinged", limit, async () => {
    const { client, conn } = await open();
    const pong = once(client, "pong");
    client.ping("are you there");
    assert.equal(String((await pong)[0]), "are you there");
    assert.ok(await conn.ping() >= 0);
    client.close();
    await once(client, "close");
  });

  it("closes, and we see code and reason", limit, async () => {
    const { client, conn } = await open();
    client.close(4001, "bye");
    assert.deepEqual(await conn.closed, { code: 4001, reason: "bye", wasClean: true });
  });

  it("sees code and reason when we close", limit, async () => {
    const { client, conn } = await open();
    const closed = once(client, "close");
    await conn.close(4002, "so long");
    const [code, reason] = await closed;
    assert.deepEqual([code, String(reason)], [4002, "so long"]);
  });

  it("is dropped, and we see 1006", limit, async () => {
    const { client, conn } = await open();
    client.terminate();
    assert.deepEqual(await conn.closed, { code: 1006, reason: "", wasClean: false });
  });
});

describe("npm ws as the server", () => {
  let server: WsServer;
  let url: string;
  before(async () => {
    server = new WsServer({ port: 0, host: "127.0.0.1" });
    server.on("connection", (socket, request) => {
      if (request.url === "/close") socket.close(4003, "go away");
      if (request.url === "/terminate") socket.terminate();
      socket.on("message", (data, isBinary) => socket.send(isBinary ? data : String(data)));
    });
    await once(server, "listening");
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => void server.close());

  it("sends every message back", limit, () => checkMessages(url));

  it("sends 1,000 messages back in order", limit, () => checkOrder(url));

  it("answers pings", limit, async () => {
    const conn = await dialWebSocket(url);
    assert.ok(await conn.ping() >= 0);
    await conn.close(1000, "done");
  });

  it("closes with a code and a reason", limit, async () => {
    const conn = await dialWebSocket(`${url}/close`);
    assert.deepEqual(await conn.closed, { code: 4003, reason: "go away", wasClean: true });
    await assert.rejects(conn.readMessage(), (error) => error instanceof CloseError && error.code === 4003);
  });

  it("drops the connection", limit, async () => {
    const conn = await dialWebSocket(`${url}/terminate`);
    assert.equal((await conn.closed).code, 1006);
  });

  it("refuses what is no WebSocket path", limit, async () => {
    const picky = new WsServer({ port: 0, host: "127.0.0.1", path: "/here" });
    await once(picky, "listening");
    const { port } = picky.address() as AddressInfo;
    await assert.rejects(
      dialWebSocket(`ws://127.0.0.1:${port}/there`),
      (error) => error instanceof HandshakeError && error.status >= 400,
    );
    picky.close();
  });
});
