/** The options `onPing` and `onPong`. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dialWebSocket, type PingHook, type WebSocketConn } from "../../mod.ts";
import { limit } from "../net/support.ts";
import { frame, OP } from "./raw_peer.ts";
import { bytesOf, startServer, textOf } from "./support.ts";
import { testConn } from "./test_socket.ts";

describe("onPing and onPong", () => {
  for (const role of ["server", "client"] as const) {
    const fromPeer = { mask: role === "server" };

    it(`are called with the connection and the payload, as a ${role}`, limit, () => {
      const heard: [string, WebSocketConn, string][] = [];
      const { ws, socket, clock } = testConn(role, {
        onPing: (conn, data) => void heard.push(["ping", conn, textOf(data)]),
        onPong: (conn, data) => void heard.push(["pong", conn, textOf(data)]),
      });
      socket.receive(
        frame(OP.ping, "one", fromPeer),
        frame(OP.pong, "two", fromPeer),
        frame(OP.ping, "", fromPeer),
      );
      assert.deepEqual(heard.map(([name, , data]) => [name, data]), [["ping", "one"], ["pong", "two"], [
        "ping",
        "",
      ]]);
      assert.ok(heard.every(([, conn]) => conn === ws));
      clock.endTurn();
      assert.deepEqual(socket.frames().map(({ payload }) => textOf(payload)), ["one", ""]);
    });

    it(`false from onPing leaves the ping without its pong, as a ${role}`, limit, () => {
      const { socket, clock } = testConn(role, {
        onPing: (conn, data) => {
          if (textOf(data) === "own") void conn.pong(bytesOf("answer"));
          return textOf(data) === "answered";
        },
      });
      socket.receive(...["silent", "answered", "own"].map((text) => frame(OP.ping, text, fromPeer)));
      clock.endTurn();
      assert.deepEqual(socket.frames().map(({ payload }) => textOf(payload)), ["answered", "answer"]);
    });
  }

  it("what they throw changes nothing, and the payload is their own", limit, (test) => {
    const printed = test.mock.method(console, "error", () => {});
    const kept: Uint8Array[] = [];
    const { ws, socket, clock } = testConn("server", {
      onPing: (_, data) => {
        kept.push(data);
        throw new Error("from the hook");
      },
    });
    socket.receive(frame(OP.ping, "x"), frame(OP.text, "message"));
    clock.endTurn();
    assert.deepEqual(socket.frames().map(({ payload }) => textOf(payload)), ["x"]);
    assert.deepEqual(kept.map(textOf), ["x"]);
    assert.equal(printed.mock.callCount(), 1);
    assert.equal(ws.state, "open");
  });

  it("are options of a server and of dialWebSocket", limit, async () => {
    const heard: string[] = [];
    const { url, stop } = await startServer({
      onPing: (_, data) => void heard.push(`server ${textOf(data)}`),
    });
    const conn = await dialWebSocket(url, { onPong: (_, data) => void heard.push(`client ${textOf(data)}`) });
    await conn.ping(bytesOf("hello"));
    assert.deepEqual(heard, ["server hello", "client hello"]);
    conn.closeNow();
    await stop();
    for (const name of ["onPing", "onPong"]) {
      const wrong = { [name]: "yes" as unknown as PingHook };
      await assert.rejects(
        dialWebSocket(url, wrong),
        new TypeError(`Cannot use ${name}: it is not a function`),
      );
    }
  });
});
