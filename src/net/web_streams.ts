import type { Conn, WaitOptions } from "./conn.ts";

/** Queuing strategy without a queue: reading and writing ahead is left to the connection. */
const NOTHING_AHEAD = { highWaterMark: 0 };

/** A reader that returns received chunks without a copy. */
interface ChunkReader {
  readChunk(options?: WaitOptions): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** Creates the web stream of `Conn.readable`. */
export function readableOf(reader: ChunkReader): ReadableStream<Uint8Array<ArrayBuffer>> {
  const cancelled = new AbortController();
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const chunk = await reader.readChunk({ signal: cancelled.signal });
      if (chunk === null) controller.close();
      else controller.enqueue(chunk);
    },
    cancel: (reason) => cancelled.abort(reason),
  }, NOTHING_AHEAD);
}

/** Creates the web stream of `Conn.writable`. */
export function writableOf(conn: Conn): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    start(controller) {
      // `abort` below waits for the pending write, which a peer that does not read could delay for ever.
      controller.signal.addEventListener("abort", () => conn.closeNow());
    },
    async write(chunk) {
      await conn.write(chunk);
    },
    close: () => conn.closeWrite(),
    abort: () => conn.closeNow(),
  });
}
