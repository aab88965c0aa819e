/** Adds numbers over WebSocket, at `/add`: `ws_server.ts [ADDRESS]`. */

import process from "node:process";
import { isUnexpectedCloseError, listenAndServe, type WebSocketConn } from "../../mod.ts";
import { answer, MAX_LENGTH } from "./messages.ts";

const READ_TIMEOUT = 20_000;

async function serve(conn: WebSocketConn): Promise<void> {
  try {
    for (;;) {
      conn.setReadDeadline(Date.now() + READ_TIMEOUT);
      const request = await conn.readJson();
      console.log(`${conn.remoteAddr}: ${JSON.stringify(request)}`);
      await conn.writeJson(answer(request));
    }
  } catch (error) {
    if (isUnexpectedCloseError(error, 1000, 1001)) {
      console.error(`${conn.remoteAddr}: closed with ${error.code}`);
    } else console.log(`${conn.remoteAddr}: ${(error as Error).message}`);
  }
}

const server = await listenAndServe("tcp", process.argv[2] ?? "127.0.0.1:8003", {
  readLimit: MAX_LENGTH,
  upgrade(request) {
    console.log(`Cookie: ${request.headers.get("cookie") ?? ""}`);
    for (const [name, value] of request.headers) console.log(`  ${name}: ${value}`);
    const { pathname } = new URL(request.url);
    return pathname === "/add"
      ? undefined
      : new Response(`There is nothing at ${pathname}; sums are at /add\n`, { status: 404 });
  },
  websocket: serve,
});
console.log(`sum: ws ${server.addr}`);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void server.shutdown());
