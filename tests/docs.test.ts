/** Every example in the documentation is type-checked and run, and prints what its comments say. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const limit = { timeout: 60_000 };

interface Example {
  name: string;
  code: string;
}

/** The TypeScript blocks of a page, importing this checkout wherever they are run. */
function examplesOf(page: string): Example[] {
  const text = readFileSync(join(root, page), "utf8");
  return Array.from(text.matchAll(/^```ts\n(.*?)^```$/gms), (match, index) => ({
    name: `${page}, example ${index + 1}`,
    code: match[1]!.replace(/from "\.{1,2}\/mod\.ts"/g, `from ${JSON.stringify(join(root, "mod.ts"))}`),
  }));
}

const pages = ["README.md", ...readdirSync(join(root, "docs")).map((file) => `docs/${file}`)];
const examples = pages.filter((page) => page.endsWith(".md")).flatMap(examplesOf);

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

describe("examples in the documentation", limit, () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "jackfield-docs-"));
    for (const [i, { code }] of examples.entries()) writeFileSync(join(folder, `example${i}.ts`), code);
  });
  after(() => rmSync(folder, { recursive: true }));

  it("exist", () => assert.ok(examples.length >= 4));

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
        (match) => `${match[1]}\n`,
      );
      assert.equal(result.code, 0, result.errors);
      assert.equal(result.output, expected.join(""));
    });
  }
});
