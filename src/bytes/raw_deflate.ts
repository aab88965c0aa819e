/** DEFLATE (RFC 1951) as adapters provide it: the runtime's zlib, synchronous and without zlib headers. */

/** Creates compressors and decompressors. Each keeps its window from call to call. */
export interface RawDeflate {
  /**
   * Creates a compressor whose back-references reach at most `2 ** windowBits` bytes.
   *
   * @param windowBits base-2 logarithm of the window size, 8 to 15
   * @param level 0 (stored) to 9 (smallest output); zlib's default is 6
   */
  deflater(windowBits: number, level: number): Deflater;
  /** Creates a decompressor for a peer whose window is at most `2 ** windowBits` bytes, 8 to 15. */
  inflater(windowBits: number): Inflater;
}

/**
 * Receives output piece by piece; `bytes[0, length)` is valid during the call. Returning `false` or throwing stops the
 * operation: the rest of the output is dropped, and so is the window, as by `reset`. A sink must not compress or
 * decompress, because all streams share `bytes`.
 */
export type DeflateSink = (bytes: Uint8Array, length: number) => boolean;

/** A compressor. */
export interface Deflater {
  /**
   * Compresses `input` and flushes (`Z_SYNC_FLUSH`): the output ends on a byte boundary, with an empty stored block.
   * That block's `00 00 ff ff` is part of the output.
   */
  deflate(input: Uint8Array, sink: DeflateSink): void;
  /** Drops the window: later output refers to no earlier input. */
  reset(): void;
  /** Frees the memory. The compressor must not be used afterwards. */
  close(): void;
}

/** A decompressor. */
export interface Inflater {
  /**
   * Decompresses `input[start, end)`. After a final block (BFINAL), the input goes on as a new DEFLATE stream.
   *
   * @returns `false` when the sink stopped the operation
   * @throws {Error} when the input is not DEFLATE; afterwards only `close` may be called
   */
  inflate(input: Uint8Array, start: number, end: number, sink: DeflateSink): boolean;
  /**
   * Decompresses as much of `input[start, end)` as one piece of output holds, so that the caller can stop in between. The
   * rest is to be given again, also where no input is left but `hasMore` is true.
   *
   * @returns bytes of the input that are left; all of them when the stream before had ended and a new one has begun. -1
   * when the sink stopped the operation
   * @throws {Error} as `inflate`
   */
  step(input: Uint8Array, start: number, end: number, sink: DeflateSink): number;
  /** Whether more output may wait after a `step`, without more input. */
  readonly hasMore: boolean;
  /** Drops the window. */
  reset(): void;
  /** Frees the memory. The decompressor must not be used afterwards. */
  close(): void;
}
