import type { Codec } from "./codec.ts";
import { FrameError, FrameFormatError } from "./codec.ts";

/** How items of a codec become others, and back. */
export interface ItemMapping<From, In, Out, To> {
  /** What an item that was read becomes; neither `undefined` nor `null`. What it throws refuses the item. */
  decode(item: From): In;
  /** Which item is written. What it throws refuses what was to be written. */
  encode(item: Out): To;
}

/**
 * A codec of other items on top of a codec.
 *
 * What a mapping throws, if it is no {@linkcode FrameError}, becomes the cause of a {@linkcode FrameFormatError}; an item
 * that was read is gone then, and reading can go on with the next one.
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
 * @param codec what turns bytes into items; it belongs to the result from now on
 * @param mapping both directions
 */
export function mapCodec<From, To, In, Out>(
  codec: Codec<From, To>,
  mapping: ItemMapping<From, In, Out, To>,
): Codec<In, Out> {
  const mapped = (item: From | undefined, offset: number): In | undefined => {
    if (item === undefined) return undefined;
    const result = refusing(() => mapping.decode(item), offset);
    // Those two mean that there is no item.
    if (result !== undefined && result !== null) return result;
    throw new FrameFormatError("item", `it becomes ${result}`, offset);
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
