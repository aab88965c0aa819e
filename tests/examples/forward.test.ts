/** The port forwarder, as a process of this runtime. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import process from "node:process";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Conn, dial, listen, type Listener, readAll, readFull } from "../../mod.ts";
import { assertBytes, holdProcess, isBroken, pattern, untilStill } from "../net/support.ts";

const limit = { timeout: 30_000 };
const root = fileURLToPath(new URL("../..", import.meta.url));
const isDeno = process.versions.deno !== undefined;

const MEGABYTE = 1 << 20;

interface Forwarder {
  address: string;
  child: ChildProcess;
  /** The exit code. */
  ended: Promise<number | null>;
  printed(): string;
  end(): Promise<void>;
}

const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) process.kill(child.pid!, "SIGKILL");
});

function spawnForwarder(...addresses: string[]): Omit<Forwarder, "address"> {
  const args = [...(isDeno ? ["run", "--allow-net"] : []), "examples/forward.ts", ...addresses];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let text = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (part: string) => text += part);
  }
  const ended = once(child, "close").then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  // `child.kill` is not used: on Deno it makes the exit code `null`, however the process ended.
  const end = async () => {
    process.kill(child.pid!, "SIGTERM");
    assert.equal(await ended, 0, text);
  };
  return { child, ended, printed: () => text, end };
}

async function startForwarder(target: { toString(): string }): Promise<Forwarder> {
  const forwarder = spawnForwarder("127.0.0.1:0", String(target));
  for (;;) {
    const address = /^forward: (\S+) to /m.exec(forwarder.printed())?.[1];
    if (address !== undefined) return { ...forwarder, address };
    const over = await Promise.race([once(forwarder.child.stdout!, "data"), forwarder.ended]);
    if (!Array.isArray(over)) throw new Error(`It ended before it listened:\n${forwarder.printed()}`);
  }
}

/** Both ends of one forwarded connection, and what is between. */
async function forwarded(): Promise<
  { client: Conn; server: Conn; forwarder: Forwarder; listener: Listener; stop(): Promise<void> }
> {
  const listener = await listen("tcp", "127.0.0.1:0");
  const forwarder = await startForwarder(listener.addr);
  const [client, server] = await Promise.all([dial("tcp", forwarder.address), listener.accept()]);
  const stop = async () => {
    client.closeNow();
    server.closeNow();
    await forwarder.end();
    await listener.close();
  };
  return { client, server, forwarder, listener, stop };
}

/** The end of the stream or an error: the connection was dropped. */
async function isDropped(conn: Conn): Promise<void> {
  const end = await conn.readChunk().catch((error) => error);
  if (end !== null) isBroken(end);
}

/** Megabytes of a process in memory, where the system tells. */
function residentMegabytes(pid: number): number {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return 0;
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(file, "utf8"))![1]) / 1024;
}

describe("forward: connections", () => {
  holdProcess();

  it("carries both ways", limit, async () => {
    const { client, server, stop } = await forwarded();
    for (let at = 0, size = 1; size < 100_000; at += size, size *= 3) {
      const ball = pattern(at, at + size);
      for (const [from, to] of [[client, server], [server, client]] as const) {
        const writing = from.write(ball);
        for (let got = 0; got < size;) {
          const part = (await to.readChunk())!;
          assertBytes(part, ball.subarray(got, got + part.length));
          got += part.length;
        }
        await writing;
      }
    }
    await stop();
  });

  it("passes on the end of one way while the other goes on", limit, async () => {
    for (const reversed of [false, true]) {
      const { client, server, stop } = await forwarded();
      const [first, second] = reversed ? [server, client] : [client, server];
      await first.write(pattern(0, 100));
      await first.closeWrite();
      assertBytes(await readAll(second), pattern(0, 100));
      await second.write(pattern(100, 200));
      await second.closeWrite();
      assertBytes(await readAll(first), pattern(100, 200));
      await stop();
    }
  });

  it("serves many at once", limit, async () => {
    const { client, server, forwarder, listener, stop } = await forwarded();
    const echo = async (conn: Conn) => {
      await conn.write(await readAll(conn));
      await conn.close();
    };
    const clients = Array.from({ length: 50 }, async (_, i) => {
      const conn = await dial("tcp", forwarder.address);
      await conn.write(pattern(i, i + 1000));
      await conn.closeWrite();
      assertBytes(await readAll(conn), pattern(i, i + 1000));
      await conn.close();
    });
    const servers = clients.map(async () => echo(await listener.accept()));
    await Promise.all([...clients, ...servers, server.write(pattern(0, 5))]);
    assertBytes((await client.readChunk())!, pattern(0, 5));
    await stop();
  });

  it("goes as slowly as the reader, in bounded memory", limit, async () => {
    const { client, server, forwarder, stop } = await forwarded();
    const part = pattern(0, MEGABYTE);
    const total = 256;
    let sent = 0;
    const send = async () => {
      for (; sent < total; sent++) await server.write(part);
      await server.closeWrite();
    };
    const sending = send();
    // Nobody reads: it fills what is between, and stops.
    await untilStill(() => sent);
    assert.ok(sent < 64, `${sent} MiB went to where nobody reads`);
    const before = residentMegabytes(forwarder.child.pid!);
    let most = 0;
    for (let read = 0; read < total; read++) {
      const got = new Uint8Array(MEGABYTE);
      await readFull(client, got);
      assert.equal(Buffer.compare(got, part), 0, `megabyte ${read} differs`);
      most = Math.max(most, residentMegabytes(forwarder.child.pid!));
    }
    assert.equal(await client.readChunk(), null);
    await sending;
    // What was read and not yet collected counts, too: it must not come to all that passed.
    assert.ok(most < before + total / 2, `from ${before} to ${most} MiB`);
    await stop();
  });
});

