import type { Conn, WaitOptions } from "./conn.ts";

/** What is left to the connection itself: nothing is read or written ahead here. */
const NOTHING_AHEAD = { highWaterMark: 0 };

/** What hands over bytes as they came. */
interface ChunkReader {
  readChunk(options?: WaitOptions): Promise<Uint8Array | null>;
}

/** See `Conn.readable`. */
export function readableOf(reader: ChunkReader): ReadableStream<Uint8Array> {
  const cancelled = new AbortController();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const chunk = await reader.readChunk({ signal: cancelled.signal });
      if (chunk === null) controller.close();
      else controller.enqueue(chunk);
    },
    cancel: (reason) => cancelled.abort(reason),
  }, NOTHING_AHEAD);
}

/** See `Conn.writable`. */
export function writableOf(conn: Conn): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    start(controller) {
      // `abort` below waits for the write that is under way, for which a peer that does not read may keep it for ever.
      controller.signal.addEventListener("abort", () => conn.closeNow());
    },
    async write(chunk) {
      await conn.write(chunk);
    },
    close: () => conn.closeWrite(),
    abort: () => conn.closeNow(),
  });
}
