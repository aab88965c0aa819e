/** Runs of examples, several to a process, whose output is told apart. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Deferred } from "../../src/net/deferred.ts";

/** Files to a process. */
const AT_MOST = 16;

/** Begins the line behind the output of an example. */
const MARK = "\u0001over ";

/** What came of an example. */
export interface ExampleRun {
  output: string;
  /** Empty when there was none. */
  error: string;
}

const program = fileURLToPath(new URL("run_examples.ts", import.meta.url));
const command = [
  process.execPath,
  ...process.versions.deno ? ["run", "-A", "--no-check"] : [],
  program,
  MARK,
];

/** The examples in some files. Processes run one after another, each from when the first of its examples is asked for. */
export class ExampleRuns {
  readonly #batches: Batch[] = [];

  constructor(files: readonly string[]) {
    for (let i = 0; i < files.length; i += AT_MOST) {
      this.#batches.push(new Batch(files.slice(i, i + AT_MOST)));
    }
  }

  /** What came of the example in the file of this index. */
  of(index: number): Promise<ExampleRun> {
    return this.#batches[Math.floor(index / AT_MOST)]!.of(index % AT_MOST);
  }

  /** Resolves when all processes have ended by themselves. */
  async ended(): Promise<void> {
    for (const batch of this.#batches) await batch.ended();
  }

  /** Ends what still runs. */
  kill(): void {
    for (const batch of this.#batches) batch.kill();
  }
}

class Batch {
  readonly #files: readonly string[];
  readonly #runs: Deferred<ExampleRun>[];
  readonly #end = new Deferred<void>();
  #child: ChildProcess | null = null;

  constructor(files: readonly string[]) {
    this.#files = files;
    this.#runs = files.map(() => new Deferred<ExampleRun>());
    for (const { promise } of [...this.#runs, this.#end]) promise.catch(() => {});
  }

  of(index: number): Promise<ExampleRun> {
    this.#start();
    return this.#runs[index]!.promise;
  }

  ended(): Promise<void> {
    this.#start();
    return this.#end.promise;
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  #start(): void {
    if (this.#child !== null) return;
    const [runtime, ...args] = [...command, ...this.#files];
    const child = this.#child = spawn(runtime!, args, { stdio: ["ignore", "pipe", "pipe"] });
    let [output, errors, over] = ["", "", 0];
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [before, end] = line.split(MARK);
      if (end === undefined) output += `${line}\n`;
      else {
        // An example may have written no newline at its end.
        this.#runs[over++]!.resolve({ output: output + before!, error: JSON.parse(end) as string });
        output = "";
      }
    });
    child.stderr.setEncoding("utf8").on("data", (part: string) => errors += part);
    child.on("error", (error) => this.#fail(error));
    child.on("close", (code) => {
      if (code === 0 && over === this.#runs.length) this.#end.resolve();
      else {this.#fail(
          new assert.AssertionError({ message: `the process ended with ${code}:\n${output}${errors}` }),
        );}
    });
  }

  /** Fails what has not come to its end. */
  #fail(error: Error): void {
    for (const { reject } of [...this.#runs, this.#end]) reject(error);
  }
}
