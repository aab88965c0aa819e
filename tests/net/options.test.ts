import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { connect } from "node:net";
import process from "node:process";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { type TcpAddr, tcpAddr } from "../../src/net/addr.ts";
import type { Conn, Listener, TcpConn } from "../../src/net/conn.ts";
import { dialOn, type DialOptions, listenOn, type ListenOptions } from "../../src/net/dial.ts";
import { NetError } from "../../src/net/errors.ts";
import { socketPair } from "../../src/net/pipe.ts";
import { Runtime } from "../../src/net/runtime.ts";
import type {
  AcceptHandler,
  ConnectRequest,
  ListenRequest,
  SocketServer,
  SocketTarget,
  StreamSocket,
} from "../../src/net/stream_socket.ts";
import { dial, listen } from "../../mod.ts";
import { testConn } from "./conformance.ts";
import { canAskSystem, type SystemOptions, systemOptions } from "./socket_options.ts";
import { holdProcess, isDeadlineExceeded, limit } from "./support.ts";

const resets = currentAdapter().name !== "deno";

function portOf(listener: Listener): number {
  return (listener.addr as TcpAddr).port;
}

/** A connection whose dialling end has these options. */
async function makePair(options: DialOptions): Promise<{ a: TcpConn; b: TcpConn; stop(): Promise<void> }> {
  const listener = await listen("tcp", "127.0.0.1:0");
  const [a, b] = await Promise.all([dial("tcp", String(listener.addr), options), listener.accept()]);
  const stop = async () => {
    a.closeNow();
    b.closeNow();
    await listener.close();
  };
  return { a, b, stop };
}

// On Deno the dialling end is another implementation, see its adapter's table; the accepting one sends no RST.
testConn("tcp from a local address", () => makePair({ localAddress: "127.0.0.1:0" }), { resets });

describe("dial's localAddress", () => {
  holdProcess();

  it("is where the connection comes from", limit, async () => {
    const { a, b, stop } = await makePair({ localAddress: "127.0.0.2:0" });
    assert.match(String(b.remoteAddr), /^127\.0\.0\.2:\d+$/);
    assert.equal(String(a.localAddr), String(b.remoteAddr));
    await stop();
  });

  it("may be a port alone", limit, async () => {
    const free = await listen("tcp", "127.0.0.1:0");
    const port = portOf(free);
    await free.close();
    const { b, stop } = await makePair({ localAddress: `:${port}` });
    assert.equal(String(b.remoteAddr), `127.0.0.1:${port}`);
    await stop();
  });

  it("fails when it is not this machine's", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    await assert.rejects(dial("tcp", String(listener.addr), { localAddress: "192.0.2.1:0" }), (error) => {
      assert.ok(error instanceof NetError);
      assert.deepEqual([error.code, error.op], ["EADDRNOTAVAIL", "dial"]);
      return true;
    });
    await listener.close();
  });

  it("reaches its own family only", limit, async () => {
    await assert.rejects(dial("tcp", "127.0.0.1:80", { localAddress: "[::1]:0" }), {
      code: "EADDRNOTAVAIL",
      message: "dial tcp 127.0.0.1:80: no suitable address for tcp from ::1: 127.0.0.1",
    });
  });

  it("is an address and no name", limit, async () => {
    for (const localAddress of ["localhost:0", "127.0.0.1", "::1"]) {
      await assert.rejects(dial("tcp", "127.0.0.1:80", { localAddress }), TypeError);
    }
  });
});

/** A TCP socket that writes down what is asked of it. */
function recordingSocket(): { calls: unknown[]; socket: StreamSocket } {
  const calls: unknown[] = [];
  const [socket] = socketPair();
  const addr = tcpAddr("127.0.0.1", 1);
  Object.defineProperties(socket, {
    localAddr: { value: tcpAddr("127.0.0.1", 2) },
    remoteAddr: { value: addr },
  });
  socket.setNoDelay = (on) => void calls.push(["noDelay", on]);
  socket.setKeepAlive = (on, idle) => void calls.push(["keepAlive", on, idle]);
  return { calls, socket };
}

/** What the core asks of a socket and of an adapter. */
async function asked(options: DialOptions): Promise<unknown[]> {
  const { calls, socket } = recordingSocket();
  const runtime = new Runtime({
    ...currentAdapter(),
    connect: async (_target: SocketTarget, request: ConnectRequest): Promise<StreamSocket> => {
      calls.push(request);
      return socket;
    },
  });
  (await dialOn(runtime, "tcp", "127.0.0.1:1", options)).closeNow();
  return calls;
}

