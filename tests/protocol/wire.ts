/** Makes and splits frames without the code under test. */
import { type Feeding, feedings } from "./feed.ts";

export type Role = "client" | "server";

export const roles: readonly Role[] = ["client", "server"];

/** The masking key of the examples in RFC 6455, 5.7, as bytes and as a number. */
export const KEY = "37fa213d";
export const KEY_NUMBER = 0x3d21fa37;

/** Bytes from hexadecimal text, in which spaces are ignored. */
export function hex(text: string): Uint8Array {
  const digits = text.replaceAll(" ", "");
  return Uint8Array.from(
    { length: digits.length / 2 },
    (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return join(parts);
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** RFC 6455, 5.3, word for word. */
export function masked(payload: Uint8Array, key: string = KEY): Uint8Array {
  const keyBytes = hex(key);
  return payload.map((byte, i) => byte ^ keyBytes[i % 4]!);
}

/**
 * A frame as `role` receives it: as written for a client, masked for a server.
 *
 * @param head the head without mask, in hexadecimal
 * @param payload in hexadecimal, or bytes
 */
export function frameTo(role: Role, head: string, payload: string | Uint8Array = ""): Uint8Array {
  const bytes = typeof payload === "string" ? hex(payload) : payload;
  if (role === "client") return concat(hex(head), bytes);
  const masking = hex(head);
  masking[1]! |= 0x80;
  return concat(masking, hex(KEY), masked(bytes));
}

/** A frame as `role` sends it. */
export function frameFrom(role: Role, head: string, payload: string | Uint8Array = ""): Uint8Array {
  return frameTo(role === "client" ? "server" : "client", head, payload);
}

/** The head of an unmasked frame, in hexadecimal, its length in the fewest bytes. */
export function head(first: number, length: number): string {
  const digits = (value: number, count: number) => value.toString(16).padStart(count, "0");
  const size = length < 126
    ? digits(length, 2)
    : length < 65536
    ? `7e${digits(length, 4)}`
    : `7f${digits(length, 16)}`;
  return digits(first, 2) + size;
}

/** Whole, byte by byte and split at each offset; of long wires, at those near frames' heads and a few others. */
export function* cuts(
  wire: Uint8Array,
  around: readonly number[] = [0, wire.length],
): IterableIterator<Feeding> {
  if (wire.length <= 400) return yield* feedings(wire);
  yield { name: "whole", chunks: [wire.slice()] };
  for (const size of [1, 7, 1460, 16384]) yield { name: `by ${size}`, chunks: pieces(wire, size) };
  for (const middle of around) {
    for (let at = Math.max(1, middle - 16); at < Math.min(wire.length, middle + 17); at++) {
      yield { name: `split at ${at}`, chunks: [wire.slice(0, at), wire.slice(at)] };
    }
  }
}

export function pieces(wire: Uint8Array, size: number): Uint8Array[] {
  const count = Math.ceil(wire.length / size);
  return Array.from({ length: count }, (_, i) => wire.slice(i * size, (i + 1) * size));
}
