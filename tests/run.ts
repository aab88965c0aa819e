/**
 * The one test command: runs every test file on Node, Bun and Deno, one runtime after another.
 *
 *     node tests/run.ts                      everything, everywhere
 *     node tests/run.ts bun deno             on these runtimes only
 *     node tests/run.ts node layering        only files whose path contains "layering"
 *
 * Passing tests stay quiet, failures are shown in full. The counts come from the JUnit report that each
 * runner writes, because the runners' own totals count groups and subtests differently; only leaf tests
 * count here. The last line is the total over all runtimes.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const overallTimeout = 15 * 60_000;

/** Milliseconds for a test that has no limit of its own: beyond what any needs on a loaded machine. */
const testTimeout = 60_000;

interface Runtime {
  name: string;
  /** The command line that runs `files` and writes a JUnit report to `report`. */
  args(files: string[], report: string): string[];
  /** Lines of live output that only say that a test began, passed or was skipped. */
  quiet: RegExp;
}

/**
 * A leaked socket keeps a finished test file alive for ever on Node; Bun and Deno do not notice. `--test-force-exit`
 * loses the last results on their way to the runner, so a file gets five seconds to end by itself and then fails.
 */
const endWhenDone = "data:text/javascript," + encodeURIComponent(`
  import { after } from "node:test";
  import { isMainThread } from "node:worker_threads";
  const file = process.argv[1] ?? "";
  const end = () => {
    console.error(file + " did not close: " + process.getActiveResourcesInfo().filter((name) => name !== "PipeWrap"));
    process.exit(1);
  };
  if (isMainThread && file.endsWith(".test.ts")) after(() => void setTimeout(end, 5000).unref());
`);

const runtimes: Runtime[] = [
  {
    name: "node",
    args: (files, report) => [
      "--test",
      `--import=${endWhenDone}`,
      "--test-concurrency=2",
      `--test-timeout=${testTimeout}`,
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      "--test-reporter=junit",
      `--test-reporter-destination=${report}`,
      ...files,
    ],
    quiet: /^(\s+[✔﹣▶] |▶ |ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) )/,
  },
  {
    name: "bun",
    // Without "./" Bun takes a path for a filter.
    args: (files, report) => [
      "test",
      `--timeout=${testTimeout}`,
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...files.map((file) => `./${file}`),
    ],
    quiet: /^(\((pass|skip|todo)\) | +\d+ (pass|skip|todo|fail)$|$)/,
  },
  {
    name: "deno",
    args: (files, report) => ["test", "-A", "--no-check", `--junit-path=${report}`, ...files],
    quiet: /^(\s+.* \.\.\.( (ok|ignored) \(.*)?|\S.* \.\.\.|running \d+ tests? from .*|)$/,
  },
];

interface TestCase {
  name: string;
  outcome: "passed" | "failed" | "skipped";
  /** Why it was skipped, where the runner tells. */
  reason: string;
}

interface Result {
  runtime: string;
  passed: number;
  failed: number;
  skipped: TestCase[];
}

function testFiles(filters: string[]): string[] {
  return readdirSync(join(root, "tests"), { recursive: true, encoding: "utf8" })
    .map((file) => `tests/${file.replaceAll(sep, "/")}`)
    .filter((file) => file.endsWith(".test.ts") && !file.includes("node_modules/"))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort();
}

async function runOn(runtime: Runtime, files: string[], report: string): Promise<Result> {
  const binary = join(root, "node_modules", ".bin", runtime.name);
  const version = versionOf(binary);
  if (version === null) {
    console.log(`\n${runtime.name} is not installed: run npm ci`);
    return { runtime: runtime.name, passed: 0, failed: 1, skipped: [] };
  }
  console.log(`\n── ${runtime.name} ${version}: ${files.length} ${files.length === 1 ? "file" : "files"}`);
  const started = performance.now();
  const problem = await execute(binary, runtime.args(files, report), runtime.quiet);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const result = tally(runtime.name, readReport(report), problem);
  console.log(
    `${runtime.name} ${version}: ${
      counts(result.passed, result.failed, result.skipped.length)
    } in ${seconds} s`,
  );
  return result;
}

function versionOf(binary: string): string | null {
  try {
    return /\d+\.\d+\.\d+/.exec(execFileSync(binary, ["--version"], { encoding: "utf8" }))?.[0] ?? null;
  } catch {
    return null;
  }
}

/** Runs a command to its end and tells what went wrong with it, or `null`. */
function execute(command: string, args: string[], quiet: RegExp): Promise<string | null> {
  // A process group of its own, so that whatever the tests started can be ended with it.
  const child = spawn(command, args, {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined },
  });
  const recent: string[] = [];
  echo(child.stdout, quiet, recent);
  echo(child.stderr, quiet, recent);
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
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
      if (timedOut) {
        resolve(`timed out after ${overallTimeout / 60_000} minutes; it last said:\n${recent.join("\n")}`);
      } else if (code === 0) resolve(null);
      else resolve(code === null ? `was ended by ${signal}` : `ended with exit code ${code}`);
    });
  });
}

