/** Dials that are given up while they connect. */

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, it } from "node:test";
import { dial } from "../../entries/net.ts";
import { openSockets, socketsDownTo } from "./descriptors.ts";
import { holdProcess, limit } from "./support.ts";

describe("dials that are given up while they connect", () => {
  holdProcess();

  it("leave no descriptor open", limit, async () => {
    const server = createServer((socket) => socket.on("error", () => {}).resume());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    const { port } = server.address() as { port: number };
    const before = await openSockets();
    for (let round = 0; round < 10; round++) {
      const outcomes = Array.from({ length: 20 }, async () => {
        const abort = new AbortController();
        const dialling = dial("tcp", `127.0.0.1:${port}`, { signal: abort.signal });
        setTimeout(() => abort.abort(new Error("given up")), 0);
        await dialling.then((conn) => conn.closeNow(), (error) => assert.equal(error.message, "given up"));
      });
      await Promise.all(outcomes);
    }
    await socketsDownTo(before);
    server.close();
  });
});
