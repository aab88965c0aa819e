/** What the codecs of JSON share: a text to its value and back, with one kind of error. */

import { FrameFormatError } from "./codec.ts";
import { isDeeperThan } from "./json_depth.ts";

/** How deep arrays and objects may lie in each other when nobody says otherwise. */
export const DEFAULT_MAX_DEPTH = 64;

/**
 * The value of a text. A key `__proto__` becomes a property like any other.
 *
 * @param what what to call the text in the error
 * @throws {FrameFormatError} when it is no JSON, too deep, or `null`
 */
export function parseJson(what: string, text: string, maxDepth: number, offset: number): unknown {
  // Before parsing, so that a deep value costs a glance and no stack.
  checkDepth(what, text, maxDepth, offset);
  const value = parse(what, text, offset);
  if (value === null) throw new FrameFormatError(what, "it is null", offset);
  return value;
}

/**
 * The text of a value.
 *
 * @param what what to call the text in the error
 * @throws {FrameFormatError} when the value has no JSON, or is too deep, or `null`
 */
export function stringifyJson(what: string, value: unknown, maxDepth: number): string {
  const text = stringify(what, value);
  if (text === "null") throw new FrameFormatError(what, "it is null", null);
  checkDepth(what, text, maxDepth, null);
  return text;
}

/** Whether the text is JSON. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function checkDepth(what: string, text: string, maxDepth: number, offset: number | null): void {
  if (isDeeperThan(maxDepth, text)) {
    throw new FrameFormatError(what, `it is more than ${maxDepth} deep`, offset);
  }
}

function parse(what: string, text: string, offset: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // The runtimes have different words for it, so they are only the cause.
    const reason = text.includes("\0") ? "it holds a NUL byte" : "it is no JSON";
    throw new FrameFormatError(what, reason, offset, cause);
  }
}

function stringify(what: string, value: unknown): string {
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    cause = error;
  }
  if (text === undefined) throw new FrameFormatError(what, "the value has no JSON", null, cause);
  return text;
}
