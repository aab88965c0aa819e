/** Real failures of sockets, and the error that each must be on every runtime. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { currentAdapter } from "../../adapters/runtime.ts";
import { type Conn, dial, listen, type Listener, resolveTcpAddr } from "../../mod.ts";
import { ClosedError, DeadlineExceededError, NetError, type NetOp } from "../../src/net/errors.ts";
import { holdProcess, limit } from "./support.ts";

const runtime = currentAdapter().name;

interface Expected {
  op: NetOp;
  network?: string;
  addr: unknown;
  code: string;
  timeout?: boolean;
}

/** Holds a call to the whole of its error. */
async function fails(call: Promise<unknown>, expected: Expected, kind: unknown = NetError): Promise<void> {
  const error = await call.then((value) => assert.fail(`did not fail but gave ${value}`), (error) => error);
  assert.equal(error.constructor, kind, String(error));
  const { op, network, addr, code, timeout } = error;
  const wanted = { network: "tcp", timeout: false, ...expected, addr: String(expected.addr) };
  assert.deepEqual({ op, network, addr, code, timeout }, wanted);
}

/** Another turn of the event loop. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

let directory: string;
before(() => void (directory = mkdtempSync(join(tmpdir(), "jackfield-errors-"))));
after(() => rmSync(directory, { recursive: true }));

async function freeAddress(host = "127.0.0.1"): Promise<string> {
  const listener = await listen("tcp", `${host}:0`);
  await listener.close();
  return String(listener.addr);
}

describe("errors of dial", () => {
  holdProcess();
  const failsToDial = (address: string, code: string, options?: Parameters<typeof dial>[2]) =>
    fails(dial("tcp", address, options), { op: "dial", addr: address, code });
  const failsToDialUnix = (path: string, code: string) =>
    fails(dial("unix", path), { op: "dial", network: "unix", addr: path, code });

  it("ECONNREFUSED: nobody listens", limit, async () => {
    const address = await freeAddress();
    await failsToDial(address, "ECONNREFUSED");
    await failsToDial(address, "ECONNREFUSED", { localAddress: "127.0.0.1:0" });
    await failsToDial(await freeAddress("[::1]"), "ECONNREFUSED");
    await failsToDial("127.0.0.1:0", "ECONNREFUSED");
  });

  it("ECONNREFUSED: nobody listens on the file", limit, async () => {
    const server = createServer().listen(join(directory, "live"));
    await once(server, "listening");
    renameSync(join(directory, "live"), join(directory, "stale"));
    server.close();
    writeFileSync(join(directory, "plain"), "");
    await failsToDialUnix(join(directory, "stale"), "ECONNREFUSED");
    await failsToDialUnix(join(directory, "plain"), "ECONNREFUSED");
    await failsToDialUnix("@jackfield-nobody", "ECONNREFUSED");
  });

  it("ENOENT, ENOTDIR: there is no such file", limit, async () => {
    await failsToDialUnix(join(directory, "none"), "ENOENT");
    await failsToDialUnix("/dev/null/none", "ENOTDIR");
  });

  it("EINVAL: the path is too long", limit, async () => {
    await failsToDialUnix(`/${"x".repeat(200)}`, "EINVAL");
  });

  it("EADDRNOTAVAIL: the local address is another machine's", limit, async () => {
    await failsToDial("127.0.0.1:9", "EADDRNOTAVAIL", { localAddress: "192.0.2.99:0" });
    await failsToDial("[::1]:9", "EADDRNOTAVAIL", { localAddress: "[2001:db8::99]:0" });
  });

  it("EADDRINUSE: the local address is taken", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    await failsToDial("127.0.0.1:9", "EADDRINUSE", { localAddress: String(listener.addr) });
    await listener.close();
  });

  // TCP has no way to everybody: the kernel says so before it sends anything.
  it("ENETUNREACH: there is no way", limit, async () => {
    await failsToDial("255.255.255.255:9", "ENETUNREACH");
  });

  it("ENOTFOUND: there is no such name", limit, async () => {
    await failsToDial("nonexistent.invalid:9", "ENOTFOUND");
    const addr = "nonexistent.invalid:9";
    await fails(listen("tcp", addr), { op: "listen", addr, code: "ENOTFOUND" });
    await fails(resolveTcpAddr("tcp", addr), {
      op: "lookup",
      addr: "nonexistent.invalid:9",
      code: "ENOTFOUND",
    });
  });

  // ETIMEDOUT, and a signal's reason after a long wait: dial.test.ts, "dial to where nobody answers".
  it("the signal's reason: its signal was aborted", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    const abort = new AbortController();
    const dialling = dial("tcp", String(listener.addr), { signal: abort.signal });
    const reason = { a: "reason" };
    abort.abort(reason);
    await assert.rejects(dialling, (error) => error === reason);
    await listener.close();
  });
});

describe("errors of listen", () => {
  holdProcess();

  it("EADDRINUSE: somebody listens there", limit, async () => {
    for (
      const [network, address] of [["tcp", "127.0.0.1:0"], ["unix", "used"], ["unix", "@jackfield-used"]]
    ) {
      const path = address === "used" ? join(directory, address) : address!;
      const listener = await listen(network as "tcp", path);
      const addr = String(listener.addr);
      await fails(listen(network as "tcp", addr), {
        op: "listen",
        network: network!,
        addr,
        code: "EADDRINUSE",
      });
      await listener.close();
    }
  });

  it("EADDRINUSE: the file is no socket", limit, async () => {
    const path = join(directory, "text");
    writeFileSync(path, "");
    await fails(listen("unix", path), { op: "listen", network: "unix", addr: path, code: "EADDRINUSE" });
  });

  it("EADDRNOTAVAIL: the address is another machine's", limit, async () => {
    for (const addr of ["192.0.2.99:0", "[2001:db8::99]:0"]) {
      const expected = { op: "listen", addr, code: "EADDRNOTAVAIL" } as const;
      await fails(listen("tcp", addr), expected);
      await fails(listen("tcp", addr, { reusePort: true }), expected);
    }
  });

  it("ENOENT: there is no such directory", limit, async () => {
    const path = join(directory, "none", "socket");
    await fails(listen("unix", path), { op: "listen", network: "unix", addr: path, code: "ENOENT" });
  });
});

/** A connection to a peer that does nothing by itself, and that can send a reset on every runtime. */
async function rawPair(): Promise<{ conn: Conn; peer: Socket; server: Server; addr: string }> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  const connected = once(server, "connection");
  await once(server.listen(0, "127.0.0.1"), "listening");
  const addr = `127.0.0.1:${(server.address() as { port: number }).port}`;
  const [conn, [peer]] = await Promise.all([dial("tcp", addr), connected]);
  peer.on("error", () => {});
  return { conn, peer, server, addr };
}

