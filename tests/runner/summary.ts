/** What is said at the end of all runs: what was skipped and why, what failed, and how to run that alone. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestCase } from "./junit.ts";

/** What came of one runtime's run. */
export interface Result {
  runtime: string;
  passed: number;
  failed: TestCase[];
  skipped: TestCase[];
  /** The files in which something failed outside of all tests. */
  astray: string[];
  /** What was wrong with the run itself, `null` when nothing was. */
  fault: string | null;
}

/** Failures: each failed test and file, or the run itself when it failed without any. */
export function failures({ failed, astray, fault }: Result): number {
  return failed.length + astray.length || (fault === null ? 0 : 1);
}

/** The plain totals. */
export function totals(results: Result[]): string {
  const total = (count: (result: Result) => number): number =>
    results.reduce((sum, result) => sum + count(result), 0);
  const skipped = total((result) => result.skipped.length);
  return `${total(({ passed }) => passed)} passed, ${total(failures)} failed` +
    (skipped > 0 ? `, ${skipped} skipped` : "");
}

/** Only Node reports why a test is skipped; for the others the reason is looked up there, then in the source. */
export function listSkipped(results: Result[], root: string, files: string[]): void {
  const skipped = Map.groupBy(
    results.flatMap(({ runtime, skipped }) => skipped.map((test) => ({ ...test, runtime }))),
    ({ name }) => name,
  );
  if (skipped.size > 0) console.log("\nSkipped:");
  for (const [name, tests] of skipped) {
    const reason = tests.find((test) => test.reason && test.reason !== "TODO")?.reason ??
      reasonInSource(name, root, files);
    console.log(`  on ${tests.map((test) => test.runtime).join(", ")}: ${name}: ${reason}`);
  }
}

function reasonInSource(name: string, root: string, files: string[]): string {
  const title = name.slice(name.lastIndexOf(" > ") + 1).replace(/^> /, "").replace(/[^\w\s]/g, "\\$&");
  const options = new RegExp(`["'\`]${title}["'\`],\\s*\\{[^{}]*?\\b(?:skip|todo):[^{}]*"([^"{}]+)"`);
  const sources = files.map((file) => readFileSync(join(root, file), "utf8"));
  return sources.map((source) => options.exec(source)?.[1]).find(Boolean) ?? "the test gives no reason";
}

/** Each failed test with its file, and the command that runs it alone. */
export function listFailed(results: Result[]): void {
  if (results.some((result) => failures(result) > 0)) console.log("\nFailed:");
  for (const result of results) {
    const { runtime, failed, astray, fault } = result;
    for (const { name, files } of failed) {
      console.log(`  on ${runtime}: ${files.join(" or ") || "a file that is not known"}: ${name}`);
      console.log(`    node tests/run.ts ${[runtime, ...files, "--only", quoted(name)].join(" ")}`);
    }
    for (const file of astray) {
      console.log(`  on ${runtime}: ${file}: outside of its tests`);
      console.log(`    node tests/run.ts ${runtime} ${file}`);
    }
    if (failures(result) > 0 && failed.length + astray.length === 0) {
      console.log(`  on ${runtime}: the run ${fault?.split("\n")[0]}`);
      console.log(`    node tests/run.ts ${runtime}`);
    }
  }
}

/** A word of a shell's command line. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
