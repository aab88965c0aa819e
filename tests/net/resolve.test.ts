import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import { type TcpAddr, tcpAddr } from "../../src/net/addr.ts";
import { dialOn, listenOn } from "../../src/net/dial.ts";
import { NetError } from "../../src/net/errors.ts";
import { socketPair } from "../../src/net/pipe.ts";
import { resolveTcpAddrOn, type TcpNetwork } from "../../src/net/resolve.ts";
import { Runtime } from "../../src/net/runtime.ts";
import type { SocketTarget, StreamSocket } from "../../src/net/stream_socket.ts";
import { dial, listen, resolveTcpAddr } from "../../mod.ts";
import { countedSignal, holdProcess, limit } from "./support.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** A network whose names, and whose attempts to connect, are the test's. */
class FakeNetwork {
  readonly clock = new VirtualClock();
  readonly names = new Map<string, readonly string[]>();
  /** Names that were looked up, and addresses that were tried, in order. */
  readonly asked: string[] = [];
  readonly tried: string[] = [];
  readonly #attempts = new Map<string, PromiseWithResolvers<StreamSocket>>();
  readonly #dropped = new Set<string>();
  readonly runtime: Runtime = new Runtime({
    ...currentAdapter(),
    name: "memory",
    clock: this.clock,
    lookup: (hostname) => this.#lookup(hostname),
    connect: (target, _request, signal) => this.#connect(target, signal!),
  });

  async #lookup(hostname: string): Promise<readonly string[]> {
    this.asked.push(hostname);
    if (hostname === "hangs") return new Promise(() => {});
    const found = this.names.get(hostname);
    if (found !== undefined) return found;
    throw new NetError({ op: "lookup", network: "tcp", addr: hostname, code: "ENOTFOUND" });
  }

  #connect(target: SocketTarget, signal: AbortSignal): Promise<StreamSocket> {
    const attempt = Promise.withResolvers<StreamSocket>();
    this.tried.push(String(target));
    this.#attempts.set(String(target), attempt);
    signal.addEventListener("abort", () => this.#dropped.add(String(target)));
    return attempt.promise;
  }

  async fail(address: string, code = "ECONNREFUSED"): Promise<void> {
    this.#attempts.get(address)!.reject(new NetError({ op: "dial", network: "tcp", addr: address, code }));
    await settle();
  }

  /** Lets an attempt succeed; the other end tells whether it is kept. */
  connect(address: string): StreamSocket {
    const [a, b] = socketPair();
    this.#attempts.get(address)!.resolve(a);
    return b;
  }

  isDropped(address: string): boolean {
    return this.#dropped.has(address);
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await null;
}

