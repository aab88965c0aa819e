/**
 * Known faults of other libraries, tried on connections: handshakes that try to crash, to inject or to fill memory.
 * docs/threats.md lists the tests of each fault.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dialWebSocket, HandshakeError, serve, type WebSocketConn } from "../../mod.ts";
import { holdProcess, limit, randomNumbers } from "../net/support.ts";
import { acceptHead, closeFrame, frame, handshake, OP, RawPeer } from "./raw_peer.ts";
import {
  bytesOf,
  concat,
  dial,
  MemoryListener,
  startRawServer,
  startServer,
  textOf,
  turn,
} from "./support.ts";

/** Names that every object inherits. */
const inherited = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "__defineGetter__"];

/** What would end a line, and what becomes that where a character's upper half is dropped. */
const breaks = [
  "\r\nX-Injected: 1",
  "\nX-Injected: 1",
  "\rX-Injected: 1",
  "\0",
  "\u010d\u010aX-Injected: 1",
  "\u560a",
];

/** Text that goes wrong at its third byte, and then goes on. */
const invalid = new Uint8Array(100).fill(0x61).fill(0xff, 2, 3);

/** The status of the answer to these bytes. */
async function statusOf(address: string, ...parts: (string | Uint8Array)[]): Promise<number> {
  const peer = new RawPeer(await dial("tcp", address));
  await peer.send(...parts);
  const head = await peer.readHead();
  peer.conn.closeNow();
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
}

/** The other connections go on. */
async function isAlive(ws: WebSocketConn): Promise<void> {
  await ws.writeMessage("alive?");
  assert.equal((await ws.readMessage()).data, "alive?");
}

describe("a server whose client sends", () => {
  holdProcess();

  it("inherited names as extensions, parameters, subprotocols and headers", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<Request>();
    const { address, stop } = await startServer({
      subprotocols: ["chat"],
      websocket: (_, request) => resolve(request),
    });
    const fields: Record<string, string[]> = {
      "Sec-WebSocket-Extensions": [...inherited, ...inherited.map((name) => `x; ${name}; ${name}=${name}`)],
      "Sec-WebSocket-Protocol": inherited,
    };
    const extra = inherited.map((name) => `${name}: ${name}\r\n`).join("");
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(handshake(address, fields).slice(0, -2) + extra + "\r\n");
    const head = await peer.readHead();
    assert.match(head, /^HTTP\/1\.1 101 /);
    assert.doesNotMatch(head, /sec-websocket-(protocol|extensions)/i);
    const { headers } = await promise;
    for (const name of inherited) assert.equal(headers.get(name), name);
    peer.conn.closeNow();
    await stop();
  });

  it(
    "bytes that are no ASCII, or none that may be there, in each field of the handshake",
    limit,
    async () => {
      const errors: unknown[] = [];
      const { address, url, stop } = await startServer({ onError: (error) => errors.push(error) });
      const good = await dialWebSocket(url);
      const names = [
        "Host",
        "Upgrade",
        "Connection",
        "Origin",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
      ];
      for (const name of names) {
        for (const byte of [0x00, 0x0b, 0x7f, 0x80, 0xc0, 0xe9, 0xff]) {
          const [before, after] = handshake(address, { [name]: "a@b" }).split("@");
          const status = await statusOf(address, before!, Uint8Array.of(byte), after!);
          assert.ok(status >= 400 && status < 500, `${name} with ${byte}: ${status}`);
        }
      }
      await isAlive(good);
      await good.close();
      assert.deepEqual(errors, []);
      await stop();
    },
  );

  it("two megabytes of headers, in one line or in many", limit, async () => {
    const { address, url, stop } = await startServer();
    const good = await dialWebSocket(url);
    const size = 2_000_000;
    for (const fields of [`X: ${"x".repeat(size)}\r\n`, "X: x\r\n".repeat(size / 6), "x".repeat(size)]) {
      const peer = new RawPeer(await dial("tcp", address));
      const head = handshake(address).slice(0, -2) + fields;
      // The answer comes while most of it is still to be sent; the rest may then find nobody.
      const [answer] = await Promise.all([peer.readHead(), peer.send(head).catch(() => {})]);
      assert.match(answer, /^HTTP\/1\.1 431 /);
      peer.conn.closeNow();
    }
    await isAlive(good);
    await good.close();
    await stop();
  });

  it(
    "a megabyte before its handshake is answered: it waits with the peer, then all of it is read",
    limit,
    async () => {
      const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      const { promise: read, resolve: onRead } = Promise.withResolvers<number>();
      const listener = new MemoryListener();
      const server = serve(listener, {
        async upgrade() {
          ask();
          await released;
        },
        async websocket(ws) {
          let bytes = 0;
          for await (const { data } of ws) bytes += data.length;
          onRead(bytes);
        },
      });
      const peer = new RawPeer(listener.connect());
      await peer.send(handshake("memory"));
      await asked;
      let taken = false;
      const one = frame(OP.binary, new Uint8Array(65_536));
      const sending = peer.send(...Array.from({ length: 16 }, () => one)).then(() => taken = true);
      for (let i = 0; i < 50; i++) await turn();
      assert.equal(taken, false);
      release();
      await sending;
      await peer.send(frame(OP.close));
      assert.equal(await read, 1_048_576);
      peer.conn.closeNow();
      server.close();
      await server.finished;
    },
  );

  it(
    "handshakes with bytes changed, added and left out: each is answered, and none is our error",
    limit,
    async () => {
      const errors: unknown[] = [];
      const listener = new MemoryListener();
      const server = serve(listener, { websocket: () => {}, onError: (error) => errors.push(error) });
      const random = randomNumbers(6455);
      const valid = bytesOf(handshake("a.example:80", {
        Origin: "http://a.example",
        "Sec-WebSocket-Protocol": "a, b",
        "Sec-WebSocket-Extensions": 'x; y="z", w',
      }, "GET http://a.example:80/%20?x=1 HTTP/1.1"));
      const seen = new Set<number>();
      for (let round = 0; round < 1500; round++) {
        const bytes = [...valid];
        for (let count = random(3); count >= 0; count--) {
          const at = random(bytes.length);
          bytes.splice(
            at,
            random(3),
            ...Array.from({ length: random(3) }, () => random(random(2) === 0 ? 256 : 128)),
          );
        }
        const peer = new RawPeer(listener.connect());
        await peer.send(new Uint8Array(bytes));
        await peer.conn.closeWrite();
        const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(await peer.readAll())?.[1] ?? 0);
        assert.ok(status === 0 || status === 101 || status >= 400, String(status));
        assert.notEqual(status, 500, JSON.stringify(String.fromCharCode(...bytes)));
        seen.add(status);
        peer.conn.closeNow();
      }
      assert.deepEqual(errors, []);
      for (const status of [101, 400, 426]) assert.ok(seen.has(status), `no ${status}`);
      server.close();
      await server.finished;
    },
  );
});

