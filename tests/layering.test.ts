/**
 * Checks the rules of docs/design.md: imports run one way, the core does no I/O, `src` names no runtime, and all of
 * it is TypeScript whose types a runtime can strip.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, sep } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

interface Source {
  /** Path from the repository's root, with forward slashes. */
  path: string;
  /** The text with comments and the insides of strings and regular expressions blanked. */
  code: string;
  strings: { at: number; value: string }[];
}

type Rule = (source: Source) => string[];

/** What each folder of `src` may import besides itself. */
const mayImport: Record<string, string[]> = {
  bytes: [],
  framing: ["bytes"],
  http: ["bytes"],
  protocol: ["bytes", "http"],
  net: ["bytes"],
  websocket: ["bytes", "http", "protocol", "net"],
  server: ["bytes", "http", "protocol", "net", "websocket"],
  hub: ["bytes", "framing", "protocol", "net", "websocket"],
};

/** The part of `framing` that does I/O: the files that join a codec to a connection or stream. */
const joinsConn = /^src\/framing\/framed\w*\.ts$/;

const noInputOrOutput = /^src\/(bytes|framing|http|protocol)\//;

const impure =
  /\b(Promise|async|await|setTimeout|setInterval|setImmediate|queueMicrotask|Date|performance|Math\.random|crypto|console)\b/g;

