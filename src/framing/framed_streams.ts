/** Codecs for web streams, each of the shape of a `TransformStream`. */

import { ByteBuffer } from "../bytes/byte_buffer.ts";
import type { Decoder, Encoder } from "./codec.ts";
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
    const chunks = new TransformStream<Uint8Array, Uint8Array>();
    this.writable = chunks.writable;
    const reader = chunks.readable.getReader();
    const items = new ItemSource(reader, new FramedReceived(decoder));
    // With no room ahead it is asked only when somebody waits and all that was given has been read.
    this.readable = new ReadableStream<T>({
      pull: (controller) => items.pull(controller),
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });
  }
}

/** Gives the items of one chunk at a time, which is several times as fast as one item. */
class ItemSource<T> {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #received: FramedReceived<T>;
  /** What comes behind the items that were given. To fail at once would take them away. */
  #error: { readonly reason: unknown } | null = null;

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>, received: FramedReceived<T>) {
    this.#reader = reader;
    this.#received = received;
  }

  async pull(controller: ReadableStreamDefaultController<T>): Promise<void> {
    try {
      while (!this.#give(controller)) {
        this.#received.compact();
        const { done, value } = await this.#reader.read();
        this.#received.add(done ? null : value);
      }
    } catch (error) {
      // What is written from now on fails the same way. If the error came from there, there is nothing to do.
      this.#reader.cancel(error).catch(() => {});
      throw error;
    }
  }

  /** Gives what can be had without waiting, or closes; whether there was anything. */
  #give(controller: ReadableStreamDefaultController<T>): boolean {
    if (this.#error !== null) throw this.#error.reason;
    let given = false;
    try {
      for (;;) {
        const item = this.#received.take();
        if (item === undefined) return given;
        given = true;
        if (item === null) {
          controller.close();
          return true;
        }
        controller.enqueue(item);
      }
    } catch (reason) {
      if (!given) throw reason;
      this.#error = { reason };
      return true;
    }
  }
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