describe("what comes in one packet with the handshake", () => {
  holdProcess();
  const wires: [name: string, code: number, wire: (mask: boolean) => Uint8Array][] = [
    ["a frame with the wrong mask", 1002, (mask) => frame(OP.text, "x", { mask: !mask })],
    ["text that is no UTF-8, not complete", 1007, (mask) => frame(OP.text, invalid, { mask }).slice(0, -50)],
    ["a close frame, and garbage behind it", 4000, (mask) => concat(closeFrame(4000, "", { mask }), invalid)],
    ["a message that is too large", 1009, (mask) => frame(OP.binary, new Uint8Array(2000), { mask })],
  ];
  for (const [name, code, wire] of wires) {
    for (const ends of [false, true]) {
      const then = ends ? ", and the end of TCP" : "";

      it(`${name}${then}: a server answers the handshake, then with ${code}`, limit, async () => {
        const { address, stop } = await startServer({ readLimit: 1000 });
        const peer = new RawPeer(await dial("tcp", address));
        await peer.send(concat(bytesOf(handshake(address)), wire(true)));
        if (ends) await peer.conn.closeWrite();
        assert.match(await peer.readHead(), /^HTTP\/1\.1 101 /);
        assert.equal((await peer.readClose()).code, code);
        assert.equal(await peer.readFrame(), null);
        await peer.conn.close();
        await stop();
      });

      it(`${name}${then}: a client opens, then answers with ${code}`, limit, async () => {
        const { url, stop, handled } = await startRawServer(async (conn) => {
          const peer = new RawPeer(conn);
          const head = await peer.readHead();
          await peer.send(concat(bytesOf(acceptHead(head)), wire(false)));
          if (ends) await conn.closeWrite();
          return (await peer.readClose()).code;
        });
        const ws = await dialWebSocket(url, { readLimit: 1000 });
        await assert.rejects(ws.readMessage());
        assert.equal(await handled, code);
        ws.closeNow();
        await stop();
      });
    }
  }
});

describe("a server whose application", () => {
  holdProcess();

  it("adds headers that would split the answer sends 500 and none of them", limit, async () => {
    for (const bad of breaks) {
      for (const headers of [[["X-A", `a${bad}`]], [[`X-A${bad}`, "a"]], { "Set-Cookie": `a=b${bad}` }]) {
        const errors: unknown[] = [];
        const { address, stop } = await startServer({
          upgrade: () => ({ headers: headers as HeadersInit }),
          onError: (error) => errors.push(error),
        });
        const peer = new RawPeer(await dial("tcp", address));
        await peer.send(handshake(address));
        const answer = await peer.readAll();
        assert.match(answer, /^HTTP\/1\.1 500 /, JSON.stringify(bad));
        assert.doesNotMatch(answer, /injected/i);
        assert.ok(errors[0] instanceof TypeError);
        await peer.conn.close();
        await stop();
      }
    }
  });

  it("knows its own names keeps out a page that had its own name point here", limit, async () => {
    // DNS rebinding: Origin and Host are both the attacker's, and agree.
    const own = new Set(["localhost", "127.0.0.1"]);
    const checkOrigin = ({ url, headers }: Request) =>
      own.has(new URL(url).hostname) && own.has(new URL(headers.get("origin") ?? url).hostname);
    const { address, stop } = await startServer({ checkOrigin });
    const ask = (host: string, origin: string) => statusOf(address, handshake(host, { Origin: origin }));
    assert.equal(await ask(address, `http://${address}`), 101);
    assert.equal(await ask("localhost", "http://localhost"), 101);
    assert.equal(await ask("evil.example", "http://evil.example"), 403);
    assert.equal(await ask("evil.example", `http://${address}`), 403);
    assert.equal(await ask(address, "http://evil.example"), 403);
    await stop();
  });
});

