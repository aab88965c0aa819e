/** Throws unless the values are equal. */
export function equal<T>(actual: T, expected: T): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${a} instead of ${b}`);
}

/** The text of bytes. */
export const text = (bytes: Uint8Array | null): string => new TextDecoder().decode(bytes ?? undefined);

/** The bytes of a text. */
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
