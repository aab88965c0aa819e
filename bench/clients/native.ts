/** The runtime's own `WebSocket` as a client: `native.ts PORT CONNS SIZE IN_FLIGHT SECONDS`. */
import process from "node:process";
import { report } from "./report.ts";

const [port, conns, size, inFlight, seconds] = process.argv.slice(2).map(Number);
const data = new Uint8Array(size!);

await report(seconds!, async (count) => {
  for (let i = 0; i < conns!; i++) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    socket.binaryType = "arraybuffer";
    await new Promise((resolve) => socket.onopen = resolve);
    socket.onmessage = (event) => {
      count();
      socket.send(event.data);
    };
    for (let j = 0; j < inFlight!; j++) socket.send(data);
  }
});
