/** Adds numbers over TCP: `tcp_server.ts [ADDRESS]`. */

import process from "node:process";
import { type Conn, Framed, JsonTextsCodec, listen } from "../../mod.ts";
import { answer, MAX_LENGTH, type Request, type Response } from "./messages.ts";

const READ_TIMEOUT = 30_000;

async function serve(conn: Conn): Promise<void> {
  // TCP is a stream of bytes: the codec finds where one object ends and the next begins.
  const requests = new Framed<Request, Response>(conn, new JsonTextsCodec({ maxLength: MAX_LENGTH }));
  try {
    for (;;) {
      requests.setReadDeadline(Date.now() + READ_TIMEOUT);
      const request = await requests.read();
      if (request === null) break;
      console.log(`${conn.remoteAddr}: ${JSON.stringify(request)}`);
      await requests.write(answer(request));
    }
  } catch (error) {
    console.error(`${conn.remoteAddr}: ${(error as Error).message}`);
  }
  await requests.close();
}

const listener = await listen("tcp", process.argv[2] ?? "127.0.0.1:8001");
console.log(`sum: tcp ${listener.addr}`);
for await (const conn of listener) void serve(conn);
