import { uint8ArrayOf } from "../bytes/any_realm.ts";
import { described } from "../bytes/described.ts";

/**
 * The bytes as a `Uint8Array` of this realm, over the same memory.
 *
 * @param verb what the caller wanted to do, such as `"write"`
 * @param name name of the argument
 * @throws {TypeError} when the value is no `Uint8Array` of any realm
 */
export function checkBytes(verb: string, name: string, value: unknown): Uint8Array {
  const bytes = uint8ArrayOf(value);
  if (bytes !== null) return bytes;
  const hint = verb === "write" && typeof value === "string" ? `: encode text with TextEncoder` : "";
  throw new TypeError(`Cannot ${verb}: ${name} is ${described(value)}, not a Uint8Array${hint}`);
}
