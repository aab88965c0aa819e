/** A server in its own process, and the system's figures about it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import process from "node:process";

/** Port and processor of a server. */
export interface Place {
  /** Port, which other processes may share. Default: a free one. */
  readonly port?: number;
  /** Number of the processor. Default: 1, the second. */
  readonly processor?: number;
}

/** A running server. */
export class ServerProcess {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Starts `command`, in which PORT stands for the port, and waits until the server listens. */
  static async start(command: string, place: Place = {}): Promise<ServerProcess> {
    const port = place.port ?? await freePort();
    const others = socketsAt(port, LISTENS).length;
    const [program, ...args] = pinned(command.replace("PORT", String(port)).split(" "), place.processor ?? 1);
    const child = spawn(program!, args, { stdio: ["ignore", "ignore", "inherit"] });
    for (let i = 0; i < 200; i++) {
      const up = others > 0 ? socketsAt(port, LISTENS).length > others : await listens(port);
      if (up) return new ServerProcess(child, port);
      if (child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`The server has not begun to listen in time: ${command}`);
  }

  /** CPU time so far, seconds. */
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

  /** Number of connections to the port that this process has, and not another one that shares the port. */
  get connections(): number {
    const files = `/proc/${this.#child.pid}/fd`;
    const own = new Set(readdirSync(files).map((file) => linkOf(`${files}/${file}`)));
    return socketsAt(this.port, CONNECTED).filter((socket) => own.has(`socket:[${socket}]`)).length;
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }
}

const CONNECTED = "01", LISTENS = "0A";
const TICKS = Number(execFileSync("getconf", ["CLK_TCK"]));

/** The command, bound to one processor where `taskset` can do so; this process is bound to the first one. */
function pinned(command: string[], processor: number): string[] {
  return canPin ? ["taskset", "-c", String(processor), ...command] : command;
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

/** Target of a link in /proc, if it still exists. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** Inode numbers of the IPv4 sockets at this port that are in a state. */
function socketsAt(port: number, state: string): string[] {
  const place = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readFileSync("/proc/net/tcp", "latin1").split("\n").map((row) => row.trim().split(/\s+/));
  return rows.filter((row) => row[1]?.endsWith(place) && row[3] === state).map((row) => row[9]!);
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
