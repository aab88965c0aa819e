/** Adds numbers over UDP: `udp_server.ts [ADDRESS]`. */

import process from "node:process";
import { listenPacket } from "../../mod.ts";
import { answer, MAX_LENGTH } from "./messages.ts";

const conn = await listenPacket("udp", process.argv[2] ?? "127.0.0.1:8002");
console.log(`sum: udp ${conn.localAddr}`);
const buffer = new Uint8Array(MAX_LENGTH);
for (;;) {
  const { data, addr, truncated } = await conn.readFrom(buffer);
  try {
    // A datagram arrives whole or not at all, so no codec is needed.
    if (truncated) throw new RangeError(`The request is longer than ${MAX_LENGTH} bytes`);
    const text = new TextDecoder().decode(data);
    console.log(`${addr}: ${text}`);
    await conn.writeTo(new TextEncoder().encode(JSON.stringify(answer(JSON.parse(text)))), addr);
  } catch (error) {
    console.error(`${addr}: ${(error as Error).message}`);
  }
}
