/** The client's side of the opening handshake, RFC 6455, 4.1. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Conn,
  DeadlineExceededError,
  dialWebSocket,
  HandshakeError,
  listen,
  NetError,
  pipe,
  upgradeTls,
  type WebSocketDialOptions,
} from "../../mod.ts";
import { isTlsConn } from "../../src/net/tls.ts";
import { clientTls, serverTls } from "../net/certificates.ts";
import { countedSignal, holdProcess, limit } from "../net/support.ts";
import { acceptHead, frame, OP, RawPeer, rawServer } from "./raw_peer.ts";
import { closedWith, startRawServer, startServer, turn } from "./support.ts";

/** What a dial comes to with a server that answers by hand. */
async function dialTo(
  answer: (peer: RawPeer, head: string) => Promise<unknown>,
  options: WebSocketDialOptions = {},
): Promise<{ error: unknown; stop: () => Promise<void> }> {
  const { url, stop } = await startRawServer(async (conn) => {
    const peer = new RawPeer(conn);
    await answer(peer, await peer.readHead());
  });
  const error = await dialWebSocket(url, options).then((ws) => {
    ws.closeNow();
    return null;
  }, (error: unknown) => error);
  return { error, stop };
}

describe("dialWebSocket", () => {
  holdProcess();

  it("asks as the RFC says", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const { url, stop } = await startRawServer(async (conn) => {
      const peer = new RawPeer(conn);
      const head = await peer.readHead();
      resolve(head);
      await peer.send(acceptHead(head, "Sec-WebSocket-Protocol: b\r\n"));
    });
    const { host } = new URL(url);
    const ws = await dialWebSocket(`${url}chat%20room?a=b`, {
      subprotocols: ["a", "b"],
      origin: "http://example.com",
      headers: { authorization: "Bearer x", cookie: "c=d" },
    });
    assert.equal(ws.subprotocol, "b");
    const head = await promise;
    assert.match(head, /^GET \/chat%20room\?a=b HTTP\/1\.1\r\n/);
    for (
      const line of [
        `host: ${host}`,
        "upgrade: websocket",
        "connection: Upgrade",
        "sec-websocket-version: 13",
        "sec-websocket-protocol: a, b",
        "origin: http://example.com",
        "authorization: Bearer x",
        "cookie: c=d",
      ]
    ) assert.ok(head.toLowerCase().includes(`\r\n${line.toLowerCase()}`), line);
    assert.match(head, /\r\nsec-websocket-key: [A-Za-z0-9+/]{22}==(\r|$)/i);
    assert.doesNotMatch(head, /sec-websocket-extensions/i);
    ws.closeNow();
    await stop();
  });

  it("asks with another key each time, and without an origin", limit, async () => {
    const keys = new Set<string>();
    const listener = await listen("tcp", "127.0.0.1:0");
    for (let i = 0; i < 5; i++) {
      const [ws] = await Promise.all([
        dialWebSocket(new URL(`ws://${listener.addr}`)),
        listener.accept().then(async (conn) => {
          const peer = new RawPeer(conn);
          const head = await peer.readHead();
          assert.match(head, /^GET \/ HTTP/);
          assert.doesNotMatch(head, /origin/i);
          keys.add(/sec-websocket-key: (.*)/i.exec(head)![1]!);
          await peer.send(acceptHead(head));
        }),
      ]);
      ws.closeNow();
    }
    assert.equal(keys.size, 5);
    await listener.close();
  });

  it("takes frames that come with the answer", limit, async () => {
    const { url, stop } = await startRawServer(async (conn) => {
      const peer = new RawPeer(conn);
      const head = acceptHead(await peer.readHead());
      await peer.send(
        head,
        frame(OP.text, "early", { mask: false }),
        frame(OP.text, "bird", { mask: false }),
      );
    });
    const ws = await dialWebSocket(url);
    assert.equal((await ws.readMessage()).data, "early");
    assert.equal((await ws.readMessage()).data, "bird");
    ws.closeNow();
    await stop();
  });

  it("takes an answer one byte at a time", limit, async () => {
    const { error, stop } = await dialTo(async (peer, head) => {
      for (const byte of acceptHead(head)) await peer.send(byte);
    });
    assert.equal(error, null);
    await stop();
  });

  it("skips interim answers", limit, async () => {
    for (const together of [true, false]) {
      const { error, stop } = await dialTo(async (peer, head) => {
        const interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
        if (together) await peer.send(interim, acceptHead(head));
        else {
          await peer.send(interim);
          await turn();
          await peer.send(acceptHead(head));
        }
      });
      assert.equal(error, null);
      await stop();
    }
  });

  it("does not skip them for ever", limit, async () => {
    const { error, stop } = await dialTo((peer) => peer.send("HTTP/1.1 102 Processing\r\n\r\n".repeat(100)));
    assert.ok(error instanceof HandshakeError);
    assert.equal(error.status, 102);
    await stop();
  });

  const answers: [string, (head: string) => string, number, RegExp][] = [
    ["200", () => "HTTP/1.1 200 OK\r\n\r\n", 200, /200 OK/],
    ["a redirect", () => "HTTP/1.1 301 Moved\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", 301, /301 Moved/],
    ["404 without a reason", () => "HTTP/1.1 404 \r\n\r\n", 404, /404/],
    ["a wrong accept key", (head) => acceptHead(head).replace(/Accept: ..../, "Accept: AAAA"), 101, /Accept/],
    ["no accept key", (head) => acceptHead(head).replace(/Sec-WebSocket-Accept: .*\r\n/, ""), 101, /Accept/],
    [
      "two accept keys",
      (head) => acceptHead(head, /Sec-WebSocket-Accept: .*\r\n/.exec(acceptHead(head))![0]),
      101,
      /Accept/,
    ],
    [
      "a subprotocol that was not asked for",
      (head) => acceptHead(head, "Sec-WebSocket-Protocol: x\r\n"),
      101,
      /subprotocol/,
    ],
    [
      "an extension that was not asked for",
      (head) => acceptHead(head, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
      101,
      /extension/,
    ],
    [
      "another upgrade",
      (head) => acceptHead(head).replace("Upgrade: websocket", "Upgrade: h2c"),
      101,
      /Upgrade/,
    ],
    ["no upgrade", (head) => acceptHead(head).replace("Upgrade: websocket\r\n", ""), 101, /Upgrade/],
    ["no connection", (head) => acceptHead(head).replace("Connection: Upgrade\r\n", ""), 101, /Connection/],
    ["HTTP/1.0", (head) => acceptHead(head).replace("HTTP/1.1", "HTTP/1.0"), 101, /HTTP\/1\.0/],
    ["a malformed status line", () => "HTTP/1.1 OK 200\r\n\r\n", 0, /malformed/],
    ["a malformed field", () => "HTTP/1.1 101 X\r\nno colon\r\n\r\n", 0, /malformed/],
    ["bare line feeds", () => "HTTP/1.1 101 X\nUpgrade: websocket\n\n", 0, /malformed/],
    ["something else", () => "220 mail.example ESMTP\r\n\r\n", 0, /malformed/],
    ["too large a head", () => `HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, 0, /malformed/],
    ["too many fields", () => `HTTP/1.1 200 OK\r\n${"X: x\r\n".repeat(200)}\r\n`, 0, /malformed/],
  ];
  for (const [name, make, status, message] of answers) {
    it(`refuses ${name}`, limit, async () => {
      const { error, stop } = await dialTo(async (peer, head) => {
        await peer.send(make(head));
        await peer.conn.closeWrite();
      });
      assert.ok(error instanceof HandshakeError, String(error));
      assert.equal(error.status, status);
      assert.match(error.message, message);
      assert.equal(error.response === null, status < 200);
      await stop();
    });
  }

  it("refuses a subprotocol in another case", limit, async () => {
    const { error, stop } = await dialTo(
      (peer, head) => peer.send(acceptHead(head, "Sec-WebSocket-Protocol: CHAT\r\n")),
      { subprotocols: ["chat"] },
    );
    assert.ok(error instanceof HandshakeError);
    await stop();
  });

  it("shows a refusal's status, headers and the first 64 KiB of its body", limit, async () => {
    const large = "x".repeat(80_000);
    const bodies: [string, string][] = [
      [`Content-Length: 5\r\n\r\nhello and more`, "hello"],
      [`Content-Length: 80000\r\n\r\n${large}`, large.slice(0, 65_536)],
      [`\r\n${large}`, large.slice(0, 65_536)],
      [`Transfer-Encoding: chunked\r\n\r\n4;x=y\r\nwiki\r\n6\r\npedia.\r\n0\r\n\r\n`, "wikipedia."],
      [`Transfer-Encoding: chunked\r\n\r\n13880\r\n${large}\r\n0\r\n\r\n`, large.slice(0, 65_536)],
      [`Transfer-Encoding: chunked\r\n\r\nnonsense`, ""],
      [`Content-Length: 0\r\n\r\n`, ""],
    ];
    for (const [rest, body] of bodies) {
      for (const inPieces of [false, true]) {
        const { error, stop } = await dialTo(async (peer) => {
          const head = "HTTP/1.1 403 Forbidden\r\nX-Why: you\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n";
          if (!inPieces) await peer.send(head + rest);
          else {
            for (const piece of [head, ...rest.match(/[^]{1,7000}/g)!]) {
              await peer.send(piece).catch(() => {});
              await turn();
            }
          }
          if (rest.startsWith("\r\n") || rest.endsWith("nonsense")) {
            await peer.conn.closeWrite().catch(() => {});
          }
        });
        assert.ok(error instanceof HandshakeError, String(error));
        const { response } = error;
        assert.equal(response!.status, 403);
        assert.equal(response!.headers.get("x-why"), "you");
        assert.deepEqual(response!.headers.getSetCookie(), ["a=1", "b=2"]);
        assert.equal(await response!.text(), body);
        await stop();
      }
    }
  });

  it("does not wait for ever for a refusal's body", limit, async () => {
    const { error, stop } = await dialTo(
      (peer) => peer.send("HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nwait"),
      {
        handshakeTimeout: 600,
      },
    );
    assert.ok(error instanceof HandshakeError);
    assert.equal(error.status, 503);
    assert.equal(await error.response!.text(), "wait");
    await stop();
  });

  it("shows refusals that have no body", limit, async () => {
    for (const status of [204, 205, 304]) {
      const { error, stop } = await dialTo((peer) => peer.send(`HTTP/1.1 ${status} X\r\n\r\n`));
      assert.ok(error instanceof HandshakeError);
      assert.equal(error.response!.status, status);
      assert.equal(await error.response!.text(), "");
      await stop();
    }
  });

  it("fails when the server leaves instead of answering", limit, async () => {
    for (const sent of ["", "HTTP/1.1 101 Swi", "HTTP/1.1 100 Continue\r\n\r\n"]) {
      const { error, stop } = await dialTo(async (peer) => {
        if (sent !== "") await peer.send(sent);
        await peer.conn.close();
      });
      assert.ok(error instanceof HandshakeError, String(error));
      assert.equal(error.status, 0);
      await stop();
    }
  });

  it("fails when the server breaks instead of answering", limit, async () => {
    const { error, stop } = await dialTo(async (peer) => peer.conn.closeNow());
    assert.ok(error instanceof NetError || error instanceof HandshakeError, String(error));
    await stop();
  });

  it("fails when nobody listens", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    const url = `ws://${listener.addr}/`;
    await listener.close();
    await assert.rejects(dialWebSocket(url), { name: "NetError", code: "ECONNREFUSED", op: "dial" });
  });

  it("gives a server that does not answer its time, and no more", limit, async () => {
    for (const sent of ["", "HTTP/1.1 101 Switching"]) {
      const { error, stop } = await dialTo(async (peer) => {
        if (sent !== "") await peer.send(sent);
        await peer.conn.readChunk().catch(() => {});
      }, { handshakeTimeout: 50 });
      assert.ok(error instanceof DeadlineExceededError, String(error));
      assert.equal(error.op, "handshake");
      assert.equal(error.timeout, true);
      assert.match(error.message, /the server did not answer within 0\.05 s \(handshakeTimeout\)$/);
      await stop();
    }
  });

  it("gives it no more when it drips", limit, async () => {
    const { error, stop } = await dialTo(async (peer) => {
      await peer.send("HTTP/1.1 101 Switching Protocols\r\nX-Slow: ");
      try {
        for (;;) {
          await peer.send("x");
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      } catch {
        // It was given up.
      }
    }, { handshakeTimeout: 60 });
    assert.ok(error instanceof DeadlineExceededError, String(error));
    await stop();
  });

  it("can be given up at every stage, and leaves no listener on the signal", limit, async () => {
    const reason = new Error("enough");
    await assert.rejects(
      dialWebSocket("ws://127.0.0.1:1/", { signal: AbortSignal.abort(reason) }),
      (e) => e === reason,
    );
    for (const refusal of ["", "HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\nx"]) {
      const { abort, signal, listeners } = countedSignal();
      const { error, stop } = await dialTo(async (peer) => {
        if (refusal !== "") await peer.send(refusal);
        await turn();
        abort.abort(reason);
      }, { signal });
      // Where the refusal was known, it is the better answer.
      assert.ok(error === reason || (error instanceof HandshakeError && refusal !== ""), String(error));
      assert.equal(listeners(), 0);
      await stop();
    }
  });

  it("is not touched by the signal once it is open", limit, async () => {
    const { url, stop } = await startServer();
    const { abort, signal, listeners } = countedSignal();
    const ws = await dialWebSocket(url, { signal });
    assert.equal(listeners(), 0);
    abort.abort();
    await ws.writeMessage("x");
    assert.equal((await ws.readMessage()).data, "x");
    ws.closeNow();
    await stop();
  });

  it("leaves no deadline of the handshake behind", limit, async () => {
    const { url, stop } = await startServer();
    const ws = await dialWebSocket(url, { handshakeTimeout: 500 });
    await new Promise((resolve) => setTimeout(resolve, 550));
    await ws.writeMessage("x");
    assert.equal((await ws.readMessage()).data, "x");
    ws.closeNow();
    await stop();
  });
});

describe("netDial", () => {
  holdProcess();

  it("makes the transport, and is told where to", limit, async () => {
    const [ours, theirs] = pipe();
    const answering = rawServer(theirs);
    const ws = await dialWebSocket("ws://[::1]/path", {
      async netDial(network, address) {
        assert.deepEqual([network, address], ["tcp", "[::1]:80"]);
        return ours;
      },
    });
    const peer = await answering;
    void ws.writeMessage("x");
    assert.equal((await peer.readFrame())!.opcode, OP.text);
    ws.closeNow();
    await assert.rejects(ws.readMessage(), closedWith(1006));
  });

  it("is put under TLS for wss", limit, async () => {
    const [ours, theirs] = pipe();
    const answering = upgradeTls(theirs, { role: "server", tls: serverTls }).then(rawServer);
    const ws = await dialWebSocket("wss://a.example.test/", {
      tls: clientTls,
      async netDial(_, address) {
        assert.equal(address, "a.example.test:443");
        return ours;
      },
    });
    await answering;
    assert.ok(isTlsConn(ws.netConn));
    ws.closeNow();
  });

  it("that is under TLS already is taken as it is", limit, async () => {
    const [ours, theirs] = pipe();
    const answering = upgradeTls(theirs, { role: "server", tls: serverTls }).then(rawServer);
    const conn = await upgradeTls(ours, { tls: { ...clientTls, serverName: "localhost" } });
    const ws = await dialWebSocket("wss://example.com/", { netDial: async () => conn });
    await answering;
    ws.closeNow();
  });

  it("fails as it fails", limit, async () => {
    const reason = new Error("no proxy");
    await assert.rejects(
      dialWebSocket("ws://x/", { netDial: () => Promise.reject(reason) }),
      (e) => e === reason,
    );
    const throwing = () => {
      throw reason;
    };
    await assert.rejects(dialWebSocket("ws://x/", { netDial: throwing }), (e) => e === reason);
  });

  it("has the handshake's time, and what it makes too late is closed", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<Conn>();
    await assert.rejects(
      dialWebSocket("ws://x/", { netDial: () => promise, handshakeTimeout: 30 }),
      (error) => {
        assert.ok(error instanceof DeadlineExceededError);
        assert.equal(error.op, "dial");
        return true;
      },
    );
    const [ours, theirs] = pipe();
    resolve(ours);
    await assert.rejects(theirs.readChunk(), NetError);
  });

  it("can be given up, and what it makes too late is closed", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<Conn>();
    const { abort, signal, listeners } = countedSignal();
    const reason = new Error("enough");
    const dialling = dialWebSocket("ws://x/", { netDial: () => promise, signal });
    abort.abort(reason);
    await assert.rejects(dialling, (error) => error === reason);
    assert.equal(listeners(), 0);
    const [ours, theirs] = pipe();
    resolve(ours);
    await assert.rejects(theirs.readChunk(), NetError);
  });
});

