/**
 * Forwards TCP connections to another address: `node examples/forward.ts LISTEN_ADDRESS TARGET_ADDRESS`, for example
 * `localhost:8080 example.com:80`. Ends on SIGINT and SIGTERM.
 */

import process from "node:process";
import { ClosedError, type Conn, copy, dial, listen, type Listener } from "../mod.ts";

const open = new Set<Conn>();

async function forward(client: Conn, target: string): Promise<void> {
  open.add(client);
  let server: Conn | undefined;
  try {
    server = await dial("tcp", target, { timeout: 10_000 });
    open.add(server);
    await Promise.all([pass(client, server), pass(server, client)]);
    await Promise.all([client.close(), server.close()]);
  } catch (error) {
    // Reset rather than closed, so that neither side mistakes a truncated stream for a complete one.
    client.closeNow();
    server?.closeNow();
    console.error(`${client.remoteAddr}: ${(error as Error).message}`);
  } finally {
    open.delete(client);
    if (server !== undefined) open.delete(server);
  }
}

/** Copies one direction, as fast as the receiver reads, and forwards its end; the other direction goes on. */
async function pass(from: Conn, to: Conn): Promise<void> {
  await copy(to, from);
  await to.closeWrite();
}

/** Serves until the listener is closed. */
async function serve(listener: Listener, target: string): Promise<void> {
  for (;;) {
    try {
      void forward(await listener.accept(), target);
    } catch (error) {
      if (error instanceof ClosedError) return;
      console.error((error as Error).message);
    }
  }
}

const [address, target] = process.argv.slice(2);
if (address === undefined || target === undefined) {
  console.error("Usage: forward.ts LISTEN_ADDRESS TARGET_ADDRESS");
  process.exit(2);
}
const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => ending.abort());
const listener = await listen("tcp", address, { signal: ending.signal });
console.log(`forward: ${listener.addr} to ${target}`);
await serve(listener, target);
for (const conn of open) conn.closeNow();
process.exit(0);
