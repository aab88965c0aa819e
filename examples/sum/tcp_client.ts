/** Asks for sums over TCP, on one connection: `tcp_client.ts [ADDRESS]`. */

import process from "node:process";
import { dial, Framed, JsonTextsCodec } from "../../mod.ts";
import { MAX_LENGTH, type Request, type Response } from "./messages.ts";

const conn = await dial("tcp", process.argv[2] ?? "127.0.0.1:8001", { timeout: 10_000 });
const responses = new Framed<Response, Request>(conn, new JsonTextsCodec({ maxLength: MAX_LENGTH }));
for (let i = 1; i <= 5; i++) {
  responses.setReadDeadline(Date.now() + 30_000);
  await responses.write({ A: i, B: i * 10 });
  const response = await responses.read();
  if (response === null) throw new Error("The server closed the connection instead of answering");
  console.log(`${i} + ${i * 10} = ${response.Sum}`);
}
await responses.close();
