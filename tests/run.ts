/**
 * The one test command: runs every test file on Node, Bun and Deno, one runtime after another.
 *
 *     node tests/run.ts                      everything, everywhere
 *     node tests/run.ts bun deno             on these runtimes only
 *     node tests/run.ts node layering        only files whose path contains "layering"
 *     node tests/run.ts node --only NAME     only the test of that name, its groups' in front, joined by " > "
 *
 * Passing tests stay quiet but for a line from time to time that tells how far it is; failures are shown in full, and
 * listed at the end, each with the command that runs it alone. The counts come from the JUnit report that each runner
 * writes. The last line is the total over all runtimes.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { readReport } from "./runner/junit.ts";
import { Progress } from "./runner/progress.ts";
import { type Runtime, runtimes } from "./runner/runtimes.ts";
import { failures, listFailed, listSkipped, type Result, totals } from "./runner/summary.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Milliseconds for all tests of one runtime. */
const overallTimeout = 15 * 60_000;

interface Request {
  runtimes: Runtime[];
  files: string[];
  /** The full name of the only test, `null` for all. */
  only: string | null;
}

function readArguments(args: string[]): Request {
  const at = args.indexOf("--only");
  const only = at < 0 ? null : args.splice(at, 2)[1] ?? "";
  const chosen = runtimes.filter(({ name }) => args.includes(name));
  const filters = args.filter((argument) => !chosen.some(({ name }) => name === argument));
  return { runtimes: chosen.length > 0 ? chosen : runtimes, files: testFiles(filters), only };
}

function testFiles(filters: string[]): string[] {
  return readdirSync(join(root, "tests"), { recursive: true, encoding: "utf8" })
    .map((file) => `tests/${file.replaceAll(sep, "/")}`)
    .filter((file) => file.endsWith(".test.ts") && !file.includes("node_modules/"))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort();
}

async function runOn(runtime: Runtime, request: Request, report: string): Promise<Result> {
  const { files, only } = request;
  const { name } = runtime;
  const binary = join(root, "node_modules", ".bin", name);
  const version = versionOf(binary);
  if (version === null) {
    console.log(`\n${name} is not installed: run npm ci`);
    return { runtime: name, passed: 0, failed: [], skipped: [], astray: [], fault: "did not begin" };
  }
  console.log(`\n── ${name} ${version}: ${files.length} ${files.length === 1 ? "file" : "files"}`);
  const progress = new Progress(runtime);
  const problem = await execute(binary, runtime.args(files, report, only), progress, only);
  const result = resultOf(name, report, progress, problem, request);
  if (result.fault !== null) console.log(`${name} ${result.fault}`);
  console.log(`${name} ${version}: ${totals([result])} in ${progress.seconds.toFixed(1)} s`);
  return result;
}

/** A run can fail without a failed test: a hook threw, a file did not load, the process crashed. */
function resultOf(
  runtime: string,
  report: string,
  { astray }: Progress,
  problem: string | null,
  { only, files }: Request,
): Result {
  const all = readReport(report, runtime);
  const cases = only === null
    ? all
    : all.filter(({ name }) => name === only || name.startsWith(`${only} > `));
  const fault = problem ?? (cases.length === 0 ? "ran no tests" : null);
  // Where Deno runs one test, it is that of `only.ts`.
  const failed = cases.filter(({ outcome }) => outcome === "failed")
    .map((test) => test.files.length > 0 || only === null ? test : { ...test, files });
  return {
    runtime,
    passed: cases.filter(({ outcome }) => outcome === "passed").length,
    // Node reports a file that failed as if it were a test.
    failed: failed.filter(({ name }) => !astray.has(name)),
    skipped: cases.filter(({ outcome }) => outcome === "skipped"),
    astray: [...astray],
    fault,
  };
}

function versionOf(binary: string): string | null {
  try {
    return /\d+\.\d+\.\d+/.exec(execFileSync(binary, ["--version"], { encoding: "utf8" }))?.[0] ?? null;
  } catch {
    return null;
  }
}

/** Runs a command to its end and tells what went wrong with it, or `null`. */
function execute(
  command: string,
  args: string[],
  progress: Progress,
  only: string | null,
): Promise<string | null> {
  // A process group of its own, so that whatever the tests started can be ended with it.
  const child = spawn(command, args, {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined, JACKFIELD_ONLY: only ?? undefined },
  });
  progress.show(child.stdout);
  progress.show(child.stderr);
  const interrupt = (): void => {
    killGroup(child);
    process.exit(130);
  };
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  return new Promise((resolve) => {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child);
    }, overallTimeout);
    child.once("error", (error) => resolve(error.message));
    child.once("exit", () => killGroup(child));
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      progress.stop();
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
      if (timedOut) {
        resolve(
          `timed out after ${overallTimeout / 60_000} minutes; it last said:\n${progress.recent.join("\n")}`,
        );
      } else if (code === 0) resolve(null);
      else resolve(code === null ? `was ended by ${signal}` : `ended with exit code ${code}`);
    });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nothing of the group is left.
  }
}

const request = readArguments(process.argv.slice(2));
if (request.files.length === 0) {
  console.error("no test file has such a path");
  process.exit(1);
}
const reports = mkdtempSync(join(tmpdir(), "jackfield-tests-"));
const results: Result[] = [];
for (const runtime of request.runtimes) {
  results.push(await runOn(runtime, request, join(reports, `${runtime.name}.xml`)));
}
rmSync(reports, { recursive: true });
listSkipped(results, root, request.files);
listFailed(results);
process.exitCode = results.some((result) => failures(result) > 0) ? 1 : 0;
console.log(`\n${totals(results)}`);
