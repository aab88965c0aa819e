/** Codecs as web streams, each with the two sides of a `TransformStream`. */

import { checkMethods } from "../bytes/check_argument.ts";
import { ByteBuffer } from "../bytes/byte_buffer.ts";
import type { Decoder, Encoder } from "./codec.ts";
import { Deferred } from "../net/deferred.ts";
import { FramedReceived } from "./framed_received.ts";

/**
 * Decodes a stream of bytes into items. Bytes are decoded when an item is read, so a slow reader holds the writer back.
 *
 * An item that the codec refuses, or a truncated last one, fails both sides permanently; the items before it can still
 * be read.
 *
 * @example
 * ```ts
 * import { DecoderStream, LinesCodec, pipe } from "jackfield";
 *
 * const [here, there] = pipe();
 * await here.write(new TextEncoder().encode("one\ntwo\n"));
 * await here.closeWrite();
 * for await (const line of there.readable.pipeThrough(new DecoderStream(new LinesCodec()))) {
 *   console.log(line); // one|two
 * }
 * ```
 */
export class DecoderStream<T> implements TransformStream<Uint8Array, T> {
  /** The side to read items from. */
  readonly readable: ReadableStream<T>;
  /** The side to write bytes to. A chunk must not be changed once it has been written. */
  readonly writable: WritableStream<Uint8Array>;

  /**
   * Creates a stream.
   *
   * @param decoder a codec for this stream alone
   */
  constructor(decoder: Decoder<T>) {
    checkMethods("decode the stream", "decoder", decoder, ["decode"]);
    const items = new ItemQueue(decoder);
    // With a high-water mark of 0, `pull` is called only when a read waits and all queued items have been read.
    this.readable = new ReadableStream<T>(items.source, { highWaterMark: 0 });
    this.writable = new WritableStream<Uint8Array>(items.sink);
  }
}

/**
 * Joins the two sides of a {@linkcode DecoderStream}. A `TransformStream` would cost two promises a chunk and a check
 * an item; here all items of a chunk are queued at once, which is several times as fast as one by one.
 */
class ItemQueue<T> {
  readonly #received: FramedReceived<T>;
  #readable: ReadableStreamDefaultController<T> | null = null;
  #writable: WritableStreamDefaultController | null = null;
  /** Whether a read waits for an item. */
  #wanted = false;
  /** Whether the readable side was cancelled. */
  #cancelled = false;
  /** Resolved when the chunk that was written may be decoded, because an item is wanted. */
  #waiting: Deferred<void> | null = null;
  /** Error to report once the queued items have been read; failing at once would drop them. */
  #error: { readonly reason: unknown } | null = null;

  constructor(decoder: Decoder<T>) {
    this.#received = new FramedReceived(decoder);
  }

  readonly source: UnderlyingDefaultSource<T> = {
    start: (controller) => void (this.#readable = controller),
    pull: () => {
      if (this.#error !== null) throw this.#error.reason;
      this.#wanted = true;
      this.#waiting?.resolve();
      this.#waiting = null;
    },
    cancel: (reason) => {
      this.#cancelled = true;
      this.#writable!.error(reason);
      this.#waiting?.reject(reason);
    },
  };

  readonly sink: UnderlyingSink<Uint8Array> = {
    start: (controller) => {
      this.#writable = controller;
      // Aborting waits for the chunk that is being written, which may itself wait for a reader: give that wait up.
      controller.signal.addEventListener("abort", () => this.#waiting?.reject(controller.signal.reason));
    },
    write: (chunk) => {
      if (this.#wanted) return this.#give(chunk);
      this.#waiting = new Deferred();
      return this.#waiting.promise.then(() => this.#give(chunk));
    },
    close: () => this.#give(null),
    abort: (reason) => this.#fail(reason),
  };

  /** Queues the items that this chunk, or the end of the stream (`null`), completes. */
  #give(chunk: Uint8Array | null): void {
    if (this.#cancelled) return;
    const readable = this.#readable!;
    try {
      this.#received.add(chunk);
      if (this.#received.takeEach(this.#enqueue)) return readable.close();
      this.#received.compact();
    } catch (reason) {
      this.#fail(reason);
      throw reason;
    }
    if (hasItems(readable)) this.#wanted = false;
  }

  readonly #enqueue = (item: T): void => this.#readable!.enqueue(item);

  #fail(reason: unknown): void {
    if (hasItems(this.#readable!)) this.#error = { reason };
    else this.#readable!.error(reason);
  }
}

/** Whether items are queued in a stream whose high-water mark is 0. */
function hasItems(readable: ReadableStreamDefaultController): boolean {
  return readable.desiredSize !== null && readable.desiredSize < 0;
}

/**
 * Encodes a stream of items into bytes, a chunk for each item. An item that the codec refuses fails both sides
 * permanently.
 *
 * @example
 * ```ts
 * import { EncoderStream, LinesCodec, pipe, readAll } from "jackfield";
 *
 * const [here, there] = pipe();
 * const lines = new EncoderStream<string>(new LinesCodec());
 * const sent = lines.readable.pipeTo(here.writable);
 * const writer = lines.writable.getWriter();
 * for (const line of ["one", "two"]) await writer.write(line);
 * await writer.close();
 * console.log((await readAll(there)).length); // 8
 * await sent;
 * ```
 */
export class EncoderStream<T> implements TransformStream<T, Uint8Array> {
  /** The side to read bytes from, a chunk for each item. */
  readonly readable: ReadableStream<Uint8Array>;
  /** The side to write items to. */
  readonly writable: WritableStream<T>;

  /**
   * Creates a stream.
   *
   * @param encoder a codec
   */
  constructor(encoder: Encoder<T>) {
    checkMethods("encode the stream", "encoder", encoder, ["encode"]);
    const buffer = new ByteBuffer();
    const { readable, writable } = new TransformStream<T, Uint8Array>({
      transform(item, controller) {
        encoder.encode(item, buffer);
        // A copy, because the reader may transfer the chunk's memory, and that of `buffer` is shared.
        controller.enqueue(buffer.take(buffer.length).slice());
      },
    });
    this.readable = readable;
    this.writable = writable;
  }
}