describe("forward: what goes wrong", () => {
  holdProcess();

  it("closes the client when the target refuses, and goes on", limit, async () => {
    const gone = await listen("tcp", "127.0.0.1:0");
    await gone.close();
    const forwarder = await startForwarder(gone.addr);
    await isDropped(await dial("tcp", forwarder.address));
    const listener = await listen("tcp", String(gone.addr));
    const [client, server] = await Promise.all([dial("tcp", forwarder.address), listener.accept()]);
    await client.write(pattern(0, 10));
    assertBytes((await server.readChunk())!, pattern(0, 10));
    client.closeNow();
    await forwarder.end();
    assert.match(forwarder.printed(), /connection refused/);
    await listener.close();
  });

  it("passes on a reset of the server", limit, async () => {
    const server = createServer((socket) => {
      socket.on("data", () => socket.resetAndDestroy()).on("error", () => {});
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const forwarder = await startForwarder(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    const client = await dial("tcp", forwarder.address);
    await client.write(pattern(0, 10));
    // Deno sends no reset.
    if (isDeno) await isDropped(client);
    else await assert.rejects(client.readChunk(), isBroken);
    await client.close();
    await forwarder.end();
    server.close();
  });

  it("passes on a reset of the client", limit, async () => {
    const { client, server, forwarder, listener, stop } = await forwarded();
    const raw = connect({ port: Number(forwarder.address.split(":")[1]), host: "127.0.0.1" });
    const accepted = await listener.accept();
    await accepted.write(pattern(0, 10));
    await once(raw, "data");
    raw.resetAndDestroy();
    if (isDeno) await isDropped(accepted);
    else await assert.rejects(accepted.readChunk(), isBroken);
    await accepted.close();
    // It is nobody else's fault.
    await client.write(pattern(0, 10));
    assertBytes((await server.readChunk())!, pattern(0, 10));
    await stop();
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`drops the connections and ends on ${signal}`, limit, async () => {
      const { client, server, forwarder, listener } = await forwarded();
      process.kill(forwarder.child.pid!, signal);
      await Promise.all([isDropped(client), isDropped(server)]);
      assert.equal(await forwarder.ended, 0, forwarder.printed());
      client.closeNow();
      server.closeNow();
      await listener.close();
    });
  }

  it("says how it is used", limit, async () => {
    const forwarder = spawnForwarder("127.0.0.1:0");
    assert.equal(await forwarder.ended, 2);
    assert.match(forwarder.printed(), /^Usage: /);
  });

  it("fails when it cannot listen", limit, async () => {
    const taken = await listen("tcp", "127.0.0.1:0");
    const forwarder = spawnForwarder(String(taken.addr), "127.0.0.1:1");
    assert.equal(await forwarder.ended, 1);
    assert.match(forwarder.printed(), /address already in use/);
    await taken.close();
  });
});
