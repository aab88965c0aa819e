/** A process of its own, for what a test must not do in its own. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** How `program_main.ts` is run on this runtime. */
export function childCommand(args: readonly string[]): string[] {
  const script = fileURLToPath(new URL("./program_main.ts", import.meta.url));
  const run = process.versions.deno === undefined ? [] : ["run", "-A", "--no-check"];
  return [process.execPath, ...run, script, ...args];
}

/** How long a program may take, milliseconds: then it is killed, so that its test fails and clears up. */
const LONGEST = 30_000;

/** A process that tells what it does line by line. */
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

  /** What it says next; `null` when it ended. */
  async nextLine(): Promise<string | null> {
    const { done, value } = await this.#lines.next();
    return done ? null : value;
  }

  /** Lets it go on, where it waits to be told. */
  goOn(): void {
    this.#child.stdin!.write("\n");
  }

  /** What it still says; ends with it, which ends by itself. */
  async outcome(): Promise<string[]> {
    // Who has waited to be told may listen on.
    this.#child.stdin!.end();
    const lines: string[] = [];
    for (let line = await this.nextLine(); line !== null; line = await this.nextLine()) lines.push(line);
    assert.equal(await this.#ended, 0, lines.join("\n"));
    return lines;
  }

  kill(): void {
    // Not `child.kill`: on Deno it makes the exit code `null`, however the process ended.
    try {
      if (!this.#over) process.kill(this.#child.pid!, "SIGKILL");
    } catch {
      // It has ended just now.
    }
  }
}
