/**
 * A WebSocket echo server in several processes that share a port, by default one for each processor:
 * `node examples/processes.ts ADDRESS [PROCESSES]`, for example `localhost:8080 2`. With Bun use `bun`, with Deno
 * `deno run -A`. The kernel distributes the connections (SO_REUSEPORT). Ends on SIGINT and SIGTERM.
 *
 * Rooms that span the processes need a broker; see docs/hub.md.
 */

import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { listen, serve } from "../mod.ts";

const [address = "localhost:8080", processes = String(availableParallelism())] = process.argv.slice(2);

async function work(): Promise<void> {
  const listener = await listen("tcp", address, { reusePort: true });
  const server = serve(listener, {
    fetch: () => new Response(`${process.pid}\n`, { headers: { "content-type": "text/plain" } }),
    async websocket(conn) {
      for await (const message of conn) await conn.writeMessage(message.data);
    },
  });
  console.log(`process ${process.pid} listens on ${server.addr}`);
  process.once("SIGTERM", () => void server.shutdown().then(() => process.exit(0)));
}

function supervise(count: number): void {
  const env = { ...process.env, JACKFIELD_WORKER: "1" };
  const workers = Array.from(
    { length: count },
    () => fork(fileURLToPath(import.meta.url), [address], { env }),
  );
  const living = new Set(workers);
  const end = () => living.forEach((worker) => worker.kill("SIGTERM"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  for (const worker of workers) {
    worker.once("exit", (code) => {
      living.delete(worker);
      if (code) process.exitCode = code;
      // If one process ends by itself, end all of them, so that the failure does not go unnoticed.
      if (living.size > 0) end();
      else process.exit();
    });
  }
}

if (process.env["JACKFIELD_WORKER"] === "1") await work();
else supervise(Number(processes));
