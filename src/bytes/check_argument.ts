/** Checks of what a caller passes: each throws an error at once that names the argument, and what it was. */

import { described } from "./described.ts";

/**
 * The error for an argument of the wrong kind.
 *
 * @param verb what the caller wanted to do, such as `"listen"`
 * @param name the argument's name
 * @param wanted what the argument must be, with an article
 */
export function wrongArgument(verb: string, name: string, value: unknown, wanted: string): TypeError {
  return new TypeError(`Cannot ${verb}: ${name} is ${described(value)}, not ${wanted}`);
}

/** @throws {TypeError} when the value is not a string; `example` is one */
export function checkString(verb: string, name: string, value: unknown, example: string): void {
  if (typeof value !== "string") throw wrongArgument(verb, name, value, `a string such as "${example}"`);
}

/**
 * Checks an object of options, and its signal if it has one.
 *
 * @throws {TypeError} when the value is neither an object nor `undefined`, or `signal` is no `AbortSignal`
 */
export function checkOptions(verb: string, value: unknown): void {
  if (value === undefined) return;
  checkObject(verb, "options", value);
  const { signal } = value as { signal?: unknown };
  if (signal !== undefined) checkMethods(verb, "signal", signal, ["throwIfAborted", "addEventListener"]);
}

/** @throws {TypeError} when the value is not an object */
export function checkObject(verb: string, name: string, value: unknown): asserts value is object {
  if (typeof value !== "object" || value === null) throw wrongArgument(verb, name, value, "an object");
}

/** @throws {TypeError} when one of the named properties is there and not a function */
export function checkFunctions(verb: string, options: object, names: readonly string[]): void {
  for (const name of names) {
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined && typeof value !== "function") {
      throw wrongArgument(verb, name, value, "a function");
    }
  }
}

/** @throws {TypeError} when the value does not have all of the methods */
export function checkMethods(verb: string, name: string, value: unknown, methods: readonly string[]): void {
  const has = (method: string): boolean => typeof (value as Record<string, unknown>)[method] === "function";
  if (value !== null && value !== undefined && methods.every(has)) return;
  throw wrongArgument(
    verb,
    name,
    value,
    `an object with ${methods.map((method) => `${method}()`).join(" and ")}`,
  );
}
