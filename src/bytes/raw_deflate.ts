/** The port of DEFLATE (RFC 1951): what an adapter gives of zlib, synchronously and without headers. */

/** Makes compressors and decompressors. Each keeps its window from call to call. */
export interface RawDeflate {
  /**
   * A compressor whose references reach back `2 ** windowBits` bytes at the most.
   *
   * @param windowBits 8 to 15
   * @param level 0 (none) to 9 (best); the usual one is 6
   */
  deflater(windowBits: number, level: number): Deflater;
  /** A decompressor for a peer that uses such a window, 8 to 15. */
  inflater(windowBits: number): Inflater;
}

/**
 * Where output goes, piece by piece: `bytes[0, length)` is valid during the call. `false` stops, and so does a throw; the rest
 * is given up and the window with it, as by `reset`. A sink compresses and decompresses nothing itself, since all share `bytes`.
 */
export type DeflateSink = (bytes: Uint8Array, length: number) => boolean;

/** A compressor. */
export interface Deflater {
  /**
   * Compresses `input` and flushes, so that the output ends at a border between bytes with an empty stored block,
   * `00 00 ff ff`, which is there.
   */
  deflate(input: Uint8Array, sink: DeflateSink): void;
  /** Forgets the window: what follows refers to nothing that came before. */
  reset(): void;
  /** Gives its memory back. It must not be used any more. */
  close(): void;
}

/** A decompressor. */
export interface Inflater {
  /**
   * Decompresses `input[start, end)`, as far as it goes. A block that says it is the last one (BFINAL) is not the end: what
   * follows is taken as a stream of its own.
   *
   * @returns `false` when the sink stopped it
   * @throws {Error} when it is not DEFLATE; it must not be used any more then, but for `close`
   */
  inflate(input: Uint8Array, start: number, end: number, sink: DeflateSink): boolean;
  /** Forgets the window. */
  reset(): void;
  /** Gives its memory back. It must not be used any more. */
  close(): void;
}
