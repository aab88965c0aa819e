/** WebSockets and plain requests under TLS. */

import assert from "node:assert/strict";
import { get } from "node:https";
import { describe, it } from "node:test";
import { WebSocket } from "ws";
import { dialWebSocket, listenAndServe, NetError, TlsError } from "../../mod.ts";
import { isTlsConn } from "../../src/net/tls.ts";
import { authority, clientTls, serverTls } from "../net/certificates.ts";
import { holdProcess, limit } from "../net/support.ts";

holdProcess();

async function withServer(body: (port: number) => Promise<void>): Promise<void> {
  const server = await listenAndServe("tcp", "127.0.0.1:0", {
    tls: serverTls,
    async websocket(conn, request) {
      assert.match(request.url, /^https:\/\/localhost:\d+\//);
      await conn.writeMessage(request.headers.get("origin") ?? "no origin");
      for await (const message of conn) await conn.writeMessage(message.data);
    },
    fetch: (request) => new Response(new URL(request.url).protocol),
  });
  try {
    await body((server.addr as { port: number }).port);
  } finally {
    await server.shutdown();
  }
}

describe("under TLS", () => {
  it("messages go both ways", limit, () =>
    withServer(async (port) => {
      const ws = await dialWebSocket(`wss://localhost:${port}/`, { tls: clientTls });
      assert.equal((await ws.readMessage()).data, "no origin");
      for (const size of [0, 1, 125, 126, 65536, 1_000_000]) {
        const text = "x".repeat(size);
        await ws.writeMessage(text);
        assert.equal((await ws.readMessage()).data, text);
      }
      assert.ok(isTlsConn(ws.netConn));
      assert.equal(ws.netConn.connectionState.negotiatedProtocol, "http/1.1");
      const { code, wasClean } = await ws.close();
      assert.deepEqual([code, wasClean], [1000, true]);
    }));

  it(
    "a foreign client is served, and its origin is compared with https",
    limit,
    () =>
      withServer(async (port) => {
        const origin = `https://localhost:${port}`;
        const ws = new WebSocket(`wss://localhost:${port}/`, { ca: authority, origin });
        const heard = await new Promise((resolve, reject) => {
          ws.once("message", (data) => resolve(String(data))).once("error", reject);
        });
        assert.equal(heard, origin);
        const echoed = new Promise((resolve) => ws.once("message", (data) => resolve(String(data))));
        ws.send("hello");
        assert.equal(await echoed, "hello");
        const closed = new Promise((resolve) => ws.once("close", resolve));
        ws.close(1000);
        assert.equal(await closed, 1000);
      }),
  );

  it("plain requests are answered", limit, () =>
    withServer(async (port) => {
      const body = await new Promise<string>((resolve, reject) => {
        const options = { host: "localhost", port, ca: authority, agent: false };
        get(options, (response) => {
          response.setEncoding("utf8");
          let text = "";
          response.on("data", (chunk) => text += chunk).on("end", () => resolve(text)).on("error", reject);
        }).on("error", reject);
      });
      assert.equal(body, "https:");
    }));

  it("a server that is not believed is not spoken to", limit, () =>
    withServer(async (port) => {
      await assert.rejects(
        dialWebSocket(`wss://localhost:${port}/`),
        (error) => error instanceof TlsError && error.code === "ECERTUNTRUSTED",
      );
      await assert.rejects(
        dialWebSocket(`wss://127.0.0.1:${port}/`, { tls: { ...clientTls, serverName: "other.test" } }),
        (error) => error instanceof TlsError && error.code === "ECERTNAME",
      );
    }));

  it("a client that does not speak it is refused", limit, () =>
    withServer(async (port) => {
      await assert.rejects(dialWebSocket(`ws://localhost:${port}/`), (error) => {
        assert.ok(error instanceof NetError || (error as Error).name === "HandshakeError", String(error));
        return true;
      });
    }));
});
