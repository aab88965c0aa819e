/** Requests that are read from a socket, and their answers. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { PIPE_ADDR, tcpAddr } from "../../src/net/addr.ts";
import { ChunkQueue } from "../../src/net/chunk_queue.ts";
import { pipe } from "../../mod.ts";
import { Runtime } from "../../src/net/runtime.ts";
import { type DetachedSocket, SocketConn } from "../../src/net/socket_conn.ts";
import type { StreamSocket } from "../../src/net/stream_socket.ts";
import { isTlsConn, type TlsConnectionState } from "../../src/net/tls.ts";
import { TlsSocketConn } from "../../src/net/tls_conn.ts";
import { RequestHandler, type RequestHandlerOptions } from "../../src/server/request_handler.ts";
import { RequestSocket, type RequestSocketOwner } from "../../src/server/request_socket.ts";
import type { WebSocketConn } from "../../src/websocket/web_socket_conn.ts";
import { limit } from "../net/support.ts";
import { VirtualClock } from "../net/virtual_clock.ts";
import { closeFrame, frame, handshake, OP } from "../websocket/raw_peer.ts";
import { settle, TestSocket } from "../websocket/test_socket.ts";
import { bytesOf, concat, textOf } from "../websocket/support.ts";

const HEAD = "GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
const KEY_HEAD = bytesOf(handshake("b"));

function detached(socket: StreamSocket, chunks: Uint8Array[] = [], ended = false): DetachedSocket {
  const queue = new ChunkQueue();
  for (const chunk of chunks) queue.push(chunk);
  return { socket, chunks: chunks.length === 0 ? null : queue, ended, error: null };
}

function makeRuntime(): { runtime: Runtime; clock: VirtualClock } {
  const clock = new VirtualClock();
  return { runtime: new Runtime({ ...currentAdapter(), clock }), clock };
}

interface SocketBench {
  socket: TestSocket;
  from: RequestSocket;
  clock: VirtualClock;
  /** What the owner was told. */
  told: unknown[];
}

/** A socket on which a request is expected, started. */
function expectRequest(chunks: Uint8Array[] = [], ended = false): SocketBench {
  const { runtime, clock } = makeRuntime();
  const socket = new TestSocket();
  const told: unknown[] = [];
  const owner: RequestSocketOwner = {
    onRequest: (_, { target }, rest) => told.push(target, rest),
    onBadRequest: (_, { status }) => told.push(status),
    onLate: () => told.push("late"),
    onGone: () => told.push("gone"),
  };
  const taken = detached(socket, chunks, ended);
  const from = new RequestSocket(owner, runtime, taken, null);
  from.start(taken, 1000);
  return { socket, from, clock, told };
}

