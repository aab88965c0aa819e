/** Checks that the tests and files named in tables of the documentation exist. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** A test: its file below tests/, and its name as in the source. */
interface Named {
  readonly file: string;
  readonly name: string;
}

/** The rows of all tables of a page. */
function rowsOf(page: string): string[] {
  return page.split("\n").filter((line) => line.startsWith("|"));
}

/** The tests that a row names, in the form `file.test.ts`: "name", "name"; `other.test.ts`: "name". */
function testsOf(row: string): Named[] {
  const named: Named[] = [];
  let file = "";
  for (const [, path, name] of row.matchAll(/`([\w/.]+\.test\.ts)`|"((?:\$\{[^}]*\}|[^"])+)"/g)) {
    if (path !== undefined) file = path;
    // Markdown escapes what would be emphasis.
    else if (file !== "") named.push({ file, name: name!.replaceAll("\\", "") });
  }
  return named;
}

/** Whether a test file has a string with exactly this text. */
function has(source: string, name: string): boolean {
  return source.includes(`"${name}"`) || source.includes(`\`${name}\``);
}

const pages = readdirSync(join(root, "docs")).filter((file) => file.endsWith(".md"));

/** Rows that name no test and do not say why, in a table of tests. */
function withoutTest(rows: readonly string[]): string[] {
  return rows.filter((row) =>
    !/^\| -+ \|/.test(row) && !/\| shown by\s+\|$/.test(row) && testsOf(row).length === 0 &&
    !/\| (none|with|not applicable)[^|]+\|$/.test(row)
  );
}

describe("tables in the documentation", () => {
  for (const page of pages) {
    const rows = rowsOf(readFileSync(join(root, "docs", page), "utf8"));
    const tests = rows.flatMap(testsOf);
    const files = rows.flatMap((row) =>
      Array.from(row.matchAll(/`((?:[a-z_0-9]+\/)+[\w.]+\.ts)`/g), ([, f]) => f!)
    );
    if (files.length === 0) continue;

    it(`docs/${page} names files that exist`, () => {
      const missing = files.filter((file) =>
        !existsSync(join(root, file.endsWith(".test.ts") ? "tests" : "src", file))
      );
      assert.deepEqual(missing, []);
    });

    it(`docs/${page} names tests that exist`, () => {
      assert.deepEqual(withoutTest(rows), []);
      const missing = tests.filter(({ file, name }) =>
        !existsSync(join(root, "tests", file)) || !has(readFileSync(join(root, "tests", file), "utf8"), name)
      );
      assert.deepEqual(missing, []);
    });
  }
});
