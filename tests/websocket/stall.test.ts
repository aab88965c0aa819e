/**
 * A process that stands still, in a long computation or a debugger, while what its peers sent lies in the kernel: no time-out
 * may end a connection before that was read.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dial, dialWebSocket } from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { frame, handshake, OP, rawClient, RawPeer, rawServer } from "./raw_peer.ts";
import { startRawServer, startServer, turn } from "./support.ts";
import { settle } from "./test_socket.ts";

/** Keeps the process busy. What was sent in this turn has left before, and is read by nobody meanwhile. */
async function stall(milliseconds: number): Promise<void> {
  await settle();
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

describe("after a stall", () => {
  holdProcess();

  it("the pong that came meanwhile is read before the keep-alive judges", limit, async () => {
    const { address, stop } = await startServer({ keepalive: { pingInterval: 100, pongTimeout: 400 } });
    const peer = await rawClient(address);
    for (let round = 0; round < 3; round++) {
      assert.equal((await peer.readFrame())?.opcode, OP.ping);
      void peer.send(frame(OP.pong));
      await stall(600);
    }
    assert.equal((await peer.readFrame())?.opcode, OP.ping, "it was dropped");
    peer.conn.closeNow();
    await stop();
  });

  it("the request that came meanwhile is read before handshakeTimeout ends it", limit, async () => {
    const { address, stop } = await startServer({ handshakeTimeout: 300 });
    const peer = new RawPeer(await dial("tcp", address));
    const head = handshake(address);
    await peer.send(head.slice(0, 20));
    // The server accepts, and its time-out runs.
    for (let i = 0; i < 10; i++) await turn();
    void peer.send(head.slice(20));
    await stall(500);
    assert.match(await peer.readHead(), /^HTTP\/1\.1 101 /);
    peer.conn.closeNow();
    await stop();
  });

  it("the answer that came meanwhile is read before a dial's handshakeTimeout ends it", limit, async () => {
    const { url, stop } = await startRawServer(async (conn) => {
      await rawServer(conn);
      await stall(500);
    });
    const ws = await dialWebSocket(url, { handshakeTimeout: 300 });
    assert.equal(ws.state, "open");
    ws.closeNow();
    await stop();
  });

  it(
    "the peer's end that came meanwhile is read before closeTimeout drops the connection",
    limit,
    async () => {
      const { url, stop } = await startRawServer(async (conn) => {
        const peer = await rawServer(conn);
        const close = await peer.readFrame();
        assert.equal(close?.opcode, OP.close);
        void peer.send(frame(OP.close, close!.payload, { mask: false }));
        void peer.conn.closeWrite();
        await stall(500);
      });
      const ws = await dialWebSocket(url, { closeTimeout: 300 });
      assert.deepEqual(await ws.close(4000, "bye"), { code: 4000, reason: "bye", wasClean: true });
      await stop();
    },
  );
});
