/**
 * Every example in the documentation and in doc comments is type-checked and run, and prints what its comments say: a
 * line for `console.log(…); // line`, and several of them, if it is called again and again, as `// one|two`.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

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

function run(
  command: string,
  args: string[],
): Promise<{ code: number | null; output: string; errors: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root });
    let output = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => output += part);
    child.stderr.setEncoding("utf8").on("data", (part: string) => errors += part);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output, errors }));
  });
}

describe("examples in the documentation", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "jackfield-docs-"));
    for (const [i, { code }] of examples.entries()) writeFileSync(join(folder, `example${i}.ts`), code);
  });
  after(() => rmSync(folder, { recursive: true }));

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
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const { code, output } = await run(join(root, "node_modules/.bin/tsc"), ["-p", folder]);
    assert.equal(code, 0, output);
  });

  for (const [i, { name, code }] of examples.entries()) {
    it(`${name} prints what it says`, limit, async () => {
      const file = pathToFileURL(join(folder, `example${i}.ts`)).href;
      const result = await run(process.execPath, [
        ...process.versions.deno ? ["run", "-A"] : [],
        fileURLToPath(file),
      ]);
      const expected = Array.from(
        code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm),
        (match) => match[1]!.split("|").map((line) => `${line}\n`).join(""),
      );
      assert.equal(result.code, 0, result.errors);
      assert.equal(result.output, expected.join(""));
    });
  }
});
