/** Heads of the opening handshake at the client: what it sends, shows and bounds. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dialWebSocket, HandshakeError, type WebSocketDialOptions } from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { acceptHead, handshake, RawPeer } from "./raw_peer.ts";
import { dial, startRawServer, startServer } from "./support.ts";

/** The `User-Agent` fields of a request. */
async function agents(options: WebSocketDialOptions): Promise<string[]> {
  let head = "";
  const { url, stop } = await startRawServer(async (conn) => {
    const peer = new RawPeer(conn);
    head = await peer.readHead();
    await peer.send(acceptHead(head));
  });
  const ws = await dialWebSocket(url, options);
  ws.closeNow();
  await stop();
  return Array.from(head.matchAll(/^user-agent: (.*)$/gim), ([, value]) => value!);
}

describe("a dialled WebSocket", () => {
  holdProcess();

  it("shows the headers of the 101 response", limit, async () => {
    const headers: [string, string][] = [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-node", "7"]];
    const { url, stop } = await startServer({
      upgrade: () => ({ headers }),
      async websocket(conn) {
        assert.equal(conn.response, null);
        await conn.readMessage().catch(() => {});
      },
    });
    const ws = await dialWebSocket(url);
    assert.equal(ws.response?.status, 101);
    assert.deepEqual(ws.response.headers.getSetCookie(), ["a=1", "b=2"]);
    assert.equal(ws.response.headers.get("x-node"), "7");
    assert.equal(ws.response.headers, ws.response.headers);
    await ws.close();
    await stop();
  });

  it("names a user agent, which can be another one or none", limit, async () => {
    assert.deepEqual(await agents({}), ["jackfield"]);
    assert.deepEqual(await agents({ userAgent: "mine/1" }), ["mine/1"]);
    assert.deepEqual(await agents({ userAgent: false }), []);
    assert.deepEqual(await agents({ headers: { "User-Agent": "theirs" }, userAgent: "mine" }), ["theirs"]);
    const bad = dialWebSocket("ws://127.0.0.1:1/", { userAgent: "a\r\nb" });
    await assert.rejects(bad, { name: "TypeError", message: /User-Agent/ });
  });

  it("shows no query, user or password in the error of its URL", limit, async () => {
    const urls = [
      "ws//host/?token=secret",
      "ws//host/#secret",
      "ws://user:secret@host:99999/",
      "secret@host",
    ];
    const more = [
      "ws://u:sec?secret@h:99999/",
      "ws://u:x/secret@h:99999/?a@b",
      "ws:/secret@h:99999",
      "//a@b?secret",
    ];
    for (const url of [...urls, ...more, "ftp://user:secret@host/?secret", "ws://user:secret@host/?secret"]) {
      await assert.rejects(dialWebSocket(url), (error) => {
        assert.ok(error instanceof SyntaxError, `${error}`);
        assert.ok(!error.message.includes("secret"), error.message);
        return true;
      });
    }
    await assert.rejects(dialWebSocket("ws//host/path"), { message: /"ws\/\/host\/path"/ });
  });

  it("bounds the head of the response as it is told", limit, async () => {
    const fields = Array.from({ length: 150 }, (_, i) => `X-${i}: ${"y".repeat(200)}\r\n`).join("");
    const dialTo = async (options: WebSocketDialOptions) => {
      const { url, stop } = await startRawServer(async (conn) => {
        const peer = new RawPeer(conn);
        await peer.send(acceptHead(await peer.readHead(), fields));
      });
      try {
        (await dialWebSocket(url, options)).closeNow();
      } finally {
        await stop();
      }
    };
    await dialTo({ maxHeadBytes: 65_536, maxHeadFields: 200 });
    for (const options of [{}, { maxHeadBytes: 65_536 }, { maxHeadFields: 200 }]) {
      await assert.rejects(dialTo(options), (error) => error instanceof HandshakeError);
    }
  });
});

describe("a server's bounds of a request's head", () => {
  holdProcess();

  async function statusOf(address: string, fields: Record<string, string>, line?: string): Promise<string> {
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(handshake(address, fields, line));
    const head = await peer.readHead();
    peer.conn.closeNow();
    return head.slice(9, 12);
  }

  it("can be set", limit, async () => {
    const wide = await startServer({ maxHeadBytes: 100_000, maxHeadFields: 8 });
    assert.equal(await statusOf(wide.address, { Cookie: "c".repeat(60_000) }), "101");
    assert.equal(await statusOf(wide.address, {}, `GET /${"p".repeat(40_000)} HTTP/1.1`), "101");
    assert.equal(await statusOf(wide.address, {}, `GET /${"p".repeat(60_000)} HTTP/1.1`), "414");
    assert.equal(await statusOf(wide.address, { A: "1", B: "2", C: "3" }), "101");
    assert.equal(await statusOf(wide.address, { A: "1", B: "2", C: "3", D: "4" }), "431");
    await wide.stop();
  });

  it("are checked as options", limit, async () => {
    for (const name of ["maxHeadBytes", "maxHeadFields"]) {
      for (const value of [0, -1, 1.5, NaN, Infinity, "9" as unknown as number]) {
        const message = new RegExp(name);
        await assert.rejects(startServer({ [name]: value }), { name: "RangeError", message });
        const dialling = dialWebSocket("ws://127.0.0.1:1/", { [name]: value });
        await assert.rejects(dialling, { name: "RangeError", message });
      }
    }
  });
});
