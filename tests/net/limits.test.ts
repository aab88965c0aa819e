/** Limits of a listener: connections of one address, and handshakes under way. */

import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { describe, it } from "node:test";
import {
  dial,
  dialTls,
  listen,
  type Listener,
  listenTls,
  type ListenTlsOptions,
  type NetError,
  type TcpAddr,
  type TcpConn,
} from "../../entries/net.ts";
import { currentAdapter } from "../../adapters/runtime.ts";
import { AddressLimit, LimitedAccepts } from "../../src/net/address_limit.ts";
import { tcpAddr } from "../../src/net/addr.ts";
import { Runtime } from "../../src/net/runtime.ts";
import type { StreamSocket } from "../../src/net/stream_socket.ts";
import type { TlsContext } from "../../src/net/tls.ts";
import { TlsAccepts } from "../../src/net/tls_accepts.ts";
import { TestSocket } from "../websocket/test_socket.ts";
import { clientTls, serverTls } from "./certificates.ts";
import { holdProcess, limit } from "./support.ts";

const utf8 = new TextEncoder();

/** Listens under TLS; connections are accepted as they come, and handed to `onConn`. */
async function serveTls(
  options: Partial<ListenTlsOptions>,
  onConn = (conn: TcpConn): void => conn.closeNow(),
): Promise<Listener> {
  const listener = await listenTls("tcp", "127.0.0.1:0", { tls: serverTls, ...options });
  void (async () => {
    for await (const conn of listener) onConn(conn);
  })();
  return listener;
}

/** A client that connects, sends `bytes`, and reads nothing; `gone` resolves when the server has dropped it. */
async function connectPlain(
  listener: Listener,
  bytes = "",
): Promise<{ socket: Socket; gone: Promise<void> }> {
  const socket = connect((listener.addr as TcpAddr).port, "127.0.0.1");
  const gone = new Promise<void>((resolve) => socket.on("error", () => {}).on("close", () => resolve()));
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  socket.resume();
  if (bytes !== "") await new Promise<void>((resolve) => socket.write(bytes, "latin1", () => resolve()));
  return { socket, gone };
}

/** Dials under TLS, and waits for the server's end, so that it has accepted the connection. */
async function meet(listener: Listener): Promise<void> {
  const conn = await dialTls("tcp", String(listener.addr), { tls: clientTls });
  await conn.readChunk().catch(() => null);
  conn.closeNow();
}

/** A handshake that is under way until it is failed. */
interface Held {
  readonly socket: StreamSocket;
  fail(error: unknown): void;
}

class FakeSocket extends TestSocket {
  override readonly remoteAddr = tcpAddr("192.0.2.1", 1);
  isSilent = true;
  resets = 0;

  override reset(): void {
    this.resets++;
  }
}

/** Accepts fake sockets, whose handshakes do not end by themselves; `under` are those not dropped yet. */
function heldHandshakes(options: { maxHandshakes: number; addressLimit?: AddressLimit }): {
  accept(): FakeSocket;
  under(): Held[];
  /** Resolves when the handshake that was failed is over. */
  failed(): Promise<void>;
} {
  const held: (Held & { signal: AbortSignal })[] = [];
  const context: TlsContext = {
    handshake({ socket, signal }) {
      const { promise, reject } = Promise.withResolvers<never>();
      const fail = (
        error: unknown,
      ) => (held.splice(held.findIndex((one) => one.fail === fail), 1), reject(error));
      signal!.addEventListener("abort", () => fail(signal!.reason));
      held.push({ socket, signal: signal!, fail });
      return promise;
    },
  };
  const settings = { addressLimit: null, handshakeTimeout: 60_000, onHandshakeError: undefined, ...options };
  const accepts = new TlsAccepts(new Runtime(currentAdapter()), context, settings, {
    onAccept() {},
    onError() {},
  });
  const accept = () => {
    const socket = new FakeSocket();
    accepts.onAccept(socket);
    return socket;
  };
  return { accept, under: () => held, failed: () => new Promise((resolve) => setImmediate(resolve)) };
}

