/** Jackfield as a client: `ours.ts PORT CONNS SIZE IN_FLIGHT SECONDS`; prints its messages and its CPU time, seconds. */
import process from "node:process";
import { dialWebSocket } from "../../mod.ts";
import { report } from "./report.ts";

const [port, conns, size, inFlight, seconds] = process.argv.slice(2).map(Number);
const data = new Uint8Array(size!);

await report(seconds!, async (count) => {
  for (let i = 0; i < conns!; i++) {
    const conn = await dialWebSocket(`ws://127.0.0.1:${port}/`);
    for (let j = 0; j < inFlight!; j++) await conn.writeMessage(data);
    void (async () => {
      for await (const message of conn) {
        count();
        await conn.writeMessage(message.data);
      }
    })();
  }
});
