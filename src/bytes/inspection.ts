/** How objects look on a console: their private fields are not shown, so without this a connection would be an empty object. */

/** The key of the method that consoles ask for what to show. It is registered under this name by those who made it up. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/**
 * Makes the instances of a class show some fields under `console.log`.
 *
 * @param type the class; its name is shown
 * @param fieldsOf what to show of an instance, read when it is shown
 */
export function showFields<T extends object>(
  type: { readonly prototype: T; readonly name: string },
  fieldsOf: (instance: T) => object,
): void {
  const value = function (this: T, _depth: unknown, options: unknown, inspect: unknown): unknown {
    // The prototype itself has no fields.
    const fields = this === type.prototype ? {} : fieldsOf(this);
    if (typeof inspect !== "function") return fields;
    return `${this.constructor.name} ${
      (inspect as (value: object, options: unknown) => string)(fields, options)
    }`;
  };
  Object.defineProperty(type.prototype, INSPECT, { value, configurable: true, writable: true });
}
