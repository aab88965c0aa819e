/** JSON parsing and writing shared by the JSON codecs, with one kind of error. */

import { FrameFormatError } from "./codec.ts";
import { isDeeperThan } from "./json_depth.ts";

/** Default of `maxDepth`: upper bound of the nesting of arrays and objects. */
export const DEFAULT_MAX_DEPTH = 64;

/** Reason why `null` is refused. */
const IS_NULL = "it is null, which means the end of the stream";

/**
 * Parses a text. A key `__proto__` becomes an ordinary property.
 *
 * @param what name of the text in an error message
 * @throws {FrameFormatError} when the text is not JSON, is nested too deeply, or is `null`
 */
export function parseJson(what: string, text: string, maxDepth: number, offset: number): unknown {
  // Before parsing, so that a deeply nested text is cheap and cannot overflow the stack.
  checkDepth(what, text, maxDepth, offset);
  const value = parse(what, text, offset);
  if (value === null) throw new FrameFormatError(what, IS_NULL, offset);
  return value;
}

/**
 * Writes a value as JSON.
 *
 * @param what name of the text in an error message
 * @throws {FrameFormatError} when the value cannot be represented as JSON, is nested too deeply, or is `null`
 */
export function stringifyJson(what: string, value: unknown, maxDepth: number): string {
  const text = stringify(what, value);
  if (text === "null") throw new FrameFormatError(what, IS_NULL, null);
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
    throw new FrameFormatError(what, `it is nested deeper than ${maxDepth}`, offset);
  }
}

function parse(what: string, text: string, offset: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // The runtimes word the error differently, so it is only the cause.
    const reason = text.includes("\0") ? "it contains a NUL byte" : "it is not valid JSON";
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
  if (text === undefined) {
    throw new FrameFormatError(what, "the value cannot be represented as JSON", null, cause);
  }
  return text;
}
