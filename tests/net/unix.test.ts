import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { currentAdapter } from "../../adapters/runtime.ts";
import type { Listener } from "../../src/net/conn.ts";
import { listenOn } from "../../src/net/dial.ts";
import { NetError } from "../../src/net/errors.ts";
import { Runtime, type RuntimeAdapter } from "../../src/net/runtime.ts";
import { dial, listen } from "../../mod.ts";
import { type Pair, testConn } from "./conformance.ts";
import { holdProcess, limit } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "jackfield-"));
after(() => rmSync(folder, { recursive: true }));

let names = 0;
const freePath = (): string => join(folder, `${++names}.sock`);
const onLinux = process.platform === "linux";

async function makePair(path: string = freePath()): Promise<Pair> {
  const listener = await listen("unix", path);
  const [a, b] = await Promise.all([dial("unix", path), listener.accept()]);
  const stop = async () => {
    a.closeNow();
    b.closeNow();
    await listener.close();
  };
  return { a, b, stop };
}

// The kernel tells a reset only to a peer of whose bytes some were unread.
const resets = false;

testConn("unix, the dialling end", () => makePair(), { resets });

const makeReversed = async () => {
  const { a, b, stop } = await makePair();
  return { a: b, b: a, stop };
};
testConn("unix, the accepting end", makeReversed, { resets });

/** Leaves a socket file on which nobody listens, as a process does that was killed. */
function leaveStale(path: string): void {
  const script = `require("net").createServer().listen(${
    JSON.stringify(path)
  }, () => process.kill(process.pid, 9))`;
  spawnSync(join(import.meta.dirname!, "../../node_modules/.bin/node"), ["-e", script]);
  assert.ok(statSync(path).isSocket());
}

describe("unix", () => {
  holdProcess();

  it("has the path on one end and no name on the other", limit, async () => {
    const path = freePath();
    const { a, b, stop } = await makePair(path);
    assert.deepEqual([a.localAddr, a.remoteAddr].map(String), ["", path]);
    assert.deepEqual([b.localAddr, b.remoteAddr].map(String), [path, ""]);
    for (const addr of [a.localAddr, a.remoteAddr, b.localAddr, b.remoteAddr]) {
      assert.equal(addr.network, "unix");
    }
    await stop();
    await assert.rejects(b.read(new Uint8Array(1)), { message: "read unix: use of closed connection" });
  });

  it("removes its file when it is closed", limit, async () => {
    const path = freePath();
    const listener = await listen("unix", path);
    assert.equal(String(listener.addr), path);
    assert.ok(existsSync(path));
    await listener.close();
    assert.equal(existsSync(path), false);
  });

  it("says that nobody is there", limit, async () => {
    const path = freePath();
    await assert.rejects(dial("unix", path), (error) => {
      assert.ok(error instanceof NetError);
      assert.deepEqual([error.code, error.op, error.network, error.addr], ["ENOENT", "dial", "unix", path]);
      assert.equal(error.message, `dial unix ${path}: no such file or directory`);
      return true;
    });
    leaveStale(path);
    await assert.rejects(dial("unix", path), { code: "ECONNREFUSED", network: "unix" });
  });

  it("replaces a file on which nobody listens", limit, async () => {
    const path = freePath();
    leaveStale(path);
    const { stop } = await makePair(path);
    await stop();
    assert.equal(existsSync(path), false);
  });

  it("does not replace one that somebody else has replaced meanwhile", limit, async () => {
    const path = freePath();
    leaveStale(path);
    let other!: Listener;
    const connect: RuntimeAdapter["connect"] = (...request) => {
      return currentAdapter().connect(...request).catch(async (error) => {
        other = await listen("unix", path);
        throw error;
      });
    };
    const slow = new Runtime({ ...currentAdapter(), connect });
    await assert.rejects(listenOn(slow, "unix", path), { code: "EADDRINUSE" });
    const [a, b] = await Promise.all([dial("unix", path), other.accept()]);
    a.closeNow();
    b.closeNow();
    await other.close();
  });

  it("leaves alone a socket that somebody listens on, and a file that is none", limit, async () => {
    const path = freePath();
    const listener = await listen("unix", path);
    await assert.rejects(listen("unix", path), (error) => {
      assert.ok(error instanceof NetError);
      assert.equal(error.message, `listen unix ${path}: address already in use`);
      assert.deepEqual([error.code, error.network], ["EADDRINUSE", "unix"]);
      return true;
    });
    (await dial("unix", path)).closeNow();
    await listener.close();
    writeFileSync(path, "precious");
    await assert.rejects(listen("unix", path), { code: "EADDRINUSE" });
    assert.ok(existsSync(path));
  });

  it("sets the file's mode", limit, async () => {
    for (const mode of [0o600, 0o666, 0]) {
      const path = freePath();
      const listener = await listen("unix", path, { mode });
      assert.equal(statSync(path).mode & 0o777, mode);
      await listener.close();
    }
  });

  for (const mark of ["@", "\0"]) {
    const title = `takes abstract names after ${JSON.stringify(mark)}`;
    it(title, { ...limit, skip: onLinux ? false : "abstract names are Linux's" }, async () => {
      const name = `${mark}jackfield-${process.pid}-${++names}`;
      const { a, b, stop } = await makePair(name);
      await assert.rejects(listen("unix", name, { mode: 0o600 }), { code: "EADDRINUSE" });
      assert.equal(String(a.remoteAddr), name.replace("\0", "@"));
      assert.equal(String(b.localAddr), name.replace("\0", "@"));
      await a.write(Uint8Array.of(1));
      assert.deepEqual([...(await b.readChunk())!], [1]);
      await stop();
      await assert.rejects(dial("unix", name), { code: "ECONNREFUSED" });
    });
  }

  it("takes a time-out, a signal and a limit of connections", limit, async () => {
    const path = freePath();
    const listener = await listen("unix", path, { maxConnections: 1, backlog: 5 });
    const first = await dial("unix", path, { timeout: 5000, signal: new AbortController().signal });
    const accepted = await listener.accept();
    const second = await dial("unix", path);
    const next = listener.accept();
    await accepted.close();
    await (await next).close();
    first.closeNow();
    second.closeNow();
    await listener.close();
    await assert.rejects(dial("unix", path, { signal: AbortSignal.abort() }), { name: "AbortError" });
  });

  it("refuses wrong arguments", limit, async () => {
    for (const wrong of ["", "a\0b", 5 as unknown as string]) {
      await assert.rejects(dial("unix", wrong), TypeError);
      await assert.rejects(listen("unix", wrong), TypeError);
    }
    const long = join(folder, "x".repeat(107));
    await assert.rejects(dial("unix", long), { code: "EINVAL", op: "dial" });
    await assert.rejects(listen("unix", long), { code: "EINVAL", op: "listen" });
    await assert.rejects(dial("unix", freePath(), { localAddress: ":0" }), TypeError);
    await assert.rejects(listen("unix", freePath(), { reusePort: true }), TypeError);
    await assert.rejects(listen("unix", freePath(), { ipv6Only: false }), TypeError);
    await assert.rejects(listen("tcp", "127.0.0.1:0", { mode: 0o600 }), TypeError);
    for (const mode of [-1, 0o1000, 1.5, "600"]) {
      await assert.rejects(listen("unix", freePath(), { mode: mode as number }), RangeError);
    }
    await assert.rejects(dial("sctp" as "unix", "x"), {
      message: 'Cannot use network "sctp": it is not one of tcp, tcp4, tcp6, unix, udp, udp4, udp6',
    });
  });
});
