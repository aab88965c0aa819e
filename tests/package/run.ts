import { spawn } from "node:child_process";

/** Exit code and output of a program. */
export interface Ended {
  code: number | null;
  output: string;
  errors: string;
}

/** Runs a program to its end. */
export function run(command: string, args: string[], cwd: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    const ended: Ended = { code: null, output: "", errors: "" };
    child.stdout.setEncoding("utf8").on("data", (part: string) => ended.output += part);
    child.stderr.setEncoding("utf8").on("data", (part: string) => ended.errors += part);
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...ended, code }));
  });
}
