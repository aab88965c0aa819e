import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Conn, Listener, TcpConn } from "../../src/net/conn.ts";
import { joinHostPort } from "../../src/net/addr.ts";
import { NetError } from "../../src/net/errors.ts";
import { dial, listen } from "../../mod.ts";
import { countedSignal, holdProcess, isClosed, isDeadlineExceeded, limit } from "./support.ts";

type Options = Parameters<typeof listen>[2];

/** Runs a test with a listener, and closes all that the test opened. */
function withListener(body: (bench: Bench) => Promise<void>, options?: Options): () => Promise<void> {
  return async () => {
    const listener = await listen("tcp", "127.0.0.1:0", options);
    const conns: Conn[] = [];
    const keep = (conn: TcpConn): TcpConn => {
      conns.push(conn);
      return conn;
    };
    const address = String(listener.addr);
    const connect = async () => keep(await dial("tcp", address));
    try {
      await body({ listener, address, connect, keep });
    } finally {
      for (const conn of conns) conn.closeNow();
      await listener.close();
    }
  };
}

interface Bench {
  listener: Listener<TcpConn>;
  address: string;
  connect(): Promise<TcpConn>;
  keep(conn: TcpConn): TcpConn;
}

/** Tells which dialled connection this is the other end of. */
async function nameOf(conn: TcpConn): Promise<number> {
  return (await conn.readChunk())![0]!;
}

