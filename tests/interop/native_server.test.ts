/** Our client against the runtime's own WebSocket server. */

import assert from "node:assert/strict";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { dialWebSocket } from "../../mod.ts";
import { checkMessages, checkOrder, limit } from "./messages.ts";

/** What is used of Bun and Deno, whose types the others do not have. */
interface NativeRuntimes {
  Bun?: {
    serve(options: object): { port: number; stop(now: boolean): Promise<void> };
  };
  Deno?: {
    serve(
      options: object,
      handler: (request: Request) => Response,
    ): { addr: { port: number }; shutdown(): Promise<void> };
    upgradeWebSocket(request: Request): { socket: WebSocket; response: Response };
  };
}
const { Bun, Deno } = globalThis as NativeRuntimes;

interface NativeServer {
  port: number;
  stop(): Promise<void>;
}

interface BunSocket {
  data: string;
  send(message: string | Uint8Array): void;
  close(code: number, reason: string): void;
}

function serveOnBun(): NativeServer {
  const server = Bun!.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request: Request, self: { upgrade(request: Request, options: object): boolean }) {
      const data = new URL(request.url).pathname;
      return self.upgrade(request, { data }) ? undefined : new Response("no", { status: 400 });
    },
    websocket: {
      open(socket: BunSocket) {
        if (socket.data === "/close") socket.close(4003, "go away");
      },
      message: (socket: BunSocket, message: string | Uint8Array) => socket.send(message),
    },
  });
  return { port: server.port, stop: () => server.stop(true) };
}

function serveOnDeno(): NativeServer {
  const server = Deno!.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno!.upgradeWebSocket(request);
    socket.onopen = () => {
      if (new URL(request.url).pathname === "/close") socket.close(4003, "go away");
    };
    socket.onmessage = ({ data }) => socket.send(data);
    return response;
  });
  return { port: server.addr.port, stop: () => server.shutdown() };
}

const skip = process.versions.bun === undefined && process.versions.deno === undefined
  ? "Node has no WebSocket server of its own"
  : false;

describe("the runtime's own server", { ...limit, skip }, () => {
  let server: NativeServer;
  let url: string;
  before(() => {
    server = Bun !== undefined ? serveOnBun() : serveOnDeno();
    url = `ws://127.0.0.1:${server.port}`;
  });
  after(() => server.stop());

  it("sends every message back", limit, () => checkMessages(url));

  it("sends 1,000 messages back in order", limit, () => checkOrder(url));

  it("answers pings", limit, async () => {
    const conn = await dialWebSocket(url);
    assert.ok(await conn.ping() >= 0);
    await conn.close();
  });

  it("closes with a code and a reason", limit, async () => {
    const conn = await dialWebSocket(`${url}/close`);
    assert.deepEqual(await conn.closed, { code: 4003, reason: "go away", wasClean: true });
  });

  it("sees our code", limit, async () => {
    const conn = await dialWebSocket(url);
    const { code, wasClean } = await conn.close(4004, "done");
    assert.deepEqual([code, wasClean], [4004, true]);
  });
});
