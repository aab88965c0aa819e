/** Codecs over datagrams. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ClosedError,
  DeadlineExceededError,
  dial,
  FramedPackets,
  FrameError,
  JsonTextsCodec,
  LengthDelimitedCodec,
  LinesCodec,
  listenPacket,
  UnexpectedEofError,
} from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";

holdProcess();

const json = () => new JsonTextsCodec<{ n: number }>({ maxLength: 100 });
const utf8 = new TextEncoder();

describe("FramedPackets", () => {
  it("carries an item in each datagram, and tells who sent it", limit, async () => {
    const server = new FramedPackets(await listenPacket("udp", "127.0.0.1:0"), json);
    const clients = await Promise.all(
      [1, 2].map(async () => new FramedPackets(await dial("udp", String(server.conn.localAddr)), json)),
    );
    const serving = (async () => {
      for await (const { item, addr } of server) await server.write({ n: item.n * 2 }, addr);
    })();
    for (let n = 1; n <= 20; n++) {
      for (const [i, client] of clients.entries()) {
        await client.write({ n: n + 100 * i });
        const { item, addr } = await client.read();
        assert.deepEqual(item, { n: 2 * (n + 100 * i) });
        assert.equal(String(addr), String(server.conn.localAddr));
      }
    }
    await Promise.all(clients.map((client) => client.close()));
    await server.close();
    await serving;
  });

  it("refuses a datagram with none, a part, more than one or nonsense, and goes on", limit, async () => {
    const server = new FramedPackets(await listenPacket("udp", "127.0.0.1:0"), json);
    const raw = await dial("udp", String(server.conn.localAddr));
    for (
      const [text, kind] of [
        ["", FrameError],
        ['{"n":', UnexpectedEofError],
        ['{"n":1}{"n":2}', FrameError],
        ["?", FrameError],
        ["[".repeat(99), FrameError],
        [`{"n":"${"x".repeat(100)}"}`, FrameError],
      ] as const
    ) {
      await raw.write(utf8.encode(text));
      await assert.rejects(server.read(), kind, text);
      await raw.write(utf8.encode('{"n":7}'));
      assert.deepEqual((await server.read()).item, { n: 7 });
    }
    await raw.close();
    await server.close();
  });

  it("takes every codec, a line without its end too", limit, async () => {
    const a = await listenPacket("udp", "127.0.0.1:0");
    const lines = new FramedPackets(a, () => new LinesCodec());
    const raw = await dial("udp", String(a.localAddr));
    for (const text of ["one\n", "two"]) {
      await raw.write(utf8.encode(text));
      assert.equal((await lines.read()).item, text.trim());
    }
    const frames = new FramedPackets(a, () => new LengthDelimitedCodec());
    const sender = new FramedPackets(raw, () => new LengthDelimitedCodec());
    await sender.write(Uint8Array.of(1, 2, 3));
    assert.deepEqual((await frames.read()).item, Uint8Array.of(1, 2, 3));
    await raw.close();
    await a.close();
  });

  it(
    "has the socket's deadlines and its end, and needs an address where it was not dialled",
    limit,
    async () => {
      const server = new FramedPackets(await listenPacket("udp", "127.0.0.1:0"), json);
      await assert.rejects(server.write({ n: 1 }), TypeError);
      server.setReadDeadline(Date.now() + 10);
      await assert.rejects(server.read(), DeadlineExceededError);
      server.setReadDeadline(null);
      const reading = assert.rejects(server.read(), ClosedError);
      await server.close();
      await reading;
    },
  );
});
