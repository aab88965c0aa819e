/**
 * Every example in the documentation and in doc comments is type-checked and run, and prints what its comments say: a
 * line for `console.log(…); // line`, and several of them, if it is called again and again, as `// one|two`.
 */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { ExampleRuns } from "./docs/example_runs.ts";
import { run } from "./package/run.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const limit = { timeout: 60_000 };

interface Example {
  name: string;
  code: string;
}

const entries: Record<string, string> = {
  "jackfield": "mod.ts",
  "./mod.ts": "mod.ts",
  "../mod.ts": "mod.ts",
  ...Object.fromEntries(
    ["net", "framing", "websocket", "hub", "protocol"].map((
      part,
    ) => [`jackfield/${part}`, `entries/${part}.ts`]),
  ),
};

/** The TypeScript blocks of a text, importing this checkout wherever they are run. */
function examplesIn(file: string, text: string): Example[] {
  return Array.from(text.matchAll(/^```ts\b[^\n]*\n(.*?)^```$/gms), (match, index) => ({
    name: `${file}, example ${index + 1}`,
    code: match[1]!.replace(/from "([^"]+)"/g, (statement, specifier: string) => {
      const entry = entries[specifier];
      return entry === undefined ? statement : `from ${JSON.stringify(join(root, entry))}`;
    }),
  }));
}

function read(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

/** The text of all doc comments of a file, as a page. */
function docComments(source: string): string {
  return Array.from(
    source.matchAll(/^ *\/\*\*\n(.*?)\*\/$/gms),
    ([, comment]) => comment!.replace(/^ *\* ?/gm, ""),
  )
    .join("\n");
}

const pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
  .concat(
    readdirSync(join(root, "docs")).filter((file) => file.endsWith(".md")).map((file) => `docs/${file}`),
  );
const sources = ["entries", "src"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => `${folder}/${file.replaceAll(sep, "/")}`)
    .sort()
);
const examples = [
  ...pages.flatMap((page) => examplesIn(page, read(page))),
  ...sources.flatMap((source) => examplesIn(source, docComments(read(source)))),
];

describe("examples in the documentation", () => {
  let folder: string;
  let runs: ExampleRuns;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "jackfield-docs-"));
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    const files = examples.map((_, i) => join(folder, `example${i}.ts`));
    for (const [i, { code }] of examples.entries()) writeFileSync(files[i]!, code);
    runs = new ExampleRuns(files);
  });
  after(() => {
    runs.kill();
    rmSync(folder, { recursive: true });
  });

  it("exist, in pages and in doc comments", () => {
    for (const part of ["README.md", "docs/", "entries/", "src/framing/"]) {
      assert.ok(examples.filter(({ name }) => name.startsWith(part)).length >= 4, part);
    }
  });

  it("have no type errors", limit, async () => {
    const typeRoots = [join(root, "node_modules/@types")];
    const config = {
      extends: join(root, "tsconfig.json"),
      compilerOptions: {
        typeRoots,
        rewriteRelativeImportExtensions: false,
        allowImportingTsExtensions: true,
      },
      include: ["*.ts"],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const { code, output } = await run(join(root, "node_modules/.bin/tsc"), ["-p", folder], root);
    assert.equal(code, 0, output);
  });

  for (const [i, { name, code }] of examples.entries()) {
    it(`${name} prints what it says`, limit, async () => {
      const { output, error } = await runs.of(i);
      const expected = Array.from(
        code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm),
        (match) => match[1]!.split("|").map((line) => `${line}\n`).join(""),
      );
      assert.equal(error, "");
      assert.equal(output, expected.join(""));
    });
  }

  it("leave nothing behind that would keep a process alive", limit, () => runs.ended());
});
