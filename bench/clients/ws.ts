/** npm `ws` as a client: `ws.ts PORT CONNS SIZE IN_FLIGHT SECONDS`. */
import { once } from "node:events";
import process from "node:process";
import WebSocket from "ws";
import { report } from "./report.ts";

const [port, conns, size, inFlight, seconds] = process.argv.slice(2).map(Number);
const data = new Uint8Array(size!);

await report(seconds!, async (count) => {
  for (let i = 0; i < conns!; i++) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
    await once(socket, "open");
    socket.on("message", (message) => {
      count();
      socket.send(message as Uint8Array);
    });
    for (let j = 0; j < inFlight!; j++) socket.send(data);
  }
});
