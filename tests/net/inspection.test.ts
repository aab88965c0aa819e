/** What `console.log` shows of the public objects. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { dial, dialWebSocket, Hub, listen, listenAndServe, listenPacket, pipe } from "../../mod.ts";

const limit = { timeout: 30_000 };

/** The text of the console of this runtime. */
function shown(value: unknown): string {
  const { Deno: deno, Bun: bun } = globalThis as {
    Deno?: { inspect(v: unknown): string };
    Bun?: typeof deno;
  };
  return (deno ?? bun)?.inspect(value) ?? inspect(value);
}

describe("the console shows", () => {
  it("a connection and a listener with their addresses", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    const [conn, accepted] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
    assert.match(shown(listener), new RegExp(`^SocketListener .*addr.*${listener.addr}`, "s"));
    assert.match(shown({ conn }), new RegExp(`local.*${conn.localAddr}.*remote.*${listener.addr}`, "s"));
    assert.match(shown(pipe()[0]), /local.*pipe/s);
    await Promise.all([conn.close(), accepted.close(), listener.close()]);
  });

  it("a UDP socket with its addresses", limit, async () => {
    const socket = await listenPacket("udp", "127.0.0.1:0");
    const peer = await dial("udp", String(socket.localAddr));
    assert.match(shown(socket), new RegExp(`local.*${socket.localAddr}`, "s"));
    assert.match(shown(peer), new RegExp(`remote.*${socket.localAddr}`, "s"));
    await Promise.all([socket.close(), peer.close()]);
  });

  it("a WebSocket, a server, a hub and a member with what they do", limit, async () => {
    const hub = new Hub<string>();
    const server = await listenAndServe("tcp", "127.0.0.1:0", { websocket() {} });
    const conn = await dialWebSocket(`ws://${server.addr}/`);
    const member = hub.register(conn, "ann");
    member.join("lobby");
    assert.match(shown(conn), /^WebSocketConn .*state.*remote.*bufferedAmount/s);
    assert.match(shown(server), new RegExp(`^Server .*addr.*${server.addr}.*conns.*1`, "s"));
    assert.match(shown(hub), /^Hub .*members.*1.*rooms.*1/s);
    assert.match(shown(member), /registered.*true.*lobby.*ann/s);
    assert.match(shown(hub.room("lobby")), /name.*lobby.*size.*1/s);
    await hub.close();
    await server.shutdown();
  });
});
