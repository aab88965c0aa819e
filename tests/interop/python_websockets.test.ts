/** Python's `websockets`, where it is installed, with Jackfield's server and client. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type CloseInfo, dialWebSocket, HandshakeError, isCloseError, type ServeOptions } from "../../mod.ts";
import { Program } from "../net/program.ts";
import { holdProcess } from "../net/support.ts";
import { closedWith, startServer } from "../websocket/support.ts";
import { assertSame, checkMessages, checkOrder, messages } from "./messages.ts";

const PYTHON = "/usr/bin/python3";
const script = fileURLToPath(new URL("./websockets_peer.py", import.meta.url));

const missing = spawnSync(PYTHON, ["-c", "import websockets"]).status !== 0;
const skip = missing && "Python's websockets was not found: install python3-websockets";
const limit = { skip, timeout: 60_000 };

/** Sent both ways; a reason as long as it may be, and some of other alphabets. */
const CLOSES: readonly (readonly [code: number, reason: string])[] = [
  [1000, ""],
  [1001, "going"],
  [1011, "grüß 你好 😀"],
  [3000, "ä".repeat(61) + "x"],
  [4999, "last"],
];

interface Saying {
  readonly port: number;
  readonly code: number;
  readonly reason: string;
}

async function said(program: Program): Promise<Saying> {
  const line = await program.nextLine();
  assert.ok(line !== null, "it ended");
  return JSON.parse(line);
}

/** Runs its client against our server, and gives what it says. */
async function runClient(
  [role, ...args]: readonly string[],
  options: Partial<ServeOptions> = {},
): Promise<unknown[]> {
  const { url, stop } = await startServer({ readLimit: 1 << 21, ...options });
  try {
    const lines = await new Program([PYTHON, script, role!, url, ...args]).outcome();
    return lines.map((line) => JSON.parse(line));
  } finally {
    await stop();
  }
}

describe("the client of Python's websockets and our server", () => {
  if (!missing) holdProcess();

  for (const [compression, ours] of [["none", true], ["deflate", false], ["deflate", true]] as const) {
    it(
      `text and binary, it with compression ${compression}, we ${ours ? "ready" : "not ready"} for it`,
      limit,
      async () => {
        const sayings = await runClient(["echo", compression], { compression: ours });
        assert.deepEqual(sayings, [{ code: 1000, reason: "" }]);
      },
    );
  }

  it("fragments", limit, async () => {
    assert.deepEqual(await runClient(["fragments"]), [{ text: "one two three é" }, { binary: "010203" }]);
  });

  it("pings both ways", limit, async () => {
    const { promise, resolve, reject } = Promise.withResolvers<number[]>();
    const sayings = await runClient(["pings"], {
      async websocket(conn) {
        Promise.all([conn.ping(), conn.ping(new Uint8Array(125))]).then(resolve, reject);
        for await (const { data } of conn) await conn.writeMessage(data);
      },
    });
    assert.deepEqual(sayings, [{ text: "still there" }]);
    assert.ok((await promise).every((roundTrip) => roundTrip >= 0));
  });

  it("close codes and reasons from it", limit, async () => {
    for (const [code, reason] of CLOSES) {
      const { promise, resolve } = Promise.withResolvers<CloseInfo>();
      const sayings = await runClient(["close", String(code), reason], {
        websocket: async (conn) => resolve(await conn.closed),
      });
      assert.deepEqual(sayings, [{ code, reason }]);
      assert.deepEqual(await promise, { code, reason, wasClean: true });
    }
  });

  it("close codes and reasons from us", limit, async () => {
    for (const [code, reason] of CLOSES) {
      const { promise, resolve } = Promise.withResolvers<CloseInfo>();
      const sayings = await runClient(["closed"], {
        websocket: async (conn) => resolve(await conn.close(code, reason)),
      });
      assert.deepEqual(sayings, [{ code, reason }]);
      assert.equal((await promise).wasClean, true);
    }
  });

  it("a subprotocol", limit, async () => {
    const subprotocols = ["a", "b"];
    assert.deepEqual(await runClient(["subprotocols", "x", "b", "a"], { subprotocols }), [{
      subprotocol: "a",
    }]);
    assert.deepEqual(await runClient(["subprotocols", "x"], { subprotocols }), [{ subprotocol: null }]);
  });

  it("an origin that is refused with its status", limit, async () => {
    assert.deepEqual(await runClient(["refused", "http://evil.example"]), [{ status: 403 }]);
  });

  it("a message that is too large for us", limit, async () => {
    assert.deepEqual(await runClient(["large"], { readLimit: 1000 }), [{ code: 1009 }]);
  });
});

