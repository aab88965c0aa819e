/** A server that takes over a listener. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { tcpAddr } from "../../src/net/addr.ts";
import { countedSocket } from "../../src/net/counted_socket.ts";
import { socketPair } from "../../src/net/pipe.ts";
import { Runtime } from "../../src/net/runtime.ts";
import { askOptions, SocketConn, socketOptions } from "../../src/net/socket_conn.ts";
import { SocketListener, type SocketListenerOptions } from "../../src/net/socket_listener.ts";
import type { AcceptHandler, StreamHandler, StreamSocket } from "../../src/net/stream_socket.ts";
import { TimerQueue } from "../../src/net/timer_queue.ts";
import { connectionStateOf, isTlsConn, type TlsConnectionState } from "../../src/net/tls.ts";
import { connOver, TlsSocketConn } from "../../src/net/tls_conn.ts";
import { TestSocket } from "../websocket/test_socket.ts";
import { isClosed } from "./support.ts";
import { VirtualClock } from "./virtual_clock.ts";

const ADDR = tcpAddr("127.0.0.1", 80);

/** One that says what it was asked for. */
class TcpTestSocket extends TestSocket {
  override readonly localAddr = ADDR;
  override readonly remoteAddr = ADDR;

  override setNoDelay(...args: unknown[]): void {
    this.calls.push(`setNoDelay ${args}`);
  }

  override setKeepAlive(...args: unknown[]): void {
    this.calls.push(`setKeepAlive ${args}`);
  }

  override ref(): void {
    this.calls.push("ref");
  }

  override unref(): void {
    this.calls.push("unref");
  }
}

interface Bench {
  listener: SocketListener;
  /** What the listener asked of the runtime since the last time. */
  calls(): string[];
  /** The runtime has accepted a socket. */
  accept(): TcpTestSocket;
}

async function bench(options: SocketListenerOptions = {}): Promise<Bench> {
  let handler!: AcceptHandler;
  const calls: string[] = [];
  const tell = (call: string) => () => void calls.push(call);
  const runtime = new Runtime({
    ...currentAdapter(),
    clock: new VirtualClock(),
    listen: async (_target, _request, given) => {
      handler = given;
      return {
        addr: ADDR,
        pause: tell("pause"),
        resume: tell("resume"),
        ref: tell("ref"),
        unref: tell("unref"),
        close: async () => tell("close")(),
      };
    },
  });
  const listener = await SocketListener.open(runtime, ADDR, {}, options);
  const accept = () => {
    const socket = new TcpTestSocket();
    handler.onAccept(socket);
    return socket;
  };
  return { listener, calls: () => calls.splice(0), accept };
}

const silent: StreamHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };

/** Serves the listener; gives the sockets that were handed over, started. */
function serve(
  listener: SocketListener,
): { sockets: StreamSocket[]; served: Promise<void>; isServed(): boolean } {
  const sockets: StreamSocket[] = [];
  let done = false;
  const served = SocketListener.serve(listener, (socket) => {
    sockets.push(socket);
    socket.start(silent);
  });
  void served.then(() => done = true);
  return { sockets, served, isServed: () => done };
}