// Globals of a runtime, but not properties of these names, such as `this.process.x`.
const runtimeGlobals =
  /\b(?:Deno|Bun)\b|(?<![.\w$])(?:process\s*(?:\?\.|\.|\[)|Buffer\b|require\s*\()|\bglobalThis\s*(?:\?\.|\.)\s*(?:process|Buffer|require)\b/g;

const notErasable = /(?<![.\w$])(?:enum|namespace)\s+\w+/g;

// The type `any`, but not `AbortSignal.any(…)` or another property or method of this name.
const anyType = /(?<![.\w$])any(?![\w$]|\s*\??[(:])/g;

const importRules: Rule = (source) => {
  const violations: string[] = [];
  for (const { at, value } of source.strings) {
    const statement = /\b(import|export)\b(?:(?!\b(?:import|export)\b)[^;])*$/.exec(
      source.code.slice(0, at - 1),
    )?.[0];
    if (statement === undefined || !/(\bfrom|^import|^import\s*\()\s*$/.test(statement)) continue;
    const fault = faultOfImport(source.path, value, /^(import|export)\s+type\b/.test(statement));
    if (fault !== null) violations.push(`${position(source, at)}: ${fault}`);
  }
  return violations;
};

function faultOfImport(path: string, specifier: string, typeOnly: boolean): string | null {
  const inAdapters = path.startsWith("adapters/");
  if (!/^\.\.?\//.test(specifier)) {
    if (inAdapters && specifier.startsWith("node:")) return null;
    return `${
      inAdapters
        ? "an adapter imports only node: modules and relative paths"
        : "src imports nothing outside src"
    }, not "${specifier}"`;
  }
  const target = posix.join(posix.dirname(path), specifier);
  if (inAdapters) return faultOfAdapter(target, typeOnly);
  if (!target.startsWith("src/")) return `src imports nothing outside src, not ${target}`;
  const [from, to] = [layerOf(path), layerOf(target)];
  const allowed = mayImport[from];
  if (allowed === undefined) return `${from} is a part without a rule: add it to mayImport`;
  if (from === to || allowed.includes(to) || (to === "net" && joinsConn.test(path))) return null;
  return `${from} must not import ${to} (${target})`;
}

/** The rule for adapters: from `websocket`, `server` and `hub` they import types only, to implement their ports. */
function faultOfAdapter(target: string, typeOnly: boolean): string | null {
  if (/^(adapters|src\/(net|bytes|http|protocol))\//.test(target)) return null;
  if (/^src\/(websocket|server|hub)\//.test(target)) {
    return typeOnly ? null : `an adapter takes only types ("import type") from ${target}`;
  }
  return `an adapter must not import ${target}`;
}

function layerOf(path: string): string {
  return path.split("/").length > 2 ? path.split("/")[1]! : path;
}

const purityRules: Rule = (source) =>
  noInputOrOutput.test(source.path) && !joinsConn.test(source.path)
    ? found(
      source,
      impure,
      (word) => `${layerOf(source.path)} does no I/O and knows no time, but uses ${word}`,
    )
    : [];

const runtimeRules: Rule = (source) => {
  if (!source.path.startsWith("src/")) return [];
  const inStrings = source.strings
    .filter(({ value }) => /\b(Deno|Bun)\b/.test(value))
    .map(({ at, value }) => `${position(source, at)}: src names no runtime, but says "${value}"`);
  return [...found(source, runtimeGlobals, (word) => `src names no runtime, but uses ${word}`), ...inStrings];
};

const languageRules: Rule = (source) => {
  if (!source.path.startsWith("src/")) return [];
  return [
    ...found(
      source,
      notErasable,
      (word) => `"${word}" is not erasable: use a const object, a union or a module`,
    ),
    ...found(source, anyType, () => "the type any says nothing: use unknown or the type that is meant"),
  ];
};

function found(source: Source, pattern: RegExp, message: (word: string) => string): string[] {
  return [...source.code.matchAll(pattern)].map((match) =>
    `${position(source, match.index)}: ${message(match[0])}`
  );
}

function position(source: Source, at: number): string {
  return `${source.path}:${source.code.slice(0, at).split("\n").length}`;
}

/** One token that is not code, or a piece of code that matters to telling a division from a regular expression. */
const token =
  /\/\/[^\n]*|\/\*[^]*?\*\/|"(?:\\[^]|[^"\\\n])*"|'(?:\\[^]|[^'\\\n])*'|[`{}]|\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/[\\\n])+\/\w*/g;

const beforeRegularExpression =
  /(^|[-+*%=(,:[!&|?{};<>~^]|\b(return|typeof|case|of|in|do|else|yield|await|void|delete|throw))\s*$/;

function scan(path: string, text: string): Source {
  const strings: Source["strings"] = [];
  let code = "";
  let at = 0;
  // One entry for each open brace: whether it is a template's `${`.
  const braces: boolean[] = [];
  const keep = (end: number): void => {
    code += text.slice(at, end);
    at = end;
  };
  const blank = (end: number): void => {
    code += text.slice(at, end).replace(/[^\n]/g, " ");
    at = end;
  };
  const template = (): void => {
    const start = at;
    while (at < text.length && text[at] !== "`" && !text.startsWith("${", at)) {
      blank(Math.min(text.length, at + (text[at] === "\\" ? 2 : 1)));
    }
    strings.push({ at: start, value: text.slice(start, at) });
    if (text[at] !== "$") return keep(at + 1);
    keep(at + 2);
    braces.push(true);
  };
  while (at < text.length) {
    token.lastIndex = at;
    const match = token.exec(text);
    if (match === null) break;
    const [piece] = match;
    keep(match.index);
    if (piece === "{") {
      braces.push(false);
      keep(at + 1);
    } else if (piece === "}") {
      keep(at + 1);
      if (braces.pop()) template();
    } else if (piece === "`") {
      keep(at + 1);
      template();
    } else if (piece.startsWith("//") || piece.startsWith("/*")) {
      blank(at + piece.length);
    } else if (piece.startsWith("/")) {
      if (beforeRegularExpression.test(code.slice(-20))) blank(at + piece.length);
      else keep(at + 1);
    } else {
      strings.push({ at: at + 1, value: piece.slice(1, -1) });
      keep(at + 1);
      blank(at + piece.length - 2);
      keep(at + 1);
    }
  }
  keep(text.length);
  return { path, code, strings };
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function sourcesUnder(folder: string): Source[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((file) => `${folder}/${file.replaceAll(sep, "/")}`)
    .filter((path) => path.endsWith(".ts"))
    .sort()
    .map((path) => scan(path, readFileSync(join(root, path), "utf8")));
}

describe("layering", () => {
  const sources = [...sourcesUnder("src"), ...sourcesUnder("adapters")];
  const holds = (rule: Rule): void => {
    const violations = sources.flatMap(rule);
    assert.ok(violations.length === 0, `\n  ${violations.join("\n  ")}`);
  };

  it("imports run one way", () => holds(importRules));
  it("bytes, framing and protocol hold no promise, timer, clock, randomness or console", () =>
    holds(purityRules));
  it("src names no runtime", () => holds(runtimeRules));
  it("src holds no enum, namespace or any", () => holds(languageRules));
});

describe("the layering rules", () => {
  const check = (rule: Rule, path: string, text: string): string[] => rule(scan(path, text));

  it("refuse an import against the direction", () => {
    for (
      const [path, text] of [
        ["src/bytes/a.ts", 'import { b } from "../net/b.ts";'],
        ["src/framing/lines.ts", 'export * from "../net/b.ts";'],
        ["src/protocol/a.ts", 'import type { B } from "../websocket/b.ts";'],
        ["src/net/a.ts", 'import "../protocol/b.ts";'],
        ["src/websocket/a.ts", 'const hub = await import("../hub/b.ts");'],
        ["src/hub/a.ts", 'import { a } from "../../adapters/a.ts";'],
        ["src/hub/a.ts", 'let b: import("../../adapters/b.ts").B;'],
        ["src/net/a.ts", 'import net from "node:net";'],
        ["src/net/a.ts", 'import {\n  a, // from\n  b,\n} from "ws";'],
        ["src/extra/a.ts", 'import "../bytes/b.ts";'],
        ["adapters/a.ts", 'import { Redis } from "redis";'],
        ["adapters/a.ts", 'import { type Broker } from "../src/hub/broker.ts";'],
        ["adapters/a.ts", 'import "../mod.ts";'],
      ] as const
    ) {
      assert.equal(check(importRules, path, text).length, 1, `${path}: ${text}`);
    }
  });

  it("allow the imports that follow it", () => {
    for (
      const [path, text] of [
        ["src/framing/framed.ts", 'import { Conn } from "../net/conn.ts";\nimport "../bytes/b.ts";'],
        ["src/hub/a.ts", 'import { a } from "../websocket/a.ts";\nexport { b } from "./b.ts";'],
        [
          "src/net/a.ts",
          'const kind = "tcp"; throw new Error(`import x from "${kind}"`); // from "node:net"',
        ],
        [
          "src/net/a.ts",
          'export const modes = { from: "rest" };\nexport const name = "x", list = Array.from("ab");',
        ],
        ["adapters/a.ts", 'import { open } from "node:fs";\nimport "../src/net/a.ts";\nimport "./b.ts";'],
        ["adapters/a.ts", 'import type { Broker } from "../src/hub/broker.ts";'],
      ] as const
    ) {
      assert.deepEqual(check(importRules, path, text), [], `${path}: ${text}`);
    }
  });

  it("find what the core may not use, and where", () => {
    assert.deepEqual(check(purityRules, "src/bytes/a.ts", "\nlet a = `${Date.now()}`;\nasync () => {};"), [
      "src/bytes/a.ts:2: bytes does no I/O and knows no time, but uses Date",
      "src/bytes/a.ts:3: bytes does no I/O and knows no time, but uses async",
    ]);
    assert.deepEqual(
      check(purityRules, "src/protocol/a.ts", '/* await */ let a = "Date" + /Promise/.source;'),
      [],
    );
    assert.deepEqual(check(purityRules, "src/framing/framed.ts", "await x;"), []);
  });

  it("find a runtime's name", () => {
    for (
      const text of [
        "Deno.listen()",
        'if ("Bun" in globalThis) run();',
        "process.exit()",
        "globalThis.process",
        "Buffer.from(x)",
        'require("net")',
        "a / b; Buffer; c / d",
      ]
    ) {
      assert.equal(check(runtimeRules, "src/net/a.ts", text).length, 1, text);
    }
    assert.deepEqual(
      check(runtimeRules, "src/net/a.ts", "// Deno and Bun\nthis.process.x(ArrayBuffer, 'the process.');"),
      [],
    );
  });

  it("find what cannot be stripped, and any", () => {
    for (
      const text of [
        "const enum A {}",
        "declare namespace B {}",
        "let a: any;",
        "let b = c as any;",
        "let d: any[];",
      ]
    ) {
      assert.equal(check(languageRules, "src/net/a.ts", text).length, 1, text);
    }
    const fine = 'AbortSignal.any([a]); const x = { any: 1, namespace: "n" }; // any enum\nlet s = "any";';
    assert.deepEqual(check(languageRules, "src/net/a.ts", fine), []);
  });
});
