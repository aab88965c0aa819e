import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { currentAdapter } from "../../adapters/runtime.ts";
import { tcpAddr } from "../../src/net/addr.ts";
import type { TcpConn } from "../../src/net/conn.ts";
import { dialOn, type DialOptions } from "../../src/net/dial.ts";
import { NetError } from "../../src/net/errors.ts";
import { socketPair } from "../../src/net/pipe.ts";
import { Runtime, type RuntimeAdapter } from "../../src/net/runtime.ts";
import type { ConnectRequest, SocketTarget, StreamSocket } from "../../src/net/stream_socket.ts";
import { dial, listen } from "../../mod.ts";
import { childCommand, Program } from "./program.ts";
import { countedSignal, holdProcess, limit } from "./support.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** A port on which nobody listens any more. */
async function freeAddress(): Promise<string> {
  const listener = await listen("tcp", "127.0.0.1:0");
  await listener.close();
  return String(listener.addr);
}

describe("dial", () => {
  holdProcess();

  it("says that a connection was refused", limit, async () => {
    const address = await freeAddress();
    await assert.rejects(dial("tcp", address), (error) => {
      assert.ok(error instanceof NetError);
      assert.deepEqual([error.code, error.op, error.network, error.addr], [
        "ECONNREFUSED",
        "dial",
        "tcp",
        address,
      ]);
      assert.equal(error.message, `dial tcp ${address}: connection refused`);
      assert.equal(error.timeout, false);
      return true;
    });
  });

  it("says that a host does not exist", limit, async () => {
    // Where there is no name server the answer may take long; then there is nothing to learn here.
    const error = await dial("tcp", "nonexistent.invalid:80", { timeout: 3000 }).catch((error) => error);
    assert.ok(error instanceof NetError);
    assert.match(error.code, /^(ENOTFOUND|ETIMEDOUT)$/);
    if (error.code === "ENOTFOUND") {
      assert.equal(error.message, "dial tcp nonexistent.invalid:80: no such host");
    }
  });

  it("says that too many files are open", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    const command = childCommand(["dialWithoutDescriptors", String(listener.addr)]);
    const program = new Program(["sh", "-c", 'ulimit -n 100; exec "$@"', "sh", ...command]);
    try {
      assert.deepEqual(await program.outcome(), ["EMFILE false"]);
    } finally {
      program.kill();
      await listener.close();
    }
  });

  it("takes an empty host for this machine", limit, async () => {
    const listener = await listen("tcp", ":0");
    const port = String(listener.addr).split(":").at(-1);
    const [a, b] = await Promise.all([dial("tcp", `:${port}`), listener.accept()]);
    a.closeNow();
    b.closeNow();
    await listener.close();
  });

  it("refuses wrong arguments", limit, async () => {
    await assert.rejects(dial("sctp" as "tcp", "127.0.0.1:80"), TypeError);
    await assert.rejects(dial("tcp", "127.0.0.1"), TypeError);
    await assert.rejects(dial("tcp", "::1:80"), TypeError);
    await assert.rejects(dial("tcp", 80 as unknown as string), TypeError);
    for (const timeout of [0, -1, NaN, "5", null]) {
      await assert.rejects(dial("tcp", "127.0.0.1:80", { timeout: timeout as number }), RangeError);
    }
  });

  it("does not begin with an aborted signal", limit, async () => {
    const reason = new Error("never mind");
    const signal = AbortSignal.abort(reason);
    await assert.rejects(dial("tcp", await freeAddress(), { signal }), (error) => error === reason);
  });

  it("leaves nothing on its signal, and an abort after it changes nothing", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    for (const timeout of [undefined, 10_000, Infinity]) {
      const { abort, signal, listeners } = countedSignal();
      const options = timeout === undefined ? { signal } : { signal, timeout };
      const [a, b] = await Promise.all([dial("tcp", String(listener.addr), options), listener.accept()]);
      assert.equal(listeners(), 0);
      abort.abort();
      await a.write(Uint8Array.of(1));
      assert.deepEqual([...(await b.readChunk())!], [1]);
      a.closeNow();
      b.closeNow();
    }
    await listener.close();
    const { signal, listeners } = countedSignal();
    await assert.rejects(dial("tcp", String(listener.addr), { signal, timeout: 10_000 }));
    assert.equal(listeners(), 0);
  });

  it("gives up in the same turn", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    for (const timeout of [undefined, 10_000]) {
      const abort = new AbortController();
      const signal = abort.signal;
      const options = timeout === undefined ? { signal } : { signal, timeout };
      const dialling = assert.rejects(dial("tcp", String(listener.addr), options), { name: "AbortError" });
      abort.abort();
      await dialling;
    }
    // Where the system had connected already, the other side is told.
    const last = await dial("tcp", String(listener.addr));
    await last.write(Uint8Array.of(1));
    for (let found = false; !found;) {
      const conn = await listener.accept();
      found = await conn.readChunk().then((chunk) => chunk !== null, () => false);
      conn.closeNow();
    }
    last.closeNow();
    await listener.close();
  });

  it("turns Nagle's algorithm on when it is told to", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    const dialling = dial("tcp", String(listener.addr), { noDelay: false });
    const [a, b] = await Promise.all([dialling, listener.accept()]);
    a.closeNow();
    b.closeNow();
    await listener.close();
  });
});

