/** Asks for sums over UDP, ten tasks on one socket: `udp_client.ts [ADDRESS]`. */

import process from "node:process";
import { dial } from "../../mod.ts";
import { MAX_LENGTH, type Response } from "./messages.ts";

const conn = await dial("udp", process.argv[2] ?? "127.0.0.1:8002");

/** Sends one request and returns one sum, maybe that of another task: a response does not name its request. */
async function ask(i: number): Promise<number> {
  conn.setReadDeadline(Date.now() + 30_000);
  await conn.write(new TextEncoder().encode(JSON.stringify({ A: i, B: i * 10 })));
  const p = new Uint8Array(MAX_LENGTH);
  const length = await conn.read(p);
  const response = JSON.parse(new TextDecoder().decode(p.subarray(0, length))) as Response;
  return response.Sum;
}

const sums = await Promise.all(Array.from({ length: 10 }, (_, i) => ask(i + 1)));
for (const sum of sums.sort((a, b) => a - b)) console.log(`${sum / 11} + ${sum / 11 * 10} = ${sum}`);
await conn.close();
