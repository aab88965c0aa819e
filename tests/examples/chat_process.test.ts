/** The chat as a process: its commands, its environment, and how it ends. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { dialWebSocket } from "../../mod.ts";
import { enterByLine, enterByWeb, join, rawClient, type RunningChat } from "./chat_clients.ts";
import { parseMetrics } from "./open_metrics.ts";

const limit = { timeout: 30_000 };
const root = fileURLToPath(new URL("../..", import.meta.url));
const main = "examples/chat/main.ts";

/** How a person starts it on this runtime. */
const commands: string[][] = process.versions.bun !== undefined
  ? [["npm", "run", "chat:bun"], [process.execPath, "run", "chat"]]
  : process.versions.deno !== undefined
  ? [["npm", "run", "chat:deno"], [process.execPath, "task", "chat"]]
  : [["npm", "start"], ["npm", "run", "chat"]];

// `child.kill` is not used: on Deno it makes the exit code `null`, however the process ended.

/** The same without a task runner between, so that it is the process itself that gets a signal. */
const direct = [
  process.execPath,
  ...(process.versions.deno === undefined ? [] : ["run", "--allow-net", "--allow-read", "--allow-env"]),
  main,
];

interface ChatProcess extends RunningChat {
  child: ChildProcess;
  /** The exit code. */
  ended: Promise<number | null>;
  printed(): string;
}

const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) process.kill(-child.pid!, "SIGKILL");
});

async function startProcess(
  [command, ...args]: string[],
  env: Record<string, string> = {},
): Promise<ChatProcess> {
  const child = spawn(command!, args, {
    cwd: root,
    env: { ...process.env, PORT: "0", LINE_PORT: "0", HOST: "127.0.0.1", ...env },
    // A group of its own, as a terminal gives it: Ctrl-C goes to all of it.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let printed = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (part: string) => printed += part);
  }
  const ended = once(child, "close").then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  const doors =
    () => [/^chat: http:\/\/(\S+)\/$/m.exec(printed)?.[1], /^line door: (\S+)$/m.exec(printed)?.[1]];
  while (doors().includes(undefined)) {
    const over = await Promise.race([once(child.stdout!, "data"), ended.then(() => "over")]);
    if (over === "over") throw new Error(`The chat ended before it listened:\n${printed}`);
  }
  const [webAddress, lineAddress] = doors() as [string, string];
  return { child, ended, webAddress, lineAddress, printed: () => printed } as ChatProcess;
}

/** Somebody comes in by the web door and never answers. Gives what comes until the end. */
async function enterSilently({ webAddress }: ChatProcess): Promise<{ all: Promise<Uint8Array> }> {
  const { socket, all } = await rawClient(webAddress);
  socket.write(
    "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  );
  await once(socket, "data");
  return { all };
}

describe("chat: the process", () => {
  for (const command of commands) {
    it(`starts by ${command.join(" ").replace(process.execPath, "the runtime:")}`, limit, async () => {
      const chat = await startProcess(command);
      const response = await fetch(`http://${chat.webAddress}/`);
      assert.equal(response.status, 200);
      assert.match(await response.text(), /<!doctype html>/i);
      assert.equal((await fetch(`http://${chat.webAddress}/nope`)).status, 404);
      process.kill(-chat.child.pid!, "SIGINT");
      await chat.ended;
    });
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`closes the room with 1001 and ends on ${signal}`, limit, async () => {
      const chat = await startProcess(direct);
      const [web, line] = [await enterByWeb(chat), await enterByLine(chat)];
      await Promise.all([join(web, "r", "web"), join(line, "r", "line")]);
      process.kill(chat.child.pid!, signal);
      assert.deepEqual(await web.conn.closed, { code: 1001, reason: "", wasClean: true });
      while (await line.receiveText() !== null);
      assert.equal(await chat.ended, 0);
      await line.close();
    });
  }

  it("ends though somebody never answers the close", limit, async () => {
    const chat = await startProcess(direct);
    const { all } = await enterSilently(chat);
    process.kill(chat.child.pid!, "SIGTERM");
    assert.equal(await chat.ended, 0);
    await all;
  });

  it("drains on SIGTERM, and says what became of everybody", limit, async () => {
    const chat = await startProcess(direct);
    const [web, line] = [await enterByWeb(chat), await enterByLine(chat)];
    await Promise.all([join(web, "r", "web"), join(line, "r", "line")]);
    const { all } = await enterSilently(chat);
    const metrics = await fetch(`http://${chat.webAddress}/metrics`);
    const members = parseMetrics(await metrics.text()).get("jackfield_hub_members");
    assert.equal(members?.samples[0]?.value, 3);
    process.kill(chat.child.pid!, "SIGTERM");
    assert.deepEqual(await web.conn.closed, { code: 1001, reason: "", wasClean: true });
    // Nobody hears of those who go before.
    for (let text = await line.receiveText(); text !== null; text = await line.receiveText()) {
      assert.notEqual((JSON.parse(text) as { type: string }).type, "left");
    }
    assert.equal(await chat.ended, 0);
    assert.match(chat.printed(), /^drained: 2 closed, 0 left, 1 cut off, 0 messages lost$/m);
    await Promise.all([all, line.close()]);
  });

  it("ends on SIGINT though it is being drained", limit, async () => {
    const chat = await startProcess(direct);
    const web = await enterByWeb(chat);
    await join(web, "r", "web");
    const { all } = await enterSilently(chat);
    process.kill(chat.child.pid!, "SIGTERM");
    // It has begun.
    await web.conn.closed;
    process.kill(chat.child.pid!, "SIGINT");
    assert.equal(await chat.ended, 0);
    await all;
  });

  it("listens where it is told", limit, async () => {
    const first = await startProcess(direct, { HOST: "localhost" });
    assert.match(first.printed(), /^chat: http:\/\/localhost:\d+\/$/m);
    const conn = await dialWebSocket(`ws://${first.webAddress}/ws`);
    await conn.close();
    const taken = first.webAddress.split(":")[1]!;
    await assert.rejects(
      startProcess(direct, { HOST: "localhost", PORT: taken }),
      /Cannot start the chat: .*address already in use/,
    );
    process.kill(first.child.pid!, "SIGTERM");
    await first.ended;
  });
});