/** Shows a stream's lines but the quiet ones; `recent` keeps the last of all of them, to tell where a run hung. */
function echo(stream: Readable, quiet: RegExp, recent: string[]): void {
  createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => {
    if (line !== "" && recent.push(line) > 20) recent.shift();
    if (!quiet.test(line)) console.log(line);
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

/** The leaf tests of a JUnit report; none when the runner did not live to write one. */
function readReport(path: string): TestCase[] {
  let xml: string;
  try {
    xml = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  const groups: string[] = [];
  const cases: TestCase[] = [];
  for (const [, closing, tag, rest = ""] of xml.matchAll(/<(\/?)(\w+)((?:"[^"]*"|[^">])*)>/g)) {
    const current = cases.at(-1);
    if (tag === "testsuite" && closing) groups.pop();
    else if (tag === "testsuite") groups.push(isFile(rest) ? "" : attribute(rest, "name"));
    else if (tag === "testcase" && !closing) {
      const name = [...groups.filter(Boolean), attribute(rest, "name")].join(" > ");
      cases.push({ name, outcome: "passed", reason: "" });
    } else if (current && tag === "skipped") {
      Object.assign(current, { outcome: "skipped", reason: attribute(rest, "message") });
    } else if (current && (tag === "failure" || tag === "error")) current.outcome = "failed";
  }
  return cases;
}

/** Bun makes one suite of each file, Deno one of each file and one of all that went through node:test. */
function isFile(attributes: string): boolean {
  const name = attribute(attributes, "name");
  return name === attribute(attributes, "file") || /^(\.\/|ext:)/.test(name);
}

function attribute(text: string, name: string): string {
  const raw = new RegExp(`\\s${name}="([^"]*)"`).exec(text)?.[1] ?? "";
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", "#10": " ", amp: "&" };
  return raw.replace(/&([#\w]+);/g, (entity, key: string) => entities[key] ?? entity);
}

function tally(runtime: string, cases: TestCase[], problem: string | null): Result {
  // Deno reports a group as a case too, named by the start of its members' names.
  const parents = new Set(cases.flatMap(({ name }) => runtime === "deno" ? prefixes(name) : []));
  const leaves = cases.filter(({ name }) => !parents.has(name));
  const count = (outcome: string): number => leaves.filter((leaf) => leaf.outcome === outcome).length;
  const fault = problem ?? (leaves.length === 0 ? "ran no tests" : null);
  if (fault !== null) console.log(`${runtime} ${fault}`);
  // A run can fail without a failed test: a hook threw, a file did not load, the process crashed.
  const failed = Math.max(count("failed"), fault === null ? 0 : 1);
  return {
    runtime,
    passed: count("passed"),
    failed,
    skipped: leaves.filter((leaf) => leaf.outcome === "skipped"),
  };
}

function prefixes(name: string): string[] {
  return [...name.matchAll(/ > /g)].map((match) => name.slice(0, match.index));
}

function counts(passed: number, failed: number, skipped: number): string {
  return `${passed} passed, ${failed} failed` + (skipped > 0 ? `, ${skipped} skipped` : "");
}

/** Only Node reports why a test is skipped; for the others the reason is looked up there, then in the source. */
function listSkipped(results: Result[], files: string[]): void {
  const skipped = Map.groupBy(
    results.flatMap(({ runtime, skipped }) => skipped.map((test) => ({ ...test, runtime }))),
    ({ name }) => name,
  );
  if (skipped.size > 0) console.log("\nSkipped:");
  for (const [name, tests] of skipped) {
    const reason = tests.find((test) => test.reason && test.reason !== "TODO")?.reason ??
      reasonInSource(name, files);
    console.log(`  on ${tests.map((test) => test.runtime).join(", ")}: ${name}: ${reason}`);
  }
}

function reasonInSource(name: string, files: string[]): string {
  const title = name.slice(name.lastIndexOf(" > ") + 1).replace(/^> /, "").replace(/[^\w\s]/g, "\\$&");
  const options = new RegExp(`["'\`]${title}["'\`],\\s*\\{[^{}]*?\\b(?:skip|todo):[^{}]*"([^"{}]+)"`);
  const sources = files.map((file) => readFileSync(join(root, file), "utf8"));
  return sources.map((source) => options.exec(source)?.[1]).find(Boolean) ?? "the test gives no reason";
}

const names = runtimes.map((runtime) => runtime.name);
const chosen = process.argv.slice(2).filter((argument) => names.includes(argument));
const files = testFiles(process.argv.slice(2).filter((argument) => !names.includes(argument)));
if (files.length === 0) {
  console.error("no test file has such a path");
  process.exit(1);
}
const reports = mkdtempSync(join(tmpdir(), "jackfield-tests-"));
const results: Result[] = [];
for (const runtime of runtimes) {
  if (chosen.length > 0 && !chosen.includes(runtime.name)) continue;
  results.push(await runOn(runtime, files, join(reports, `${runtime.name}.xml`)));
}
rmSync(reports, { recursive: true });
listSkipped(results, files);
const total = (count: (result: Result) => number): number =>
  results.reduce((sum, result) => sum + count(result), 0);
const failed = total((result) => result.failed);
process.exitCode = failed > 0 ? 1 : 0;
console.log(
  "\n" + counts(total((result) => result.passed), failed, total((result) => result.skipped.length)),
);