describe("dial to where nobody answers", () => {
  holdProcess();

  // A process that never accepts; once its backlog is full, the kernel leaves attempts without an answer.
  let server: ChildProcess;
  let address: string;
  const accepted: TcpConn[] = [];

  before(async () => {
    const script = fileURLToPath(new URL("./deaf_server.ts", import.meta.url));
    const args = currentAdapter().name === "deno" ? ["run", "-A", "--no-check", script] : [script];
    server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const [port] = await once(server.stdout!, "data");
    address = `127.0.0.1:${String(port).trim()}`;
  });

  after(() => {
    for (const conn of accepted) conn.closeNow();
    server.kill("SIGKILL");
  });

  /** Dials until attempts fail, as they do when the backlog is full; gives the last error. */
  async function dialUntilFull(options: () => DialOptions): Promise<unknown> {
    // One alone can fail because the machine is busy.
    let failures = 0;
    // Bun takes no backlog: its own is 511.
    for (let i = 0; i < 600; i++) {
      try {
        accepted.push(await dial("tcp", address, options()));
        failures = 0;
      } catch (error) {
        if (++failures === 3) return error;
      }
    }
    throw new Error("The backlog never filled");
  }

  it("ends at its time-out, and not before", limit, async () => {
    let started = 0;
    const error = await dialUntilFull(() => {
      started = Date.now();
      return { timeout: 100 };
    });
    assert.ok(error instanceof NetError);
    assert.deepEqual([error.code, error.timeout, error.op], ["ETIMEDOUT", true, "dial"]);
    assert.equal(error.message, `dial tcp ${address}: timed out`);
    assert.ok(Date.now() - started >= 99);
  });

  it("lets the process end when it was given up", limit, async () => {
    await dialUntilFull(() => ({ timeout: 50 }));
    for (const command of [["dial", address, "200"], ["giveUp", address]]) {
      const program = new Program(childCommand(command));
      try {
        assert.deepEqual(await program.outcome(), [command[0] === "dial" ? "ETIMEDOUT true" : "gave up"]);
      } finally {
        program.kill();
      }
    }
  });

  for (const timeout of [undefined, 10_000]) {
    it(`ends when its signal is aborted, with a time-out of ${timeout}`, limit, async () => {
      const { abort, signal, listeners } = countedSignal();
      const reason = new Error("enough");
      // The last attempt's time-out tells that this one is on its way.
      const dialling = dialUntilFull(() => timeout === undefined ? { signal } : { signal, timeout });
      await dialUntilFull(() => ({ timeout: 50 }));
      abort.abort(reason);
      assert.equal(await dialling, reason);
      assert.equal(listeners(), 0);
    });
  }
});

/** A runtime whose attempts to connect hang until the test lets them. */
function hangingRuntime(): { runtime: Runtime; clock: VirtualClock; connect(socket: StreamSocket): void } {
  const clock = new VirtualClock();
  let resolve!: (socket: StreamSocket) => void;
  const adapter: RuntimeAdapter = {
    ...currentAdapter(),
    name: "memory",
    clock,
    connect: (_target: SocketTarget, _request: ConnectRequest, signal: AbortSignal | null) =>
      new Promise<StreamSocket>((done, reject) => {
        resolve = done;
        signal?.addEventListener("abort", () => reject(signal.reason));
      }),
  };
  return { runtime: new Runtime(adapter), clock, connect: (socket) => resolve(socket) };
}

describe("dial's time-out", () => {
  it("is exact, and names the address", limit, async () => {
    const { runtime, clock } = hangingRuntime();
    let settled = false;
    const dialling = assert.rejects(
      dialOn(runtime, "tcp", "[::1]:80", { timeout: 1000 }).finally(() => settled = true),
      (error) => {
        assert.ok(error instanceof NetError);
        assert.deepEqual([error.code, error.addr], ["ETIMEDOUT", String(tcpAddr("::1", 80))]);
        return true;
      },
    );
    clock.advance(999);
    await Promise.resolve();
    assert.equal(settled, false);
    clock.advance(1);
    await dialling;
    assert.equal(runtime.timers.size, 0);
  });

  it("is taken back when the connection stands", limit, async () => {
    const { runtime, clock, connect } = hangingRuntime();
    const dialling = dialOn(runtime, "tcp", "127.0.0.1:80", { timeout: 1000 });
    const [a, b] = socketPair();
    connect(a);
    const conn = await dialling;
    assert.equal(runtime.timers.size, 0);
    clock.advance(2000);
    conn.closeNow();
    b.reset();
  });

  it("may be longer than any timer", limit, async () => {
    const { runtime, clock } = hangingRuntime();
    const timeout = 40 * 86_400_000;
    const dialling = assert.rejects(dialOn(runtime, "tcp", "127.0.0.1:80", { timeout }), {
      code: "ETIMEDOUT",
    });
    clock.advance(timeout);
    await dialling;
  });
});
