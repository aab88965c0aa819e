/** The servers that the benches compare on each runtime. */

/** A server to measure. */
export interface Contender {
  readonly name: string;
  /** Command line, in which PORT stands for the port. */
  readonly command: string;
  /** Whether the server echoes bytes without WebSocket. */
  readonly bareTcp: boolean;
}

/** The echo servers of a runtime. */
export interface Contenders {
  readonly ours: Contender;
  readonly bare: Contender;
  readonly peer: Contender;
}

const PEERS: Record<string, readonly [name: string, program: string]> = {
  node: ["npm ws", "bench/servers/ws.ts"],
  bun: ["Bun.serve", "bench/servers/bun_serve.ts"],
  deno: ["Deno.serve", "bench/servers/deno_serve.ts"],
};

/** Command that runs a program on the runtime. */
export function runnerOf(runtime: string): string {
  if (PEERS[runtime] === undefined) {
    throw new RangeError(`Cannot measure ${runtime}: it is not one of ${Object.keys(PEERS).join(", ")}`);
  }
  return runtime === "deno" ? "deno run -A --no-check" : runtime;
}

/** Jackfield, the bare socket and the best-known WebSocket server of a runtime. */
export function contendersOf(runtime: string): Contenders {
  const run = runnerOf(runtime);
  const [name, program] = PEERS[runtime]!;
  return {
    ours: { name: "jackfield", command: `${run} bench/servers/echo.ts PORT`, bareTcp: false },
    bare: { name: "bare TCP", command: `${run} bench/servers/tcp_${runtime}.ts PORT`, bareTcp: true },
    peer: { name, command: `${run} ${program} PORT echo`, bareTcp: false },
  };
}

/** Median, the upper one of an even number of values; `NaN` of none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