describe("Listener", () => {
  holdProcess();

  it(
    "accepts what waits, in order",
    limit,
    withListener(async ({ listener, connect, keep }) => {
      for (let i = 0; i < 20; i++) await (await connect()).write(Uint8Array.of(i));
      for (let i = 0; i < 20; i++) assert.equal(await nameOf(keep(await listener.accept())), i);
    }),
  );

  it(
    "serves waiting accepts in order of calling",
    limit,
    withListener(async ({ listener, connect, keep }) => {
      const accepts = Array.from({ length: 10 }, () => listener.accept());
      for (let i = 0; i < 10; i++) {
        await (await connect()).write(Uint8Array.of(i));
        assert.equal(await nameOf(keep(await accepts[i]!)), i);
      }
    }),
  );

  it(
    "loses nothing that came before accept",
    limit,
    withListener(async ({ listener, connect, keep }) => {
      const dialled = await connect();
      await dialled.write(new Uint8Array(100_000).fill(1));
      await dialled.closeWrite();
      await (await connect()).close();
      const first = keep(await listener.accept());
      let size = 0;
      for (let chunk = await first.readChunk(); chunk !== null; chunk = await first.readChunk()) {
        size += chunk.length;
      }
      assert.equal(size, 100_000);
      const second = keep(await listener.accept());
      assert.equal(await second.readChunk(), null);
    }),
  );

  it(
    "takes turns of dial, accept and close by the hundred",
    limit,
    withListener(async ({ listener, address }) => {
      for (let i = 0; i < 300; i++) {
        const [a, b] = await Promise.all([dial("tcp", address), listener.accept()]);
        await Promise.all([a.close(), b.close()]);
      }
    }),
  );

  it(
    "accepts a crowd",
    limit,
    withListener(async ({ listener, connect, keep }) => {
      const dialled = Promise.all(Array.from({ length: 100 }, connect));
      for (let i = 0; i < 100; i++) keep(await listener.accept());
      await dialled;
    }),
  );

  it(
    "keeps what nobody accepts, until it is full",
    limit,
    withListener(async ({ connect, keep, listener }) => {
      const dialled = await Promise.all(Array.from({ length: 50 }, connect));
      for (const conn of dialled) await conn.write(Uint8Array.of(1));
      for (let i = 0; i < 50; i++) assert.equal(await nameOf(keep(await listener.accept())), 1);
    }),
  );

  it(
    "survives a connection that breaks before it is accepted",
    limit,
    withListener(async (bench) => {
      const { listener, connect, keep } = bench;
      (await connect()).closeNow();
      const second = await connect();
      await second.write(Uint8Array.of(2));
      // The broken one may be given or not, as on every system; the sound one must be.
      for (let found = false; !found;) {
        const conn = keep(await listener.accept());
        found = await conn.readChunk().then((chunk) => chunk?.[0] === 2, () => false);
      }
    }),
  );

  it(
    "fails at a deadline in the past, though a connection waits",
    limit,
    withListener(async (bench) => {
      const { listener, connect, keep } = bench;
      await connect();
      for (const past of [0, new Date(Date.now() - 1000), Date.now()]) {
        listener.setDeadline(past);
        await assert.rejects(listener.accept(), isDeadlineExceeded);
      }
      listener.setDeadline(null);
      keep(await listener.accept());
    }),
  );

  it(
    "fails waiting accepts at the deadline, and goes on when it is moved",
    limit,
    withListener(async (bench) => {
      const { listener, connect, keep } = bench;
      const due = Date.now() + 30;
      listener.setDeadline(due);
      const accepts = [listener.accept(), listener.accept()];
      await Promise.all(accepts.map((accept) => assert.rejects(accept, isDeadlineExceeded)));
      assert.ok(Date.now() >= due - 1);
      // What comes now is not lost on those who gave up.
      await connect();
      await assert.rejects(listener.accept(), isDeadlineExceeded);
      listener.setDeadline(Date.now() + 10_000);
      keep(await listener.accept());
    }),
  );

  it(
    "moves the deadline of a waiting accept",
    limit,
    withListener(async ({ listener, connect, keep }) => {
      const first = assert.rejects(listener.accept(), isDeadlineExceeded);
      listener.setDeadline(Date.now() + 3_600_000);
      listener.setDeadline(Date.now() + 10);
      await first;
      listener.setDeadline(null);
      const second = listener.accept();
      listener.setDeadline(Date.now() + 10);
      listener.setDeadline(null);
      await connect();
      keep(await second);
      assert.throws(() => listener.setDeadline(NaN), TypeError);
      assert.throws(() => listener.setDeadline(5000), RangeError);
    }),
  );

  it(
    "lets a signal take a waiting accept out, and no connection with it",
    limit,
    withListener(async (bench) => {
      const { listener, connect, keep } = bench;
      const { abort, signal, listeners } = countedSignal();
      const aborted = assert.rejects(listener.accept({ signal }), (error) => error === signal.reason);
      const next = listener.accept();
      abort.abort();
      await aborted;
      assert.equal(listeners(), 0);
      await assert.rejects(listener.accept({ signal }), (error) => error === signal.reason);
      await connect();
      keep(await next);
      const alone = new AbortController();
      const gone = assert.rejects(listener.accept({ signal: alone.signal }), { name: "AbortError" });
      alone.abort();
      await gone;
      const dialled = await connect();
      await dialled.write(Uint8Array.of(3));
      assert.equal(await nameOf(keep(await listener.accept())), 3);
    }),
  );

  it(
    "fails waiting and later accepts when it is closed",
    limit,
    withListener(async ({ listener }) => {
      const accepts = [listener.accept(), listener.accept()].map((accept) =>
        assert.rejects(accept, isClosed)
      );
      await Promise.all([listener.close(), listener.close()]);
      await Promise.all(accepts);
      await assert.rejects(listener.accept(), isClosed);
      listener.setDeadline(Date.now());
      await assert.rejects(listener.accept(), isClosed);
      listener.unref();
      listener.ref();
      await listener.close();
      assert.match(String(listener.addr), /^127\.0\.0\.1:\d+$/);
    }),
  );

  it(
    "frees its address, and keeps accepted connections",
    limit,
    withListener(async (bench) => {
      const { listener, address, connect, keep } = bench;
      const [a, b] = await Promise.all([connect(), listener.accept()]);
      keep(b);
      await listener.close();
      await assert.rejects(dial("tcp", address), { code: "ECONNREFUSED" });
      await a.write(Uint8Array.of(5));
      assert.equal(await nameOf(b), 5);
      a.closeNow();
      b.closeNow();
      const again = await listen("tcp", address);
      assert.equal(String(again.addr), address);
      await again.close();
    }),
  );

  it(
    "drops what nobody accepted when it is closed",
    limit,
    withListener(async ({ listener, connect }) => {
      const dialled = await connect();
      await listener.close();
      const gone = await dialled.readChunk().catch((error) => error);
      assert.ok(gone === null || (gone instanceof NetError && gone.code === "ECONNRESET"), String(gone));
    }),
  );

  it(
    "ends `for await` when it is closed",
    limit,
    withListener(async ({ listener, connect, keep }) => {
      const names: number[] = [];
      const serve = async () => {
        for await (const conn of listener) {
          names.push(await nameOf(keep(conn)));
          if (names.length === 3) void listener.close();
        }
      };
      const served = serve();
      for (let i = 0; i < 3; i++) await (await connect()).write(Uint8Array.of(i));
      await served;
      assert.deepEqual(names, [0, 1, 2]);
      for await (const _ of listener) assert.fail("a closed listener gave a connection");
    }),
  );

  it(
    "ends a `for await` that waits when it is closed",
    limit,
    withListener(async ({ listener }) => {
      const serve = async () => {
        for await (const _ of listener) assert.fail("nobody dialled");
      };
      const served = serve();
      await listener.close();
      await served;
    }),
  );

  it(
    "stays open when a `for await` is left, and throws its deadline into it",
    limit,
    withListener(async (bench) => {
      const { listener, connect, keep } = bench;
      await connect();
      for await (const conn of listener) {
        keep(conn);
        break;
      }
      listener.setDeadline(Date.now() + 5);
      const serve = async () => {
        for await (const _ of listener) assert.fail("nobody dialled");
      };
      await assert.rejects(serve(), isDeadlineExceeded);
      listener.setDeadline(null);
      await connect();
      keep(await listener.accept());
    }),
  );

  it("is closed by `await using`", limit, async () => {
    let address: string;
    {
      await using listener = await listen("tcp", "127.0.0.1:0");
      address = String(listener.addr);
    }
    await assert.rejects(dial("tcp", address), { code: "ECONNREFUSED" });
  });
});

