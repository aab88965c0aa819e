/**
 * A chat room for browsers and terminals: `npm start`.
 *
 * Environment: `PORT` (8080) and `LINE_PORT` (8081), 0 for a free one; `HOST` (localhost).
 */

import { readFile } from "node:fs/promises";
import process from "node:process";
import { joinHostPort, NetError, splitHostPort } from "../../mod.ts";
import { Chat } from "./chat.ts";
import { openLineDoor, openWebDoor } from "./doors.ts";

/** Upper bound of the closing handshakes when the process must end at once, milliseconds. */
const SHUTDOWN_TIME = 500;

/**
 * How guests are disconnected for a deploy: a batch at a time, so that not all connect to another server at once, and
 * all within two seconds. `code` means that the server is going away; the page then reconnects.
 */
const DRAIN = { code: 1001, batchSize: 500, interval: 100, timeout: 2_000 };

async function main(): Promise<void> {
  const { PORT = "8080", LINE_PORT = "8081", HOST = "localhost" } = process.env;
  const page = await readFile(new URL("./page.html", import.meta.url), "utf8");
  const chat = new Chat({ onError: (error) => console.error(error) });
  const web = await openWebDoor(chat, joinHostPort(HOST, Number(PORT)), page);
  const line = await openLineDoor(chat, joinHostPort(HOST, Number(LINE_PORT)));
  console.log(`chat: http://${joinHostPort(HOST, portOf(web.addr))}/`);
  console.log(`line door: ${joinHostPort(HOST, portOf(line.listener.addr))}`);

  const end = async () => {
    const signal = AbortSignal.timeout(SHUTDOWN_TIME);
    signal.addEventListener("abort", () => process.exit(0), { once: true });
    await Promise.all([web.shutdown({ signal }), line.close()]);
    process.exit(0);
  };
  const drain = async () => {
    const { closed, left, cut, lost } = await chat.drain(DRAIN);
    console.log(`drained: ${closed} closed, ${left} left, ${cut} cut off, ${lost} messages lost`);
    await end();
  };
  process.once("SIGINT", end);
  process.once("SIGTERM", drain);
}

function portOf(addr: { toString(): string }): number {
  return splitHostPort(String(addr)).port;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof NetError || error instanceof TypeError)) throw error;
  console.error(`Cannot start the chat: ${error.message}`);
  process.exit(1);
}
