/**
 * Values of any realm. A page in jsdom, or code run by `node:vm`, has classes such as
 * `Uint8Array` of its own, for which `instanceof` is false. Their kind is asked by getters that only the real thing answers.
 */

const kindOf = getter(Object.getPrototypeOf(Uint8Array.prototype) as object, Symbol.toStringTag);
const lengthOfBuffer = getter(ArrayBuffer.prototype, "byteLength");
const lengthOfShared = typeof SharedArrayBuffer === "undefined"
  ? () => undefined
  : getter(SharedArrayBuffer.prototype, "byteLength");

/** The value as a `Uint8Array` of this realm over the same memory; `null` when it is no `Uint8Array` of any realm. */
export function uint8ArrayOf(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value;
  return kindOf(value) === "Uint8Array" ? viewOf(value as Uint8Array) : null;
}

/** The bytes of a buffer or a view, of any realm, as a `Uint8Array` of this one over the same memory; `null` for others. */
export function bytesOf(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return viewOf(value);
  return isBuffer(value) ? new Uint8Array(value) : null;
}

function viewOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function isBuffer(value: unknown): value is ArrayBufferLike {
  return lengthOfBuffer(value) !== undefined || lengthOfShared(value) !== undefined;
}

/** A property's getter, which gives `undefined` for values that do not have the property themselves. */
function getter(prototype: object, key: PropertyKey): (value: unknown) => unknown {
  const { get } = Object.getOwnPropertyDescriptor(prototype, key)!;
  return (value) => {
    try {
      return get!.call(value) as unknown;
    } catch {
      return undefined;
    }
  };
}
