import { checkMethods, checkObject } from "../bytes/check_argument.ts";
import { ByteBuffer } from "../bytes/byte_buffer.ts";
import type { Conn, WaitOptions } from "../net/conn.ts";
import type { Deadline } from "../net/deadline.ts";
import { ClosedError } from "../net/errors.ts";
import { handled } from "../net/handled.ts";
import { WaitQueue } from "../net/wait_queue.ts";
import type { Codec } from "./codec.ts";
import { FramedReceived } from "./framed_received.ts";

/** The part of a {@linkcode Conn} that a {@linkcode Framed} uses. */
export type FramedConn =
  & Pick<
    Conn,
    | "remoteAddr"
    | "write"
    | "close"
    | "closeNow"
    | "setDeadline"
    | "setReadDeadline"
    | "setWriteDeadline"
  >
  & {
    /** The next received bytes; `null` at the end of the stream. */
    readChunk(options?: WaitOptions): Promise<Uint8Array | null>;
  };

/**
 * A connection that carries items instead of bytes. tokio: `Framed`.
 *
 * A `Framed` owns its connection: it closes the connection with itself, and nothing else may read from it. Calls may
 * overlap: reads are served, and items are sent, in the order of the calls.
 *
 * @example
 * ```ts
 * import { Framed, LinesCodec, pipe } from "jackfield";
 *
 * const [here, there] = pipe();
 * const lines = new Framed(here, new LinesCodec());
 * await lines.write("hello");
 * for await (const line of new Framed(there, new LinesCodec())) {
 *   console.log(line); // hello
 *   break;
 * }
 * await lines.close();
 * ```
 */
export class Framed<In, Out = In, C extends FramedConn = Conn> implements AsyncIterable<In>, AsyncDisposable {
  /** The connection below, for its addresses, its options and `closeWrite`. */
  readonly conn: C;
  /** The codec of this connection. */
  readonly codec: Codec<In, Out>;
  readonly #received: FramedReceived<In>;
  /** Reads that wait until the read at the connection has its item. */
  readonly #turns = new WaitQueue<void>();
  /** Whether a read is at the connection. */
  #reading = false;
  #closed = false;

  /**
   * Creates a framed connection.
   *
   * @param conn the connection, owned from now on
   * @param codec a codec for this connection alone, since codecs hold the state of one stream
   */
  constructor(conn: C, codec: Codec<In, Out>) {
    checkObject("frame the connection", "conn", conn);
    checkMethods("frame the connection", "codec", codec, ["decode", "encode"]);
    this.conn = conn;
    this.codec = codec;
    this.#received = new FramedReceived(codec);
  }

  // ── Reading ──

