/**
 * Builds `dist/`, which is what the npm package holds: `node scripts/build.ts`.
 *
 * The compiler does the most of it. Left to do: the runtime's adapter is chosen by the conditions of `package.json`, so
 * that nothing of the other two is loaded; declarations import each other as JavaScript does; and those to which no
 * entry leads are left out.
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

/** See "imports" in package.json. */
function chooseAdapterByCondition(file: string): void {
  const text = readFileSync(file, "utf8");
  const chosen = text.replace('"../adapters/runtime.js"', '"#adapter"');
  if (chosen === text) throw new Error(`Cannot find where ${file} imports the adapter`);
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

/** The compiler leaves `.ts` in the imports of declarations. This makes it `.js`, here and in all that are imported. */
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