describe("a server that takes a listener over", () => {
  it("gets each socket in the turn in which it comes, with the listener's options", async () => {
    const { listener, calls, accept } = await bench({ noDelay: false, keepAlive: 1500 });
    const { sockets } = serve(listener);
    assert.deepEqual(calls(), ["resume"]);
    const [first, second] = [accept(), accept()];
    assert.deepEqual(sockets, [first, second]);
    for (const { calls } of [first, second]) {
      assert.deepEqual(calls, ["setNoDelay false", "setKeepAlive true,2000"]);
    }
    assert.deepEqual(calls(), []);
  });

  it("gets what was accepted before, in order", async () => {
    const { listener, accept } = await bench();
    const early = [accept(), accept(), accept()];
    const conn = await listener.accept();
    const { sockets } = serve(listener);
    assert.deepEqual(sockets, early.slice(1));
    const late = accept();
    assert.deepEqual(sockets, [...early.slice(1), late]);
    assert.equal(early[0]!.handler, conn);
  });

  it("leaves accept with a TypeError", async () => {
    const { listener, accept } = await bench();
    const { sockets } = serve(listener);
    await assert.rejects(listener.accept(), TypeError);
    await assert.rejects(listener[Symbol.asyncIterator]().next(), TypeError);
    accept();
    assert.equal(sockets.length, 1);
  });

  it("is done when the listener is closed, whoever closes it", async () => {
    const { listener, calls, accept } = await bench();
    const { sockets, served, isServed } = serve(listener);
    const before = accept();
    await null;
    assert.equal(isServed(), false);
    calls();
    void listener.close();
    assert.deepEqual(calls(), ["close"]);
    await served;
    // What was handed over is its own; what still comes is dropped.
    assert.equal(before.calls.includes("reset"), false);
    assert.deepEqual(accept().calls, ["reset"]);
    assert.equal(sockets.length, 1);
  });

  it("is done when the listener's signal is aborted", async () => {
    const abort = new AbortController();
    const { listener } = await bench({ signal: abort.signal });
    const { served } = serve(listener);
    abort.abort();
    await served;
  });

  it("is done at once with a listener that is closed already", async () => {
    const { listener, calls } = await bench();
    await listener.close();
    calls();
    const { served, sockets } = serve(listener);
    await served;
    assert.deepEqual([calls(), sockets], [[], []]);
    await assert.rejects(listener.accept(), isClosed);
  });

  it("gets no more at once than maxConnections", async () => {
    const { listener, calls, accept } = await bench({ maxConnections: 2 });
    const { sockets } = serve(listener);
    assert.deepEqual(calls(), ["resume"]);
    const [first, second] = [accept(), accept()];
    assert.deepEqual(calls(), ["pause"]);
    // A runtime may accept on.
    const [third, fourth] = [accept(), accept()];
    assert.equal(sockets.length, 2);
    assert.deepEqual([third.calls, fourth.calls], [[], []]);
    calls();
    first.gone();
    assert.equal(sockets.length, 3);
    assert.equal(third.calls[0], "setNoDelay true");
    assert.deepEqual(calls(), []);
    second.gone();
    third.gone();
    assert.equal(sockets.length, 4);
    assert.deepEqual(calls(), ["resume"]);
    const fifth = accept();
    assert.deepEqual([sockets.length, calls()], [5, ["pause"]]);
    void listener.close();
    calls();
    fifth.gone();
    assert.deepEqual(calls(), []);
  });

  it("counts connections that were accepted before it came", async () => {
    const { listener, calls, accept } = await bench({ maxConnections: 1 });
    const first = accept();
    const conn = await listener.accept();
    const second = accept();
    calls();
    const { sockets } = serve(listener);
    assert.deepEqual([sockets, calls()], [[], []]);
    conn.closeNow();
    first.gone();
    assert.equal(sockets.length, 1);
    assert.equal(second.calls[0], "setNoDelay true");
  });

  it("resets what waits for its turn when the listener is closed", async () => {
    const { listener, accept } = await bench({ maxConnections: 1 });
    serve(listener);
    const [first, second] = [accept(), accept()];
    void listener.close();
    assert.deepEqual([first.calls.includes("reset"), second.calls], [false, ["reset"]]);
  });

  it("leaves accepts that wait with a TypeError, too", async () => {
    const { listener } = await bench();
    const accepts = [listener.accept(), listener.accept()].map((accept) => assert.rejects(accept, TypeError));
    serve(listener);
    await Promise.all(accepts);
  });

  it("is done with the listener, though another has taken it over since", async () => {
    const { listener, accept } = await bench();
    const [first, second] = [serve(listener), serve(listener)];
    accept();
    assert.deepEqual([first.sockets.length, second.sockets.length], [0, 1]);
    void listener.close();
    await Promise.all([first.served, second.served]);
  });

  it("holds the process as before", async () => {
    const { listener, calls } = await bench();
    serve(listener);
    calls();
    listener.unref();
    listener.ref();
    assert.deepEqual(calls(), ["unref", "ref"]);
  });
});

const state: TlsConnectionState = {
  version: "TLSv1.3",
  negotiatedProtocol: "http/1.1",
  serverName: null,
  peerCertificate: null,
};

