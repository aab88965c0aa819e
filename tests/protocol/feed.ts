/** Ways to split test input into chunks. */

/** Some bytes split into chunks, with a name for the way of splitting. */
export interface Feeding {
  readonly name: string;
  /** Copies, which the receiver may overwrite. */
  readonly chunks: Uint8Array[];
}

/** The text as latin1 bytes. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** The bytes whole, byte by byte, with empty chunks in between, and split at each offset. */
export function* feedings(bytes: Uint8Array): IterableIterator<Feeding> {
  yield { name: "whole", chunks: [bytes.slice()] };
  const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
  yield { name: "byte by byte", chunks: single };
  yield { name: "with empty chunks", chunks: [new Uint8Array(0), bytes.slice(), new Uint8Array(0)] };
  for (let at = 1; at < bytes.length; at++) {
    yield { name: `split at ${at}`, chunks: [bytes.slice(0, at), bytes.slice(at)] };
  }
}

/** What a reader of heads has. */
export interface Reader<Head> {
  readonly rest: Uint8Array;
  receive(chunk: Uint8Array): Head | undefined;
}

/** A head, and all that came after it. */
export interface Read<Head> {
  readonly head: Head;
  readonly rest: Uint8Array;
}

/** Feeds the chunks until the head is complete, overwriting each afterwards; throws what the reader throws. */
export function readHead<Head>(reader: Reader<Head>, chunks: readonly Uint8Array[]): Read<Head> | undefined {
  for (const [i, chunk] of chunks.entries()) {
    const head = reader.receive(chunk);
    if (head !== undefined) return { head, rest: concat([reader.rest, ...chunks.slice(i + 1)]) };
    chunk.fill(0xff);
  }
  return undefined;
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
}
