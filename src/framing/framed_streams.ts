/** Codecs for web streams, each of the shape of a `TransformStream`. */

import { ByteBuffer } from "../bytes/byte_buffer.ts";
import type { Decoder, Encoder } from "./codec.ts";
import { FramedReceived } from "./framed_received.ts";

/**
 * Bytes in, items out. Items are decoded when somebody wants one, so a slow reader holds the writer up.
 *
 * What the codec refuses, and a truncated last item, fails both sides, and for good; the items in front of it can be
 * read first.
 *
 * ```ts ignore
 * for await (const line of conn.readable.pipeThrough(new DecoderStream(new LinesCodec()))) console.log(line);
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
    const received = new FramedReceived(decoder);
    this.readable = new ReadableStream<T>({
      pull: (controller) => pullItem(controller, reader, received),
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });
  }
}

/** One item at a time: those that are queued when a stream fails would be lost. */
async function pullItem<T>(
  controller: ReadableStreamDefaultController<T>,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  received: FramedReceived<T>,
): Promise<void> {
  try {
    for (;;) {
      const item = received.take();
      if (item === null) return controller.close();
      if (item !== undefined) return controller.enqueue(item);
      received.compact();
      const { done, value } = await reader.read();
      received.add(done ? null : value);
    }
  } catch (error) {
    // What is written from now on fails the same way. If the error came from there, there is nothing to do.
    reader.cancel(error).catch(() => {});
    throw error;
  }
}

/**
 * Items in, bytes out: a chunk for each item. What the codec refuses fails both sides, and for good.
 *
 * ```ts ignore
 * await lines.pipeThrough(new EncoderStream(new LinesCodec())).pipeTo(conn.writable);
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