describe("what cannot be dialled is said before dialling", () => {
  const netDial = () => assert.fail("it was dialled");

  for (
    const url of [
      "",
      "garbage",
      "/path",
      "ftp://x/",
      "ws://x/#fragment",
      "ws://user:pass@x/",
      "ws://",
      "mailto:a@b",
    ]
  ) {
    it(`the URL ${JSON.stringify(url)}`, limit, async () => {
      await assert.rejects(dialWebSocket(url, { netDial }), SyntaxError);
    });
  }

  it("headers that the handshake sets, or that would split it", limit, async () => {
    for (
      const name of [
        "Host",
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Extensions",
        "Content-Length",
      ]
    ) {
      await assert.rejects(dialWebSocket("ws://x/", { netDial, headers: { [name]: "x" } }), TypeError);
    }
    await assert.rejects(dialWebSocket("ws://x/", { netDial, headers: { "x-a": "b\r\nc: d" } }), TypeError);
    await assert.rejects(dialWebSocket("ws://x/", { netDial, origin: "http://a\r\nc: d" }), TypeError);
    await assert.rejects(
      dialWebSocket("ws://x/", { netDial, origin: "http://a", headers: { origin: "http://b" } }),
      TypeError,
    );
  });

  it("subprotocols that are no tokens, or come twice", limit, async () => {
    for (const subprotocols of [[""], ["a b"], ["a,b"], ["ä"], ["a", "a"]]) {
      await assert.rejects(dialWebSocket("ws://x/", { netDial, subprotocols }), TypeError);
    }
  });

  it("options that make no sense", limit, async () => {
    await assert.rejects(dialWebSocket("ws://x/", { netDial, handshakeTimeout: 0 }), RangeError);
    await assert.rejects(dialWebSocket("ws://x/", { netDial, readLimit: -1 }), RangeError);
  });
});
