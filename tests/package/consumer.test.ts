/**
 * The npm package as a consumer installs it: packed, installed from the tarball in an empty folder, and used there by
 * the programs in `programs`, in TypeScript and JavaScript, on the runtime of this test and on Node 20.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { authority, certificate } from "../net/certificates.ts";
import { run } from "./run.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const programs = join(root, "tests/package/programs");
const limit = { timeout: 120_000 };
const runtime = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";

const typed = readdirSync(programs).filter((file) => file.endsWith(".ts") && file !== "check.ts");
const tool = (name: string): string => join(root, "node_modules/.bin", name);

interface PackedFile {
  path: string;
}

describe("the npm package", () => {
  let folder: string;
  let tarball: string;
  let packed: string[];

  const succeed = async (command: string, args: string[]): Promise<string> => {
    const { code, output, errors } = await run(command, args, folder);
    assert.equal(code, 0, `${command} ${args.join(" ")}\n${output}${errors}`);
    return output;
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "jackfield-consumer-"));
    const pack = await run("npm", ["pack", "--json", "--pack-destination", folder], root);
    assert.equal(pack.code, 0, pack.errors);
    // The build that comes before it may speak.
    const [{ filename, files }] = JSON.parse(pack.output.slice(pack.output.indexOf("[\n"))) as [
      { filename: string; files: PackedFile[] },
    ];
    tarball = join(folder, filename);
    packed = files.map((file) => file.path).sort();
    writeFileSync(join(folder, "package.json"), '{"name":"consumer","private":true,"type":"module"}\n');
    await succeed("npm", ["install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", tarball]);
    cpSync(programs, folder, { recursive: true });
    const constants = { authority, localhost: certificate("localhost") };
    writeFileSync(
      join(folder, "certificates.ts"),
      Object.entries(constants).map(([name, value]) => `export const ${name} = ${JSON.stringify(value)};\n`)
        .join(""),
    );
  }, limit);

  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const program of typed) {
    it(`${program} does on ${runtime} what it says`, limit, async () => {
      const args = runtime === "deno" ? ["run", "-A", "--check", program] : [program];
      assert.equal(await succeed(process.execPath, args), "ok\n");
    });
  }

  it(`plain.js does on ${runtime} what it says`, limit, async () => {
    const args = runtime === "deno" ? ["run", "-A", "plain.js"] : ["plain.js"];
    assert.equal(await succeed(process.execPath, args), "ok\n");
  });

  // The rest is looked at once, on Node.
  if (runtime !== "node") return;

  it("holds what belongs in it and nothing else", limit, () => {
    const sources = ["mod.ts", ...["entries", "src", "adapters"].flatMap(filesUnder)];
    const built = sources.flatMap((source) => {
      const file = `dist/${source.slice(0, -3)}`;
      return [`${file}.js`, `${file}.js.map`];
    });
    const declarations = new Set(
      built.filter((file) => file.endsWith(".js")).map((js) => `${js.slice(0, -3)}.d.ts`),
    );
    assert.deepEqual(
      packed.filter((file) => !declarations.has(file)),
      [...built, "CHANGELOG.md", "LICENSE", "README.md", "package.json"].sort(),
    );
    for (const entry of ["mod", ...filesUnder("entries").map((file) => file.slice(0, -3))]) {
      assert.ok(entry === "entries/runtime" || packed.includes(`dist/${entry}.d.ts`), entry);
    }
    // Neither what is built nor its types lead to a file that is not there.
    for (const file of packed.filter((path) => /\.(js|d\.ts)$/.test(path))) {
      const text = readFileSync(join(folder, "node_modules/jackfield", file), "utf8");
      assert.doesNotMatch(text, /(\bfrom |\bimport\(|^import )"[^"\n]*\.ts"/m, file);
    }
  });

  it("has nothing that publint objects to", limit, async () => {
    assert.match(await succeed(tool("publint"), [tarball, "--strict"]), /All good!/);
  });

  it("has types that are found however they are looked for", limit, async () => {
    await succeed(tool("attw"), [tarball, "--profile", "esm-only", "--no-color", "--no-emoji"]);
  });

  it("type-checks as Node resolves modules, and is compiled", limit, async () => {
    symlinkSync(join(root, "node_modules/@types"), join(folder, "node_modules/@types"));
    symlinkSync(join(root, "node_modules/undici-types"), join(folder, "node_modules/undici-types"));
    configure("tsconfig.json", {
      module: "nodenext",
      lib: ["ES2023"],
      types: ["node"],
      rewriteRelativeImportExtensions: true,
      outDir: "compiled",
    });
    await succeed(tool("tsc"), ["-p", "tsconfig.json"]);
  });

  it("type-checks as a bundler resolves modules, without the types of Node", limit, async () => {
    configure("tsconfig.bundler.json", {
      module: "esnext",
      moduleResolution: "bundler",
      lib: ["ES2023", "ESNext.Disposable", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
      types: [],
      allowImportingTsExtensions: true,
      noEmit: true,
    });
    await succeed(tool("tsc"), ["-p", "tsconfig.bundler.json"]);
  });

  const node20 = findNode20();
  const on20 = { ...limit, skip: node20 === null && "there is no Node 20 on the PATH" };
  for (const program of [...typed.map((file) => `compiled/${file.slice(0, -3)}.js`), "plain.js"]) {
    it(`${program} does on Node 20 what it says`, on20, async () => {
      assert.equal(await succeed(node20!, [program]), "ok\n");
    });
  }

  it("leaves out of a bundle what is not used", limit, async () => {
    const bundle = async (entry: string): Promise<string> => {
      await succeed(tool("bun"), ["build", entry, "--target=node", `--outfile=bundle/${entry}`]);
      return readFileSync(join(folder, "bundle", entry), "utf8");
    };
    const framing = await bundle("bundled.js");
    assert.equal(await succeed(process.execPath, ["bundle/bundled.js"]), "hello\n");
    assert.doesNotMatch(framing, /node:|new Runtime\b|class (WebSocketConn|Hub|SocketConn|JsonLinesCodec)\b/);
    assert.ok(framing.length < 30_000, `${framing.length} characters`);
    // What runs everywhere is chosen by condition: nothing of Bun and Deno is in a bundle for Node.
    const everything = await bundle("plain.js");
    assert.equal(await succeed(process.execPath, ["bundle/plain.js"]), "ok\n");
    assert.match(everything, /\bnodeAdapter\b/);
    assert.doesNotMatch(everything, /\b(bun|deno)Adapter\b/);
    // Without a condition all adapters are in it, and it runs everywhere.
    const neutral = [
      "build",
      "plain.js",
      "--target=browser",
      "--external=node:*",
      "--outfile=bundle/neutral.js",
    ];
    await succeed(tool("bun"), neutral);
    const commands = [
      [tool("node")],
      [tool("bun")],
      [tool("deno"), "run", "-A"],
      node20 === null ? [] : [node20],
    ];
    for (const [command, ...args] of commands) {
      if (command === undefined) continue;
      assert.equal(await succeed(command, [...args, "bundle/neutral.js"]), "ok\n");
    }
    const elsewhere = await run(tool("bun"), ["bundle/plain.js"], folder);
    assert.match(elsewhere.errors, /Cannot run here: this was bundled for Node/);
  });

  function configure(file: string, compilerOptions: Record<string, unknown>): void {
    const options = {
      target: "ES2022",
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      verbatimModuleSyntax: true,
      skipLibCheck: false,
      ...compilerOptions,
    };
    writeFileSync(join(folder, file), JSON.stringify({ compilerOptions: options, include: ["*.ts"] }));
  }
});

function filesUnder(directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => `${directory}/${file.replaceAll("\\", "/")}`);
}

/** The oldest version that is promised, if the machine has it beside the one that the tests bring. */
function findNode20(): string | null {
  for (const place of (process.env["PATH"] ?? "").split(delimiter)) {
    if (place.includes("node_modules")) continue;
    try {
      const node = join(place, "node");
      if (/^v20\./.test(execFileSync(node, ["--version"], { encoding: "utf8" }))) return node;
    } catch {
      // Not here.
    }
  }
  return null;
}
