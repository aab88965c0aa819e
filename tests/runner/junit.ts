/** The leaf tests of a JUnit report: runners' own totals count groups and subtests differently. */

import { readFileSync } from "node:fs";

/** A test as its runner reports it. */
export interface TestCase {
  /** The names of its groups and its own, joined by " > ". */
  name: string;
  /** The files that it can be of: one, but for Deno, which names only that of the outermost group. */
  files: string[];
  outcome: "passed" | "failed" | "skipped";
  /** Why it was skipped, where the runner tells. */
  reason: string;
}

/** The tests of a report; none when the runner did not live to write one. */
export function readReport(path: string, runtime: string): TestCase[] {
  let xml: string;
  try {
    xml = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  const cases = casesIn(xml);
  return runtime === "deno" ? withoutGroups(cases) : cases;
}

function casesIn(xml: string): TestCase[] {
  const groups: string[] = [];
  const cases: TestCase[] = [];
  for (const [, closing, tag, rest = ""] of xml.matchAll(/<(\/?)(\w+)((?:"[^"]*"|[^">])*)>/g)) {
    const current = cases.at(-1);
    if (tag === "testsuite" && closing) groups.pop();
    else if (tag === "testsuite") groups.push(isFile(rest) ? "" : attribute(rest, "name"));
    else if (tag === "testcase" && !closing) {
      const name = [...groups.filter(Boolean), attribute(rest, "name")].join(" > ");
      cases.push({ name, files: fileOf(rest), outcome: "passed", reason: "" });
    } else if (current && tag === "skipped") {
      Object.assign(current, { outcome: "skipped", reason: attribute(rest, "message") });
    } else if (current && (tag === "failure" || tag === "error")) current.outcome = "failed";
  }
  return cases;
}

/** Bun makes one suite of each file, Deno one of each file and one of all that went through node:test. */
function isFile(attributes: string): boolean {
  const name = attribute(attributes, "name");
  return name === attribute(attributes, "file") || /^(\.\/|ext:)/.test(name);
}

/** Node writes the whole path, Bun one from here, and Deno puts one into the class's name, for outermost groups. */
function fileOf(attributes: string): string[] {
  const file = attribute(attributes, "file") || attribute(attributes, "classname");
  return /(?:^|\/)(tests\/.*\.test\.ts)$/.exec(file)?.slice(1) ?? [];
}

/** Deno reports a group as a case too, named by the start of its members' names, and the outermost with its file. */
function withoutGroups(cases: TestCase[]): TestCase[] {
  const parents = new Set(cases.flatMap(({ name }) => prefixes(name)));
  const files = Map.groupBy(cases.filter(({ files }) => files.length > 0), ({ name }) => name);
  const filesOf = (name: string): string[] => [
    ...new Set(files.get(prefixes(name)[0] ?? name)?.flatMap(({ files }) => files)),
  ];
  return cases.filter(({ name }) => !parents.has(name))
    .map((leaf) => leaf.files.length > 0 ? leaf : { ...leaf, files: filesOf(leaf.name) });
}

function prefixes(name: string): string[] {
  return [...name.matchAll(/ > /g)].map((match) => name.slice(0, match.index));
}

function attribute(text: string, name: string): string {
  const raw = new RegExp(`\\s${name}="([^"]*)"`).exec(text)?.[1] ?? "";
  // Node escapes a quotation mark twice.
  return unescaped(unescaped(raw).replaceAll("&quot;", '"'));
}

function unescaped(text: string): string {
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", "#10": " ", amp: "&" };
  return text.replace(/&([#\w]+);/g, (entity, key: string) => entities[key] ?? entity);
}
