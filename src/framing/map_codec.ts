import { checkMethods } from "../bytes/check_argument.ts";
import type { Codec } from "./codec.ts";
import { FrameError, FrameFormatError } from "./codec.ts";

/** A mapping from a codec's items to others, and back. */
export interface ItemMapping<From, In, Out, To> {
  /** Maps an item that was read; must not return `undefined` or `null`. Throws to refuse the item. */
  decode(item: From): In;
  /** Maps an item that is to be written. Throws to refuse the item. */
  encode(item: Out): To;
}

/**
 * Creates a codec that maps the items of another codec.
 *
 * An error that the mapping throws becomes the cause of a {@linkcode FrameFormatError}, unless it is a
 * {@linkcode FrameError} itself. When reading, the item is consumed, and reading can go on with the next one.
 *
 * @example
 * ```ts
 * import { Framed, LinesCodec, mapCodec, pipe } from "jackfield";
 *
 * const dates = () =>
 *   mapCodec(new LinesCodec(), {
 *     decode: (line) => new Date(line),
 *     encode: (date: Date) => date.toISOString(),
 *   });
 * const [here, there] = pipe();
 * await new Framed(here, dates()).write(new Date(0));
 * console.log((await new Framed(there, dates()).read())?.getTime()); // 0
 * ```
 *
 * @param codec the codec below, which must not be used otherwise from now on
 * @param mapping both directions
 */
export function mapCodec<From, To, In, Out>(
  codec: Codec<From, To>,
  mapping: ItemMapping<From, In, Out, To>,
): Codec<In, Out> {
  checkMethods("map the codec", "codec", codec, ["decode", "encode"]);
  checkMethods("map the codec", "mapping", mapping, ["decode", "encode"]);
  const mapped = (item: From | undefined, offset: number): In | undefined => {
    if (item === undefined) return undefined;
    const result = refusing(() => mapping.decode(item), offset);
    // `undefined` and `null` mean that there is no item.
    if (result !== undefined && result !== null) return result;
    throw new FrameFormatError("item", `the mapping must not return ${result}`, offset);
  };
  return {
    decode(src) {
      const offset = src.position;
      return mapped(codec.decode(src), offset);
    },
    decodeEof(src) {
      const offset = src.position;
      return mapped(codec.decodeEof?.(src), offset);
    },
    missing: (src) => codec.missing?.(src),
    encode: (item, dst) => codec.encode(refusing(() => mapping.encode(item), null), dst),
  };
}

function refusing<T>(map: () => T, offset: number | null): T {
  try {
    return map();
  } catch (error) {
    if (error instanceof FrameError) throw error;
    throw new FrameFormatError("item", error instanceof Error ? error.message : `${error}`, offset, error);
  }
}