describe("listen", () => {
  holdProcess();

  it(
    "says that an address is in use",
    limit,
    withListener(async ({ address }) => {
      await assert.rejects(listen("tcp", address), (error) => {
        assert.ok(error instanceof NetError);
        assert.deepEqual([error.code, error.op, error.network], ["EADDRINUSE", "listen", "tcp"]);
        assert.equal(error.message, `listen tcp ${address}: address already in use`);
        assert.equal(error.timeout, false);
        return true;
      });
    }),
  );

  it("says that an address is not this machine's", limit, async () => {
    await assert.rejects(listen("tcp", "192.0.2.1:0"), (error) => {
      assert.ok(error instanceof NetError);
      assert.equal(error.code, "EADDRNOTAVAIL");
      return true;
    });
  });

  it("listens everywhere when no host is given", limit, async () => {
    const listener = await listen("tcp", ":0");
    const port = listener.addr.network === "tcp" ? listener.addr.port : 0;
    const [a, b] = await Promise.all([dial("tcp", `127.0.0.1:${port}`), listener.accept()]);
    assert.equal(String(b.remoteAddr), String(a.localAddr));
    assert.equal(String(b.localAddr), `127.0.0.1:${port}`);
    a.closeNow();
    b.closeNow();
    const [c, d] = await Promise.all([dial("tcp", `:${port}`), listener.accept()]);
    c.closeNow();
    d.closeNow();
    await listener.close();
  });

  // Of a listener at one address every socket has that; at a wildcard each is asked for its own.
  for (
    const [address, hosts] of [
      ["127.0.0.1:0", ["127.0.0.1"]],
      ["127.0.0.2:0", ["127.0.0.2"]],
      ["[::1]:0", ["::1"]],
      ["0.0.0.0:0", ["127.0.0.1", "127.0.0.2", "127.0.0.3"]],
      ["[::]:0", ["::1", "127.0.0.1", "127.0.0.2"]],
      ["[::ffff:0.0.0.0]:0", ["127.0.0.1", "127.0.0.2"]],
    ] as const
  ) {
    it(`accepts at ${address} with the addresses of the connection`, limit, async () => {
      const listener = await listen("tcp", address);
      const port = listener.addr.network === "tcp" ? listener.addr.port : 0;
      for (const host of hosts) {
        const [a, b] = await Promise.all([dial("tcp", joinHostPort(host, port)), listener.accept()]);
        assert.deepEqual([b.localAddr.network, String(b.localAddr)], ["tcp", joinHostPort(host, port)]);
        assert.equal(String(b.remoteAddr), String(a.localAddr));
        a.closeNow();
        b.closeNow();
      }
      await listener.close();
    });
  }

  it("refuses wrong options", limit, async () => {
    await assert.rejects(listen("udp" as "tcp", "127.0.0.1:0"), TypeError);
    await assert.rejects(listen("tcp", "127.0.0.1"), TypeError);
    await assert.rejects(listen("tcp", "127.0.0.1:65536"), TypeError);
    for (const backlog of [0, -1, 1.5, NaN, "5"]) {
      await assert.rejects(listen("tcp", "127.0.0.1:0", { backlog: backlog as number }), RangeError);
    }
  });

  it(
    "takes a backlog",
    limit,
    withListener(async ({ connect, listener, keep }) => {
      await connect();
      keep(await listener.accept());
    }, { backlog: 1 }),
  );

  it("is closed by its signal, and leaves nothing on it", limit, async () => {
    const { abort, signal, listeners } = countedSignal();
    const listener = await listen("tcp", "127.0.0.1:0", { signal });
    const other = await listen("tcp", "127.0.0.1:0", { signal });
    await other.close();
    assert.equal(listeners(), 1);
    const accept = assert.rejects(listener.accept(), isClosed);
    abort.abort();
    await accept;
    await listener.close();
    assert.equal(listeners(), 0);
    await assert.rejects(dial("tcp", String(listener.addr)), { code: "ECONNREFUSED" });
    await assert.rejects(listen("tcp", "127.0.0.1:0", { signal }), (error) => error === signal.reason);
  });

  it("opens nothing when its signal is aborted meanwhile", limit, async () => {
    const abort = new AbortController();
    const listening = assert.rejects(listen("tcp", "127.0.0.1:0", { signal: abort.signal }), {
      name: "AbortError",
    });
    abort.abort();
    await listening;
  });
});
