import { ByteBuffer } from "../bytes/byte_buffer.ts";
import type { Conn, WaitOptions } from "../net/conn.ts";
import type { Deadline } from "../net/deadline.ts";
import { ClosedError } from "../net/errors.ts";
import { WaitQueue } from "../net/wait_queue.ts";
import type { Codec } from "./codec.ts";
import { FramedReceived } from "./framed_received.ts";

/** What a {@linkcode Framed} needs of a connection. */
export type FramedConn = Pick<
  Conn,
  | "remoteAddr"
  | "readChunk"
  | "write"
  | "close"
  | "closeNow"
  | "setDeadline"
  | "setReadDeadline"
  | "setWriteDeadline"
>;

/**
 * A connection that carries items instead of bytes. tokio: `Framed`.
 *
 * The connection belongs to it: it is closed with it, and nobody else reads from it. Calls may be made at the same time
 * from anywhere; reads are served in order of calling, items leave in order of calling.
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
  /** What turns bytes into items and back. */
  readonly codec: Codec<In, Out>;
  readonly #received: FramedReceived<In>;
  /** Reads that wait for the one that reads from the connection. */
  readonly #turns = new WaitQueue<void>();
  /** Some read is at the connection. */
  #reading = false;
  #closed = false;

  /** A codec knows how far it is in its stream, so each connection has one of its own. */
  constructor(conn: C, codec: Codec<In, Out>) {
    this.conn = conn;
    this.codec = codec;
    this.#received = new FramedReceived(codec);
  }

  // ── Reading ──

  /**
   * Resolves to the next item, or to `null` at the end of the stream. A read that expires or is aborted loses nothing.
   * An item that has come already is read whatever the deadline says: deadlines are for waiting.
   *
   * @throws {FrameError} when the codec refuses what comes; its `offset` is where in the stream. If it is about one item
   * (`FrameFormatError`), the next read goes on behind that; if not, later reads fail the same way
   * @throws {UnexpectedEofError} when the stream ends within an item; its `missing` says how many bytes of it did not
   * come, where that is known
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

  /** All items until the end of the stream, or until this side closes. Leaving the loop leaves the connection open. */
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

  /** Reads from the connection until there is an item. To look for one in vain before that is a twentieth of the time. */
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
      // Who comes next has its turn from here on, so nobody gets in between.
      if (this.#turns.size > 0) this.#turns.resolveFirst();
      else this.#reading = false;
    }
  }

  /** What can be read without waiting, or `undefined`. */
  #takeReady(options?: WaitOptions): In | null | undefined {
    if (this.#closed) throw new ClosedError("read", this.conn.remoteAddr.network, this.conn.remoteAddr);
    options?.signal?.throwIfAborted();
    return this.#received.take();
  }

  // ── Writing ──

  /**
   * Writes an item. Resolves when the runtime has taken it.
   *
   * @throws {FrameError} when the codec refuses it; nothing is sent then
   * @throws {DeadlineExceededError} when the write deadline passes first
   * @throws {ClosedError} after `close`
   */
  write(item: Out, options?: WaitOptions): Promise<void> {
    return this.writeMany([item], options);
  }

  /** Writes items in one write. When the codec refuses one of them, none is sent. */
  async writeMany(items: Iterable<Out>, options?: WaitOptions): Promise<void> {
    const encoded = new ByteBuffer();
    for (const item of items) this.codec.encode(item, encoded);
    await this.conn.write(encoded.take(encoded.length), options);
  }

  // ── Deadlines ──

  /** Both deadlines at once. */
  setDeadline(t: Deadline): void {
    this.conn.setDeadline(t);
  }

  /** When reads that wait, and later ones that must wait, fail. Moving it makes the connection readable again. */
  setReadDeadline(t: Deadline): void {
    this.conn.setReadDeadline(t);
  }

  /** When pending and later writes fail; see `Conn`. */
  setWriteDeadline(t: Deadline): void {
    this.conn.setWriteDeadline(t);
  }

  // ── Closing ──

  /** Sends what is queued, up to the write deadline, then closes. Reads fail from now on. */
  close(): Promise<void> {
    this.#drop();
    return this.conn.close();
  }

  /** Drops the connection at once, with what is queued. */
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

function resultOf<T>(item: T | null): IteratorResult<T, undefined> {
  return item === null ? { done: true, value: undefined } : { done: false, value: item };
}

/** The end, where the read fails because this side closes. */
function resultUnlessClosed<T>(read: Promise<T | null>): Promise<IteratorResult<T, undefined>> {
  return read.then(resultOf, (error) => {
    if (error instanceof ClosedError) return resultOf<T>(null);
    throw error;
  });
}
