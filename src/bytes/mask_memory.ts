/**
 * Memory in which masking takes a fraction of the time that it takes elsewhere. One memory serves all connections, so bytes
 * in it are valid only during the call that put them there.
 */
export interface MaskMemory {
  /** The whole memory. A runtime may read its sockets into the part before `workspace`. */
  readonly bytes: Uint8Array;
  /** The offset from which chunks that lie elsewhere are copied in, to be unmasked. */
  readonly workspace: number;
  /** Whether a chunk is being unmasked here, so that no other may be. Set and cleared by the caller of `mask`. */
  inUse: boolean;
  /** Masks or unmasks `bytes[start, end)` in place, as `applyMask` does. */
  mask(start: number, end: number, key: number): void;
}

/** The offset of the chunk in `memory.bytes`, or -1 when the chunk lies elsewhere. */
export function offsetIn(memory: MaskMemory, chunk: Uint8Array): number {
  const { bytes } = memory;
  return chunk.buffer === bytes.buffer ? chunk.byteOffset - bytes.byteOffset : -1;
}
