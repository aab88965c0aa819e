/** Values made by code of another realm, as of jsdom or `node:vm`, for which `instanceof` is false. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";
import {
  ByteBuffer,
  DelimiterCodec,
  dial,
  dialWebSocket,
  FixedLengthCodec,
  LengthDelimitedCodec,
  listen,
  listenAndServe,
  listenPacket,
  pipe,
  PreparedMessage,
} from "../../mod.ts";

const limit = { timeout: 30_000 };

/** A value of another realm. */
function foreign<T>(code: string): T {
  return runInNewContext(code) as T;
}

const bytes = (): Uint8Array => foreign("Uint8Array.of(1, 2, 3)");

describe("a value of another realm", () => {
  it("is of another realm here", () => assert.ok(!(bytes() instanceof Uint8Array)));

  it("can be written to a connection and read into", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    const [client, server] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
    const into: Uint8Array = foreign("new Uint8Array(3)");
    for (const [here, there] of [[client, server], pipe()] as const) {
      assert.equal(await here.write(bytes()), 3);
      assert.equal(await there.read(into), 3);
      assert.deepEqual([...into], [1, 2, 3]);
      into.fill(0);
      await Promise.all([here.close(), there.close()]);
    }
    await listener.close();
  });

  it("can be sent as a datagram and read into", limit, async () => {
    const server = await listenPacket("udp", "127.0.0.1:0");
    const client = await dial("udp", String(server.localAddr));
    const into: Uint8Array = foreign("new Uint8Array(3)");
    await client.write(bytes());
    const { addr } = await server.readFrom(into);
    assert.deepEqual([...into], [1, 2, 3]);
    await server.writeTo(bytes(), addr);
    assert.equal(await client.read(into), 3);
    await server.writeMany([{ data: bytes(), addr }]);
    assert.equal(await client.read(into), 3);
    await Promise.all([client.close(), server.close()]);
  });

  it("can be a message, whatever holds the bytes", limit, async () => {
    const server = await listenAndServe("tcp", "127.0.0.1:0", {
      websocket: async (conn) => {
        for await (const { data } of conn) await conn.writeMessage(data);
      },
    });
    const conn = await dialWebSocket(`ws://127.0.0.1:${server.addr.port}/`);
    const holders = [
      "Uint8Array.of(1, 2, 3)",
      "Uint8Array.of(1, 2, 3).buffer",
      "new DataView(Uint8Array.of(0, 1, 2, 3).buffer, 1)",
    ];
    for (const holder of holders) {
      const prepared = new PreparedMessage(foreign<Uint8Array>(holder));
      for (const sent of [conn.writeMessage(foreign<Uint8Array>(holder)), conn.writePrepared(prepared)]) {
        await sent;
        assert.deepEqual([...(await conn.readMessage()).data as Uint8Array], [1, 2, 3]);
      }
    }
    assert.ok(await conn.ping(bytes()) >= 0);
    await server.shutdown();
  });

  it("can be a deadline", () => {
    const [here] = pipe();
    here.setDeadline(foreign<Date>("new Date(4102444800000)"));
    assert.throws(() => here.setDeadline(foreign<Date>("new Date(NaN)")));
    assert.throws(() => here.setDeadline(foreign<Date>("({ getTime: () => 1 })")), TypeError);
    here.closeNow();
  });

  it("can be a delimiter and an item", () => {
    const codecs = [
      new DelimiterCodec(foreign<Uint8Array>("Uint8Array.of(10)")),
      new FixedLengthCodec(3),
      new LengthDelimitedCodec(),
    ];
    for (const codec of codecs) {
      const buffer = new ByteBuffer();
      codec.encode(bytes(), buffer);
      assert.deepEqual([...codec.decode(buffer)!], [1, 2, 3]);
    }
  });
});