describe("a counted socket", () => {
  it("tells once that it is gone, before its handler hears it", () => {
    for (const isTls of [false, true]) {
      const below = Object.assign(new TcpTestSocket(), isTls && { connectionState: state });
      const heard: string[] = [];
      const socket = countedSocket(below, () => heard.push("gone"));
      assert.equal(connectionStateOf(socket), isTls ? state : null);
      assert.deepEqual([socket.localAddr, socket.remoteAddr], [ADDR, ADDR]);
      socket.start({ ...silent, onClose: () => heard.push("close") });
      below.gone();
      socket.start({ ...silent, onClose: () => heard.push("second close") });
      below.gone();
      assert.deepEqual(heard, ["gone", "close", "second close"]);
    }
  });

  it("passes every call on, and all that comes", () => {
    const below = new TcpTestSocket();
    const socket = countedSocket(below, () => assert.fail());
    const heard: unknown[] = [];
    socket.start({
      onData: (chunk, lent) => heard.push([...chunk], lent),
      onEnd: () => heard.push("end"),
      onDrain: () => heard.push("drain"),
      onClose: () => assert.fail(),
    });
    below.receive(Uint8Array.of(1, 2));
    below.end();
    below.full = true;
    assert.equal(socket.write(Uint8Array.of(3)), false);
    below.drain();
    assert.equal(socket.write(Uint8Array.of(4)), true);
    assert.deepEqual(heard, [[1, 2], true, "end", "drain"]);
    for (const call of ["pause", "resume", "closeWrite", "close", "reset", "ref", "unref"] as const) {
      socket[call]();
    }
    socket.setNoDelay(false);
    socket.setKeepAlive(true, 7);
    assert.deepEqual(below.calls, [
      ...["pause", "resume", "closeWrite", "close", "reset", "ref", "unref"],
      ...["setNoDelay false", "setKeepAlive true,7"],
    ]);
    assert.deepEqual(below.writes.map((bytes) => [...bytes]), [[3], [4]]);
  });
});

describe("a connection over a socket", () => {
  const timers = new TimerQueue(new VirtualClock());

  it("is one under TLS where the socket is", () => {
    const plain = connOver(new TcpTestSocket(), timers, null);
    assert.deepEqual([plain.constructor, isTlsConn(plain)], [SocketConn, false]);
    const tls = connOver(Object.assign(new TcpTestSocket(), { connectionState: state }), timers, null);
    assert.ok(tls instanceof TlsSocketConn);
    assert.equal(tls.connectionState, state);
  });

  it("asks for options, or for none where they were asked before", () => {
    const [asked, silent] = [new TcpTestSocket(), new TcpTestSocket()];
    connOver(asked, timers, { keepAlive: false });
    assert.deepEqual(asked.calls, ["setNoDelay true", "setKeepAlive false,15000"]);
    connOver(silent, timers, null);
    assert.deepEqual(silent.calls, []);
  });

  it("of which somebody else drives the socket acts as closed, but for its options", async () => {
    for (const isTls of [false, true]) {
      const socket = Object.assign(new TcpTestSocket(), isTls && { connectionState: state });
      const conn = connOver(socket, timers, null, true);
      assert.equal(socket.handler, undefined);
      assert.deepEqual([conn.localAddr, conn.remoteAddr, isTlsConn(conn)], [ADDR, ADDR, isTls]);
      await assert.rejects(conn.readChunk(), isClosed);
      await assert.rejects(conn.write(Uint8Array.of(1)), isClosed);
      await assert.rejects(conn.closeWrite(), isClosed);
      assert.throws(() => SocketConn.detach(conn), isClosed);
      conn.closeNow();
      await conn.close();
      assert.deepEqual([socket.calls, socket.writes], [[], []]);
      conn.setNoDelay(false);
      conn.setKeepAlive(true, 1);
      conn.ref();
      conn.unref();
      assert.deepEqual(socket.calls, ["setNoDelay false", "setKeepAlive true,1000", "ref", "unref"]);
    }
  });
});

describe("the options of a socket", () => {
  it("have defaults, and whole seconds", () => {
    assert.deepEqual(socketOptions({}), { noDelay: true, keepAliveIdle: 15_000 });
    assert.deepEqual(socketOptions({ noDelay: false, keepAlive: false }), {
      noDelay: false,
      keepAliveIdle: 0,
    });
    assert.deepEqual(socketOptions({ keepAlive: 1 }), { noDelay: true, keepAliveIdle: 1000 });
    assert.deepEqual(socketOptions({ keepAlive: 1001 }), { noDelay: true, keepAliveIdle: 2000 });
  });

  it("are asked of TCP alone", () => {
    const tcp = new TcpTestSocket();
    askOptions(tcp, { keepAlive: 1001 });
    assert.deepEqual(tcp.calls, ["setNoDelay true", "setKeepAlive true,2000"]);
    const [pipe] = socketPair();
    pipe.setNoDelay = () => assert.fail();
    pipe.setKeepAlive = () => assert.fail();
    askOptions(pipe, {});
  });
});
