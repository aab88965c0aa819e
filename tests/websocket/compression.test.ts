/** Compression of connections: negotiation, switching, sharing and bounds. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type CompressionOptions,
  dialWebSocket,
  HandshakeError,
  Hub,
  isCloseError,
  listenAndServe,
  MessageTooBigError,
  PreparedMessage,
  type WebSocketConn,
  type WebSocketOptions,
} from "../../mod.ts";
import { assertBytes, holdProcess, limit, pattern } from "../net/support.ts";
import { checkEcho } from "../interop/scenarios.ts";
import { acceptHead, RawPeer } from "./raw_peer.ts";
import { startRawServer } from "./support.ts";

holdProcess();

type Compression = boolean | CompressionOptions;

/** Two ends that agreed on what they could. */
async function open(
  client: Partial<WebSocketOptions>,
  server: Partial<WebSocketOptions>,
  body: (client: WebSocketConn, server: WebSocketConn) => Promise<void>,
): Promise<void> {
  const accepted = Promise.withResolvers<WebSocketConn>();
  const listening = await listenAndServe("tcp", "127.0.0.1:0", {
    ...server,
    async websocket(conn) {
      accepted.resolve(conn);
      await conn.closed;
    },
  });
  const dialled = await dialWebSocket(`ws://${listening.addr}/`, client);
  try {
    await body(dialled, await accepted.promise);
  } finally {
    dialled.closeNow();
    listening.close();
    await listening.finished;
  }
}

const compressible = "all work and no play ".repeat(500);

/** What the socket below has written for one message. */
async function bytesOnWire(conn: WebSocketConn, write: () => Promise<void>): Promise<number> {
  const before = conn.bufferedAmount;
  const written = write();
  const bytes = conn.bufferedAmount - before;
  await written;
  return bytes;
}

describe("compression is agreed on", () => {
  const cases: [string, Compression, Compression, string][] = [
    ["when both want it", true, true, "permessage-deflate"],
    ["not when the server does not", true, false, ""],
    ["not when the client does not", false, true, ""],
    ["with the server's parameters", true, {
      serverMaxWindowBits: 10,
      clientMaxWindowBits: 9,
      serverNoContextTakeover: true,
    }, "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9"],
    [
      "with the client's parameters",
      { serverMaxWindowBits: 8, clientNoContextTakeover: true },
      true,
      "permessage-deflate; client_no_context_takeover; server_max_window_bits=8",
    ],
  ];
  for (const [name, client, server, extensions] of cases) {
    it(name, limit, () =>
      open({ compression: client }, { compression: server }, async (a, b) => {
        assert.equal(a.extensions, extensions);
        assert.equal(b.extensions, extensions);
        for (const [from, to] of [[a, b], [b, a]] as const) {
          for (let i = 0; i < 3; i++) {
            await from.writeMessage(compressible);
            assert.equal((await to.readMessage()).data, compressible);
          }
        }
      }));
  }

  it("or the connection is not made", limit, async () => {
    for (
      const answer of ["permessage-deflate; server_max_window_bits=16", "permessage-deflate; x", "x-deflate"]
    ) {
      const { url, stop } = await startRawServer(async (conn) => {
        const peer = new RawPeer(conn);
        const head = acceptHead(await peer.readHead());
        await peer.conn.write(
          new TextEncoder().encode(
            head.replace("\r\n\r\n", `\r\nSec-WebSocket-Extensions: ${answer}\r\n\r\n`),
          ),
        );
      });
      await assert.rejects(dialWebSocket(url, { compression: true }), HandshakeError, answer);
      await stop();
    }
  });

  it("numbers that make no sense are refused at once", limit, async () => {
    for (
      const compression of [{ level: 10 }, { level: 0.5 }, { threshold: -1 }, { serverMaxWindowBits: 7 }, {
        clientMaxWindowBits: 16,
      }]
    ) {
      await assert.rejects(dialWebSocket("ws://127.0.0.1:1/", { compression }), RangeError);
    }
  });
});

