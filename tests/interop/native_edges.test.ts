/** The runtimes' own WebSockets in refused handshakes, faults, and endings by the application. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CloseInfo, dialWebSocket } from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { runtimeName, startServer, until } from "../websocket/support.ts";

/** The close event of a native client. */
function ended(client: WebSocket): Promise<CloseInfo> {
  return new Promise((resolve) => {
    client.addEventListener("close", ({ code, reason, wasClean }) => resolve({ code, reason, wasClean }));
  });
}

function opened(client: WebSocket): Promise<unknown> {
  return new Promise((resolve) => client.addEventListener("open", resolve));
}

/** Deno tells 0 where the WHATWG's standard has 1006. */
const ABNORMAL = runtimeName === "deno" ? 0 : 1006;

describe("the runtime's own client", () => {
  holdProcess();

  it("is told of a shutdown, and sees a server vanish", limit, async () => {
    const { url, server, stop } = await startServer({
      async websocket(conn) {
        for await (const { data } of conn) {
          if (data === "vanish") conn.closeNow();
        }
      },
    });
    const [going, vanishing] = [new WebSocket(url), new WebSocket(url)];
    const ends = [ended(going), ended(vanishing)];
    vanishing.addEventListener("open", () => vanishing.send("vanish"));
    await opened(going);
    assert.equal((await ends[1]!).code, ABNORMAL);
    await server.shutdown();
    assert.deepEqual(await ends[0], { code: 1001, reason: "", wasClean: true });
    await stop();
  });

  it("is refused", limit, async () => {
    const { url, stop } = await startServer({ upgrade: () => new Response("no", { status: 403 }) });
    assert.equal((await ended(new WebSocket(url))).code, ABNORMAL);
    await stop();
  });

  it("comes fifty times at once", limit, async () => {
    const { url, stop } = await startServer();
    await Promise.all(Array.from({ length: 50 }, async (_, i) => {
      const client = new WebSocket(url);
      const end = ended(client);
      await opened(client);
      const answer = new Promise((resolve) =>
        client.addEventListener("message", ({ data }) => resolve(data))
      );
      client.send(`hello ${i}`);
      assert.equal(await answer, `hello ${i}`);
      client.close(3000 + i, "grüß");
      assert.deepEqual(await end, { code: 3000 + i, reason: "grüß", wasClean: true });
    }));
    await stop();
  });
});

interface NativeServer {
  readonly url: string;
  readonly closes: number[];
  stop(): Promise<void>;
}

interface Natives {
  Bun?: {
    serve(options: unknown): { port: number; stop(now: boolean): Promise<void> };
  };
  Deno?: {
    serve(options: unknown, handler: (request: Request) => Response): {
      addr: { port: number };
      shutdown(): Promise<void>;
    };
    upgradeWebSocket(request: Request): { socket: WebSocket; response: Response };
  };
}

const { Bun, Deno } = globalThis as Natives;
const hostname = "127.0.0.1";

function answer(request: Request, upgrade: () => Response | undefined): Response | undefined {
  return request.url.endsWith("/refused") ? new Response("not you", { status: 403 }) : upgrade();
}

function startNative(): NativeServer {
  const closes: number[] = [];
  if (Bun !== undefined) {
    const server = Bun.serve({
      port: 0,
      hostname,
      fetch: (request: Request, server: { upgrade(request: Request): boolean }) =>
        answer(request, () => server.upgrade(request) ? undefined : new Response("no", { status: 400 })),
      websocket: {
        message: (ws: WebSocket, data: string) => ws.send(data),
        close: (_: WebSocket, code: number) => void closes.push(code),
      },
    });
    return { url: `ws://${hostname}:${server.port}`, closes, stop: () => server.stop(true) };
  }
  const server = Deno!.serve({ port: 0, hostname, onListen() {} }, (request) =>
    answer(request, () => {
      const { socket, response } = Deno!.upgradeWebSocket(request);
      socket.onmessage = ({ data }) => socket.send(data);
      socket.onclose = ({ code }) => closes.push(code);
      return response;
    })!);
  return { url: `ws://${hostname}:${server.addr.port}`, closes, stop: () => server.shutdown() };
}

const none = Bun === undefined && Deno === undefined;

describe("the runtime's own server", { skip: none && "Node has no WebSocket server of its own" }, () => {
  if (!none) holdProcess();

  it("sees our client vanish", limit, async () => {
    const server = startNative();
    const ws = await dialWebSocket(server.url);
    await ws.writeMessage("x");
    await ws.readMessage();
    ws.closeNow();
    await until(() => server.closes.length === 1);
    assert.equal(server.closes[0], ABNORMAL);
    await server.stop();
  });

  it("refuses, and we see status and body", limit, async () => {
    const server = startNative();
    const error = await dialWebSocket(`${server.url}/refused`).catch((error) => error);
    assert.equal(error.status, 403);
    assert.equal(await error.response.text(), "not you");
    await server.stop();
  });
});
