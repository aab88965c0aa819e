/** Peers that connect and reset before they are accepted, as port scanners and health checks do. */

import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { dial, listen, type Listener, type TcpAddr } from "../../entries/net.ts";
import { holdProcess, limit } from "./support.ts";

/** Connects, and resets at once. */
function resetAtOnce(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.resetAndDestroy());
    socket.on("error", () => {}).on("close", () => resolve());
  });
}

/** Accepts until a peer says `x`. */
async function untilHonest(listener: Listener): Promise<string> {
  for await (const conn of listener) {
    const chunk = await conn.readChunk().catch(() => null);
    conn.closeNow();
    if (chunk !== null) return new TextDecoder().decode(chunk);
  }
  return "the loop ended";
}

describe("peers that reset before they are accepted", () => {
  holdProcess();

  it("end no accept loop", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    const { port } = listener.addr as TcpAddr;
    await Promise.all(Array.from({ length: 40 }, () => resetAtOnce(port)));
    const conn = await dial("tcp", String(listener.addr));
    await conn.write(new TextEncoder().encode("x"));
    assert.equal(await untilHonest(listener), "x");
    conn.closeNow();
    await listener.close();
  });
});