describe("dial, with a name of many addresses", () => {
  it(
    "starts with the first, and goes on after a quarter of a second, the families in turns",
    limit,
    async () => {
      const net = new FakeNetwork();
      net.names.set("host", ["::1", "::2", "1.1.1.1"]);
      const dialling = dialOn(net.runtime, "tcp", "host:80");
      await settle();
      assert.deepEqual([net.asked, net.tried], [["host"], ["[::1]:80"]]);
      net.clock.advance(249);
      assert.equal(net.tried.length, 1);
      net.clock.advance(1);
      assert.deepEqual(net.tried, ["[::1]:80", "1.1.1.1:80"]);
      await net.fail("[::1]:80");
      assert.equal(net.tried[2], "[::2]:80");
      const peer = net.connect("1.1.1.1:80");
      const conn = await dialling;
      assert.equal(net.isDropped("[::2]:80"), true);
      assert.equal(net.runtime.timers.size, 0);
      conn.closeNow();
      peer.reset();
    },
  );

  it("drops a connection that comes after another", limit, async () => {
    const net = new FakeNetwork();
    net.names.set("host", ["::1", "1.1.1.1"]);
    const dialling = dialOn(net.runtime, "tcp", "host:80");
    await settle();
    net.clock.advance(250);
    const kept = net.connect("[::1]:80");
    const conn = await dialling;
    const late = net.connect("1.1.1.1:80");
    const gone = Promise.withResolvers<void>();
    late.start({ onData() {}, onEnd() {}, onDrain() {}, onClose: () => gone.resolve() });
    await gone.promise;
    conn.closeNow();
    kept.reset();
  });

  it("tells all failures as one, with the first one's code", limit, async () => {
    const net = new FakeNetwork();
    net.names.set("host", ["1.1.1.1", "::1"]);
    const failed = assert.rejects(dialOn(net.runtime, "tcp", "host:80"), (error) => {
      assert.ok(error instanceof NetError && error.cause instanceof AggregateError);
      assert.equal(error.message, "dial tcp host:80: network is unreachable");
      assert.deepEqual([error.code, error.addr], ["ENETUNREACH", "host:80"]);
      assert.deepEqual(error.cause.errors.map(({ code, addr }) => [code, addr]), [
        ["ENETUNREACH", "1.1.1.1:80"],
        ["ECONNREFUSED", "[::1]:80"],
      ]);
      return true;
    });
    await settle();
    net.clock.advance(250);
    await net.fail("[::1]:80", "ECONNREFUSED");
    await net.fail("1.1.1.1:80", "ENETUNREACH");
    await failed;
  });

  it("tells a single failure as it is", limit, async () => {
    const net = new FakeNetwork();
    net.names.set("host", ["1.1.1.1"]);
    const failed = assert.rejects(dialOn(net.runtime, "tcp", "host:80"), (error) => {
      assert.ok(error instanceof NetError);
      assert.deepEqual([error.code, error.addr, error.cause], ["ECONNREFUSED", "1.1.1.1:80", undefined]);
      return true;
    });
    await settle();
    await net.fail("1.1.1.1:80");
    await failed;
  });

  it("takes the addresses of its family only", limit, async () => {
    for (const [network, address] of [["tcp4", "1.1.1.1:80"], ["tcp6", "[::1]:80"]] as const) {
      const net = new FakeNetwork();
      net.names.set("host", ["::1", "1.1.1.1"]);
      const failed = assert.rejects(dialOn(net.runtime, network, "host:80"), { code: "ECONNREFUSED" });
      await settle();
      assert.deepEqual(net.tried, [address]);
      await net.fail(address);
      await failed;
    }
  });

  it("tries this machine by both families when there is no host", limit, async () => {
    const net = new FakeNetwork();
    const failed = assert.rejects(dialOn(net.runtime, "tcp", ":80"), { code: "ECONNREFUSED", addr: ":80" });
    await net.fail("127.0.0.1:80");
    await net.fail("[::1]:80");
    await failed;
    assert.deepEqual(net.asked, []);
  });
});

describe("dial's time-out and signal", () => {
  it("cover looking up", limit, async () => {
    const net = new FakeNetwork();
    const late = assert.rejects(dialOn(net.runtime, "tcp", "hangs:80", { timeout: 100 }), {
      name: "NetError",
      message: "dial tcp hangs:80: timed out",
      code: "ETIMEDOUT",
    });
    net.clock.advance(100);
    await late;
    const { abort, signal, listeners } = countedSignal();
    const aborted = assert.rejects(
      dialOn(net.runtime, "tcp", "hangs:80", { signal }),
      (error) => error === signal.reason,
    );
    abort.abort();
    await aborted;
    assert.deepEqual([listeners(), net.runtime.timers.size, net.tried.length], [0, 0, 0]);
  });

  it("cover all the attempts together", limit, async () => {
    const net = new FakeNetwork();
    net.names.set("host", ["1.1.1.1", "2.2.2.2"]);
    const late = assert.rejects(dialOn(net.runtime, "tcp", "host:80", { timeout: 300 }), {
      code: "ETIMEDOUT",
    });
    await settle();
    net.clock.advance(300);
    await late;
    assert.deepEqual(net.tried.map((address) => net.isDropped(address)), [true, true]);
    assert.equal(net.runtime.timers.size, 0);
  });
});