describe("our client and the server of Python's websockets", () => {
  if (!missing) holdProcess();
  let python: Program;
  let url: string;
  before(async () => {
    if (missing) return;
    python = new Program([PYTHON, script, "serve"]);
    url = `ws://127.0.0.1:${(await said(python)).port}`;
  });
  after(() => python?.kill());

  /** What it saw of the connection that ended last. */
  async function ended(): Promise<unknown> {
    const { code, reason } = await said(python);
    return { code, reason };
  }

  it("sends every message back", limit, async () => {
    await checkMessages(url);
    assert.deepEqual(await ended(), { code: 1000, reason: "" });
  });

  it("sends 1,000 messages back in order", limit, async () => {
    await checkOrder(url);
    await ended();
  });

  it("compresses", limit, async () => {
    const ws = await dialWebSocket(url, { compression: true, readLimit: 1 << 21 });
    for (const [, message] of messages) {
      await ws.writeMessage(message);
      assertSame((await ws.readMessage()).data, message);
    }
    await ws.close();
    assert.deepEqual(await ended(), { code: 1000, reason: "" });
  });

  it("sends fragments", limit, async () => {
    const ws = await dialWebSocket(`${url}/fragments`);
    assert.deepEqual(await ws.readMessage(), { type: "text", data: "one two thrée" });
    const { type, data } = await ws.readMessage();
    assert.deepEqual([type, [...data as Uint8Array]], ["binary", [1, 2, 3]]);
    await ws.close();
    await ended();
  });

  it("pings and is pinged", limit, async () => {
    const ws = await dialWebSocket(`${url}/ping`);
    assert.equal((await ws.readMessage()).data, "the pong came");
    for (const size of [0, 1, 125]) assert.ok(await ws.ping(new Uint8Array(size)) >= 0);
    await ws.close();
    await ended();
  });

  it("sees our codes and reasons", limit, async () => {
    for (const [code, reason] of CLOSES) {
      const ws = await dialWebSocket(url);
      assert.deepEqual(await ws.close(code, reason), { code, reason, wasClean: true });
      assert.deepEqual(await ended(), { code, reason });
    }
  });

  it("closes with codes and reasons", limit, async () => {
    for (const [code, reason] of CLOSES) {
      const query = new URLSearchParams({ code: String(code), reason }).toString();
      const ws = await dialWebSocket(`${url}/close?${query}`);
      await assert.rejects(ws.readMessage(), closedWith(code, reason));
      assert.deepEqual(await ws.closed, { code, reason, wasClean: true });
      assert.deepEqual(await ended(), { code, reason });
    }
  });

  it("drops the connection", limit, async () => {
    const ws = await dialWebSocket(`${url}/drop`);
    await assert.rejects(ws.readMessage(), (error) => isCloseError(error, 1006));
    await ended();
  });

  it("agrees on a subprotocol", limit, async () => {
    const ws = await dialWebSocket(url, { subprotocols: ["x", "a"] });
    assert.equal(ws.subprotocol, "a");
    await ws.close();
    await ended();
  });

  it("refuses, and we see why", limit, async () => {
    const error = await dialWebSocket(`${url}/refuse`).catch((error) => error);
    assert.ok(error instanceof HandshakeError, String(error));
    assert.equal(error.status, 403);
    assert.equal(error.response?.headers.get("x-why"), "because");
    assert.equal(await error.response?.text(), "not you\n");
  });
});
