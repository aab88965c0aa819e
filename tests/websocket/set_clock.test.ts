/** What has a duration lasts as long when the system's time is set, by hand, by NTP or by a machine that is resumed. */

import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { dial, dialWebSocket, listen } from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { acceptHead, OP, rawClient, RawPeer, rawServer } from "./raw_peer.ts";
import { startRawServer, startServer } from "./support.ts";

const { now } = Date;
const hour = 3_600_000;

/** Sets the system's time, as far as this process sees it. */
function setClock(step: number): void {
  Date.now = () => now() + step;
}

for (const [name, step] of [["back", -hour], ["forward", hour]] as const) {
  describe(`when the clock is put ${name} by an hour`, () => {
    holdProcess();
    afterEach(() => Date.now = now);

    it("a close ends after closeTimeout", limit, async () => {
      const { url, stop } = await startRawServer(rawServer);
      const ws = await dialWebSocket(url, { closeTimeout: 60 });
      const closed = ws.close();
      setClock(step);
      assert.equal((await closed).code, 1006);
      await stop();
    });

    it("a dial ends after handshakeTimeout", limit, async () => {
      const { url, stop } = await startRawServer(async (conn) => await new RawPeer(conn).readHead());
      const dialling = dialWebSocket(url, { handshakeTimeout: 200 });
      setClock(step);
      await assert.rejects(dialling, { code: "ETIMEDOUT" });
      await stop();
    });

    it("a dial in time succeeds", limit, async () => {
      const { url, stop } = await startRawServer(async (conn) => {
        const peer = new RawPeer(conn);
        const head = await peer.readHead();
        setClock(step);
        // Time for what is due, if the clock makes it due.
        await new Promise((resolve) => setTimeout(resolve, 50));
        await peer.send(acceptHead(head));
      });
      // Both share one timer, and this one rings soon.
      const other = assert.rejects(dial("tcp", "127.0.0.1:0", { timeout: 20 }));
      const ws = await dialWebSocket(url);
      assert.equal(ws.state, "open");
      ws.closeNow();
      await other;
      await stop();
    });

    it("a request that is never complete ends after handshakeTimeout", limit, async () => {
      const { address, stop } = await startServer({ handshakeTimeout: 60 });
      const peer = new RawPeer(await dial("tcp", address));
      await peer.send("GET / HTTP/1.1\r\n");
      setClock(step);
      assert.match(await peer.readHead(), /^HTTP\/1\.1 408 /);
      peer.conn.closeNow();
      await stop();
    });

    it("a silent peer is pinged and dropped", limit, async () => {
      const { promise, resolve } = Promise.withResolvers<unknown>();
      const { address, stop } = await startServer({
        keepalive: { pingInterval: 40, pongTimeout: 40 },
        websocket: async (conn) => resolve(await conn.closed),
      });
      const peer = await rawClient(address);
      setClock(step);
      assert.equal((await peer.readFrame())?.opcode, OP.ping);
      assert.deepEqual(await promise, { code: 1006, reason: "", wasClean: false });
      peer.conn.closeNow();
      await stop();
    });

    it("a deadline passes after the time that it was set for", limit, async () => {
      const listener = await listen("tcp", "127.0.0.1:0");
      listener.setDeadline(Date.now() + 40);
      const accepted = listener.accept();
      setClock(step);
      await assert.rejects(accepted, { name: "DeadlineExceededError" });
      await listener.close();
    });
  });
}