describe("handshakes under way", () => {
  holdProcess();

  it("that are too many drop the oldest silent one, not the newcomer", limit, async () => {
    const errors: NetError[] = [];
    const listener = await serveTls({
      maxHandshakes: 3,
      onHandshakeError: (error) => void errors.push(error),
    });
    const silent = [];
    for (let i = 0; i < 3; i++) silent.push(await connectPlain(listener));
    await meet(listener);
    await silent[0]!.gone;
    assert.deepEqual(errors.map(({ code, op }) => [code, op]), [["ECONNABORTED", "handshake"]]);
    for (const { socket } of silent) socket.destroy();
    await listener.close();
  });

  it("that have begun are kept before silent ones, and the oldest goes when all have", limit, () => {
    const { accept, under } = heldHandshakes({ maxHandshakes: 2 });
    const [begun, silent] = [accept(), accept()];
    begun.isSilent = false;
    const third = accept();
    assert.deepEqual(under().map(({ socket }) => socket), [begun, third]);
    third.isSilent = false;
    const fourth = accept();
    assert.deepEqual(under().map(({ socket }) => socket), [third, fourth]);
    assert.equal(silent.resets, 0, "what the handshake began is its own to end");
  });

  it("know whether the peer has sent anything", limit, async () => {
    const adapter = currentAdapter();
    const context = adapter.tlsContext("server", serverTls);
    const { promise: accepted, resolve } = Promise.withResolvers<StreamSocket>();
    const onAccept = resolve;
    const server = await adapter.listen(tcpAddr("127.0.0.1", 0), { tls: true }, { onAccept, onError() {} });
    server.resume();
    const client = connect((server.addr as TcpAddr).port, "127.0.0.1");
    const socket = await accepted;
    const abort = new AbortController();
    const shaking = context.handshake({ socket, received: [], serverName: "", signal: abort.signal });
    assert.equal(socket.isSilent, true);
    // The beginning of a record, of 512 bytes.
    client.on("error", () => {}).write("\x16\x03\x01\x02\x00", "latin1");
    while (socket.isSilent) await new Promise((resolve) => setTimeout(resolve, 1));
    abort.abort(new Error("seen"));
    await assert.rejects(shaking, { message: "seen" });
    client.destroy();
    await server.close();
  });

  it("that fail harm nobody when onHandshakeError throws", limit, async () => {
    let told = 0;
    const onHandshakeError = () => {
      told++;
      throw new Error("thrown by the callback");
    };
    const listener = await serveTls({ onHandshakeError });
    const nonsense = await connectPlain(listener, "GET / HTTP/1.1\r\n\r\n");
    await nonsense.gone;
    await meet(listener);
    assert.equal(told, 1);
    await listener.close();
  });

  it("have limits that are checked", limit, async () => {
    for (const wrong of [0, 1.5, NaN, "5"]) {
      for (const name of ["maxHandshakes", "maxConnections", "maxConnectionsPerAddress", "backlog"]) {
        const options = { tls: serverTls, [name]: wrong } as ListenTlsOptions;
        await assert.rejects(listenTls("tcp", "127.0.0.1:0", options), (error: RangeError) => {
          assert.ok(error instanceof RangeError && error.message.includes(name), String(error));
          return true;
        });
      }
    }
    const onHandshakeError = "console.error" as never;
    await assert.rejects(listenTls("tcp", ":0", { tls: serverTls, onHandshakeError }), TypeError);
    await assert.rejects(listen("unix", "@none", { maxConnectionsPerAddress: 1 }), TypeError);
  });
});

describe("maxConnectionsPerAddress", () => {
  holdProcess();

  it("resets connections beyond it, until one has closed", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0", { maxConnectionsPerAddress: 2 });
    const accepted: TcpConn[] = [];
    void (async () => {
      for await (const conn of listener) {
        accepted.push(conn);
        await conn.write(utf8.encode("x"));
      }
    })();
    const dialled = [await dial("tcp", String(listener.addr)), await dial("tcp", String(listener.addr))];
    for (const conn of dialled) assert.equal((await conn.readChunk())!.length, 1);
    const third = await dial("tcp", String(listener.addr)).catch(() => null);
    if (third !== null) await assert.rejects(async () => assert.notEqual(await third.readChunk(), null));
    await dialled[0]!.close();
    assert.equal(await accepted[0]!.readChunk(), null);
    await accepted[0]!.close();
    const next = await dial("tcp", String(listener.addr));
    assert.equal((await next.readChunk())!.length, 1);
    for (const conn of [...accepted, ...dialled, next]) conn.closeNow();
    await listener.close();
  });

  it("counts handshakes too, and forgets those that fail", limit, async () => {
    const { accept, under, failed } = heldHandshakes({ maxHandshakes: 9, addressLimit: new AddressLimit(1) });
    const [first, second] = [accept(), accept()];
    assert.deepEqual([first.resets, second.resets], [0, 1]);
    under()[0]!.fail(new Error("the peer left"));
    await failed();
    assert.equal(accept().resets, 0);
    assert.equal(under().length, 1);
  });

  it("counts by address, and forgets sockets that are dropped before they start", limit, () => {
    const kept: StreamSocket[] = [];
    const accepts = new LimitedAccepts(new AddressLimit(1), {
      onAccept: (socket) => void kept.push(socket),
      onError() {},
    });
    const from = (hostname: string) => {
      const socket = Object.assign(new TestSocket(), { remoteAddr: tcpAddr(hostname, 1) });
      accepts.onAccept(socket);
      return kept.length;
    };
    assert.equal(from("192.0.2.1"), 1);
    assert.equal(from("192.0.2.1"), 1);
    assert.equal(from("192.0.2.2"), 2);
    assert.equal(from("2001:db8::1"), 3);
    assert.equal(from("2001:db8:0:0:1::1"), 3);
    assert.equal(from("2001:db8:0:1::1"), 4);
    kept[0]!.reset();
    assert.equal(from("192.0.2.1"), 5);
  });
});
