/**
 * The package as a consumer of JSR imports it: by the names in `deno.json`, beside packages of JSR.
 *
 * Where the registry cannot be reached, the tests are skipped and say so, unless `JACKFIELD_STD` names a checkout of
 * the repository of `@std`, or of the needed part, which takes the registry's place.
 */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { run } from "../package/run.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const consumer = fileURLToPath(new URL("consumer", import.meta.url));
const deno = join(root, "node_modules/.bin/deno");
const limit = { timeout: 120_000 };
const checkout = process.env["JACKFIELD_STD"];

type Imports = Record<string, string>;

/** The names of a package in a folder, by its `deno.json`. */
function namesOf(folder: string): Imports {
  const text = readFileSync(join(folder, "deno.json"), "utf8").replace(/^\s*\/\/.*$/gm, "");
  const { name, exports } = JSON.parse(text) as { name: string; exports: string | Imports };
  const pages = typeof exports === "string" ? { ".": exports } : exports;
  return Object.fromEntries(
    Object.entries(pages).map((
      [page, file],
    ) => [name + page.slice(1), pathToFileURL(join(folder, file)).href]),
  );
}

/** Where `@std` is taken from; a sentence when that is nowhere. */
async function standardLibrary(): Promise<Imports | string> {
  if (checkout !== undefined) {
    const folders = readdirSync(checkout, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const packages = folders.map(({ name }) => join(checkout, name)).filter((folder) =>
      readdirSync(folder).includes("deno.json")
    );
    return Object.assign({}, ...packages.map(namesOf)) as Imports;
  }
  const names = ["assert", "encoding", "testing"];
  const imports = names.flatMap((name) => [
    [`@std/${name}`, `jsr:@std/${name}@1`],
    [`@std/${name}/`, `jsr:/@std/${name}@1/`],
  ]);
  const needed = ["@std/assert@1", "@std/encoding@1/base64", "@std/testing@1/time"];
  const { code } = await run(
    deno,
    ["cache", "--no-config", ...needed.map((name) => `jsr:${name}`)],
    tmpdir(),
  );
  return code === 0
    ? Object.fromEntries(imports) as Imports
    : "JSR cannot be reached, and JACKFIELD_STD names no checkout of @std";
}

const std = await standardLibrary();

describe("the JSR package", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "jackfield-jsr-"));
    const imports = { ...namesOf(root), ...typeof std === "string" ? {} : std };
    writeFileSync(join(folder, "imports.json"), JSON.stringify({ imports }));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const file of readdirSync(consumer).sort()) {
    it(
      `does in ${file} what a consumer asks of it`,
      { ...limit, skip: typeof std === "string" && std },
      async () => {
        const map = `--import-map=${join(folder, "imports.json")}`;
        const args = ["test", "-A", "--check", "--no-config", "--no-lock", map, join(consumer, file)];
        const { code, output, errors } = await run(deno, args, folder);
        assert.equal(code, 0, output + errors);
        assert.match(output, /\b[1-9]\d* passed .*\b0 failed/);
      },
    );
  }
});
