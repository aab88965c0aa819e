/** How errors name a value that is of the wrong kind. */

/** The longest text that is shown whole, in UTF-16 units. */
const SHOWN = 40;

/** A value as an error's message calls it, such as `the string "8080"`, `undefined` or `an instance of Map`. */
export function described(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "function") return "a function";
  if (typeof value === "string") return `the string ${quoted(value)}`;
  if (typeof value !== "object") return `the ${typeof value} ${String(value)}`;
  if (Array.isArray(value)) return "an array";
  const name = nameOfClass(value);
  return name === "" || name === "Object" ? "an object" : `an instance of ${name}`;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);
}

function nameOfClass(value: object): string {
  try {
    const name: unknown = value.constructor?.name;
    return typeof name === "string" ? name : "";
  } catch {
    // A proxy or a getter that throws.
    return "";
  }
}