async function pair(network: "tcp" | "unix"): Promise<{ a: Conn; b: Conn; listener: Listener }> {
  const listener = await listen(network, network === "tcp" ? "127.0.0.1:0" : join(directory, "pair"));
  const [a, b] = await Promise.all([dial(network, String(listener.addr)), listener.accept()]);
  return { a, b, listener };
}

describe("errors of a connection", () => {
  holdProcess();

  it("ECONNRESET: the peer dropped it while it was read", limit, async () => {
    const { conn, peer, server, addr } = await rawPair();
    const reading = conn.readChunk();
    peer.resetAndDestroy();
    await fails(reading, { op: "read", addr, code: "ECONNRESET" });
    await fails(conn.readChunk(), { op: "read", addr, code: "ECONNRESET" });
    await fails(conn.write(new Uint8Array(1)), { op: "write", addr, code: "ECONNRESET" });
    await fails(conn.closeWrite(), { op: "write", addr, code: "ECONNRESET" });
    await conn.close();
    server.close();
  });

  it("ECONNRESET: the peer dropped it while it was written to", limit, async () => {
    const { conn, peer, server, addr } = await rawPair();
    const writing = conn.write(new Uint8Array(1 << 25));
    peer.resetAndDestroy();
    await fails(writing, { op: "write", addr, code: "ECONNRESET" });
    await fails(conn.write(new Uint8Array(1)), { op: "write", addr, code: "ECONNRESET" });
    await fails(conn.readChunk(), { op: "read", addr, code: "ECONNRESET" });
    conn.closeNow();
    server.close();
  });

  for (const network of ["tcp", "unix"] as const) {
    it(`EPIPE: the peer has closed ${network}`, limit, async () => {
      const { a, b, listener } = await pair(network);
      await b.close();
      assert.equal(await a.readChunk(), null);
      const addr = String(listener.addr);
      const writing = (async () => {
        for (;; await turn()) await a.write(new Uint8Array(1));
      })();
      await fails(writing, { op: "write", network, addr, code: "EPIPE" });
      await fails(a.write(new Uint8Array(1)), { op: "write", network, addr, code: "EPIPE" });
      assert.equal(await a.readChunk(), null);
      a.closeNow();
      await listener.close();
    });

    it(`EPIPE: this side has ended ${network}`, limit, async () => {
      const { a, b, listener } = await pair(network);
      await a.closeWrite();
      const addr = String(listener.addr);
      await fails(a.write(new Uint8Array(1)), { op: "write", network, addr, code: "EPIPE" });
      a.closeNow();
      b.closeNow();
      await listener.close();
    });

    it(`ECLOSED, ETIMEDOUT: this side has closed ${network}, or its deadline passed`, limit, async () => {
      const { a, b, listener } = await pair(network);
      const addr = String(listener.addr);
      const late = { network, addr, code: "ETIMEDOUT", timeout: true };
      a.setDeadline(Date.now() - 1);
      await fails(a.readChunk(), { op: "read", ...late }, DeadlineExceededError);
      await fails(a.write(new Uint8Array(1)), { op: "write", ...late }, DeadlineExceededError);
      listener.setDeadline(Date.now() - 1);
      await fails(listener.accept(), { op: "accept", ...late }, DeadlineExceededError);
      await a.close();
      b.closeNow();
      await listener.close();
      const closed = { network, addr, code: "ECLOSED" };
      await fails(a.readChunk(), { op: "read", ...closed }, ClosedError);
      await fails(a.write(new Uint8Array(1)), { op: "write", ...closed }, ClosedError);
      await fails(a.closeWrite(), { op: "write", ...closed }, ClosedError);
      await fails(listener.accept(), { op: "accept", ...closed }, ClosedError);
    });
  }
});

