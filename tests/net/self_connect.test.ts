/** A socket that TCP has connected to itself, as may happen on a port of this machine without a listener. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { tcpAddr } from "../../src/net/addr.ts";
import { dialOn } from "../../src/net/dial.ts";
import { Runtime } from "../../src/net/runtime.ts";
import { TestSocket } from "../websocket/test_socket.ts";
import { limit } from "./support.ts";

/** A socket whose own port is `port`, connected to port 40000. */
class Connected extends TestSocket {
  override readonly localAddr;
  override readonly remoteAddr = tcpAddr("127.0.0.1", 40000);
  resets = 0;

  constructor(port: number) {
    super();
    this.localAddr = tcpAddr("127.0.0.1", port);
  }

  override reset(): void {
    this.resets++;
  }
}

function runtimeOver(sockets: Connected[]): Runtime {
  const left = [...sockets];
  return new Runtime({ ...currentAdapter(), connect: async () => left.shift()! });
}

describe("a dialled connection to itself", () => {
  it("is dropped, and dialled again", limit, async () => {
    const sockets = [new Connected(40000), new Connected(40000), new Connected(50000)];
    const conn = await dialOn(runtimeOver(sockets), "tcp", "127.0.0.1:40000");
    assert.equal(String(conn.localAddr), "127.0.0.1:50000");
    assert.deepEqual(sockets.map(({ resets }) => resets), [1, 1, 0]);
  });

  it("is refused the third time", limit, async () => {
    const sockets = [40000, 40000, 40000].map((port) => new Connected(port));
    const dialling = dialOn(runtimeOver(sockets), "tcp", "127.0.0.1:40000");
    await assert.rejects(dialling, { code: "ECONNREFUSED", op: "dial", addr: "127.0.0.1:40000" });
    assert.deepEqual(sockets.map(({ resets }) => resets), [1, 1, 1]);
  });

  it("is what was asked for when the local port was chosen", limit, async () => {
    const runtime = runtimeOver([new Connected(40000)]);
    const conn = await dialOn(runtime, "tcp", "127.0.0.1:40000", { localAddress: "127.0.0.1:40000" });
    assert.equal(String(conn.localAddr), String(conn.remoteAddr));
  });
});
