/** What TypeScript must accept without a cast. The type checker is the test; running it shows that the types are true. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  dial,
  dialWebSocket,
  FixedLengthCodec,
  Framed,
  listen,
  listenAndServe,
  listenPacket,
  pipe,
  readAll,
} from "../../mod.ts";

const limit = { timeout: 30_000 };

/** The calls of the web that take no memory that might be shared. */
async function useInWebApis(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  assert.ok(bytes.buffer instanceof ArrayBuffer);
  assert.equal(new Blob([bytes]).size, bytes.length);
  assert.equal((await crypto.subtle.digest("SHA-256", bytes)).byteLength, 32);
  assert.equal((await new Response(bytes).arrayBuffer()).byteLength, bytes.length);
}

describe("the public types", () => {
  it("give the port of what listens on TCP", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    const server = await listenAndServe("tcp4", "127.0.0.1:0", { websocket() {} });
    for (const port of [listener.addr.port, server.addr.port]) assert.ok(port > 0);
    await Promise.all([listener.close(), server.shutdown()]);
  });

  it("let what was received into the calls of the web", limit, async () => {
    const server = await listenAndServe("tcp", "127.0.0.1:0", {
      websocket: async (conn) => {
        for await (const message of conn) await conn.writeMessage(message.data);
      },
    });
    const conn = await dialWebSocket(`ws://127.0.0.1:${server.addr.port}/`);
    for (const size of [3, 100_000]) {
      await conn.writeMessage(new Uint8Array(size));
      const message = await conn.readMessage();
      assert.equal(message.type, "binary");
      if (message.type === "binary") await useInWebApis(message.data);
      await conn.writeMessage(new Uint8Array(size));
      for await (const chunk of await conn.nextReader()) await useInWebApis(chunk);
    }
    await server.shutdown();
  });

  it("let the bytes of a stream into the calls of the web", limit, async () => {
    const [here, there] = pipe();
    await here.write(Uint8Array.of(1, 2, 3));
    await useInWebApis((await there.readChunk())!);
    const item = new Framed(there, new FixedLengthCodec(2)).read();
    await here.write(Uint8Array.of(4, 5));
    await useInWebApis((await item)!);
    await Promise.all([here.write(Uint8Array.of(6)), here.closeWrite()]);
    await useInWebApis(await readAll(there));
    await Promise.all([here.close(), there.close()]);
  });

  it("let a datagram into the calls of the web", limit, async () => {
    const server = await listenPacket("udp", "127.0.0.1:0");
    const client = await dial("udp", String(server.localAddr));
    await client.write(Uint8Array.of(1));
    await useInWebApis((await server.readFrom()).data);
    await Promise.all([client.close(), server.close()]);
  });
});