describe("resolveTcpAddr", () => {
  const cases: [TcpNetwork, address: string, found: string | null][] = [
    ["tcp", "both:80", "1.1.1.1:80"],
    ["tcp4", "both:80", "1.1.1.1:80"],
    ["tcp6", "both:80", "[::1]:80"],
    ["tcp", "six:80", "[::6]:80"],
    ["tcp4", "six:80", null],
    ["tcp", ":80", "[::]:80"],
    ["tcp4", ":80", "0.0.0.0:80"],
    ["tcp6", ":80", "[::]:80"],
    ["tcp", "10.0.0.1:0", "10.0.0.1:0"],
    ["tcp6", "10.0.0.1:0", null],
    ["tcp4", "[::1]:80", null],
    ["tcp", "[fe80::1%eth0]:80", "[fe80::1%eth0]:80"],
  ];
  for (const [network, address, found] of cases) {
    it(`finds ${found ?? "nothing"} for ${network} ${address}`, limit, async () => {
      const net = new FakeNetwork();
      net.names.set("both", ["::1", "1.1.1.1"]).set("six", ["::6"]);
      const resolving = resolveTcpAddrOn(net.runtime, network, address);
      if (found !== null) return assert.equal(String(await resolving), found);
      await assert.rejects(resolving, (error) => {
        assert.ok(error instanceof NetError);
        assert.deepEqual([error.code, error.op, error.addr], ["EADDRNOTAVAIL", "lookup", address]);
        assert.match(error.message, /no suitable address for tcp[46]: \S+$/);
        return true;
      });
    });
  }

  it("does not look IP addresses up", limit, async () => {
    const net = new FakeNetwork();
    await resolveTcpAddrOn(net.runtime, "tcp", "127.0.0.1:80");
    await assert.rejects(resolveTcpAddrOn(net.runtime, "tcp", "none:80"), {
      code: "ENOTFOUND",
      op: "lookup",
    });
    assert.deepEqual(net.asked, ["none"]);
  });

  it("refuses wrong arguments, and gives up", limit, async () => {
    await assert.rejects(resolveTcpAddr("udp" as "tcp", "127.0.0.1:80"), TypeError);
    await assert.rejects(resolveTcpAddr("tcp", "127.0.0.1"), TypeError);
    const signal = AbortSignal.abort();
    await assert.rejects(resolveTcpAddr("tcp", "localhost:80", { signal }), { name: "AbortError" });
    const net = new FakeNetwork();
    const { abort, signal: later, listeners } = countedSignal();
    const aborted = assert.rejects(resolveTcpAddrOn(net.runtime, "tcp", "hangs:80", { signal: later }), {
      name: "AbortError",
    });
    abort.abort();
    await aborted;
    assert.equal(listeners(), 0);
  });
});

describe("names and families, on the real network", () => {
  holdProcess();

  it("resolve localhost", limit, async () => {
    assert.match(String(await resolveTcpAddr("tcp", "localhost:80")), /^(127\.0\.0\.1|\[::1\]):80$/);
  });

  it("dial localhost, 127.0.0.1 and ::1", limit, async () => {
    for (
      const [network, at, dialled] of [
        ["tcp", "localhost:0", "localhost"],
        ["tcp", "127.0.0.1:0", "localhost"],
        ["tcp4", "localhost:0", "127.0.0.1"],
        ["tcp6", "[::1]:0", "[::1]"],
        ["tcp", "[::1]:0", "[::1]"],
        ["tcp4", ":0", "127.0.0.1"],
        ["tcp6", ":0", "[::1]"],
        ["tcp6", ":0", ""],
      ] as const
    ) {
      const listener = await listen(network, at);
      const { port } = listener.addr as TcpAddr;
      const [a, b] = await Promise.all([dial(network, `${dialled}:${port}`), listener.accept()]);
      assert.equal(String(a.localAddr), String(b.remoteAddr));
      a.closeNow();
      b.closeNow();
      await listener.close();
    }
  });

  it("refuse an address of the other family", limit, async () => {
    const runtime = new Runtime(currentAdapter());
    for (const [network, address] of [["tcp4", "[::1]:80"], ["tcp6", "127.0.0.1:80"]] as const) {
      await assert.rejects(dialOn(runtime, network, address), { code: "EADDRNOTAVAIL", op: "dial" });
      await assert.rejects(listenOn(runtime, network, address), { code: "EADDRNOTAVAIL", op: "listen" });
    }
    assert.equal(String(tcpAddr("::1", 1)), "[::1]:1");
  });
});
