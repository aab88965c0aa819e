/** A server in a process of its own, and what the system says of it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import process from "node:process";

/** A running server. */
export class ServerProcess {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Starts `command`, in which PORT stands for a free port, and waits until it listens. */
  static async start(command: string): Promise<ServerProcess> {
    const port = await freePort();
    const [program, ...args] = pinned(command.replace("PORT", String(port)).split(" "));
    const child = spawn(program!, args, { stdio: ["ignore", "ignore", "inherit"] });
    for (let i = 0; i < 200; i++) {
      if (await listens(port)) return new ServerProcess(child, port);
      if (child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${command} does not listen`);
  }

  /** Seconds of processor time until now. */
  get cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  }

  /** Resident memory, bytes. */
  get memory(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "latin1");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }
}

const TICKS = Number(execFileSync("getconf", ["CLK_TCK"]));

/** To the second processor, so that server and load do not take each other's time; this process takes the first. */
function pinned(command: string[]): string[] {
  return canPin ? ["taskset", "-c", "1", ...command] : command;
}

const canPin = (() => {
  try {
    execFileSync("taskset", ["-cp", "0", String(process.pid)], { stdio: "ignore" });
    execFileSync("taskset", ["-c", "1", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