describe("RequestSocket", () => {
  it("tells of a request when its last byte is here, and no clock runs any more", () => {
    const { socket, told, clock } = expectRequest();
    for (const byte of bytesOf(HEAD)) {
      assert.deepEqual(told, []);
      socket.receive(Uint8Array.of(byte));
    }
    assert.deepEqual(told, ["/a", new Uint8Array(0)]);
    clock.advance(10_000);
    assert.equal(told.length, 2);
  });

  it("hands over what came with it, as bytes that stay", () => {
    const { socket, told } = expectRequest();
    socket.receive(bytesOf(HEAD), Uint8Array.of(1, 2, 3));
    assert.deepEqual(told, ["/a", Uint8Array.of(1, 2, 3)]);
  });

  it("reads what came before it was started, in one piece or several, with the end", () => {
    const [first, second] = [bytesOf(HEAD.slice(0, 9)), bytesOf(HEAD.slice(9) + "xy")];
    for (const chunks of [[first, second], [concat(first, second)]]) {
      assert.deepEqual(expectRequest(chunks).told, ["/a", bytesOf("xy")]);
      const { told, socket, from } = expectRequest(chunks, true);
      assert.deepEqual([told, socket.calls], [["/a", bytesOf("xy")], []]);
      assert.equal(from.take().detached.ended, true);
    }
    const { told, socket } = expectRequest([first]);
    assert.deepEqual(told, []);
    socket.receive(second);
    assert.equal(told[0], "/a");
  });

  it("closes when the peer ends before the request is complete", () => {
    for (const begun of [true, false]) {
      const { socket, told, clock } = begun ? expectRequest() : expectRequest([bytesOf("GET ")], true);
      if (begun) {
        socket.receive(bytesOf("GET "));
        socket.end();
      }
      assert.deepEqual([socket.calls, told], [["close"], []]);
      socket.receive(bytesOf("/a HTTP/1.1\r\n"));
      clock.advance(10_000);
      socket.gone();
      assert.deepEqual(told, ["gone"]);
    }
  });

  it("tells once what comes first: a bad request, the time, or that the peer is gone", () => {
    for (const events of [["bad", "late", "end"], ["late", "bad", "end"], ["gone", "late"]]) {
      const { socket, told, clock } = expectRequest();
      for (const event of events) {
        if (event === "bad") socket.receive(bytesOf("\0"));
        else if (event === "late") clock.advance(1000);
        else if (event === "end") socket.end();
        else socket.gone();
      }
      assert.deepEqual(told, [events[0] === "bad" ? 400 : events[0]]);
    }
  });

  it("gives the socket as it is, or the connection that was made for an answer", async () => {
    const { socket, from } = expectRequest();
    socket.receive(bytesOf(HEAD));
    const taken = from.take();
    assert.equal(taken.netConn, null);
    assert.equal(taken.detached.socket, socket);
    assert.deepEqual([taken.detached.chunks, taken.detached.ended], [null, false]);

    const slow = expectRequest();
    slow.socket.receive(bytesOf(HEAD));
    const { conn } = slow.from;
    assert.equal(slow.from.conn, conn);
    assert.equal(slow.socket.handler, conn);
    slow.socket.receive(bytesOf("more"));
    slow.socket.end();
    const later = slow.from.take();
    assert.equal(later.netConn, conn);
    assert.equal(textOf(later.detached.chunks!.shift()!), "more");
    assert.equal(later.detached.ended, true);
    await assert.rejects(conn.readChunk());
  });

  it("makes a connection that knows of an end that came before", async () => {
    const { from, socket } = expectRequest([bytesOf(HEAD)], true);
    assert.equal(await from.conn.readChunk(), null);
    assert.equal(socket.calls.includes("close"), false);
  });

  it("asks for no options a second time", () => {
    const { socket, from } = expectRequest([bytesOf(HEAD)]);
    socket.setNoDelay = () => assert.fail();
    Object.assign(socket, { localAddr: tcpAddr("127.0.0.1", 1) });
    assert.ok(from.conn instanceof SocketConn);
  });

  it("drops the socket, with a connection or without", () => {
    for (const conn of [true, false]) {
      const { from, socket } = expectRequest([bytesOf(HEAD)]);
      if (conn) void from.conn;
      from.drop();
      assert.deepEqual(socket.calls, ["reset"]);
    }
  });

  it("knows whether TLS is below, and makes a connection that does", () => {
    const connectionState: TlsConnectionState = {
      version: "TLSv1.3",
      negotiatedProtocol: null,
      serverName: null,
      peerCertificate: null,
    };
    const { runtime } = makeRuntime();
    const owner = { onRequest() {}, onBadRequest() {}, onLate() {}, onGone() {} };
    for (const isTls of [false, true]) {
      const socket = Object.assign(new TestSocket(), isTls && { connectionState });
      const from = new RequestSocket(owner, runtime, detached(socket), null);
      assert.deepEqual([from.secure, isTlsConn(from.conn)], [isTls, isTls]);
      assert.deepEqual([from.localAddr, from.remoteAddr], [PIPE_ADDR, PIPE_ADDR]);
      const below = isTls
        ? new TlsSocketConn(new TestSocket(), runtime.timers, connectionState, null)
        : pipe()[0];
      const over = new RequestSocket(owner, runtime, detached(new TestSocket()), below);
      assert.equal(over.secure, isTls);
      assert.equal(over.take().netConn, below);
    }
  });
});

interface HandlerBench {
  socket: TestSocket;
  from: RequestSocket;
  clock: VirtualClock;
  accepted: { ws: WebSocketConn; request: Request }[];
  errors: unknown[];
  /** How often it was said that the connection is done. */
  answered(): number;
  /** What was written, as text. */
  written(): string;
  end(): void;
}

