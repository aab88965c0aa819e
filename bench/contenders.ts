/** Who is measured against whom, for the benches that take a runtime's name. */

/** A server to measure. */
export interface Contender {
  readonly name: string;
  /** With PORT for the port. */
  readonly command: string;
  /** It echoes bytes, and knows nothing of WebSocket. */
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

/** What runs a program on this runtime. */
export function runnerOf(runtime: string): string {
  if (PEERS[runtime] === undefined) {
    throw new RangeError(`Cannot measure ${runtime}: it is none of ${Object.keys(PEERS).join(", ")}`);
  }
  return runtime === "deno" ? "deno run -A --no-check" : runtime;
}

/** Ours, the bare socket, and the best-known WebSocket server there. */
export function contendersOf(runtime: string): Contenders {
  const run = runnerOf(runtime);
  const [name, program] = PEERS[runtime]!;
  return {
    ours: { name: "jackfield", command: `${run} bench/servers/echo.ts PORT`, bareTcp: false },
    bare: { name: "bare TCP", command: `${run} bench/servers/tcp_${runtime}.ts PORT`, bareTcp: true },
    peer: { name, command: `${run} ${program} PORT echo`, bareTcp: false },
  };
}

/** The middle one. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
