/** The way of a client's chunks to the server's frame reader: through the mask memory, where that is faster. */

import { WORDS_FROM } from "../bytes/mask.ts";
import { type MaskMemory, offsetIn } from "../bytes/mask_memory.ts";
import type { FrameReader } from "./frame_reader.ts";

/** Chunks of at least this many bytes are worth moving to the mask memory, whatever frames they hold (`bench/connection.ts`). */
const MOVED_FROM = 1024;

/**
 * Whether unmasking in the mask memory saves more than copying the chunk there costs. A short chunk is moved, too, where its
 * first frame would be unmasked through a view: on Bun, where each chunk is an array in the engine's own heap, a view moves its
 * bytes out of there, and the collector stops for two and a half times as long (`bench/connection.ts`, "128 B, 1 in a chunk of
 * its own": 1,420 → 630 ns; `bench/latency.ts`: p99 2.8 → 0.9 ms).
 */
export function isWorthMoving(chunk: Uint8Array): boolean {
  if (chunk.length >= MOVED_FROM) return true;
  return chunk.length > WORDS_FROM && (chunk[1]! & 0x7f) >= WORDS_FROM;
}

/**
 * Reads the chunk in the mask memory, which is not in use: in place if the chunk was read into it, else as copies.
 *
 * @returns bytes of the chunk that were read, as of `FrameReader.receive`
 */
export function readInMemory(
  reader: FrameReader,
  memory: MaskMemory,
  chunk: Uint8Array,
  lent: boolean,
): number {
  const offset = lent ? offsetIn(memory, chunk) : -1;
  memory.inUse = true;
  try {
    return offset >= 0
      ? reader.receiveIn(memory, offset, offset + chunk.length)
      : readCopies(reader, memory, chunk);
  } finally {
    memory.inUse = false;
  }
}

/** Copies as much of the chunk at a time as the workspace holds. */
function readCopies(reader: FrameReader, memory: MaskMemory, chunk: Uint8Array): number {
  const { bytes, workspace } = memory;
  const size = bytes.length - workspace;
  for (let at = 0; at < chunk.length; at += size) {
    const piece = chunk.length <= size ? chunk : chunk.subarray(at, at + size);
    bytes.set(piece, workspace);
    const read = reader.receiveIn(memory, workspace, workspace + piece.length);
    if (read < piece.length) return at + read;
  }
  return chunk.length;
}
