import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CloseError,
  dialWebSocket,
  HandshakeError,
  isCloseError,
  listen,
  pipe,
  serve,
  type ServeOptions,
  type WebSocketConn,
} from "../../mod.ts";
import { holdProcess, limit } from "../net/support.ts";
import { closeFrame, frame, handshake, OP, rawClient, RawPeer } from "../websocket/raw_peer.ts";
import { closedWith, dial, MemoryListener, startServer, until } from "../websocket/support.ts";

const echo = async (conn: WebSocketConn) => {
  for await (const { data } of conn) await conn.writeMessage(data);
};

describe("serve", () => {
  holdProcess();

  it("serves many connections at once", limit, async () => {
    const { server, url, stop } = await startServer();
    const conns = await Promise.all(Array.from({ length: 200 }, () => dialWebSocket(url)));
    await Promise.all(conns.map(async (ws, i) => {
      await ws.writeMessage(`hello ${i}`);
      assert.equal((await ws.readMessage()).data, `hello ${i}`);
    }));
    assert.equal(server.conns.size, 200);
    const infos = await Promise.all(conns.map((ws) => ws.close()));
    assert.ok(infos.every(({ code, wasClean }) => code === 1000 && wasClean));
    await until(() => server.conns.size === 0);
    await stop();
  });

  it("gives the handler the request", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { address, stop } = await startServer({
      websocket(conn, request) {
        const { url, method, headers } = request;
        resolve({ url, method, cookie: headers.get("cookie"), addr: String(conn.remoteAddr) });
      },
    });
    const ws = await dialWebSocket(`ws://${address}/a/b?c=d`, { headers: { cookie: "e=f" } });
    assert.deepEqual(await promise, {
      url: `http://${address}/a/b?c=d`,
      method: "GET",
      cookie: "e=f",
      addr: String(ws.localAddr),
    });
    await ws.close();
    await stop();
  });

  it("keeps a path that begins with two slashes", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const { address, stop } = await startServer({ websocket: (_, { url }) => resolve(url) });
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(handshake(address, {}, "GET //evil.example/x HTTP/1.1"));
    assert.equal(await promise, `http://${address}//evil.example/x`);
    peer.conn.closeNow();
    await stop();
  });

  it("says the connection's scheme, whatever scheme the target has", limit, async () => {
    const urls: string[] = [];
    const { address, stop } = await startServer({
      upgrade: ({ url }) => void urls.push(url),
      fetch({ url }) {
        urls.push(url);
        return new Response();
      },
    });
    for (const target of [`https://${address}/a?b`, `HTTP://${address}`]) {
      for (const fields of [{}, { Upgrade: null }]) {
        const peer = new RawPeer(await dial("tcp", address));
        await peer.send(handshake(address, fields, `GET ${target} HTTP/1.1`));
        await peer.readHead();
        peer.conn.closeNow();
      }
    }
    const [first, second] = [`http://${address}/a?b`, `http://${address}/`];
    assert.deepEqual(urls, [first, first, second, second]);
    await stop();
  });

  it("closes with 1000 when the handler returns", limit, async () => {
    const { url, stop } = await startServer({ websocket: (conn) => conn.writeMessage("bye") });
    const ws = await dialWebSocket(url);
    assert.equal((await ws.readMessage()).data, "bye");
    await assert.rejects(ws.readMessage(), closedWith(1000));
    await stop();
  });

  it("leaves the connection open when the handler returns no promise", limit, async () => {
    for (const value of [undefined, null, 7, {}]) {
      const errors: unknown[] = [];
      const kept: WebSocketConn[] = [];
      const websocket = ((conn: WebSocketConn) => {
        kept.push(conn);
        return value;
      }) as unknown as () => void;
      const { server, url } = await startServer({ websocket, onError: (error) => void errors.push(error) });
      const [first, second] = [await dialWebSocket(url), await dialWebSocket(url)];
      for (const conn of kept) await conn.writeMessage("later");
      assert.equal((await first.readMessage()).data, "later");
      await first.close();
      assert.equal((await kept[0]!.closed).code, 1000);
      assert.equal((await second.readMessage()).data, "later");
      await Promise.all([server.shutdown(), assert.rejects(second.readMessage(), closedWith(1001))]);
      assert.deepEqual(errors, []);
    }
  });

  it("passes a Request that fetch and new Request accept, however the callbacks take it", limit, async () => {
    const seen: string[] = [];
    // On Node and Deno, only a Request that the runtime made passes.
    const copy = (request: Request) => void seen.push(new Request(request).url);
    const callbacks: Partial<ServeOptions>[] = [
      { upgrade: copy },
      { checkOrigin: (request) => copy(request) === undefined },
      { websocket: (_, request) => copy(request) },
      { websocket: (...args) => copy(args[1]) },
      { websocket: (_, request = new Request("http://other.example/")) => copy(request) },
      {
        websocket: function () {
          copy(arguments[1]);
        },
      },
      { websocket: ((_: unknown, request: Request) => copy(request)).bind(null) },
      { websocket: new Proxy((...args: unknown[]) => copy(args[1] as Request), {}) },
    ];
    for (const options of callbacks) {
      const { url, stop } = await startServer(options);
      const ws = await dialWebSocket(`${url}path`);
      await until(() => seen.length > 0);
      assert.deepEqual(seen.splice(0), [`${url}path`.replace("ws:", "http:")]);
      ws.closeNow();
      await stop();
    }
  });

  it("closes with 1011 when the handler throws, and tells", limit, async () => {
    for (
      const throwing of [() => Promise.reject(failure), () => {
        throw failure;
      }]
    ) {
      const errors: unknown[] = [];
      const { url, stop } = await startServer({
        websocket: throwing,
        onError(error, info) {
          errors.push(error, String(info.remoteAddr));
          throw new Error("onError throws, too");
        },
      });
      const printed = await withoutConsole(async () => {
        const ws = await dialWebSocket(url);
        await assert.rejects(ws.readMessage(), closedWith(1011, ""));
        assert.deepEqual(errors, [failure, String(ws.localAddr)]);
      });
      assert.equal(printed.length, 1);
      await stop();
    }
  });

  it("prints an error when nobody is to be told", limit, async () => {
    const { url, stop } = await startServer({
      websocket: () => Promise.reject(failure),
      onError: undefined as unknown as () => void,
    });
    const printed = await withoutConsole(async () => {
      const ws = await dialWebSocket(url);
      await ws.closed;
    });
    assert.deepEqual(printed, [[failure]]);
    await stop();
  });

  it("does not take the end of a connection for an error of the handler", limit, async () => {
    const errors: unknown[] = [];
    const { address, server, url, stop } = await startServer({
      async websocket(conn) {
        for (;;) await conn.writeMessage((await conn.readMessage()).data);
      },
      onError: (error) => errors.push(error),
    });
    const ws = await dialWebSocket(url);
    await ws.close(4321);
    (await dialWebSocket(url)).closeNow();
    const peer = await rawClient(address);
    await peer.send(frame(3));
    assert.equal((await peer.readClose()).code, 1002);
    await peer.conn.close();
    await until(() => server.conns.size === 0);
    assert.deepEqual(errors, []);
    await stop();
  });

  it("reports the end of another connection, which a callback stumbled over", limit, async () => {
    const errors: unknown[] = [];
    const gone = Promise.withResolvers<WebSocketConn>();
    const ends: (() => Promise<unknown>)[] = [
      () => gone.promise.then((conn) => conn.writeMessage("x")),
      () => gone.promise.then((conn) => conn.readMessage()),
      () => gone.promise.then((conn) => conn.ping()),
    ];
    const { url, stop } = await startServer({
      websocket: async () => void await ends.shift()!(),
      onError: (error) => errors.push(error),
    });
    const other = await startServer({
      async websocket(conn) {
        await conn.close();
        gone.resolve(conn);
      },
    });
    await (await dialWebSocket(other.url)).closed;
    for (let i = 0; i < 3; i++) assert.equal((await (await dialWebSocket(url)).closed).code, 1011);
    assert.equal(errors.length, 3);
    assert.ok(errors.every((error) => error instanceof CloseError));
    await other.stop();
    await stop();
  });

  it("keeps frames that were sent before the 101", limit, async () => {
    const { address, stop } = await startServer();
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(handshake(address), frame(OP.text, "early"), frame(OP.ping, "p"), closeFrame(1000));
    assert.match(await peer.readHead(), /^HTTP\/1\.1 101 /);
    const { code, before } = await peer.readClose();
    assert.equal(code, 1000);
    assert.ok(before.some(({ opcode }) => opcode === OP.pong));
    peer.conn.closeNow();
    await stop();
  });

  it("keeps frames that come while the upgrade callback takes its time", limit, async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { address, stop } = await startServer({
      async upgrade() {
        ask();
        await released;
      },
    });
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(handshake(address), frame(OP.text, "with the head"));
    await asked;
    await peer.send(frame(OP.text, "meanwhile"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    release();
    assert.match(await peer.readHead(), /^HTTP\/1\.1 101 /);
    assert.equal(String.fromCharCode(...(await peer.readFrame())!.payload), "with the head");
    assert.equal(String.fromCharCode(...(await peer.readFrame())!.payload), "meanwhile");
    peer.conn.closeNow();
    await stop();
  });

  it("takes a head one byte at a time", limit, async () => {
    const { address, stop } = await startServer();
    const peer = new RawPeer(await dial("tcp", address));
    for (const byte of handshake(address)) await peer.send(byte);
    assert.match(await peer.readHead(), /^HTTP\/1\.1 101 /);
    peer.conn.closeNow();
    await stop();
  });

  it("answers a head that does not come in time with 408, however busy it looks", limit, async () => {
    const { address, stop } = await startServer({ handshakeTimeout: 60 });
    for (const drip of [false, true]) {
      const peer = new RawPeer(await dial("tcp", address));
      await peer.send("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ");
      let going = drip;
      const dripping = (async () => {
        while (going) {
          await peer.send("x").catch(() => going = false);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      })();
      assert.match(await peer.readHead(), /^HTTP\/1\.1 408 /);
      going = false;
      await dripping;
      peer.conn.closeNow();
    }
    await stop();
  });

  it("answers who says nothing with 408, too", limit, async () => {
    const { address, stop } = await startServer({ handshakeTimeout: 40 });
    const peer = new RawPeer(await dial("tcp", address));
    assert.match(await peer.readAll(), /^HTTP\/1\.1 408 /);
    peer.conn.closeNow();
    await stop();
  });

  it("lets go of who leaves before the head is complete", limit, async () => {
    const { address, stop } = await startServer();
    for (const part of ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n"]) {
      const peer = new RawPeer(await dial("tcp", address));
      if (part !== "") await peer.send(part);
      await peer.conn.closeWrite();
      assert.equal(await peer.readAll(), "");
      await peer.conn.close();
    }
    const gone = await dial("tcp", address);
    gone.closeNow();
    await stop();
  });

  it("goes on after the listener failed to accept", limit, async () => {
    const listener = new MemoryListener();
    const { accept } = listener;
    let failures = 3;
    listener.accept = () =>
      failures-- > 0 ? Promise.reject(new Error("no descriptors")) : accept.call(listener);
    const server = serve(listener, { websocket: echo });
    const ws = await dialWebSocket("ws://memory/", { netDial: async () => listener.connect() });
    await ws.writeMessage("x");
    assert.equal((await ws.readMessage()).data, "x");
    await server.shutdown();
    await ws.closed;
  });

  it("does not spin on a listener that always fails", limit, async () => {
    const listener = new MemoryListener();
    let calls = 0;
    listener.accept = () => {
      calls++;
      return Promise.reject(new Error("no descriptors"));
    };
    const server = serve(listener, { websocket: echo });
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.ok(calls < 10, `${calls} attempts`);
    server.close();
    await server.finished;
  });

  it("refuses a listener that has a server", limit, async () => {
    for (const listener of [await listen("tcp", "127.0.0.1:0"), new MemoryListener()]) {
      assert.throws(() => serve(listener, { websocket: echo, readLimit: 0 }), { name: "RangeError" });
      const server = serve(listener, { websocket: echo });
      const message = "Cannot serve: the listener has a server already";
      assert.throws(() => serve(listener, { websocket: echo }), { name: "TypeError", message });
      await server.shutdown();
    }
  });

  it("serves connections that are wrapped by a Proxy", limit, async () => {
    const listener = new MemoryListener();
    const errors: unknown[] = [];
    const server = serve(listener, { websocket: echo, onError: (error) => errors.push(error) });
    const [ours, theirs] = pipe();
    const wrapped = new Proxy(theirs, {
      get(target, name) {
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    listener.offer(wrapped);
    const ws = await dialWebSocket("ws://memory/", { netDial: async () => ours });
    await ws.writeMessage("x");
    assert.equal((await ws.readMessage()).data, "x");
    await ws.close();
    await server.shutdown();
    assert.deepEqual(errors, []);
  });

  it("reports a connection whose methods fail, and serves the next", limit, async () => {
    const listener = new MemoryListener();
    const errors: unknown[] = [];
    const server = serve(listener, { websocket: echo, onError: (error) => errors.push(error) });
    const [, theirs] = pipe();
    // Its methods run on an object without private fields.
    listener.offer(Object.create(theirs));
    const ws = await dialWebSocket("ws://memory/", { netDial: async () => listener.connect() });
    await ws.close();
    await server.shutdown();
    assert.equal(errors.length, 1);
    assert.ok(errors[0] instanceof TypeError && /listener/.test(errors[0].message));
  });

  it("finishes when the listener is closed by its owner, and its connections are done", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    const server = serve(listener, { websocket: echo });
    const ws = await dialWebSocket(`ws://${listener.addr}/`);
    await listener.close();
    await ws.writeMessage("still served");
    assert.equal((await ws.readMessage()).data, "still served");
    await ws.close();
    await server.finished;
  });
});

describe("the upgrade callback", () => {
  holdProcess();

  it("refuses with a response", limit, async () => {
    const { url, stop } = await startServer({
      upgrade: async () =>
        Response.json({ need: "a token" }, { status: 401, headers: { "www-authenticate": "Bearer" } }),
    });
    const error = await dialWebSocket(url).catch((error: unknown) => error);
    assert.ok(error instanceof HandshakeError);
    assert.equal(error.status, 401);
    assert.equal(error.response!.headers.get("www-authenticate"), "Bearer");
    assert.deepEqual(await error.response!.json(), { need: "a token" });
    await stop();
  });

  it("adds headers", limit, async () => {
    const { address, stop } = await startServer({
      upgrade(request, info) {
        assert.equal(new URL(request.url).pathname, "/x");
        assert.match(String(info.remoteAddr), /^127\.0\.0\.1:\d+$/);
        return { headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"]] };
      },
    });
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(handshake(address, {}, "GET /x HTTP/1.1"));
    assert.match(await peer.readHead(), /^HTTP\/1\.1 101 [^]*set-cookie: a=1\r\nset-cookie: b=2/i);
    peer.conn.closeNow();
    await stop();
  });

  it("is not asked about a handshake that is refused anyway", limit, async () => {
    let asked = 0;
    const { url, stop } = await startServer({ upgrade: () => void asked++ });
    await assert.rejects(dialWebSocket(url, { origin: "http://evil.example" }), { status: 403 });
    assert.equal(asked, 0);
    await stop();
  });

  it("that throws, or asks for what cannot be sent, is told, and the peer gets 500", limit, async () => {
    const callbacks: ServeOptions["upgrade"][] = [
      () => {
        throw failure;
      },
      () => Promise.reject(failure),
      () => ({ headers: { upgrade: "h2c" } }),
      () => ({ headers: { "x-split": "a\r\nb: c" } }),
      // Whatever these mean, it is not yes.
      ...[false, null, "no", {}].map((value) => () => value as unknown as undefined),
    ];
    for (const upgrade of callbacks) {
      const errors: unknown[] = [];
      const { url, stop } = await startServer({ upgrade: upgrade!, onError: (error) => errors.push(error) });
      await assert.rejects(dialWebSocket(url), { name: "HandshakeError", status: 500 });
      assert.equal(errors.length, 1);
      assert.ok(errors[0] === failure || errors[0] instanceof TypeError);
      await stop();
    }
  });

  it("may be late for a peer that left", limit, async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { promise: ended, resolve: end } = Promise.withResolvers<unknown>();
    const { address, stop } = await startServer({
      async upgrade() {
        ask();
        await released;
      },
      websocket: async (conn) => end(await conn.closed),
    });
    const peer = new RawPeer(await dial("tcp", address));
    await peer.send(handshake(address));
    await asked;
    peer.conn.closeNow();
    await new Promise((resolve) => setTimeout(resolve, 20));
    release();
    assert.deepEqual(await ended, { code: 1006, reason: "", wasClean: false });
    await stop();
  });
});

describe("ending a server", () => {
  holdProcess();

  it("shuts down: 1001 to all, and waits for them", limit, async () => {
    let handled = 0;
    const { server, url } = await startServer({
      async websocket(conn) {
        await echo(conn);
        await new Promise((resolve) => setTimeout(resolve, 10));
        handled++;
      },
    });
    const conns = await Promise.all([dialWebSocket(url), dialWebSocket(url), dialWebSocket(url)]);
    const ends = conns.map((ws) => ws.closed);
    await Promise.all([server.shutdown(), server.shutdown()]);
    assert.equal(handled, 3);
    for (const end of ends) assert.deepEqual(await end, { code: 1001, reason: "", wasClean: true });
    assert.equal(server.conns.size, 0);
    await server.finished;
    await server.shutdown();
    server.close();
    await assert.rejects(dialWebSocket(url));
  });

  it("tells another code and reason when asked", limit, async () => {
    const { server, url } = await startServer();
    const ws = await dialWebSocket(url);
    await assert.rejects(server.shutdown({ code: 1006 }), RangeError);
    await assert.rejects(server.shutdown({ reason: "x".repeat(200) }), RangeError);
    await server.shutdown({ code: 1012, reason: "restarting" });
    await assert.rejects(ws.readMessage(), closedWith(1012, "restarting"));
  });

  it("drops who does not answer, at the latest after closeTimeout", limit, async () => {
    const { server, address } = await startServer({ closeTimeout: 50 });
    const peer = await rawClient(address);
    await server.shutdown();
    peer.conn.closeNow();
  });

  it("drops all that are left when the signal says so", limit, async () => {
    const { server, address } = await startServer({ closeTimeout: 1_000_000 });
    const peer = await rawClient(address);
    const abort = new AbortController();
    const down = server.shutdown({ signal: abort.signal });
    assert.equal((await peer.readClose()).code, 1001);
    abort.abort();
    await down;
    peer.conn.closeNow();
    await server.shutdown({ signal: AbortSignal.abort() });
  });

  it("does not wait for callbacks once everything is dropped", limit, async () => {
    const { server, url } = await startServer({ websocket: () => new Promise(() => {}) });
    const ws = await dialWebSocket(url);
    server.close();
    await server.finished;
    await assert.rejects(ws.readMessage(), closedWith(1006));
  });

  it("shuts down by the signal of its options, even one that was aborted before", limit, async () => {
    const abort = new AbortController();
    const { server, url } = await startServer({ signal: abort.signal });
    const ws = await dialWebSocket(url);
    abort.abort();
    await server.finished;
    assert.equal((await ws.closed).code, 1001);
    const { server: second } = await startServer({ signal: AbortSignal.abort() });
    await second.finished;
  });

  it("drops requests and handshakes that are not answered", limit, async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const errors: unknown[] = [];
    const { server, address } = await startServer({
      async upgrade() {
        ask();
        await released;
      },
      onError: (error) => errors.push(error),
    });
    const idle = await dial("tcp", address);
    const asking = new RawPeer(await dial("tcp", address));
    await asking.send(handshake(address));
    await asked;
    const down = server.shutdown();
    release();
    await down;
    for (const conn of [idle, asking.conn]) {
      // By a reset or an end, as the runtime can.
      assert.equal(await conn.readChunk().catch(() => null), null);
      conn.closeNow();
    }
    assert.deepEqual(errors, []);
  });

  it("closes with its scope", limit, async () => {
    let ws: WebSocketConn;
    {
      const { server: scoped, url } = await startServer();
      await using _server = scoped;
      ws = await dialWebSocket(url);
    }
    assert.equal((await ws.closed).code, 1001);
  });

  it("leaves a server's writers with a CloseError", limit, async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { server, url } = await startServer({
      async websocket(conn) {
        try {
          for (;;) {
            await conn.writeMessage("tick");
            await new Promise((done) => setTimeout(done, 5));
          }
        } catch (error) {
          resolve(error);
        }
      },
    });
    const ws = await dialWebSocket(url);
    void server.shutdown();
    assert.ok(await promise instanceof CloseError);
    for await (const { data } of ws) assert.equal(data, "tick");
    assert.ok(!isCloseError(await promise, 1000));
    await server.finished;
  });
});

const failure = new Error("the callback failed");

/** What is printed meanwhile. */
async function withoutConsole(run: () => Promise<void>): Promise<unknown[][]> {
  const printed: unknown[][] = [];
  const { error } = console;
  console.error = (...args) => void printed.push(args);
  try {
    await run();
  } finally {
    console.error = error;
  }
  return printed;
}
