/** permessage-deflate with foreign peers. */

import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import type * as Ws from "ws";
import { dialWebSocket, listenAndServe, type Server } from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { assertSame, messages } from "./messages.ts";
import { checkClient, checkEcho, type WebClient, WebClientReader } from "./scenarios.ts";

// By its path: under its name, a runtime may give something of its own.
const path = "../../node_modules/ws/wrapper.mjs";
const ws: typeof Ws = await import(path);

holdProcess();

const READ_LIMIT = 1 << 21;

function startEcho(compression: object | boolean): Promise<Server> {
  return listenAndServe("tcp", "127.0.0.1:0", {
    compression,
    readLimit: READ_LIMIT,
    async websocket(conn) {
      for await (const message of conn) await conn.writeMessage(message.data);
    },
  });
}

/** What `ws` asks for, with every window and without context takeover. */
const asked: [string, Ws.PerMessageDeflateOptions][] = [
  ["its own choice", { threshold: 0 }],
  ["no context takeover", { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true }],
  ...[8, 9, 10, 11, 12, 13, 14, 15].map((bits): [string, Ws.PerMessageDeflateOptions] => [
    `windows of ${bits} bits`,
    { threshold: 0, serverMaxWindowBits: bits, clientMaxWindowBits: bits },
  ]),
];

describe("npm ws compresses, as the client", () => {
  for (const [name, perMessageDeflate] of asked) {
    it(name, limit, async () => {
      const server = await startEcho({ threshold: 0 });
      const client = new ws.WebSocket(`ws://${server.addr}/`, { perMessageDeflate });
      const reader = new WebClientReader(client as unknown as WebClient);
      await reader.opened;
      assert.match(client.extensions, /^permessage-deflate/);
      await checkClient(reader);
      client.close(1000);
      assert.equal((await reader.closed).code, 1000);
      await server.shutdown();
    });
  }
});

describe("npm ws compresses, as the server", () => {
  for (const [name, perMessageDeflate] of asked) {
    it(name, limit, async () => {
      const server = new ws.WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate });
      server.on("connection", (peer) => {
        peer.on("message", (data, isBinary) => peer.send(data, { binary: isBinary }));
      });
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const conn = await dialWebSocket(`ws://127.0.0.1:${port}/`, {
        compression: { threshold: 0 },
        readLimit: READ_LIMIT,
      });
      assert.match(conn.extensions, /^permessage-deflate/);
      await checkEcho(conn);
      await conn.close();
      await new Promise((resolve) => server.close(resolve));
    });
  }
});

describe("the runtime's own client", () => {
  it("is served with compression, whether it offers it or not", limit, async () => {
    for (const compression of [true, { threshold: 0, serverNoContextTakeover: true }]) {
      const server = await startEcho(compression);
      const client = new WebSocket(`ws://${server.addr}/`);
      const reader = new WebClientReader(client as unknown as WebClient);
      await reader.opened;
      // Not `checkClient`: Node's takes a byte order mark off.
      for (const [, message] of messages) {
        client.send(message as string);
        assertSame(await reader.next(), message);
      }
      client.close(1000);
      assert.equal((await reader.closed).code, 1000);
      await server.shutdown();
    }
  });
});

interface BunRuntime {
  Bun?: { serve(options: object): { port: number; stop(now: boolean): Promise<void> } };
}
const { Bun } = globalThis as BunRuntime;

describe("Bun.serve compresses", { skip: Bun === undefined ? "only Bun has Bun.serve" : false }, () => {
  it("with and without a window of its own", limit, async () => {
    for (
      const perMessageDeflate of [true, { compress: "dedicated", decompress: "dedicated" }, {
        compress: "shared",
        decompress: "shared",
      }]
    ) {
      const server = Bun!.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch(request: Request, self: { upgrade(request: Request): boolean }) {
          return self.upgrade(request) ? undefined : new Response("no", { status: 400 });
        },
        websocket: {
          perMessageDeflate,
          message: (socket: { send(message: unknown, compress: boolean): void }, message: unknown) =>
            socket.send(message, true),
        },
      });
      const conn = await dialWebSocket(`ws://127.0.0.1:${server.port}/`, {
        compression: { threshold: 0 },
        readLimit: READ_LIMIT,
      });
      await checkEcho(conn);
      await conn.close();
      await server.stop(true);
    }
  });
});
