/** The runtime's own WebSocket client with Jackfield's server. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { listenAndServe, type Server, type WebSocketConn } from "../../mod.ts";
import { assertSame, limit, messages } from "./messages.ts";

/** The next event of this type. */
function next<T extends Event>(socket: WebSocket, type: string): Promise<T> {
  return new Promise((resolve) =>
    socket.addEventListener(type, (event) => resolve(event as T), { once: true })
  );
}

describe("the runtime's own client", () => {
  let server: Server;
  /** What to do with the next connection besides echoing it. */
  let conns: ((conn: WebSocketConn) => void)[];
  before(async () => {
    conns = [];
    server = await listenAndServe("tcp", "127.0.0.1:0", {
      readLimit: 1 << 21,
      subprotocols: ["b", "a"],
      async websocket(conn) {
        conns.shift()?.(conn);
        for await (const message of conn) await conn.writeMessage(message.data);
      },
    });
  });
  after(() => server.shutdown());

  async function open(protocols?: string[]): Promise<{ socket: WebSocket; conn: WebSocketConn }> {
    const accepted = new Promise<WebSocketConn>((resolve) => conns.push(resolve));
    const socket = new WebSocket(`ws://${server.addr}/`, protocols);
    socket.binaryType = "arraybuffer";
    await next(socket, "open");
    return { socket, conn: await accepted };
  }

  it("gets every message back", limit, async () => {
    const { socket } = await open();
    for (const [, message] of messages) {
      const answer = next<MessageEvent>(socket, "message");
      socket.send(message as string);
      assertSame((await answer).data, message);
    }
    const closed = next(socket, "close");
    socket.close();
    await closed;
  });

  it("gets 1,000 messages back in order", limit, async () => {
    const { socket } = await open();
    const received: string[] = [];
    const all = new Promise<void>((resolve) => {
      socket.onmessage = ({ data }) => {
        if (received.push(data as string) === 1000) resolve();
      };
    });
    const sent = Array.from({ length: 1000 }, (_, i) => `message ${i}`);
    for (const message of sent) socket.send(message);
    await all;
    assert.deepEqual(received, sent);
    const closed = next(socket, "close");
    socket.close(1000);
    await closed;
  });

  it("agrees on a subprotocol", limit, async () => {
    const { socket, conn } = await open(["x", "a", "b"]);
    assert.deepEqual([socket.protocol, conn.subprotocol], ["b", "b"]);
    const closed = next(socket, "close");
    socket.close();
    await closed;
  });

  it("answers our pings", limit, async () => {
    const { socket, conn } = await open();
    assert.ok(await conn.ping() >= 0);
    assert.ok(await conn.ping(new Uint8Array(125)) >= 0);
    const closed = next(socket, "close");
    socket.close();
    await closed;
  });

  for (const [code, reason] of [[1000, "done"], [3000, ""], [4999, "\u00e4".repeat(50)]] as const) {
    it(`closes with ${code}, and we see it`, limit, async () => {
      const { socket, conn } = await open();
      const closed = next<CloseEvent>(socket, "close");
      socket.close(code, reason);
      assert.deepEqual(await conn.closed, { code, reason, wasClean: true });
      const event = await closed;
      assert.deepEqual([event.code, event.wasClean], [code, true]);
    });

    it(`sees that we close with ${code}`, limit, async () => {
      const { socket, conn } = await open();
      const closed = next<CloseEvent>(socket, "close");
      const info = await conn.close(code, reason);
      assert.equal(info.wasClean, true);
      const event = await closed;
      assert.deepEqual([event.code, event.reason, event.wasClean], [code, reason, true]);
    });
  }

  it("closes without a code, and we see 1005", limit, async () => {
    const { socket, conn } = await open();
    socket.close();
    assert.deepEqual(await conn.closed, { code: 1005, reason: "", wasClean: true });
  });

  it("sees 1006 when we drop the connection", limit, async () => {
    const { socket, conn } = await open();
    const closed = next<CloseEvent>(socket, "close");
    conn.closeNow();
    const event = await closed;
    // The standard says 1006; the client of Deno 2.9 says 0.
    assert.ok(event.code === 1006 || event.code === 0 && "Deno" in globalThis, `the code is ${event.code}`);
    assert.equal(event.wasClean, false);
  });

  it("sees 1009 when its message is too big", limit, async () => {
    const { socket } = await open();
    const closed = next<CloseEvent>(socket, "close");
    socket.send("x".repeat((1 << 21) + 1));
    assert.equal((await closed).code, 1009);
  });
});
