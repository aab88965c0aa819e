/** The server's side of the opening handshake, RFC 6455, 4.2, on the wire. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Conn,
  dialWebSocket,
  HandshakeError,
  isWebSocketUpgrade,
  pipe,
  type ServeOptions,
  Upgrader,
  type UpgraderOptions,
} from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { closeFrame, frame, handshake, KEY, OP, RawPeer } from "../websocket/raw_peer.ts";
import { closedWith, dial, foreign, startServer } from "../websocket/support.ts";

/** What a server answers to a request, up to the end of the stream. */
async function ask(address: string, ...parts: string[]): Promise<string> {
  const peer = new RawPeer(await dial("tcp", address));
  await peer.send(...parts);
  const answer = await peer.readAll();
  await peer.conn.close();
  return answer;
}

/** The status of an answer; 101 ends the connection here. */
async function statusOf(
  options: Partial<ServeOptions>,
  fields: Parameters<typeof handshake>[1],
  line?: string,
  body = "",
) {
  const { address, stop } = await startServer(options);
  const peer = new RawPeer(await dial("tcp", address));
  await peer.send(handshake(address, fields, line), body);
  const head = await peer.readHead();
  peer.conn.closeNow();
  await stop();
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head };
}

describe("a handshake", () => {
  holdProcess();

  it("is answered with 101 and the key's answer", limit, async () => {
    const { head, status } = await statusOf({}, {});
    assert.equal(status, 101);
    assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assert.match(head, /\r\nUpgrade: websocket\r\n/i);
    assert.match(head, /\r\nConnection: Upgrade\r\n/i);
    // RFC 6455, 1.3.
    assert.ok(head.includes("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert.doesNotMatch(head, /sec-websocket-(protocol|extensions)/i);
  });

  const accepted: [string, Parameters<typeof handshake>[1], (string | undefined)?, string?][] = [
    ["in any case", { Upgrade: "WebSocket", Connection: "keep-alive, UPGRADE" }],
    ["among others", { Upgrade: ["h2c", "websocket"], Connection: ["keep-alive", "Upgrade"] }],
    ["with a query", {}, "GET /chat?room=1&x=%20 HTTP/1.1"],
    ["with an extension that is not known", {
      "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
    }],
    ["with a content length of 0", { "Content-Length": "0" }],
    ["with an empty chunked body", { "Transfer-Encoding": "chunked" }, undefined, "0\r\n\r\n"],
    ["with an empty list of subprotocols", { "Sec-WebSocket-Protocol": "" }],
    ["with an empty list of extensions", { "Sec-WebSocket-Extensions": "" }],
    ["with lists of nothing but commas", {
      "Sec-WebSocket-Extensions": ",",
      "Sec-WebSocket-Protocol": " , ,",
    }],
    ["without an origin", {}],
  ];
  for (const [name, fields, line, body] of accepted) {
    it(`is accepted ${name}`, limit, async () => {
      assert.equal((await statusOf({}, fields, line, body)).status, 101);
    });
  }

  const refused: [string, number, Parameters<typeof handshake>[1], string?][] = [
    ["by POST", 405, {}, "POST / HTTP/1.1"],
    ["of HTTP/1.0", 426, {}, "GET / HTTP/1.0"],
    ["of HTTP/2.0", 505, {}, "GET / HTTP/2.0"],
    ["without an upgrade", 426, { Upgrade: null }],
    ["to something else", 426, { Upgrade: "h2c" }],
    ["whose connection is kept", 426, { Connection: "keep-alive" }],
    ["without a key", 400, { "Sec-WebSocket-Key": null }],
    ["with two keys", 400, { "Sec-WebSocket-Key": [KEY, KEY] }],
    ["with a short key", 400, { "Sec-WebSocket-Key": "c2hvcnQ=" }],
    ["with a key that is no base64", 400, { "Sec-WebSocket-Key": "!".repeat(24) }],
    ["without a version", 426, { "Sec-WebSocket-Version": null }],
    ["of version 8", 426, { "Sec-WebSocket-Version": "8" }],
    ["without a host", 400, { Host: null }],
    ["with two hosts", 400, { Host: ["a", "b"] }],
    ["with a malformed host", 400, { Host: "a b" }],
    ["with a host that no URL has", 400, { Host: "1.2.3.999" }],
    ["with a malformed subprotocol", 400, { "Sec-WebSocket-Protocol": "a b" }],
    ["with a subprotocol twice", 400, { "Sec-WebSocket-Protocol": "a, a" }],
    ["with a malformed extension", 400, { "Sec-WebSocket-Extensions": "a; =" }],
    ["with a body", 413, { "Content-Length": "5" }],
    ["with a coded body", 413, { "Transfer-Encoding": "gzip, chunked" }],
    ["with two ways to end a body", 400, { "Content-Length": "5", "Transfer-Encoding": "chunked" }],
    ["with two lengths", 400, { "Content-Length": ["0", "0"] }],
    ["with a control character in a value", 400, { "X-Bad": "a\x01b" }],
    ["with a space before a colon", 400, { "X-Bad ": "a" }],
    ["with a long target", 414, {}, `GET /${"x".repeat(9000)} HTTP/1.1`],
    ["with a large head", 431, { "X-Large": "x".repeat(17_000) }],
    ["with many fields", 431, { "X-Many": new Array(100).fill("x") }],
    ["with a malformed request line", 400, {}, "GET  / HTTP/1.1"],
    ["for a target with a fragment", 400, {}, "GET /#x HTTP/1.1"],
    ["by TRACE", 501, {}, "TRACE / HTTP/1.1"],
    ["by CONNECT", 501, {}, "CONNECT a:80 HTTP/1.1"],
    ["by connect", 501, {}, "connect / HTTP/1.1"],
  ];
  for (const [name, status, fields, line] of refused) {
    it(`${name} is refused with ${status}`, limit, async () => {
      const answer = await statusOf({ checkOrigin: () => true }, fields, line);
      assert.equal(answer.status, status);
      assert.match(answer.head, /\r\nconnection: ([^\r]*, )?close(\r|$)/i);
      if (status === 426) {
        // RFC 9110, 15.5.22 and 7.8.
        assert.match(answer.head, /\r\nupgrade: websocket(\r|$)/i);
        assert.match(answer.head, /\r\nconnection: upgrade, close(\r|$)/i);
      }
      if (status === 405) assert.match(answer.head, /\r\nallow: GET(\r|$)/i);
    });
  }

  it("of another version is told the right one", limit, async () => {
    const { head } = await statusOf({}, { "Sec-WebSocket-Version": "7" });
    assert.match(head, /\r\nsec-websocket-version: 13(\r|$)/i);
  });

  it("of garbage is refused and nobody else notices", limit, async () => {
    const { address, url, stop } = await startServer();
    const good = await dialWebSocket(url);
    for (
      const bytes of [
        "\0".repeat(100),
        "\r\n\r\n\r\n\r\n",
        "GET / HTTP/1.1\n\n",
        "\x16\x03\x01\x02\0\x01\0\x01\xfc",
        "x".repeat(20_000),
      ]
    ) {
      const answer = await ask(address, bytes, "\r\n\r\n");
      assert.match(answer, /^HTTP\/1\.1 4\d\d /, JSON.stringify(bytes.slice(0, 20)));
    }
    await good.writeMessage("still here");
    assert.equal((await good.readMessage()).data, "still here");
    good.closeNow();
    await stop();
  });
});

describe("the origin", () => {
  holdProcess();

  const origins: [string, string, number][] = [
    ["http://HOST", "the same", 101],
    ["https://HOST", "the same behind a proxy that has TLS", 101],
    ["http://example.com", "another", 403],
    ["http://localhost", "another name of the same machine", 403],
    ["http://127.0.0.1", "the same host with another port", 403],
    ["http://HOST.example.com", "one that begins with the host", 403],
    ["null", "opaque", 403],
    ["http://user@HOST", "with a user", 403],
    ["garbage", "malformed", 403],
    ["", "empty", 403],
  ];
  for (const [origin, name, status] of origins) {
    it(`${name} gets ${status}`, limit, async () => {
      const { address, stop } = await startServer();
      const peer = new RawPeer(await dial("tcp", address));
      await peer.send(handshake(address, { Origin: origin.replace("HOST", address) }));
      assert.match(await peer.readHead(), new RegExp(`^HTTP/1.1 ${status} `));
      peer.conn.closeNow();
      await stop();
    });
  }

  it("is for checkOrigin to judge, where there is one", limit, async () => {
    const seen: (string | null)[] = [];
    const checkOrigin = (request: Request) => {
      seen.push(request.headers.get("origin"));
      return request.headers.get("origin") === "http://friend.example";
    };
    assert.equal((await statusOf({ checkOrigin }, { Origin: "http://friend.example" })).status, 101);
    assert.equal((await statusOf({ checkOrigin }, { Origin: "http://other.example" })).status, 403);
    assert.equal((await statusOf({ checkOrigin }, {})).status, 403);
    assert.deepEqual(seen, ["http://friend.example", "http://other.example", null]);
  });

  it("is refused by whatever is not true", limit, async () => {
    // An asynchronous check is a mistake; taking its promise for yes would be a hole.
    const checkOrigin = (async () => true) as unknown as () => boolean;
    assert.equal((await statusOf({ checkOrigin }, { Origin: "http://other.example" })).status, 403);
  });

  it("gets 500 when the check throws, and the error is told", limit, async () => {
    const errors: unknown[] = [];
    const failure = new Error("the check failed");
    const checkOrigin = () => {
      throw failure;
    };
    const { status } = await statusOf({ checkOrigin, onError: (error) => errors.push(error) }, {});
    assert.equal(status, 500);
    assert.deepEqual(errors, [failure]);
  });
});

describe("the error responder", () => {
  holdProcess();

  it("makes the answer of a refused handshake", limit, async () => {
    const seen: unknown[] = [];
    const error = (request: Request, status: number, reason: string) => {
      seen.push([new URL(request.url).pathname, status, typeof reason]);
      return Response.json({ status, reason }, { status, headers: { "x-mine": "1" } });
    };
    const { head, status } = await statusOf({ error }, { Origin: "http://x.example" }, "GET /a HTTP/1.1");
    assert.equal(status, 403);
    assert.match(head, /\r\nx-mine: 1(\r|$)/);
    assert.match(head, /\r\ncontent-type: application\/json/);
    assert.deepEqual(seen, [["/a", 403, "string"]]);
  });

  it("may use a Response of its own, and it is a refusal all the same", limit, async () => {
    const foreignResponse = () => ({
      status: 403,
      statusText: "",
      headers: new Headers({ "x-mine": "1" }),
      body: null,
    });
    const error = foreignResponse as unknown as () => Response;
    const refused = await statusOf({ error }, { Origin: "http://x.example" });
    assert.equal(refused.status, 403);
    assert.match(refused.head, /\r\nx-mine: 1(\r|$)/);
    assert.equal((await statusOf({ upgrade: error }, {})).status, 403);
  });

  it("need not know what headers a status calls for", limit, async () => {
    const error = () => new Response(null, { status: 426, headers: { upgrade: "websocket" } });
    const { head } = await statusOf({ error }, { "Sec-WebSocket-Version": "1" });
    assert.match(head, /\r\nsec-websocket-version: 13(\r|$)/i);
    assert.equal(head.match(/\r\nupgrade:/gi)?.length, 1);
    // Of these the headers cannot be changed.
    const redirect = () => Response.redirect("https://example.com/");
    const moved = await statusOf({ error: redirect }, {}, "POST / HTTP/1.1");
    assert.equal(moved.status, 302);
    assert.match(moved.head, /\r\nallow: GET(\r|$)/i);
  });
});

describe("subprotocols", () => {
  holdProcess();

  it("are chosen in the server's order of preference", limit, async () => {
    const { url, stop } = await startServer({ subprotocols: ["v1", "v2"] });
    for (
      const [offered, chosen] of [[["v2", "v1"], "v1"], [["v3", "v1"], "v1"], [["v3"], ""], [[], ""]] as const
    ) {
      const ws = await dialWebSocket(url, { subprotocols: [...offered] });
      assert.equal(ws.subprotocol, chosen);
      ws.closeNow();
    }
    await stop();
  });

  it("are the server's too", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const { url, stop } = await startServer({
      subprotocols: ["chat"],
      websocket: (conn) => resolve(conn.subprotocol),
    });
    const ws = await dialWebSocket(url, { subprotocols: ["chat"] });
    assert.equal(await promise, "chat");
    await ws.close();
    await stop();
  });
});

describe("Upgrader", () => {
  holdProcess();

  const request = (fields: Record<string, string> = {}) =>
    new Request("http://example.com/chat", {
      headers: {
        host: "example.com",
        upgrade: "websocket",
        connection: "Upgrade",
        "sec-websocket-key": KEY,
        "sec-websocket-version": "13",
        ...fields,
      },
    });

  const upgrade = async (
    options: UpgraderOptions,
    asked: Request,
    wrap: (conn: Conn) => Conn = (conn) => conn,
  ) => {
    const [ours, theirs] = pipe();
    const upgrading = new Upgrader(options).upgrade(wrap(ours), asked);
    const peer = new RawPeer(theirs);
    return { upgrading, peer };
  };

  it("knows a handshake", limit, () => {
    assert.ok(isWebSocketUpgrade(request()));
    assert.ok(!isWebSocketUpgrade(request({ upgrade: "h2c" })));
    assert.ok(!isWebSocketUpgrade(new Request("http://example.com/")));
  });

  it("answers one whose request was read by somebody else", limit, async () => {
    for (const wrap of [(conn: Conn) => conn, foreign]) {
      const { upgrading, peer } = await upgrade(
        { subprotocols: ["b"] },
        request({ "sec-websocket-protocol": "a, b" }),
        wrap,
      );
      const ws = await upgrading;
      assert.equal(ws.subprotocol, "b");
      assert.match(await peer.readHead(), /^HTTP\/1\.1 101 /);
      await peer.send(frame(OP.text, "hello"));
      assert.equal((await ws.readMessage()).data, "hello");
      await peer.send(closeFrame(1000));
      await assert.rejects(ws.readMessage(), closedWith(1000));
    }
  });

  it("takes the bytes that came with the head, and adds headers", limit, async () => {
    const [ours, theirs] = pipe();
    const ws = await new Upgrader().upgrade(ours, request(), {
      head: frame(OP.text, "early"),
      headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-name", "value"]],
    });
    assert.equal((await ws.readMessage()).data, "early");
    const head = await new RawPeer(theirs).readHead();
    assert.match(head, /\r\nset-cookie: a=1\r\nset-cookie: b=2/i);
    assert.match(head, /\r\nx-name: value/i);
    ws.closeNow();
  });

  it("answers what it refuses, closes and throws", limit, async () => {
    const { upgrading, peer } = await upgrade({}, request({ origin: "http://evil.example" }));
    const failed = assert.rejects(upgrading, (error) => {
      assert.ok(error instanceof HandshakeError);
      assert.equal(error.status, 403);
      assert.equal(error.response, null);
      return true;
    });
    assert.match(await peer.readAll(), /^HTTP\/1\.1 403 Forbidden\r\n/);
    await peer.conn.close();
    await failed;
  });

  it("throws the same when the peer is gone already", limit, async () => {
    const [ours, theirs] = pipe();
    theirs.closeNow();
    await assert.rejects(
      new Upgrader().upgrade(ours, request({ "sec-websocket-version": "1" })),
      HandshakeError,
    );
  });

  it("closes the connection when a callback or a header is at fault", limit, async () => {
    const failure = new Error("mine");
    const checkOrigin = () => {
      throw failure;
    };
    const broken = await upgrade({ checkOrigin }, request());
    await assert.rejects(broken.upgrading, (error) => error === failure);
    await assert.rejects(broken.peer.readHead());
    for (const name of ["Sec-WebSocket-Accept", "Sec-WebSocket-Extensions", "Upgrade", "Content-Length"]) {
      const [ours, theirs] = pipe();
      await assert.rejects(new Upgrader().upgrade(ours, request(), { headers: { [name]: "1" } }), TypeError);
      await assert.rejects(new RawPeer(theirs).readHead());
    }
  });

  it("refuses options that make no sense", limit, () => {
    for (
      const name of ["handshakeTimeout", "closeTimeout", "readLimit", "readBufferSize", "writeBufferSize"]
    ) {
      for (const bad of [0, -1, NaN, "1"]) assert.throws(() => new Upgrader({ [name]: bad }), RangeError);
    }
  });

  it("leaves no deadline of the handshake on a connection", limit, async () => {
    const [ours, theirs] = pipe();
    const conn = foreign(ours);
    conn.setDeadline(Date.now() + 30);
    const ws = await new Upgrader().upgrade(conn, request());
    await new Promise((resolve) => setTimeout(resolve, 60));
    const peer = new RawPeer(theirs);
    await peer.readHead();
    await peer.send(frame(OP.text, "later"));
    assert.equal((await ws.readMessage()).data, "later");
    ws.closeNow();
  });
});
