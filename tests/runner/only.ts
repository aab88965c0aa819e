/**
 * `node:test` with one test in it: `only.json` puts this in its place on Deno, which by itself selects no test within a
 * group. The test's name, with those of its groups, is in the environment.
 */

import process from "node:process";
import * as whole from "node:test";

type Body = (...args: unknown[]) => unknown;
type Declare = (name: string, ...rest: unknown[]) => unknown;

const only = process.env["JACKFIELD_ONLY"] ?? "";
/** The names of the groups that are being declared. */
let groups = "";

/** Hooks are as they are. */
export { after, afterEach, before, beforeEach, mock } from "node:test";

/** Whether the name is that of the test, or of one in the group that is to run, for a group's hook can fail. */
function isChosen(name: string): boolean {
  return name === only || name.startsWith(`${only} > `);
}

/** Declares a group if the test is in it. Deno declares what is in an inner one later. */
export function describe(name: string, ...rest: unknown[]): unknown {
  const path = `${groups}${name} > `;
  if (!only.startsWith(path) && !isChosen(path.slice(0, -3))) return null;
  const body = rest.pop() as Body;
  return (whole.describe as Declare)(name, ...rest, (...args: unknown[]) => {
    const outer = groups;
    groups = path;
    try {
      return body(...args);
    } finally {
      groups = outer;
    }
  });
}

/** Declares a test if it is the one. */
export function it(name: string, ...rest: unknown[]): unknown {
  return isChosen(groups + name) ? (whole.it as Declare)(name, ...rest) : null;
}

/** Declares a test if it is the one. */
export const test: Declare = it;
export default it;
