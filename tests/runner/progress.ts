/** What is seen of a run while it goes on: all that is not quiet, and from time to time how far it is. */

import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Runtime } from "./runtimes.ts";

/** Milliseconds between two looks at how far it is. */
const INTERVAL = 15_000;

/** The output of one runtime's run. */
export class Progress {
  /** The last lines, quiet or not, to tell where a run hung. */
  readonly recent: string[] = [];
  /** The files in which something failed outside of all tests. */
  readonly astray: Set<string> = new Set();
  readonly #runtime: Runtime;
  readonly #started: number = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;
  #over = 0;
  #file: string | null = null;
  /** Whether the file has been named above what is shown of it. */
  #named = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#timer = setInterval(() => this.#tell(), INTERVAL);
  }

  /** Seconds since the run began. */
  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** Shows the stream's lines but the quiet ones. */
  show(stream: Readable): void {
    createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => this.#take(line));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #take(line: string): void {
    const { quiet, over, file, astray } = this.#runtime;
    if (line !== "" && this.recent.push(line) > 20) this.recent.shift();
    if (over.test(line)) this.#over++;
    const name = file?.exec(line)?.[1];
    if (name !== undefined) {
      this.#file = name;
      this.#named = false;
      return;
    }
    const lost = astray.exec(line);
    if (lost !== null) this.astray.add(lost[1] ?? this.#file ?? "a file that is not known");
    if (quiet.test(line)) return;
    if (!this.#named && this.#file !== null) console.log(`${this.#file}:`);
    this.#named = true;
    console.log(line);
  }

  /** Groups count here as well as tests. */
  #tell(): void {
    const where = this.#file === null ? "" : `, in ${this.#file}`;
    console.log(`   ${this.#runtime.name}: ${this.#over} over after ${this.seconds.toFixed(0)} s${where}`);
  }
}
