/** Calls that nothing awaits: the end of a connection makes them fail, and ends no process. */

import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import {
  type Conn,
  dial,
  Framed,
  FramedPackets,
  LinesCodec,
  type MessageWriter,
  pipe,
  type WebSocketConn,
} from "../../mod.ts";
import { limit } from "../net/support.ts";
import { turn } from "./support.ts";
import { testConn } from "./test_socket.ts";

/** Rejections that nothing handled while `run` ran and the event loop turned afterwards. */
async function unhandledIn(run: () => unknown): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", note);
  await run();
  for (let i = 0; i < 5; i++) await turn();
  process.off("unhandledRejection", note);
  return unhandled;
}

const LONG = new Uint8Array(100_000);

const webSocketCalls: Record<string, (ws: WebSocketConn) => Promise<unknown>> = {
  "writeMessage of a text": (ws) => ws.writeMessage("x".repeat(100_000)),
  "writeMessage of bytes": (ws) => ws.writeMessage(LONG),
  "writeMessage with a signal": (ws) => ws.writeMessage(LONG, { signal: new AbortController().signal }),
  writeJson: (ws) => ws.writeJson("x".repeat(100_000)),
  ping: (ws) => ws.ping(),
  pong: (ws) => ws.pong(),
  close: (ws) => ws.close(),
  nextWriter: (ws) => ws.nextWriter("text"),
};

const writerCalls: Record<string, (writer: MessageWriter) => Promise<unknown>> = {
  "MessageWriter.write": (writer) => writer.write(LONG),
  "MessageWriter.write of little": (writer) => writer.write("x"),
  "MessageWriter.close": (writer) => writer.close(),
};

const connCalls: Record<string, (conn: Conn) => Promise<unknown>> = {
  "Conn.write": (conn) => conn.write(LONG),
  "Conn.closeWrite": (conn) => conn.closeWrite(),
  "Framed.write": (conn) => new Framed(conn, new LinesCodec()).write("x"),
};

describe("a call that nothing awaits", () => {
  for (const [name, call] of Object.entries(webSocketCalls)) {
    it(`${name}: fails alone when the peer leaves, before it and after it`, limit, async () => {
      const { ws, socket } = testConn();
      socket.full = true;
      const failed: unknown[] = [];
      const unhandled = await unhandledIn(() => {
        void call(ws);
        // Whoever awaits the call gets the error all the same.
        call(ws).catch((error) => failed.push(error));
        socket.gone();
        void call(ws);
        call(ws).catch((error) => failed.push(error));
      });
      assert.deepEqual(unhandled, []);
      if (name !== "close") assert.ok(failed.length > 0);
    });
  }

  for (const [name, call] of Object.entries(writerCalls)) {
    it(`${name}: fails alone when the peer leaves, before it and after it`, limit, async () => {
      const { ws, socket } = testConn();
      const writer = await ws.nextWriter("binary");
      socket.full = true;
      void ws.writeMessage("waits for its turn");
      void writer.write(LONG);
      const unhandled = await unhandledIn(() => {
        void call(writer);
        socket.gone();
        void call(writer);
      });
      assert.deepEqual(unhandled, []);
    });
  }

  for (const [name, call] of Object.entries(connCalls)) {
    it(`${name}: fails alone when the peer leaves, before it and after it`, limit, async () => {
      const [a, b] = pipe();
      void a.write(new Uint8Array(1_000_000));
      let failed: unknown;
      const unhandled = await unhandledIn(async () => {
        void call(a);
        b.closeNow();
        await turn();
        void call(a);
        await call(a).catch((error) => failed = error);
      });
      assert.deepEqual(unhandled, []);
      assert.ok(failed instanceof Error);
    });
  }

  it("a datagram: fails alone when the socket is closed", limit, async () => {
    const conn = await dial("udp", "127.0.0.1:9");
    const framed = new FramedPackets(conn, () => new LinesCodec());
    await conn.close();
    const unhandled = await unhandledIn(() => {
      void conn.write(LONG.subarray(0, 10));
      void conn.writeMany([{ data: LONG.subarray(0, 10) }]);
      void framed.write("x");
    });
    assert.deepEqual(unhandled, []);
  });
});
