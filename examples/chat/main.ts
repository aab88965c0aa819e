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

/** How long the closing handshakes may take when the process is told to end, milliseconds. */
const SHUTDOWN_TIME = 500;

async function main(): Promise<void> {
  const { PORT = "8080", LINE_PORT = "8081", HOST = "localhost" } = process.env;
  const page = await readFile(new URL("./page.html", import.meta.url), "utf8");
  const chat = new Chat();
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
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
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
