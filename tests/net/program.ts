/** Programs in their own process, for actions that a test must not do in its process. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Command line that runs `program_main.ts` on this runtime. */
export function childCommand(args: readonly string[]): string[] {
  const script = fileURLToPath(new URL("./program_main.ts", import.meta.url));
  const run = process.versions.deno === undefined ? [] : ["run", "-A", "--no-check"];
  return [process.execPath, ...run, script, ...args];
}

/** Bound of a program's run time, milliseconds; then it is killed, so that its test fails and cleans up. */
const LONGEST = 30_000;

/** A process that reports line by line. */
export class Program {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** The exit code. */
  readonly #ended: Promise<number | null>;
  #over = false;

  constructor([command, ...args]: readonly string[]) {
    this.#child = spawn(command!, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
    const timer = setTimeout(() => this.kill(), LONGEST);
    this.#ended = once(this.#child, "exit").then(([code]) => {
      this.#over = true;
      clearTimeout(timer);
      return code;
    });
  }

  /** The next line of output; `null` at its end. */
  async nextLine(): Promise<string | null> {
    const { done, value } = await this.#lines.next();
    return done ? null : value;
  }

  /** Continues the program, which waits for this. */
  goOn(): void {
    this.#child.stdin!.write("\n");
  }

  /** The remaining lines; resolves when the program has ended by itself. */
  async outcome(): Promise<string[]> {
    // A program that waits to be continued may still be reading its input.
    this.#child.stdin!.end();
    const lines: string[] = [];
    for (let line = await this.nextLine(); line !== null; line = await this.nextLine()) lines.push(line);
    assert.equal(await this.#ended, 0, lines.join("\n"));
    return lines;
  }

  kill(): void {
    // `process.kill`, because on Deno `child.kill` makes the exit code `null`, however the process ended.
    try {
      if (!this.#over) process.kill(this.#child.pid!, "SIGKILL");
    } catch {
      // The process has just ended.
    }
  }
}