describe("dial's noDelay and keepAlive", () => {
  holdProcess();

  const cases: [DialOptions, unknown[]][] = [
    [{}, [{}, ["noDelay", true], ["keepAlive", true, 15_000]]],
    [{ noDelay: false, keepAlive: false }, [{}, ["noDelay", false], ["keepAlive", false, 15_000]]],
    [{ keepAlive: 1 }, [{ keepAliveIdle: 1 }, ["noDelay", true], ["keepAlive", true, 1000]]],
    [{ keepAlive: 60_000 }, [{ keepAliveIdle: 60_000 }, ["noDelay", true], ["keepAlive", true, 60_000]]],
  ];
  for (const [options, calls] of cases) {
    it(`ask for what ${JSON.stringify(options)} says`, limit, async () => {
      assert.deepEqual(await asked(options), calls);
    });
  }

  it("work on real sockets", limit, async () => {
    for (const keepAlive of [false, 1, 60_000] as const) {
      const { a, b, stop } = await makePair({ keepAlive, noDelay: false });
      await a.write(Uint8Array.of(1));
      assert.deepEqual([...(await b.readChunk())!], [1]);
      await stop();
    }
  });

  it("refuse wrong values", limit, async () => {
    for (const keepAlive of [0, -1, NaN, Infinity, true, "5"]) {
      await assert.rejects(dial("tcp", "127.0.0.1:80", { keepAlive: keepAlive as number }), RangeError);
    }
  });
});

/** What the core asks of an adapter and of an accepted socket. */
async function askedOfAccepted(options: ListenOptions): Promise<unknown[]> {
  const { calls, socket } = recordingSocket();
  const runtime = new Runtime({
    ...currentAdapter(),
    listen: async (
      addr: SocketTarget,
      request: ListenRequest,
      handler: AcceptHandler,
    ): Promise<SocketServer> => {
      if (request.keepAliveIdle !== undefined) calls.push(request.keepAliveIdle);
      const resume = () => queueMicrotask(() => handler.onAccept(socket));
      return { addr, pause() {}, resume, ref() {}, unref() {}, close: async () => {} };
    },
  });
  const listener = await listenOn(runtime, "tcp", "127.0.0.1:1", options);
  (await listener.accept()).closeNow();
  await listener.close();
  return calls;
}

const hasSs = spawnSync("ss", ["--version"]).status === 0;

