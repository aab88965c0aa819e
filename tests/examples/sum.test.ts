/** The sum service: a server on this runtime with clients on all three, by TCP, UDP and WebSocket. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import process from "node:process";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { dial, dialWebSocket, listen } from "../../mod.ts";
import { FaultProxy } from "../net/fault_proxy.ts";
import { holdProcess } from "../net/support.ts";

holdProcess();

const limit = { timeout: 60_000 };
const root = fileURLToPath(new URL("../..", import.meta.url));
const kinds = ["tcp", "udp", "ws"] as const;
type Kind = (typeof kinds)[number];

/** How each runtime runs a program; this one by its own path. */
const runtimes = ["node", "bun", "deno"].map((name) => {
  const command = `${root}node_modules/.bin/${name}`;
  return { name, command, args: name === "deno" ? ["run", "--no-check", "--allow-net"] : [] };
});
const here = process.versions.bun !== undefined
  ? "bun"
  : process.versions.deno !== undefined
  ? "deno"
  : "node";
const own = runtimes.find(({ name }) => name === here)!;

interface Program {
  child: ChildProcess;
  ended: Promise<number | null>;
  printed(): string;
}

const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) process.kill(child.pid!, "SIGKILL");
});

function start({ command, args }: typeof own, program: string, ...more: string[]): Program {
  const child = spawn(command, [...args, `examples/sum/${program}.ts`, ...more], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let text = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (part: string) => text += part);
  }
  const ended = once(child, "close").then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  return { child, ended, printed: () => text };
}

/** Runs the server of one kind, on a port of its own, while `body` does. */
async function withServer(
  kind: Kind,
  body: (address: string, server: Program) => Promise<void>,
): Promise<void> {
  const server = start(own, `${kind}_server`, "127.0.0.1:0");
  const line = new RegExp(`^sum: ${kind} (\\S+)`, "m");
  while (!line.test(server.printed())) await once(server.child.stdout!, "data");
  try {
    await body(line.exec(server.printed())![1]!, server);
  } finally {
    process.kill(server.child.pid!, "SIGTERM");
    await server.ended;
  }
}

/** What a client prints of the sums that it was told. */
function sums(count: number): string {
  return Array.from({ length: count }, (_, i) => `${i + 1} + ${(i + 1) * 10} = ${(i + 1) * 11}\n`).join("");
}

for (const kind of kinds) {
  describe(`sums by ${kind}`, () => {
    for (const runtime of runtimes) {
      const skip = existsSync(runtime.command) ? false : "the client's runtime is not installed";
      it(`to a client on ${runtime.name}`, { ...limit, skip }, () =>
        withServer(kind, async (address) => {
          const client = start(runtime, `${kind}_client`, address);
          assert.equal(await client.ended, 0, client.printed());
          assert.equal(client.printed(), sums(kind === "udp" ? 10 : 5));
        }));
    }
  });
}

describe("sums by a stream in single bytes", () => {
  for (const kind of ["tcp", "ws"] as const) {
    it(kind, limit, () =>
      withServer(kind, async (address) => {
        const bytewise = { bytewise: true };
        const proxy = await FaultProxy.open(address, { toServer: bytewise, toClient: bytewise });
        const client = start(own, `${kind}_client`, proxy.address);
        assert.equal(await client.ended, 0, client.printed());
        assert.equal(client.printed(), sums(5));
        await proxy.close();
      }));
  }
});

describe("the sum server", () => {
  it(
    "answers a plain program by TCP: one object a write, each way",
    limit,
    () =>
      withServer("tcp", async (address) => {
        const conn = await dial("tcp", address);
        const buffer = new Uint8Array(256);
        for (const [A, B] of [[1, 2], [-5, 0.5]] as const) {
          await conn.write(new TextEncoder().encode(JSON.stringify({ A, B })));
          const length = await conn.read(buffer);
          assert.equal(new TextDecoder().decode(buffer.subarray(0, length!)), `{"Sum":${A + B}}`);
        }
        await conn.write(new TextEncoder().encode('{"A":"x"}'));
        assert.equal(await conn.read(buffer), null);
        await conn.close();
      }),
  );

  it(
    "by WebSocket prints the cookie and every header, and refuses another path",
    limit,
    () =>
      withServer("ws", async (address, server) => {
        const conn = await dialWebSocket(`ws://${address}/add`, {
          headers: { cookie: "a=b", "x-test": "yes" },
        });
        await conn.writeJson({ A: 1, B: 2 });
        assert.deepEqual(await conn.readJson(), { Sum: 3 });
        await conn.close();
        assert.match(server.printed(), /^Cookie: a=b$/m);
        assert.match(server.printed(), /^ {2}x-test: yes$/m);
        assert.match(server.printed(), /^ {2}sec-websocket-version: 13$/m);
        const client = start(own, "ws_client", address, "/multiply");
        assert.equal(await client.ended, 1);
        assert.equal(
          client.printed().trim(),
          "Refused with 404: There is nothing at /multiply; sums are at /add",
        );
      }),
  );
});

describe("the sum client", () => {
  it("by WebSocket says that the server goes away", limit, async () => {
    const server = start(own, "ws_server", "127.0.0.1:0");
    while (!server.printed().includes("sum: ws")) await once(server.child.stdout!, "data");
    const address = /sum: ws (\S+)/.exec(server.printed())![1]!;
    const conn = await dialWebSocket(`ws://${address}/add`);
    process.kill(server.child.pid!, "SIGTERM");
    assert.equal((await conn.closed).code, 1001);
    assert.equal(await server.ended, 0);
  });

  it("by TCP understands a plain program that answers in one write", limit, async () => {
    const listener = await listen("tcp", "127.0.0.1:0");
    const serving = (async () => {
      const conn = await listener.accept();
      const buffer = new Uint8Array(256);
      for (let length = await conn.read(buffer); length !== null; length = await conn.read(buffer)) {
        const { A, B } = JSON.parse(new TextDecoder().decode(buffer.subarray(0, length)));
        await conn.write(new TextEncoder().encode(JSON.stringify({ Sum: A + B })));
      }
      await conn.close();
    })();
    const client = start(own, "tcp_client", String(listener.addr));
    assert.equal(await client.ended, 0, client.printed());
    assert.equal(client.printed(), sums(5));
    await serving;
    await listener.close();
  });
});