  /**
   * Resolves to the next item, or to `null` at the end of the stream. A read that expires or is aborted loses no bytes.
   * An item that has already arrived is returned even after the deadline: deadlines bound waiting.
   *
   * @throws {FrameError} when the codec refuses an item; `offset` is its place in the stream. After a
   *   `FrameFormatError` the next read goes on behind the bad item; after any other, later reads fail too
   * @throws {UnexpectedEofError} when the stream ends within an item; `missing` is the number of bytes it lacks, where
   *   known
   * @throws {DeadlineExceededError} when the read deadline passes first
   * @throws {ClosedError} after `close`
   */
  read(options?: WaitOptions): Promise<In | null> {
    if (this.#reading) return this.#readInTurn(options);
    try {
      const ready = this.#takeReady(options);
      return ready === undefined ? this.#readMore(options, false) : Promise.resolve(ready);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Iterates over all items until the stream ends or this side closes. Leaving the loop leaves the connection open. */
  [Symbol.asyncIterator](): AsyncIterator<In, undefined> {
    return { next: () => this.#readIterated() };
  }

  #readIterated(): Promise<IteratorResult<In, undefined>> {
    if (this.#closed) return Promise.resolve(resultOf<In>(null));
    if (this.#reading) return resultUnlessClosed(this.#readInTurn());
    try {
      const ready = this.#takeReady();
      return ready === undefined
        ? resultUnlessClosed(this.#readMore(undefined, false))
        : Promise.resolve(resultOf(ready));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #readInTurn(options?: WaitOptions): Promise<In | null> {
    options?.signal?.throwIfAborted();
    await this.#turns.wait(undefined, options?.signal);
    return this.#readMore(options, true);
  }

  /**
   * Reads from the connection until an item is complete.
   *
   * @param mayBeReady whether an item may be complete already; looking in vain would take a twentieth of a read's time
   */
  async #readMore(options: WaitOptions | undefined, mayBeReady: boolean): Promise<In | null> {
    this.#reading = true;
    try {
      let ready = mayBeReady ? this.#takeReady(options) : undefined;
      while (ready === undefined) {
        this.#received.compact();
        this.#received.add(await this.conn.readChunk(options));
        ready = this.#takeReady(options);
      }
      return ready;
    } finally {
      // `#reading` stays set for the read that is served next, so that no later read overtakes it.
      if (this.#turns.size > 0) this.#turns.resolveFirst();
      else this.#reading = false;
    }
  }

  /** The item, or `null` at the end, that can be read without waiting; `undefined` when there is none. */
  #takeReady(options?: WaitOptions): In | null | undefined {
    if (this.#closed) throw new ClosedError("read", this.conn.remoteAddr.network, this.conn.remoteAddr);
    options?.signal?.throwIfAborted();
    return this.#received.take();
  }

  // ── Writing ──

  /**
   * Writes an item. Resolves when the runtime has accepted its bytes.
   *
   * @throws {FrameError} when the codec refuses the item; nothing is sent
   * @throws {DeadlineExceededError} when the write deadline passes first
   * @throws {ClosedError} after `close`
   */
  write(item: Out, options?: WaitOptions): Promise<void> {
    return this.writeMany([item], options);
  }

  /** Writes several items in one write. When the codec refuses one of them, none is sent. */
  writeMany(items: Iterable<Out>, options?: WaitOptions): Promise<void> {
    try {
      const encoded = new ByteBuffer();
      for (const item of items) this.codec.encode(item, encoded);
      return handled(this.conn.write(encoded.take(encoded.length), options).then(nothing));
    } catch (error) {
      // A fault of an item.
      return Promise.reject(error);
    }
  }

  // ── Deadlines ──

  /** Sets both deadlines. */
  setDeadline(t: Deadline): void {
    this.conn.setDeadline(t);
  }

  /** Sets the time at which waiting reads, pending or later, fail. Moving it makes the connection readable again. */
  setReadDeadline(t: Deadline): void {
    this.conn.setReadDeadline(t);
  }

  /** Sets the time at which pending and later writes fail; see `Conn`. */
  setWriteDeadline(t: Deadline): void {
    this.conn.setWriteDeadline(t);
  }

  // ── Closing ──

  /** Sends what is queued, up to the write deadline, then closes. Reads fail from now on. */
  close(): Promise<void> {
    this.#drop();
    return this.conn.close();
  }

  /** Drops the connection and all queued bytes at once. */
  closeNow(): void {
    this.#drop();
    this.conn.closeNow();
  }

  #drop(): void {
    this.#closed = true;
    this.#received.drop();
  }

  /** Closes as {@linkcode Framed.close} does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function nothing(): void {}

function resultOf<T>(item: T | null): IteratorResult<T, undefined> {
  return item === null ? { done: true, value: undefined } : { done: false, value: item };
}

/** The result of a read by `for await`; the end of the loop when this side has closed. */
function resultUnlessClosed<T>(read: Promise<T | null>): Promise<IteratorResult<T, undefined>> {
  return read.then(resultOf, (error) => {
    if (error instanceof ClosedError) return resultOf<T>(null);
    throw error;
  });
}
