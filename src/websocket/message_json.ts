/** Messages of JSON. */

import { described } from "../bytes/described.ts";

/**
 * A value as JSON text.
 *
 * @throws {TypeError} when the value has no JSON: it is `undefined` or a function, contains itself or a `BigInt`
 */
export function toJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new TypeError(`Cannot send: the value has no JSON: ${messageOf(cause)}`, { cause });
  }
  if (text === undefined) {
    throw new TypeError(`Cannot send: the value has no JSON: it is ${described(value)}`);
  }
  return text;
}

/**
 * The value of JSON text, or of its UTF-8.
 *
 * @throws {SyntaxError} when the message is not UTF-8 or not JSON
 */
export function fromJson(data: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof data === "string" ? data : decodeUtf8(data));
  } catch (cause) {
    throw new SyntaxError(`Cannot parse the message as JSON: ${messageOf(cause)}`, { cause });
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new SyntaxError("the bytes are not UTF-8");
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
