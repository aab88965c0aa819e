/** Workers of Node's cluster that listen on one address, and a primary that connects to it and prints the answers. */

import cluster from "node:cluster";
import { once } from "node:events";
import process from "node:process";
import { dial, listen } from "../../mod.ts";
import type { TcpAddr } from "../../src/net/addr.ts";
import { openSockets } from "../net/descriptors.ts";
import { systemOptions } from "../net/socket_options.ts";

const WORKERS = 2;
const ROUNDS = 6;
const OPTIONS = { noDelay: false, keepAlive: 20_000 };

/** Answers each connection with what it is. */
async function work(): Promise<void> {
  const before = openSockets();
  const listener = await listen("tcp", "127.0.0.1:0", OPTIONS);
  process.send!({ port: (listener.addr as TcpAddr).port });
  const serving = (async () => {
    for await (const conn of listener) {
      const { localAddr, remoteAddr } = conn;
      const told = { worker: cluster.worker!.id, to: String(localAddr), from: String(remoteAddr) };
      await conn.write(new TextEncoder().encode(JSON.stringify({ ...told, ...systemOptions(conn) })));
      while (await conn.readChunk() !== null);
      await conn.close();
    }
  })();
  await once(process, "message");
  await listener.close();
  await serving;
  process.send!({ open: openSockets() - before });
  process.disconnect();
}

async function lead(): Promise<void> {
  cluster.schedulingPolicy = process.argv[2] === "shared" ? cluster.SCHED_NONE : cluster.SCHED_RR;
  const workers = Array.from({ length: WORKERS }, () => cluster.fork());
  const ports = await Promise.all(
    workers.map(async (worker) => (await once(worker, "message"))[0].port as number),
  );
  const told: unknown[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const conn = await dial("tcp", `127.0.0.1:${ports[0]}`);
    const answer = JSON.parse(new TextDecoder().decode((await conn.readChunk())!));
    told.push({
      ...answer,
      from: answer.from === String(conn.localAddr),
      to: answer.to === String(conn.remoteAddr),
    });
    await conn.close();
  }
  const left: unknown[] = [];
  for (const worker of workers) {
    worker.send("close");
    left.push((await once(worker, "message"))[0].open);
    await once(worker, "exit");
  }
  console.log(JSON.stringify({ samePort: new Set(ports).size === 1, told, left }));
}

await (cluster.isPrimary ? lead() : work());
