/** The WebSocket of a page in Chromium with Jackfield's server. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { listenAndServe, type ServeOptions, type Server, type WebSocketConn } from "../../mod.ts";
import { findChromium, openBrowser } from "../examples/browser.ts";

const chromium = findChromium();
const skip = chromium === undefined
  ? "Chromium was not found: our server was not tested with a browser"
  : false;
const options = { skip, timeout: 60_000 };

const LARGE = 16 << 20;

/** The servers that a page is put before, and what its `extensions` says then. */
const SERVERS: readonly (readonly [name: string, options: Partial<ServeOptions>, extensions: string])[] = [
  ["a server that does not compress", {}, ""],
  ["a server that compresses", { compression: { threshold: 0 } }, "permessage-deflate"],
  [
    "a server that compresses each message by itself",
    { compression: { serverNoContextTakeover: true, clientMaxWindowBits: 10 } },
    "permessage-deflate; server_no_context_takeover; client_max_window_bits=10",
  ],
];

/** How a page saw a connection end. */
interface Ended {
  readonly opened: boolean;
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

const CLOSES: readonly (readonly [code: number, reason: string])[] = [
  [1000, ""],
  [1000, "done"],
  [3000, "grüß 你好 😀"],
  [4999, "ä".repeat(61) + "x"],
];

let browser: Browser;
before(async () => {
  if (chromium !== undefined) browser = await openBrowser(chromium);
});
after(() => browser?.close());

for (const [name, serverOptions, extensions] of SERVERS) {
  describe(`a page in Chromium and ${name}`, () => {
    let server: Server;
    let page: Page;
    let url: string;
    /** Who waits for the next connection. */
    const waiting: ((conn: WebSocketConn) => void)[] = [];

    before(async () => {
      if (chromium === undefined) return;
      server = await listenAndServe("tcp", "127.0.0.1:0", {
        readLimit: LARGE,
        subprotocols: ["b", "a"],
        fetch: () => new Response("<!doctype html>", { headers: { "content-type": "text/html" } }),
        async websocket(conn) {
          waiting.shift()?.(conn);
          for await (const { data } of conn) await conn.writeMessage(data);
        },
        ...serverOptions,
      });
      url = `ws://${server.addr}/`;
      page = await browser.newPage();
      await page.goto(`http://${server.addr}/`);
    });
    after(async () => {
      await page?.close();
      await server?.shutdown();
    });

    function accepted(): Promise<WebSocketConn> {
      return new Promise((resolve) => waiting.push(resolve));
    }

    /** The page opens a connection, says so, and closes it as it is told, if it is; resolves at the end of it. */
    function visit(
      url: string,
      close?: [code?: number, reason?: string],
      protocols: string[] = [],
    ): Promise<Ended> {
      return page.evaluate(async ({ url, close, protocols }) => {
        const socket = new WebSocket(url, protocols);
        let opened = false;
        socket.onopen = () => {
          opened = true;
          if (close !== null) socket.close(...close);
        };
        const { code, reason, wasClean } = await new Promise<CloseEvent>((resolve) =>
          socket.onclose = resolve
        );
        return { opened, code, reason, wasClean };
      }, { url, close: close ?? null, protocols });
    }

    it("text and binary", options, async () => {
      const seen = await page.evaluate(async (url) => {
        const socket = new WebSocket(url);
        socket.binaryType = "arraybuffer";
        await new Promise((resolve) => socket.onopen = resolve);
        const wrong: string[] = [];
        const check = async (name: string, message: string | Uint8Array<ArrayBuffer>) => {
          const answer = new Promise<MessageEvent>((resolve) => socket.onmessage = resolve);
          socket.send(message);
          const { data } = await answer;
          if (typeof message === "string" ? data === message : data.byteLength === message.length) {
            if (typeof message === "string") return;
            const bytes = new Uint8Array(data);
            if (bytes.every((byte, i) => byte === message[i])) return;
          }
          wrong.push(name);
        };
        for (const size of [0, 1, 125, 126, 65_535, 65_536, 1 << 20]) {
          await check(`text of ${size}`, "x".repeat(size));
          await check(`text of ${size} characters`, "\u20ac\u{1f600}".repeat(size / 10));
          await check(`binary of ${size}`, Uint8Array.from({ length: size }, (_, i) => i * 7 + (i >> 8)));
        }
        socket.close();
        await new Promise((resolve) => socket.onclose = resolve);
        return { wrong, extensions: socket.extensions };
      }, url);
      assert.deepEqual(seen, { wrong: [], extensions });
    });

    it("16 MiB of text, of bytes and of a Blob", options, async () => {
      const wrong = await page.evaluate(async ({ url, size }) => {
        const socket = new WebSocket(url);
        socket.binaryType = "arraybuffer";
        await new Promise((resolve) => socket.onopen = resolve);
        const bytes = Uint8Array.from({ length: size }, (_, i) => i * 7 + (i >> 8));
        const text = Array.from({ length: size / 16 }, (_, i) => String(i).padStart(16)).join("");
        const wrong: string[] = [];
        for (const message of [text, bytes, new Blob([bytes])]) {
          const answer = new Promise<MessageEvent>((resolve) => socket.onmessage = resolve);
          socket.send(message);
          const { data } = await answer;
          const same = typeof message === "string"
            ? data === text
            : data.byteLength === size && new Uint8Array(data).every((byte, i) => byte === bytes[i]);
          if (!same) wrong.push(typeof message === "string" ? "text" : message.constructor.name);
        }
        socket.close();
        await new Promise((resolve) => socket.onclose = resolve);
        return wrong;
      }, { url, size: LARGE });
      assert.deepEqual(wrong, []);
    });

    it("a message that is too large", options, async () => {
      const ended = page.evaluate(async ({ url, size }) => {
        const socket = new WebSocket(url);
        socket.onopen = () => socket.send(new Uint8Array(size));
        return (await new Promise<CloseEvent>((resolve) => socket.onclose = resolve)).code;
      }, { url, size: LARGE + 1 });
      assert.equal(await ended, 1009);
    });

    it("1,000 messages in order", options, async () => {
      const inOrder = await page.evaluate(async (url) => {
        const socket = new WebSocket(url);
        await new Promise((resolve) => socket.onopen = resolve);
        const heard: string[] = [];
        const all = new Promise<void>((resolve) => {
          socket.onmessage = ({ data }) => {
            if (heard.push(data) === 1000) resolve();
          };
        });
        for (let i = 0; i < 1000; i++) socket.send(`message ${i}`);
        await all;
        socket.close();
        return heard.every((message, i) => message === `message ${i}`);
      }, url);
      assert.equal(inOrder, true);
    });

    it("our pings", options, async () => {
      const accepting = accepted();
      const visiting = visit(url);
      const conn = await accepting;
      for (const size of [0, 1, 125]) assert.ok(await conn.ping(new Uint8Array(size)) >= 0);
      await conn.close();
      await visiting;
    });

    it("codes and reasons of the page", options, async () => {
      for (const [code, reason] of CLOSES) {
        const accepting = accepted();
        const visiting = visit(url, [code, reason]);
        assert.deepEqual(await (await accepting).closed, { code, reason, wasClean: true });
        assert.deepEqual(await visiting, { opened: true, code, reason, wasClean: true });
      }
    });

    it("no code of the page", options, async () => {
      const accepting = accepted();
      const visiting = visit(url, []);
      assert.deepEqual(await (await accepting).closed, { code: 1005, reason: "", wasClean: true });
      assert.equal((await visiting).code, 1005);
    });

    it("a page that goes elsewhere", options, async () => {
      const other = await browser.newPage();
      await other.goto(`http://${server.addr}/`);
      const accepting = accepted();
      await other.evaluate((url) => {
        const socket = new WebSocket(url);
        return new Promise<void>((resolve) => socket.onopen = () => resolve());
      }, url);
      const conn = await accepting;
      await other.goto("about:blank");
      assert.equal((await conn.closed).code, 1001);
      await other.close();
    });

    it("our codes and reasons", options, async () => {
      for (
        const [code, reason] of [...CLOSES, [1001, "going"], [1008, ""], [1011, ""], [1013, "later"]] as const
      ) {
        const accepting = accepted();
        const visiting = visit(url);
        const info = await (await accepting).close(code, reason);
        assert.deepEqual([info.code, info.wasClean], [code, true]);
        assert.deepEqual(await visiting, { opened: true, code, reason, wasClean: true });
      }
    });

    it("a connection that we drop", options, async () => {
      const accepting = accepted();
      const visiting = visit(url);
      (await accepting).closeNow();
      assert.deepEqual(await visiting, { opened: true, code: 1006, reason: "", wasClean: false });
    });

    it("subprotocols", options, async () => {
      const accepting = accepted();
      const visiting = visit(url, [], ["x", "a", "b"]);
      const conn = await accepting;
      assert.equal(conn.subprotocol, "b", "the one that the server prefers");
      assert.equal((await visiting).opened, true);
      // We choose none, and the page takes that for a failure, as the WHATWG's standard asks.
      assert.deepEqual(await visit(url, [], ["x"]), {
        opened: false,
        code: 1006,
        reason: "",
        wasClean: false,
      });
      for (const wrong of [["a b"], ["a", "a"], [""]]) {
        await assert.rejects(visit(url, [], wrong), /SyntaxError/);
      }
    });

    it("a page of another origin, which is refused", options, async () => {
      const other = url.replace("127.0.0.1", "localhost");
      assert.deepEqual(await visit(other), { opened: false, code: 1006, reason: "", wasClean: false });
    });
  });
}