function handle(options: RequestHandlerOptions = {}): HandlerBench {
  const { runtime, clock } = makeRuntime();
  const accepted: HandlerBench["accepted"] = [];
  const errors: unknown[] = [];
  let [answered, ending] = [0, false];
  const handler = new RequestHandler(runtime, options, {
    isEnding: () => ending,
    onAccepted: (_, accept) => accepted.push(accept),
    onAnswered: () => answered++,
    report: (error) => errors.push(error),
  });
  const socket = new TestSocket();
  const from = handler.expect(detached(socket), null);
  from.start(detached(socket), handler.timeout);
  const written = () => textOf(concat(...socket.writes));
  return {
    ...{ socket, from, clock, accepted, errors, written },
    answered: () => answered,
    end: () => void (ending = true),
  };
}

/** A promise that settles when the test says so. */
function later<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  return Promise.withResolvers<T>();
}

const failure = new Error("the callback failed");

describe("RequestHandler", () => {
  it("accepts in the turn in which the request comes, and makes no connection", () => {
    for (const upgrade of [undefined, () => {}, () => ({ headers: { "x-a": "b" } })]) {
      const { socket, accepted, written, clock } = handle(upgrade && { upgrade });
      socket.receive(KEY_HEAD, frame(OP.text, "early"));
      assert.equal(accepted.length, 1);
      assert.equal(accepted[0]!.request.url, "http://b/");
      clock.endTurn();
      assert.match(written(), /^HTTP\/1\.1 101 /);
      assert.equal(/x-a: b\r\n/i.test(written()), upgrade?.() !== undefined);
      assert.equal(socket.handler instanceof SocketConn, false);
    }
  });

  it("makes the connection below when somebody asks for it, once", async () => {
    const { socket, accepted } = handle();
    socket.receive(KEY_HEAD);
    const { netConn } = accepted[0]!.ws;
    assert.equal(accepted[0]!.ws.netConn, netConn);
    await assert.rejects(netConn.readChunk(), { name: "ClosedError" });
    netConn.closeNow();
    assert.deepEqual(socket.calls, []);
    socket.receive(frame(OP.text, "still read"));
    assert.equal((await accepted[0]!.ws.readMessage()).data, "still read");
  });

  it("refuses in the same turn, with the connection it needs for that", async () => {
    const upgrade = () => new Response("no", { status: 403 });
    const { socket, accepted, written, answered } = handle({ upgrade });
    socket.receive(KEY_HEAD);
    assert.ok(socket.handler instanceof SocketConn);
    await settle();
    assert.match(written(), /^HTTP\/1\.1 403 [^]*\r\n\r\nno$/);
    socket.end();
    await settle();
    socket.gone();
    await settle();
    assert.deepEqual([accepted, answered()], [[], 1]);
  });

  for (const kind of ["promise", "thenable"] as const) {
    it(`reads on while a ${kind} takes its time`, limit, async () => {
      const { promise, resolve } = later<void>();
      const thenable = { then: (done: () => void, failed: () => void) => void promise.then(done, failed) };
      const upgrade = () => (kind === "promise" ? promise : thenable) as Promise<void>;
      const { socket, accepted, written, clock } = handle({ upgrade });
      socket.receive(KEY_HEAD, frame(OP.text, "with the head"));
      socket.receive(frame(OP.text, "meanwhile").subarray(0, 5));
      socket.receive(frame(OP.text, "meanwhile").subarray(5));
      clock.advance(9_999);
      await settle();
      assert.deepEqual([accepted, written()], [[], ""]);
      resolve();
      await settle();
      const { ws } = accepted[0]!;
      assert.equal((await ws.readMessage()).data, "with the head");
      assert.equal((await ws.readMessage()).data, "meanwhile");
      socket.receive(frame(OP.text, "afterwards"));
      assert.equal((await ws.readMessage()).data, "afterwards");
      clock.endTurn();
      assert.match(written(), /^HTTP\/1\.1 101 /);
    });
  }

  it("bounds what it reads meanwhile", async () => {
    const { promise, resolve } = later<void>();
    const { socket, accepted } = handle({ upgrade: () => promise });
    socket.receive(KEY_HEAD);
    const much = new Uint8Array(20_000).fill(0x61);
    for (let i = 0; i < 4; i++) socket.receive(frame(OP.binary, much));
    assert.deepEqual(socket.calls, ["pause"]);
    resolve();
    await settle();
    for (let i = 0; i < 4; i++) assert.deepEqual((await accepted[0]!.ws.readMessage()).data, much);
    assert.equal(socket.paused, false);
  });

  it("accepts what has ended or broken meanwhile, whose WebSocket then says so", async () => {
    for (const end of ["a close frame", "the end", "a reset"]) {
      const { promise, resolve } = later<void>();
      const { socket, accepted } = handle({ upgrade: () => promise });
      socket.receive(KEY_HEAD);
      if (end === "a close frame") socket.receive(closeFrame(1000));
      else if (end === "the end") socket.end();
      else socket.gone();
      resolve();
      await settle();
      const { ws } = accepted[0]!;
      const reading = assert.rejects(ws.readMessage(), {
        name: "CloseError",
        code: end === "a close frame" ? 1000 : 1006,
      });
      if (end !== "a reset") socket.gone();
      await reading;
    }
  });

  it("answers 500 and tells when a callback fails, whenever it does", async () => {
    const { promise, reject } = later<void>();
    const upgrades: (() => unknown)[] = [
      () => {
        throw failure;
      },
      () => Promise.reject(failure),
      () => promise,
      () => ({ then: (_: unknown, failed: (error: unknown) => void) => failed(failure) }),
      () => ({
        then() {
          throw failure;
        },
      }),
      () => ({
        get then() {
          throw failure;
        },
      }),
    ];
    for (const upgrade of upgrades) {
      const { socket, accepted, errors, written } = handle({ upgrade: upgrade as () => void });
      socket.receive(KEY_HEAD);
      reject(failure);
      await settle();
      assert.match(written(), /^HTTP\/1\.1 500 /);
      assert.deepEqual([errors, accepted], [[failure], []]);
    }
  });

  it("answers 500 to what a thenable may not give", async () => {
    for (const value of [false, null, "no", {}]) {
      const { socket, accepted, errors, written } = handle({
        upgrade: () => Promise.resolve(value) as unknown as Promise<void>,
      });
      socket.receive(KEY_HEAD);
      await settle();
      assert.match(written(), /^HTTP\/1\.1 500 /);
      assert.deepEqual([errors.map((error) => error instanceof TypeError), accepted], [[true], []]);
    }
  });

  it("answers 503 where the server began to end meanwhile", async () => {
    for (const slow of [false, true]) {
      const bench = handle({
        upgrade: () => {
          bench.end();
          return slow ? Promise.resolve() : undefined;
        },
      });
      bench.socket.receive(KEY_HEAD);
      await settle();
      assert.match(bench.written(), /^HTTP\/1\.1 503 /);
      assert.deepEqual(bench.accepted, []);
    }
  });

  it("is done once with who was dropped while a callback took its time", async () => {
    const { promise, resolve } = later<void>();
    const { socket, from, accepted, answered, end, errors } = handle({ upgrade: () => promise });
    socket.receive(KEY_HEAD);
    end();
    from.drop();
    socket.gone();
    resolve();
    await settle();
    assert.deepEqual([accepted, errors, answered()], [[], [], 1]);
  });

  it("is done once with whoever says nothing, too little or nonsense", async () => {
    for (
      const [sent, status] of [["", 408], ["GET /", 408], ["\0", 400], [
        "GET / HTTP/3.0\r\n\r\n",
        505,
      ]] as const
    ) {
      const { socket, clock, written, answered, errors } = handle({ handshakeTimeout: 1000 });
      if (sent !== "") socket.receive(bytesOf(sent));
      if (status === 408) clock.advance(1000);
      await settle();
      assert.match(written(), new RegExp(`^HTTP/1\\.1 ${status} `));
      socket.end();
      await settle();
      socket.gone();
      await settle();
      assert.deepEqual([answered(), errors], [1, []]);
    }
    const { socket, answered } = handle();
    socket.end();
    socket.gone();
    assert.equal(answered(), 1);
  });

  it("answers plain requests at once or later", async () => {
    for (const fetch of [() => new Response("hi"), () => Promise.resolve(new Response("hi"))]) {
      const { socket, written } = handle({ fetch });
      socket.receive(bytesOf(HEAD));
      await settle();
      assert.match(written(), /^HTTP\/1\.1 200 [^]*hi/);
    }
    const { socket, written } = handle();
    socket.receive(bytesOf(HEAD));
    await settle();
    assert.match(written(), /^HTTP\/1\.1 426 /);
  });
});
