/** Codecs for web streams, each of the shape of a `TransformStream`. */

import { ByteBuffer } from "../bytes/byte_buffer.ts";
import type { Decoder, Encoder } from "./codec.ts";
import { Deferred } from "../net/deferred.ts";
import { FramedReceived } from "./framed_received.ts";

/**
 * Bytes in, items out. Bytes are decoded when somebody wants an item, so a slow reader holds the writer up.
 *
 * What the codec refuses, and a truncated last item, fails both sides, and for good; the items in front of it can be
 * read first.
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
  /** The items. */
  readonly readable: ReadableStream<T>;
  /** Takes the bytes. A chunk belongs to the stream once it is written. */
  readonly writable: WritableStream<Uint8Array>;

  /**
   * Makes one.
   *
   * @param decoder a codec; each stream has one of its own
   */
  constructor(decoder: Decoder<T>) {
    const items = new ItemQueue(decoder);
    // With no room ahead it is asked only when somebody waits and all that was given has been read.
    this.readable = new ReadableStream<T>(items.source, { highWaterMark: 0 });
    this.writable = new WritableStream<Uint8Array>(items.sink);
  }
}

/**
 * Joins the two sides itself: a `TransformStream` between them costs two promises a chunk, and a check an item. The items
 * of a chunk are given at once, which is several times as fast as one by one.
 */
class ItemQueue<T> {
  readonly #received: FramedReceived<T>;
  #readable: ReadableStreamDefaultController<T> | null = null;
  #writable: WritableStreamDefaultController | null = null;
  /** Somebody waits for an item. */
  #wanted = false;
  /** Nobody will want another one. */
  #cancelled = false;
  /** Of the chunk that waits until somebody wants an item. */
  #waiting: Deferred<void> | null = null;
  /** What comes behind the items that were given. To fail at once would take them away. */
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
      // A stream that is aborted waits for the chunk that is being written, which may wait for a reader.
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

  /** Gives the items that are complete with this chunk, or with the end. */
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

/** Whether items wait in a stream that has no room ahead. */
function hasItems(readable: ReadableStreamDefaultController): boolean {
  return readable.desiredSize !== null && readable.desiredSize < 0;
}

/**
 * Items in, bytes out: a chunk for each item. What the codec refuses fails both sides, and for good.
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
  /** The bytes. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Takes the items. */
  readonly writable: WritableStream<T>;

  /**
   * Makes one.
   *
   * @param encoder a codec
   */
  constructor(encoder: Encoder<T>) {
    const buffer = new ByteBuffer();
    const { readable, writable } = new TransformStream<T, Uint8Array>({
      transform(item, controller) {
        encoder.encode(item, buffer);
        // A copy: whoever reads it may transfer its memory, of which the buffer's is shared.
        controller.enqueue(buffer.take(buffer.length).slice());
      },
    });
    this.readable = readable;
    this.writable = writable;
  }
}