/** The keep-alive timer of the local end of a connection, as the system shows it. */
function keepAliveTimer(conn: Conn): string {
  const { localAddr, remoteAddr } = conn as { localAddr: TcpAddr; remoteAddr: TcpAddr };
  const filter = ["sport", "=", `:${localAddr.port}`, "and", "dport", "=", `:${remoteAddr.port}`];
  const { stdout } = spawnSync("ss", ["-tnoH", "state", "established", ...filter], { encoding: "utf8" });
  return /timer:\(keepalive,(\w+)/.exec(stdout)?.[1] ?? "none";
}

describe("listen's noDelay and keepAlive", () => {
  holdProcess();

  const cases: [ListenOptions, unknown[]][] = [
    [{}, [["noDelay", true], ["keepAlive", true, 15_000]]],
    [{ noDelay: false, keepAlive: false }, [["noDelay", false], ["keepAlive", false, 15_000]]],
    [{ keepAlive: 1 }, [1, ["noDelay", true], ["keepAlive", true, 1000]]],
    [{ keepAlive: 60_000, maxConnections: 1 }, [60_000, ["noDelay", true], ["keepAlive", true, 60_000]]],
  ];
  for (const [options, calls] of cases) {
    it(`ask for what ${JSON.stringify(options)} says`, limit, async () => {
      assert.deepEqual(await askedOfAccepted(options), calls);
    });
  }

  it(
    "work on real sockets",
    { ...limit, skip: !hasSs && "ss, which shows the timers, is not there" },
    async () => {
      const [long, none] = [{ keepAlive: 600_000 }, { keepAlive: false }] as const;
      for (const [options, timer] of [[long, /^(9|10)min/], [none, /^none$/]] as const) {
        const listener = await listen("tcp", "127.0.0.1:0", options);
        const [a, b] = await Promise.all([dial("tcp", String(listener.addr), options), listener.accept()]);
        // Before anything is sent: what waits for its acknowledgement shows a timer of its own.
        assert.match(keepAliveTimer(a), timer);
        assert.match(keepAliveTimer(b), timer);
        await b.write(Uint8Array.of(1));
        assert.deepEqual([...(await a.readChunk())!], [1]);
        a.closeNow();
        b.closeNow();
        await listener.close();
      }
    },
  );

  it("mean nothing to a Unix socket", limit, async () => {
    const listener = await listen("unix", `@jackfield-options-${process.pid}`, {
      keepAlive: 1000,
      noDelay: false,
    });
    const [a, b] = await Promise.all([dial("unix", String(listener.addr)), listener.accept()]);
    a.closeNow();
    b.closeNow();
    await listener.close();
  });

  it("refuse wrong values", limit, async () => {
    for (const keepAlive of [0, -1, NaN, Infinity, 32_768_000, true, "5"]) {
      const listening = listen("tcp", "127.0.0.1:0", { keepAlive: keepAlive as number });
      await assert.rejects(listening, { name: "RangeError", message: /^Cannot listen: keepAlive is / });
    }
  });
});

describe("the options of real sockets", () => {
  holdProcess();

  const skip = !canAskSystem && "only Linux with Python tells them";
  const cases: [ListenOptions, SystemOptions][] = [
    [{ keepAlive: 20_000 }, { noDelay: true, keepAliveIdle: 20 }],
    [{ noDelay: false, keepAlive: 60_000 }, { noDelay: false, keepAliveIdle: 60 }],
    [{ keepAlive: false }, { noDelay: true, keepAliveIdle: null }],
    [{ noDelay: false, keepAlive: false }, { noDelay: false, keepAliveIdle: null }],
    [{ noDelay: false, keepAlive: false, maxConnections: 2 }, { noDelay: false, keepAliveIdle: null }],
  ];
  for (const address of ["127.0.0.1:0", ":0"]) {
    for (const [options, expected] of cases) {
      it(`are on ${address} what ${JSON.stringify(options)} asks for`, { ...limit, skip }, async () => {
        const listener = await listen("tcp", address, options);
        const accepted: TcpConn[] = [];
        for (let i = 0; i < 2; i++) {
          const dialling = dial("tcp4", `127.0.0.1:${portOf(listener)}`);
          accepted.push(await listener.accept(), await dialling);
          assert.deepEqual(systemOptions(accepted.at(-2)!), expected);
        }
        for (const conn of accepted) conn.closeNow();
        await listener.close();
      });
    }
  }

  for (const noDelay of [true, false]) {
    for (const keepAlive of [20_000, false] as const) {
      const options = { noDelay, keepAlive };
      const keepAliveIdle = keepAlive === false ? null : 20;
      const expected = { noDelay, keepAliveIdle };
      it(
        `change for a socket alone, from ${JSON.stringify(options)} and back`,
        { ...limit, skip },
        async () => {
          const listener = await listen("tcp", "127.0.0.1:0", options);
          const conns: TcpConn[] = [];
          const accept = async () => {
            conns.push(await dial("tcp", String(listener.addr)), await listener.accept());
            return conns.at(-1)!;
          };
          const [first, second, other] = [await accept(), await accept(), await accept()];
          for (const on of [!noDelay, noDelay]) {
            first.setNoDelay(on);
            assert.deepEqual(systemOptions(first), { noDelay: on, keepAliveIdle });
          }
          for (const on of [keepAlive === false, keepAlive !== false]) {
            second.setKeepAlive(on);
            const found = systemOptions(second);
            assert.deepEqual([found.noDelay, found.keepAliveIdle !== null], [noDelay, on]);
          }
          assert.deepEqual(systemOptions(other), expected);
          assert.deepEqual(systemOptions(await accept()), expected);
          for (const conn of conns) conn.closeNow();
          await listener.close();
        },
      );
    }
  }
});

describe("listen's options", () => {
  holdProcess();

  it("reusePort lets two listen on one port", limit, async () => {
    const first = await listen("tcp", "127.0.0.1:0", { reusePort: true });
    const second = await listen("tcp", String(first.addr), { reusePort: true });
    await assert.rejects(listen("tcp", String(first.addr)), { code: "EADDRINUSE" });
    const accepted = Promise.race([first.accept(), second.accept()]);
    const conn = await dial("tcp", String(first.addr));
    (await accepted).closeNow();
    conn.closeNow();
    for (const listener of [first, second]) await listener.close();
  });

  for (const [network, options] of [["tcp", { ipv6Only: true }], ["tcp6", {}]] as const) {
    it(`IPv4 is left out by ${network} with ${JSON.stringify(options)}`, limit, async () => {
      const listener = await listen(network, "[::]:0", options);
      const socket = connect({ host: "127.0.0.1", port: portOf(listener) });
      const accepted = listener.accept();
      await new Promise((resolve) => socket.on("error", () => {}).once("close", resolve));
      const [a, b] = await Promise.all([dial("tcp", `[::1]:${portOf(listener)}`), accepted]);
      assert.equal(String(b.remoteAddr), String(a.localAddr));
      a.closeNow();
      b.closeNow();
      await listener.close();
    });
  }

  it("ipv6Only: false lets IPv4 in on tcp6", limit, async () => {
    const listener = await listen("tcp6", ":0", { ipv6Only: false });
    const [a, b] = await Promise.all([dial("tcp4", `:${portOf(listener)}`), listener.accept()]);
    a.closeNow();
    b.closeNow();
    await listener.close();
  });

  it("falls back to IPv4 on a machine without IPv6", limit, async () => {
    const tried: string[] = [];
    const runtime = new Runtime({
      ...currentAdapter(),
      listen: async (addr: SocketTarget, _request: ListenRequest): Promise<SocketServer> => {
        tried.push(String(addr));
        if (String(addr) === "[::]:80") {
          throw new NetError({ op: "listen", network: "tcp", addr, code: "EAFNOSUPPORT" });
        }
        return { addr, pause() {}, resume() {}, ref() {}, unref() {}, close: async () => {} };
      },
    });
    await (await listenOn(runtime, "tcp", ":80")).close();
    assert.deepEqual(tried, ["[::]:80", "0.0.0.0:80"]);
    await assert.rejects(listenOn(runtime, "tcp6", ":80"), { code: "EAFNOSUPPORT" });
  });

  it("refuses what makes no sense", limit, async () => {
    await assert.rejects(listen("tcp4", ":0", { ipv6Only: true }), TypeError);
    for (const maxConnections of [0, -1, 1.5, NaN, "5"]) {
      const options = { maxConnections } as ListenOptions;
      await assert.rejects(listen("tcp", "127.0.0.1:0", options), RangeError);
    }
  });
});

describe("listen's maxConnections", () => {
  holdProcess();

  it("lets the next one in when one has closed, whoever closes it", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0", { maxConnections: 2 });
    const dialled: TcpConn[] = [];
    for (let i = 0; i < 6; i++) {
      const conn = await dial("tcp", String(listener.addr));
      await conn.write(Uint8Array.of(i));
      dialled.push(conn);
    }
    const open: TcpConn[] = [await listener.accept(), await listener.accept()];
    for (let i = 2; i < 6; i++) {
      const accepting = listener.accept();
      listener.setDeadline(Date.now() + 20);
      if (i === 2) await assert.rejects(accepting, isDeadlineExceeded);
      listener.setDeadline(null);
      const next = i === 2 ? listener.accept() : accepting;
      const leaving = open.shift()!;
      if (i % 2 === 0) {
        await leaving.close();
      } else {
        // The peer's end alone is no close: this side still has it open.
        await dialled[i - 2]!.close();
        while (await leaving.readChunk() !== null);
        leaving.closeNow();
      }
      const conn = await next;
      assert.deepEqual([...(await conn.readChunk())!], [i]);
      open.push(conn);
    }
    for (const conn of [...dialled, ...open]) conn.closeNow();
    await listener.close();
  });

  it("serves many with one at a time", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0", { maxConnections: 1 });
    let [now, most] = [0, 0];
    const serve = async () => {
      for await (const conn of listener) {
        most = Math.max(most, ++now);
        void (async () => {
          await conn.write((await conn.readChunk())!);
          now--;
          await conn.close();
        })();
      }
    };
    const serving = serve();
    await Promise.all(Array.from({ length: 50 }, async (_, i) => {
      const conn = await dial("tcp", String(listener.addr));
      await conn.write(Uint8Array.of(i));
      assert.deepEqual([...(await conn.readChunk())!], [i]);
      await conn.close();
    }));
    await listener.close();
    await serving;
    assert.equal(most, 1);
  });
});
