/** How each runtime runs test files, and what it says while it does. */

import { fileURLToPath } from "node:url";

/** A runtime's own test runner. */
export interface Runtime {
  name: string;
  /** The command line that runs `files`, or of them the test called `only`, and writes a JUnit report to `report`. */
  args(files: string[], report: string, only: string | null): string[];
  /** Lines of live output that only say that a test began, passed or was skipped. */
  quiet: RegExp;
  /** Lines that tell of one test, or group, that is over. */
  over: RegExp;
  /** Lines that name the file whose tests follow. */
  file: RegExp | null;
  /** Lines that tell of a failure outside of all tests, in the file that they name or in the last one. */
  astray: RegExp;
}

/** Milliseconds for a test that has no limit of its own: beyond what any needs on a loaded machine. */
const testTimeout = 60_000;

/**
 * A leaked socket keeps a finished test file alive for ever on Node; Bun and Deno do not notice. `--test-force-exit`
 * loses the last results on their way to the runner, so a file gets five seconds to end by itself and then fails.
 */
const endWhenDone = "data:text/javascript," + encodeURIComponent(`
  import { after } from "node:test";
  import { isMainThread } from "node:worker_threads";
  const file = process.argv[1] ?? "";
  const end = () => {
    const kinds = Object.entries(Object.groupBy(process.getActiveResourcesInfo(), (name) => name));
    const open = kinds.filter(([name]) => name !== "PipeWrap").map(([name, all]) => all.length + " " + name);
    console.error(file + " did not close: " + open.join(", "));
    process.exit(1);
  };
  if (isMainThread && file.endsWith(".test.ts")) after(() => void setTimeout(end, 5000).unref());
`);

/** The pattern that Node and Bun match the names of a test and its groups with. */
function patternOf(only: string): string {
  return `^${only.replaceAll(" > ", " ").replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")}$`;
}

/** In the order in which they run. */
export const runtimes: Runtime[] = [
  {
    name: "node",
    args: (files, report, only) => [
      "--test",
      `--import=${endWhenDone}`,
      "--test-concurrency=2",
      `--test-timeout=${testTimeout}`,
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      "--test-reporter=junit",
      `--test-reporter-destination=${report}`,
      ...only === null ? [] : [`--test-name-pattern=${patternOf(only)}`],
      ...files,
    ],
    quiet: /^(\s*[✔﹣▶] |ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) )/,
    over: /^\s*[✔﹣✖] /,
    file: null,
    astray: /^✖ (tests\/\S+\.test\.ts) \(/,
  },
  {
    name: "bun",
    // Without "./" Bun takes a path for a filter.
    args: (files, report, only) => [
      "test",
      `--timeout=${testTimeout}`,
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...only === null ? [] : ["-t", patternOf(only)],
      ...files.map((file) => `./${file}`),
    ],
    quiet: /^(\((pass|skip|todo)\) | +\d+ (pass|skip|todo|fail|filtered out)$|bun test v|Ran \d+ tests? |$)/,
    over: /^\((pass|skip|todo|fail)\) /,
    file: /^(tests\/\S+\.test\.ts):$/,
    astray: /^# Unhandled error between tests$/,
  },
  {
    name: "deno",
    args: (files, report, only) => [
      "test",
      "-A",
      "--no-check",
      `--junit-path=${report}`,
      ...only === null ? [] : [`--import-map=${fileURLToPath(new URL("only.json", import.meta.url))}`],
      ...files,
    ],
    quiet: /^(.* \.\.\.( (ok|ignored) \(.*)?|ok \| .*|)$/,
    over: / \.\.\. .*(ok|ignored|FAILED)\b.*\(/,
    file: /^running \d+ tests? from \.\/(tests\/\S+)$/,
    astray: /^\.\/(tests\/\S+\.test\.ts) \(uncaught error\)$/,
  },
];