const program = fileURLToPath(new URL("error_child.ts", import.meta.url));
const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) child.kill("SIGKILL");
});

function start(command: string, args: string[], onPart = (_part: string) => {}): Promise<string> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let [printed, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    printed += part;
    onPart(part);
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => errors += part);
  return once(child, "close").then(([code]) => {
    running.delete(child);
    assert.equal(code, 0, printed + errors);
    return printed;
  });
}

type Line = [
  what: string,
  name: string,
  op: string,
  network: string,
  addr: string,
  code: string,
  timeout: boolean,
];

function linesOf(printed: string): unknown[] {
  return printed.trim().split("\n").map((line) => JSON.parse(line));
}

const flags = runtime === "deno" ? ["run", "-A", "--no-check"] : [];

/** Under a limit of 64 descriptors. */
function startLimited(name: string, onPart?: (part: string) => void): Promise<string> {
  const script = 'ulimit -n 64; exec "$@"';
  return start("sh", ["-c", script, "sh", process.execPath, ...flags, program, name], onPart);
}

describe("errors of a process's limits", () => {
  it(
    "EACCES: Deno was given no permission",
    { ...limit, skip: runtime !== "deno" && "only Deno has permissions by default" },
    async () => {
      // Deno's spawn gives itself every permission, unless there is one in the arguments.
      const args = ["run", "--allow-sys", "--no-prompt", "--no-check", program, "forbidden"];
      const lines = linesOf(await start(process.execPath, args));
      const row = (
        what: string,
        op: string,
        network: string,
        addr: string,
      ): Line => [what, "NetError", op, network, addr, "EACCES", false];
      assert.deepEqual(lines, [
        row("dial", "dial", "tcp", "127.0.0.1:9"),
        row("dial from", "dial", "tcp", "127.0.0.1:9"),
        row("dial with keepAlive", "dial", "tcp", "127.0.0.1:9"),
        row("dial a name", "dial", "tcp", "localhost:9"),
        row("dial unix", "dial", "unix", "/tmp/jackfield-none"),
        row("dial abstract", "dial", "unix", "@jackfield-none"),
        row("listen", "listen", "tcp", "127.0.0.1:0"),
        row("listen with reusePort", "listen", "tcp", "127.0.0.1:0"),
        row("listen unix", "listen", "unix", "/tmp/jackfield-none"),
        row("listen packet", "listen", "udp", "127.0.0.1:0"),
        row("dial udp", "dial", "udp", "127.0.0.1:9"),
        row("resolve", "lookup", "tcp", "localhost:9"),
      ]);
    },
  );

  it("EACCES: the system gives no permission", limit, async () => {
    const [socket, locked] = [join(directory, "socket"), join(directory, "locked")];
    const listener = await listen("unix", socket, { mode: 0 });
    mkdirSync(locked);
    chmodSync(locked, 0o555);
    chmodSync(directory, 0o755);
    const printed = await start(process.execPath, [...flags, program, "unprivileged", socket, locked]);
    await listener.close();
    assert.deepEqual(linesOf(printed), [
      ["dial unix", "NetError", "dial", "unix", socket, "EACCES", false],
      ["listen unix", "NetError", "listen", "unix", `${locked}/new`, "EACCES", false],
    ]);
  });

  it("EMFILE: there is no descriptor left", limit, async () => {
    const row = (
      what: string,
      op: string,
      network: string,
      addr: string,
      code = "EMFILE",
    ): Line => [what, "NetError", op, network, addr, code, false];
    assert.deepEqual(linesOf(await startLimited("exhausted")), [
      row("dial", "dial", "tcp", "127.0.0.1:9"),
      row("dial from", "dial", "tcp", "127.0.0.1:9"),
      row("dial unix", "dial", "unix", "@jackfield-none"),
      row("listen", "listen", "tcp", "127.0.0.1:0"),
      row("listen with reusePort", "listen", "tcp", "127.0.0.1:0"),
      row("listen unix", "listen", "unix", "@jackfield-none"),
      row("dial later", "dial", "tcp", "127.0.0.1:9", "ECONNREFUSED"),
    ]);
  });

  it("a server without descriptors goes on when there are some", limit, async () => {
    const conns: Conn[] = [];
    let address = "";
    const call = async (text: string) => {
      const conn = await dial("tcp", address);
      conns.push(conn);
      await conn.write(new TextEncoder().encode(text));
    };
    const printed = await startLimited("server", (part) => {
      address = /^full (\S+)$/m.exec(part)?.[1] ?? address;
      if (/^full/m.test(part)) void call("first");
      if (/^free$/m.test(part)) void call("second");
    });
    for (const conn of conns) conn.closeNow();
    assert.match(printed, /^served$/m);
  });
});
