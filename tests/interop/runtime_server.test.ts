/** Our client against the runtimes' own servers. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CloseInfo, dialWebSocket } from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { closedWith, runtimeName, until } from "../websocket/support.ts";
import { checkEcho } from "./scenarios.ts";

interface EchoServer {
  readonly url: string;
  /** How each connection ended. */
  readonly closes: Pick<CloseInfo, "code" | "reason">[];
  stop(): Promise<void>;
}

/**
 * Echoes; the text "close <code> <reason>" closes, "terminate" drops, where the runtime can. A path "/refused" gets 403.
 */
type Start = () => Promise<EchoServer>;

interface BunServerSocket {
  send(data: string | Uint8Array): number;
  close(code?: number, reason?: string): void;
}
interface BunGlobal {
  serve(options: {
    port: number;
    hostname: string;
    fetch(request: Request, server: { upgrade(request: Request): boolean }): Response | undefined;
    websocket: {
      maxPayloadLength: number;
      backpressureLimit: number;
      perMessageDeflate: boolean;
      message(ws: BunServerSocket, data: string | Uint8Array): void;
      close(ws: BunServerSocket, code: number, reason: string): void;
    };
  }): { port: number; stop(now: boolean): Promise<void> };
}
interface DenoGlobal {
  serve(
    options: { port: number; hostname: string; onListen: () => void },
    handler: (request: Request) => Response,
  ): { addr: { port: number }; shutdown(): Promise<void> };
  upgradeWebSocket(request: Request): { socket: WebSocket; response: Response };
}

const refused = () => new Response("not you", { status: 403 });

const startBun: Start = async () => {
  const { Bun } = globalThis as unknown as { Bun: BunGlobal };
  const closes: EchoServer["closes"] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, server) {
      if (request.url.endsWith("/refused")) return refused();
      return server.upgrade(request) ? undefined : new Response("no upgrade", { status: 400 });
    },
    websocket: {
      maxPayloadLength: 16 * 1024 * 1024,
      backpressureLimit: 64 * 1024 * 1024,
      perMessageDeflate: true,
      message(ws, data) {
        const [, code, reason] = typeof data === "string" ? /^close (\d+) (.*)$/.exec(data) ?? [] : [];
        if (code !== undefined) ws.close(Number(code), reason!);
        else ws.send(data);
      },
      close: (_, code, reason) => void closes.push({ code, reason }),
    },
  });
  return { url: `ws://127.0.0.1:${server.port}`, closes, stop: () => server.stop(true) };
};

const startDeno: Start = async () => {
  const { Deno } = globalThis as unknown as { Deno: DenoGlobal };
  const closes: EchoServer["closes"] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    if (request.url.endsWith("/refused")) return refused();
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      const [, code, reason] = typeof data === "string" ? /^close (\d+) (.*)$/.exec(data) ?? [] : [];
      if (code !== undefined) socket.close(Number(code), reason!);
      else socket.send(data);
    };
    socket.onclose = ({ code, reason }) => closes.push({ code, reason });
    return response;
  });
  return { url: `ws://127.0.0.1:${server.addr.port}`, closes, stop: () => server.shutdown() };
};

function suite(name: string, runtime: string, start: Start, options: { skip?: string }): void {
  describe(`our client and ${name}`, options, () => {
    if (runtimeName === runtime) holdProcess();

    it("text, binary, a burst", limit, async () => {
      const server = await start();
      const ws = await dialWebSocket(server.url);
      await checkEcho(ws);
      assert.equal((await ws.close()).code, 1000);
      await server.stop();
    });

    it("pings", limit, async () => {
      const server = await start();
      const ws = await dialWebSocket(server.url);
      for (const size of [0, 1, 125]) assert.ok(await ws.ping(new Uint8Array(size)) >= 0);
      await ws.close();
      await server.stop();
    });

    it("closes with a code and a reason, both ways", limit, async () => {
      const server = await start();
      const ws = await dialWebSocket(server.url);
      assert.deepEqual(await ws.close(3003, "grüß"), { code: 3003, reason: "grüß", wasClean: true });
      await until(() => server.closes.length === 1);
      assert.deepEqual(server.closes[0], { code: 3003, reason: "grüß" });
      const second = await dialWebSocket(server.url);
      await second.writeMessage("close 4004 grüß");
      await assert.rejects(second.readMessage(), closedWith(4004, "grüß"));
      assert.equal((await second.closed).wasClean, true);
      await server.stop();
    });

    it("sees 1006 there when it vanishes", limit, async () => {
      const server = await start();
      const ws = await dialWebSocket(server.url);
      await ws.writeMessage("x");
      await ws.readMessage();
      ws.closeNow();
      await until(() => server.closes.length === 1);
      assert.equal(server.closes[0]!.code, 1006);
      await server.stop();
    });

    it("is refused with status and body", limit, async () => {
      const server = await start();
      const error = await dialWebSocket(`${server.url}/refused`).catch((error) => error);
      assert.equal(error.status, 403);
      assert.equal(await error.response.text(), "not you");
      await server.stop();
    });
  });
}

suite("Bun.serve", "bun", startBun, runtimeName === "bun" ? {} : { skip: "Bun.serve is Bun's" });
suite("Deno.serve", "deno", startDeno, runtimeName === "deno" ? {} : { skip: "Deno.serve is Deno's" });
