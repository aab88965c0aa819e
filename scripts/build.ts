/**
 * Builds `dist/`, the content of the npm package: `node scripts/build.ts`.
 *
 * The compiler does most of the work. This script then lets the conditions of `package.json` choose the runtime's
 * adapter, so that the other two are not loaded, changes `.ts` to `.js` in the imports of declarations, and removes
 * declarations that no entry reaches.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");

rmSync(dist, { recursive: true, force: true });
execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});

chooseAdapterByCondition(join(dist, "entries/runtime.js"));

const declarations = new Set<string>();
for (const declaration of exportedDeclarations()) finish(declaration);
for (const file of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
  const path = join(dist, file);
  if (path.endsWith(".d.ts") && !declarations.has(path)) rmSync(path);
}

/** Replaces the import of the adapter by `#adapter`; see "imports" in package.json. */
function chooseAdapterByCondition(file: string): void {
  const text = readFileSync(file, "utf8");
  const chosen = text.replace('"../adapters/runtime.js"', '"#adapter"');
  if (chosen === text) {
    throw new Error(`Cannot choose the adapter: ${file} does not import "../adapters/runtime.js"`);
  }
  writeFileSync(file, chosen);
}

function exportedDeclarations(): string[] {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    exports: Record<string, string | { types: string }>;
  };
  return Object.values(exports).flatMap((entry) =>
    typeof entry === "string" ? [] : [join(root, entry.types)]
  );
}

/** Changes `.ts` to `.js` in the imports of a declaration, where the compiler leaves it, and of those it imports. */
function finish(declaration: string): void {
  if (declarations.has(declaration)) return;
  declarations.add(declaration);
  const imported: string[] = [];
  const text = readFileSync(declaration, "utf8").replace(
    /(\bfrom |\bimport\(|^import )"(\.{1,2}\/[^"]+)\.ts"/gm,
    (_, keyword: string, path: string) => {
      imported.push(join(dirname(declaration), `${path}.d.ts`));
      return `${keyword}"${path}.js"`;
    },
  );
  writeFileSync(declaration, text);
  for (const other of imported) finish(other);
}