describe("what is compressed", () => {
  it(
    "is every message from the threshold on, unless somebody says otherwise",
    limit,
    () =>
      open({ compression: { threshold: 100 } }, { compression: true }, async (client, server) => {
        const cost = async (text: string, compress?: boolean) => {
          const bytes = await bytesOnWire(
            client,
            () => client.writeMessage(text, compress === undefined ? {} : { compress }),
          );
          assert.equal((await server.readMessage()).data, text);
          return bytes;
        };
        const long = "a".repeat(1000);
        assert.ok(await cost(long) < 100);
        assert.ok(await cost(long, false) > 1000);
        assert.ok(await cost("a".repeat(99)) > 99);
        assert.ok(await cost("a".repeat(99), true) < 99);
        client.setWriteCompression(false);
        assert.ok(await cost(long) > 1000);
        client.setWriteCompression(true);
        assert.ok(await cost(long) < 100);
      }),
  );

  it(
    "is the same to read, whatever it is",
    limit,
    () =>
      open({ compression: { threshold: 0 }, readLimit: 1 << 21 }, {
        compression: { threshold: 0 },
        readLimit: 1 << 21,
      }, async (client, server) => {
        const echo = (async () => {
          for await (const { data } of server) await server.writeMessage(data);
        })();
        await checkEcho(client);
        await client.close();
        await echo;
      }),
  );

  it(
    "keeps the order of large, small, compressed and plain",
    limit,
    () =>
      open(
        { compression: true, readLimit: 1 << 21 },
        { compression: true, readLimit: 1 << 21 },
        async (client, server) => {
          const messages = [
            pattern(0, 1_000_000),
            new Uint8Array(200_000),
            pattern(5, 10),
            new Uint8Array(600),
            pattern(1, 70_000),
          ];
          const writes = messages.map((data, i) => server.writeMessage(data, { compress: i % 2 === 0 }));
          for (const data of messages) assertBytes((await client.readMessage()).data as Uint8Array, data);
          await Promise.all(writes);
        },
      ),
  );
});

describe("a compressed message in parts", () => {
  it(
    "is read as it comes, and stays what it was",
    limit,
    () =>
      open(
        { compression: true, readLimit: 1 << 22 },
        { compression: true, readLimit: 1 << 22 },
        async (client, server) => {
          const data = pattern(0, 3_000_000);
          const written = client.writeMessage(data).then(() => client.writeMessage(compressible));
          const reader = await server.nextReader();
          const chunks: Uint8Array[] = [];
          for await (const chunk of reader) chunks.push(chunk);
          assert.ok(chunks.length > 1);
          let at = 0;
          for (const chunk of chunks) {
            assertBytes(chunk, pattern(at, at + chunk.length), at);
            at += chunk.length;
          }
          assert.equal(at, data.length);
          assert.equal((await server.readMessage()).data, compressible);
          await written;
        },
      ),
  );
});

describe("a prepared message", () => {
  it("is compressed once for all, and what is sent alone in between stays right", limit, async () => {
    const hub = new Hub();
    const server = await listenAndServe("tcp", "127.0.0.1:0", {
      compression: { threshold: 10 },
      async websocket(conn) {
        const client = hub.register(conn, {});
        client.join("all");
        for await (const { data } of conn) await conn.writeMessage(`alone ${data}`);
      },
    });
    const options: Compression[] = [true, true, false, { serverMaxWindowBits: 9 }, {
      serverNoContextTakeover: true,
    }];
    const clients = await Promise.all(
      options.map((compression) => dialWebSocket(`ws://${server.addr}/`, { compression })),
    );
    while (hub.room("all").size < clients.length) await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 10; i++) {
      const message = new PreparedMessage(`${compressible}${i}`);
      hub.room("all").broadcast(message);
      hub.room("all").broadcast(`second ${i}, second ${i}`);
      for (const client of clients) {
        assert.equal((await client.readMessage()).data, `${compressible}${i}`);
        assert.equal((await client.readMessage()).data, `second ${i}, second ${i}`);
        await client.writeMessage(`${i} of ${i} of ${i}`);
        assert.equal((await client.readMessage()).data, `alone ${i} of ${i} of ${i}`);
      }
    }
    await Promise.all(clients.map((client) => client.close()));
    await server.shutdown();
  });

  it(
    "is compressed by a client too, and not when it must not be",
    limit,
    () =>
      open({ compression: true }, { compression: true }, async (client, server) => {
        for (const [compress, isSmall] of [[true, true], [false, false]] as const) {
          const message = new PreparedMessage(compressible, { compress });
          for (const [from, to] of [[client, server], [server, client]] as const) {
            const bytes = await bytesOnWire(from, () => from.writePrepared(message));
            assert.equal(bytes < 1000, isSmall);
            assert.equal((await to.readMessage()).data, compressible);
            await from.writeMessage(compressible);
            assert.equal((await to.readMessage()).data, compressible);
          }
        }
      }),
  );
});

describe("a message that is larger than it looks", () => {
  it(
    "ends with 1009",
    limit,
    () =>
      open({ compression: true }, { compression: true, readLimit: 100_000 }, async (client, server) => {
        await client.writeMessage(new Uint8Array(10_000_000));
        await assert.rejects(server.readMessage(), MessageTooBigError);
        await assert.rejects(client.readMessage(), (error) => isCloseError(error, 1009));
      }),
  );
});
