/**
 * A program that runs without a permission or out of a resource. Prints a line of JSON for each failed call: `[what,
 * class, op, network, addr, code, timeout]`.
 */

import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import process from "node:process";
import { dial, listen, listenPacket, NetError, resolveTcpAddr } from "../../mod.ts";

async function show(what: string, call: Promise<unknown>): Promise<void> {
  try {
    await call;
    console.log(JSON.stringify([what]));
  } catch (error) {
    const { op, network, addr, code, timeout } = error as NetError;
    const name = error instanceof NetError ? error.constructor.name : String(error);
    console.log(JSON.stringify([what, name, op, network, addr, code, timeout]));
  }
}

/** Opens what the process may open, and gives it back. */
function exhaust(): () => void {
  const open: number[] = [];
  try {
    for (;;) open.push(openSync(devNull, "r"));
  } catch {
    return () => open.forEach((descriptor) => closeSync(descriptor));
  }
}

const programs: Record<string, (...args: string[]) => Promise<void>> = {
  /** Without the runtime's permission. */
  async forbidden() {
    await show("dial", dial("tcp", "127.0.0.1:9"));
    await show("dial from", dial("tcp", "127.0.0.1:9", { localAddress: "127.0.0.1:0" }));
    await show("dial with keepAlive", dial("tcp", "127.0.0.1:9", { keepAlive: 1000 }));
    await show("dial a name", dial("tcp", "localhost:9"));
    await show("dial unix", dial("unix", "/tmp/jackfield-none"));
    await show("dial abstract", dial("unix", "@jackfield-none"));
    await show("listen", listen("tcp", "127.0.0.1:0"));
    await show("listen with reusePort", listen("tcp", "127.0.0.1:0", { reusePort: true }));
    await show("listen unix", listen("unix", "/tmp/jackfield-none"));
    await show("listen packet", listenPacket("udp", "127.0.0.1:0"));
    await show("dial udp", dial("udp", "127.0.0.1:9"));
    await show("resolve", resolveTcpAddr("tcp", "localhost:9"));
  },
  /** Without the system's permission, which root always has. */
  async unprivileged(socket, directory) {
    if (process.getuid!() === 0) process.setuid!(65534);
    await show("dial unix", dial("unix", socket!));
    await show("listen unix", listen("unix", `${directory}/new`));
  },
  /** Without file descriptors. */
  async exhausted() {
    const free = exhaust();
    await show("dial", dial("tcp", "127.0.0.1:9"));
    await show("dial from", dial("tcp", "127.0.0.1:9", { localAddress: "127.0.0.1:0" }));
    await show("dial unix", dial("unix", "@jackfield-none"));
    await show("listen", listen("tcp", "127.0.0.1:0"));
    await show("listen with reusePort", listen("tcp", "127.0.0.1:0", { reusePort: true }));
    await show("listen unix", listen("unix", "@jackfield-none"));
    free();
    await show("dial later", dial("tcp", "127.0.0.1:9"));
  },
  /** A server that has nothing else to live for, and no descriptors for a while. */
  async server() {
    const listener = await listen("tcp", "127.0.0.1:0");
    const free = exhaust();
    console.log(`full ${listener.addr}`);
    const freeLater = () => {
      free();
      console.log("free");
    };
    setTimeout(freeLater, 200).unref();
    for await (const conn of listener) {
      const text = new TextDecoder().decode(await conn.readChunk() ?? undefined);
      if (text !== "second") continue;
      console.log("served");
      process.exit();
    }
  },
};

const [program = "", ...args] = process.argv.slice(2);
programs[program]!(...args);
