/** `listenAndServe` passes its options on to the listener. */

import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { dial, dialWebSocket, listen, listenAndServe, type NetError, type WebSocketConn } from "../../mod.ts";
import { serverTls } from "../net/certificates.ts";
import { holdProcess, limit } from "../net/support.ts";

const websocket = async (conn: WebSocketConn) => {
  for await (const { data } of conn) await conn.writeMessage(data);
};

describe("listenAndServe", () => {
  holdProcess();

  it("bounds a TLS handshake by handshakeTimeout, and reports it to onHandshakeError", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<NetError>();
    const server = await listenAndServe("tcp", "127.0.0.1:0", {
      tls: serverTls,
      handshakeTimeout: 50,
      onHandshakeError: resolve,
      websocket,
    });
    const silent = connect({ host: "127.0.0.1", port: (server.addr as { port: number }).port });
    silent.on("error", () => {});
    assert.equal((await promise).code, "ETIMEDOUT");
    silent.destroy();
    await server.shutdown();
  });

  it("accepts no more than maxConnections at once", limit, async () => {
    const server = await listenAndServe("tcp", "127.0.0.1:0", { maxConnections: 1, websocket });
    const first = await dialWebSocket(`ws://${server.addr}/`);
    let opened = false;
    const second = dialWebSocket(`ws://${server.addr}/`).finally(() => opened = true);
    for (let i = 0; i < 50; i++) {
      await first.writeMessage("x");
      await first.readMessage();
    }
    assert.equal(opened, false);
    await first.close();
    await (await second).close();
    await server.shutdown();
  });

  it("sets the mode of a Unix socket's file", limit, async () => {
    const path = join(tmpdir(), `jackfield-${process.pid}-mode.sock`);
    const server = await listenAndServe("unix", path, { mode: 0o600, websocket });
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await server.shutdown();
  });

  it("frees the address when an option of the server is refused", limit, async () => {
    const free = await listen("tcp", "127.0.0.1:0");
    const address = String(free.addr);
    await free.close();
    const options = { readLimit: -1, websocket };
    await assert.rejects(listenAndServe("tcp", address, options), { name: "RangeError" });
    await assert.rejects(dial("tcp", address), { code: "ECONNREFUSED" });
  });

  it("refuses an option that the listener refuses", limit, async () => {
    const bad = listenAndServe("tcp", "127.0.0.1:0", { backlog: 0, websocket });
    await assert.rejects(bad, { name: "RangeError", message: /backlog/ });
  });
});
