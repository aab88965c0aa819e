import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Conn,
  type DebugEvent,
  type DebugHook,
  dial,
  dialWebSocket,
  HandshakeError,
  listenAndServe,
  type ServeOptions,
  Upgrader,
  type WebSocketConn,
} from "../../mod.ts";
import { maskField, maskUrl } from "../../src/websocket/debug.ts";

describe("maskUrl()", () => {
  const urls: [string, string][] = [
    ["wss://a.example/chat", "wss://a.example/chat"],
    ["wss://user:pass@a.example:8443/chat", "wss://***@a.example:8443/chat"],
    ["ws://a.example/?token=abc&x=1", "ws://a.example/?***"],
    ["/chat?token=abc", "/chat?***"],
    ["/a@b?c", "/a@b?***"],
    ["ws://a.example/#token", "ws://a.example/#***"],
    ["ws//host/?token=abc\nmore", "ws//host/?***"],
  ];
  for (const [url, masked] of urls) {
    it(`shows ${JSON.stringify(url)} as ${masked}`, () => assert.equal(maskUrl(url), masked));
  }
});

describe("maskField()", () => {
  it("masks credentials, cookies and subprotocols, whatever their case", () => {
    const secret = [
      "Authorization",
      "COOKIE",
      "Proxy-Authorization",
      "Sec-WebSocket-Protocol",
      "X-Auth-Token",
    ];
    for (const name of secret) assert.deepEqual(maskField([name, "abc"]), [name, "***"]);
  });

  it("shows the rest, an origin and a referer without their query", () => {
    assert.deepEqual(maskField(["Host", "a.example"]), ["Host", "a.example"]);
    assert.deepEqual(maskField(["Referer", "https://a.example/?token=b"]), [
      "Referer",
      "https://a.example/?***",
    ]);
  });
});

/** The events of a server and of a client that dials it, in the order in which they came to each hook. */
interface Traced {
  server: DebugEvent[];
  client: DebugEvent[];
}

/** Serves, runs `use` on the server's address and gives the events until everything has ended. */
async function trace(
  options: Partial<ServeOptions>,
  use: (url: string, onDebug: DebugHook) => Promise<unknown>,
): Promise<Traced> {
  const traced: Traced = { server: [], client: [] };
  const server = await listenAndServe("tcp", "127.0.0.1:0", {
    websocket: async (conn) => {
      for await (const message of conn) await conn.writeMessage(message.data);
    },
    ...options,
    onDebug: (event) => traced.server.push(event),
  });
  await use(`ws://${server.addr}/chat?token=secret`, (event) => traced.client.push(event));
  await server.shutdown();
  return traced;
}

/** An event in a line, without numbers of connections and addresses. */
function line(event: DebugEvent): string {
  if (event.type === "phase") return `${event.from} → ${event.to}: ${event.cause}`;
  if (event.type === "control") {
    return `${event.direction} ${event.frame}${
      event.frame === "close" ? ` ${event.code} ${event.reason}` : ""
    }`;
  }
  if (event.type === "refused") return `refused ${event.status}: ${event.reason}`;
  if (event.type === "ended") return `ended ${event.early ? "early " : ""}${event.code} ${event.wasClean}`;
  return event.type === "handshake" ? `handshake ${event.url}` : `open "${event.subprotocol}"`;
}

