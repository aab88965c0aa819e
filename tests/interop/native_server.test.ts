/** Jackfield's client with the runtime's own WebSocket server. */

import assert from "node:assert/strict";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { dialWebSocket } from "../../mod.ts";
import { checkMessages, checkOrder, limit } from "./messages.ts";

/** The used parts of Bun and Deno, declared here because the other runtimes lack their types. */
interface NativeRuntimes {
  Bun?: {
    serve(options: object): { port: number; stop(now: boolean): Promise<void> };
  };
  Deno?: {
    serve(
      options: object,
      handler: (request: Request) => Response,
    ): { addr: { port: number }; shutdown(): Promise<void> };
    upgradeWebSocket(request: Request, options: object): { socket: WebSocket; response: Response };
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
  ping(data: string): void;
}

/** What a path asks the server to do. */
function asked(url: string): { path: string; code: number; reason: string } {
  const { pathname, searchParams } = new URL(url);
  return { path: pathname, code: Number(searchParams.get("code")), reason: searchParams.get("reason") ?? "" };
}

/** The subprotocol that it chooses, of those that are offered. */
function chosen(request: Request): string | undefined {
  return request.headers.get("sec-websocket-protocol")?.includes("b") ? "b" : undefined;
}

function serveOnBun(): NativeServer {
  const server = Bun!.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request: Request, self: { upgrade(request: Request, options: object): boolean }) {
      const protocol = chosen(request);
      const headers = protocol === undefined ? {} : { "sec-websocket-protocol": protocol };
      return self.upgrade(request, { data: request.url, headers })
        ? undefined
        : new Response("no", { status: 400 });
    },
    websocket: {
      open(socket: BunSocket) {
        const { path, code, reason } = asked(socket.data);
        if (path === "/close") socket.close(code, reason);
        if (path === "/ping") socket.ping("from Bun");
      },
      pong: (socket: BunSocket, data: Uint8Array) => socket.send(data),
      message: (socket: BunSocket, message: string | Uint8Array) => socket.send(message),
    },
  });
  return { port: server.port, stop: () => server.stop(true) };
}

function serveOnDeno(): NativeServer {
  const server = Deno!.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno!.upgradeWebSocket(request, { protocol: chosen(request) });
    socket.onopen = () => {
      const { path, code, reason } = asked(request.url);
      if (path === "/close") socket.close(code, reason);
    };
    socket.onmessage = ({ data }) => socket.send(data);
    return response;
  });
  return { port: server.addr.port, stop: () => server.shutdown() };
}

const skip = process.versions.bun === undefined && process.versions.deno === undefined
  ? "Node has no WebSocket server of its own"
  : false;

describe("the runtime's own server", { skip }, () => {
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

  it(
    "pings us",
    { ...limit, skip: Bun === undefined && "its server sends no ping when it is asked to" },
    async () => {
      const conn = await dialWebSocket(`${url}/ping`);
      const { data } = await conn.readMessage();
      assert.equal(new TextDecoder().decode(data as Uint8Array), "from Bun");
      await conn.close();
    },
  );

  it("agrees on a subprotocol", limit, async () => {
    const conn = await dialWebSocket(url, { subprotocols: ["a", "b"] });
    assert.equal(conn.subprotocol, "b");
    await conn.close();
  });

  for (
    const [code, reason] of [[1000, "done"], [3000, ""], [4003, "go away"], [
      4999,
      "\u00e4".repeat(61),
    ]] as const
  ) {
    it(`closes with ${code}`, limit, async () => {
      const query = new URLSearchParams({ code: String(code), reason }).toString();
      const conn = await dialWebSocket(`${url}/close?${query}`);
      assert.deepEqual(await conn.closed, { code, reason, wasClean: true });
    });

    it(`sees our ${code}`, limit, async () => {
      const conn = await dialWebSocket(url);
      assert.deepEqual(await conn.close(code, reason), { code, reason, wasClean: true });
    });
  }
});
