/**
 * Whether a callback can see the argument at `index`: it declares such a parameter, or its source has a rest parameter,
 * a default value, `arguments`, or cannot be read. A callback that cannot is spared the making of a `Request`.
 */
export function takesArgument(callback: unknown, index: number): boolean {
  if (typeof callback !== "function") return false;
  if (callback.length > index) return true;
  const source = Function.prototype.toString.call(callback);
  return /\.\.\.|\barguments\b|\[native code\]/.test(source) || parameters(source).includes("=");
}

/** The source up to the end of the parameters, or to the first parenthesis that closes in them. */
function parameters(source: string): string {
  const end = source.search(/\)|=>/);
  return end < 0 ? source : source.slice(0, end);
}