describe("onDebug", { timeout: 60_000 }, () => {
  it("tells the life of a connection on both sides: handshake, pings, phases, end", async () => {
    const { server, client } = await trace({ subprotocols: ["chat"] }, async (url, onDebug) => {
      const conn = await dialWebSocket(url, { onDebug, subprotocols: ["chat"] });
      await conn.ping();
      await conn.close(1000, "done");
    });
    const [target] = [client.map(line)[0]!.replace(/127.*\/chat/, "host/chat")];
    assert.equal(target, "handshake ws://host/chat?***");
    assert.deepEqual(client.map(line).slice(1), [
      'open "chat"',
      "sent ping",
      "received pong",
      "sent close 1000 done",
      "open → flushing: close() was called",
      "flushing → waiting: everything written has left",
      "received close 1000 done",
      "waiting → ending: both sides have ended",
      "ending → gone: the socket is closed",
      "ended 1000 true",
    ]);
    assert.deepEqual(server.map(line), [
      "handshake /chat?***",
      'open "chat"',
      "received ping",
      "sent pong",
      "received close 1000 done",
      "sent close 1000 done",
      "open → flushing: the peer sent a close frame",
      "flushing → waiting: everything written has left",
      "waiting → ending: the closing handshake is complete",
      "ending → gone: the socket is closed",
      "ended 1000 true",
    ]);
    assert.equal(new Set(server.map(({ conn }) => conn)).size, 1);
    assert.deepEqual([...new Set(server.map(({ role }) => role))], ["server"]);
  });

  it("tells why a handshake was refused, on both sides, with credentials masked", async () => {
    const { server, client } = await trace({}, async (url, onDebug) => {
      const headers = { authorization: "Bearer secret", cookie: "id=secret" };
      const dialling = dialWebSocket(url, { onDebug, headers, origin: "https://b.example" });
      await assert.rejects(dialling, HandshakeError);
    });
    assert.deepEqual(server.map(line), ["handshake /chat?***", "refused 403: The origin is not allowed"]);
    assert.match(client.map(line)[1]!, /^refused 403: /);
    assert.equal(client.map(line)[2], "ended early 1006 false");
    assert.doesNotMatch(JSON.stringify([server, client]), /secret/);
  });

  it("tells what broke the protocol", async () => {
    const { server } = await trace({}, async (url) => {
      const raw = await dialRaw(url);
      await raw.write(Uint8Array.of(0xff, 0x80, 0, 0, 0, 0));
      while (await raw.readChunk() !== null);
      raw.closeNow();
    });
    const lines = server.map(line);
    assert.ok(lines.includes("sent close 1002 a reserved bit is set"), lines.join("\n"));
    assert.ok(lines.some((each) => /^open → flushing: .*a reserved bit is set/.test(each)), lines.join("\n"));
  });

  it("tells of a peer that leaves before its handshake is complete", async () => {
    const { server } = await trace({}, async (url) => {
      const { host } = new URL(url);
      const conn = await dial("tcp", host);
      await conn.write(new TextEncoder().encode("GET / HT"));
      await conn.close();
    });
    assert.deepEqual(server.map(line), ["ended early 1006 false"]);
  });

  it("is harmless when it throws", async (t) => {
    const { mock } = t as { mock?: { method(of: object, name: string, by: () => void): unknown } };
    mock?.method(console, "error", () => {});
    const server = await listenAndServe("tcp", "127.0.0.1:0", {
      websocket: async (conn) => void await conn.readMessage().catch(() => {}),
      onDebug: () => {
        throw new Error("the hook fails");
      },
    });
    const conn = await dialWebSocket(`ws://${server.addr}/`);
    assert.equal((await conn.close()).code, 1000);
    await server.shutdown();
  });

  it("may drop the connection at any phase, or reject", { timeout: 60_000 }, async (t) => {
    const { mock } = t as { mock?: { method(of: object, name: string, by: () => void): unknown } };
    mock?.method(console, "error", () => {});
    for (const phase of ["flushing", "waiting", "ending", "gone"]) {
      const server = await listenAndServe("tcp", "127.0.0.1:0", {
        websocket: async (conn) => void await conn.readMessage().catch(() => {}),
      });
      const events: string[] = [];
      const conn: WebSocketConn = await dialWebSocket(`ws://${server.addr}/`, {
        onDebug: (event) => {
          events.push(line(event));
          if (event.type === "phase" && event.to === phase) conn.closeNow();
          return Promise.reject(new Error("an asynchronous hook")) as unknown as void;
        },
      });
      await conn.close();
      assert.equal(conn.state, "closed", phase);
      assert.match(events.at(-1)!, /^ended /, phase);
      await server.shutdown();
    }
  });

  it("must be a function", () => {
    const onDebug = "yes" as unknown as DebugHook;
    assert.throws(() => new Upgrader({ onDebug }), /Cannot use onDebug: it is not a function/);
  });
});

/** A connection that has made its handshake by hand, for frames that no library sends. */
async function dialRaw(url: string): Promise<Conn> {
  const { host } = new URL(url);
  const conn = await dial("tcp", host);
  const head = `GET / HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  await conn.write(new TextEncoder().encode(head));
  for (let text = ""; !text.endsWith("\r\n\r\n");) {
    text += new TextDecoder().decode((await conn.readChunk())!);
  }
  return conn;
}