describe("a client", () => {
  holdProcess();
  const netDial = () => assert.fail("it was dialled");

  it("sends no option that would split the request, and says so before it dials", limit, async () => {
    for (const bad of breaks) {
      const options = [
        { subprotocols: [`a${bad}`] },
        { subprotocols: ["a", bad] },
        { origin: `http://a${bad}` },
        { headers: { "X-A": `a${bad}` } },
        { headers: [[`X-A${bad}`, "a"]] as [string, string][] },
      ];
      for (const option of options) {
        await assert.rejects(
          dialWebSocket("ws://x/", { netDial, ...option }),
          TypeError,
          JSON.stringify(bad),
        );
      }
      await assert.rejects(dialWebSocket(`ws://x${bad}.example\0/`, { netDial }), SyntaxError);
    }
  });

  it("sends a URL with line ends in it as one line", limit, async () => {
    for (const bad of [...breaks, " HTTP/1.1\r\nX-Injected: 1", "\t"]) {
      const { url, stop, handled } = await startRawServer(async (conn) => {
        const peer = new RawPeer(conn);
        const head = await peer.readHead();
        await peer.send(acceptHead(head));
        return head;
      });
      const ws = await dialWebSocket(`${url}a${bad}?b=${bad}`);
      const [line, ...fields] = String(await handled).split("\r\n");
      assert.match(line!, /^GET \/a[\x21-\x7e]* HTTP\/1\.1$/);
      assert.ok(fields.every((field) => !/^x-injected/i.test(field)));
      ws.closeNow();
      await stop();
    }
  });

  it("takes no inherited name for something that it asked for", limit, async () => {
    for (const name of inherited) {
      for (const field of ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"]) {
        const { url, stop } = await startRawServer(async (conn) => {
          const peer = new RawPeer(conn);
          await peer.send(acceptHead(await peer.readHead(), `${field}: ${name}\r\n`));
        });
        await assert.rejects(dialWebSocket(url, { subprotocols: ["a"] }), HandshakeError);
        await stop();
      }
    }
    const { url, stop } = await startRawServer(async (conn) => {
      const peer = new RawPeer(conn);
      const fields = inherited.map((name) => `${name}: x\r\n`).join("");
      await peer.send(acceptHead(await peer.readHead(), fields), frame(OP.text, "hi", { mask: false }));
    });
    const ws = await dialWebSocket(url);
    assert.equal((await ws.readMessage()).data, "hi");
    ws.closeNow();
    await stop();
  });

  it("gives up a server that sends two megabytes of headers", limit, async () => {
    for (
      const fields of [`X: ${"x".repeat(2_000_000)}\r\n`, "X: x\r\n".repeat(300_000), "x".repeat(2_000_000)]
    ) {
      const { url, stop } = await startRawServer(async (conn) => {
        const peer = new RawPeer(conn);
        await peer.send(acceptHead(await peer.readHead(), fields)).catch(() => {});
      });
      await assert.rejects(dialWebSocket(url), HandshakeError);
      await stop();
    }
  });

  it("takes answers with bytes changed, added and left out for what they are", limit, async () => {
    const random = randomNumbers(1011);
    const outcomes = { open: 0, refused: 0 };
    for (let round = 0; round < 1000; round++) {
      const listener = new MemoryListener();
      const answering = listener.accept().then(async (conn) => {
        const peer = new RawPeer(conn);
        const valid = acceptHead(await peer.readHead(), "X-Y: z\r\n");
        const bytes = [...bytesOf(valid)];
        const at = random(bytes.length);
        bytes.splice(at, random(2), ...Array.from({ length: random(3) }, () => random(256)));
        await peer.send(concat(new Uint8Array(bytes), frame(OP.text, "hi", { mask: false })));
        await conn.closeWrite();
        return { answer: textOf(new Uint8Array(bytes)), accept: /accept: (.*)\r/i.exec(valid)![1]! };
      });
      const ws = await dialWebSocket("ws://memory/", {
        netDial: () => Promise.resolve(listener.connect()),
      }).catch((error: unknown) => error);
      const { answer, accept } = await answering;
      if (ws instanceof HandshakeError) outcomes.refused++;
      else {
        // Opened only by an answer that still answers the key.
        assert.match(answer, /^HTTP\/1\.1 101[ \r]/);
        assert.ok(answer.includes(accept), answer);
        outcomes.open++;
        (ws as WebSocketConn).closeNow();
      }
    }
    assert.ok(outcomes.open > 50 && outcomes.refused > 50, JSON.stringify(outcomes));
  });
});
