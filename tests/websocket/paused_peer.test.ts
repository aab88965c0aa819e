/** A peer that dies while the application reads nothing, so that its end cannot be read either. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WebSocketConn } from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { frame, OP, rawClient } from "./raw_peer.ts";
import { closedWith, startServer } from "./support.ts";

describe("a peer that is gone while the application does not read", () => {
  holdProcess();

  for (const end of ["closes", "resets"] as const) {
    it(`is found when it ${end}, and what it sent can still be read`, limit, async () => {
      const { promise: accepted, resolve } = Promise.withResolvers<WebSocketConn>();
      const { address, stop } = await startServer({
        keepalive: { pingInterval: 60, pongTimeout: 60 },
        readBufferSize: 1000,
        async websocket(conn) {
          resolve(conn);
          await conn.closed;
        },
      });
      const peer = await rawClient(address);
      const conn = await accepted;
      await peer.send(frame(OP.binary, new Uint8Array(2000).fill(0)));
      // The first is read, and the server paused; the others wait in the kernel.
      for (let i = 0; i < 2; i++) assert.equal((await peer.readFrame())?.opcode, OP.ping);
      for (let i = 1; i < 5; i++) await peer.send(frame(OP.binary, new Uint8Array(100).fill(i)));
      if (end === "closes") await peer.conn.close();
      else peer.conn.closeNow();
      assert.deepEqual(await conn.closed, { code: 1006, reason: "", wasClean: false });
      for (let i = 0; i < 5; i++) assert.equal((await conn.readMessage()).data[0], i);
      await assert.rejects(conn.readMessage(), closedWith(1006));
      await stop();
    });
  }
});
