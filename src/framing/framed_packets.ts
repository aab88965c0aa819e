import { ByteBuffer } from "../bytes/byte_buffer.ts";
import type { UdpAddr } from "../net/addr.ts";
import type { WaitOptions } from "../net/conn.ts";
import type { Deadline } from "../net/deadline.ts";
import { ClosedError } from "../net/errors.ts";
import type { PacketConn, UdpConn } from "../net/packet_conn.ts";
import { type Codec, FrameFormatError } from "./codec.ts";
import { FramedReceived } from "./framed_received.ts";

/** An item, and who sent it. */
export interface PacketItem<T> {
  /** What the datagram holds. */
  readonly item: T;
  /** Who sent it, as far as UDP can tell. */
  readonly addr: UdpAddr;
}

/**
 * A UDP socket that carries items instead of bytes, one in each datagram. tokio: `UdpFramed`.
 *
 * Calls may be made at the same time from anywhere, as with the socket, which belongs to it.
 *
 * @example
 * ```ts
 * import { dial, FramedPackets, JsonTextsCodec, listenPacket } from "jackfield";
 *
 * const server = new FramedPackets<number[], number>(
 *   await listenPacket("udp", "127.0.0.1:0"),
 *   () => new JsonTextsCodec(),
 * );
 * const conn = await dial("udp", String(server.conn.localAddr));
 * await conn.write(new TextEncoder().encode("[1, 2, 3]"));
 * for await (const { item } of server) {
 *   console.log(item.length); // 3
 *   break;
 * }
 * await conn.close();
 * await server.close();
 * ```
 */
export class FramedPackets<In, Out = In> implements AsyncIterable<PacketItem<In>>, AsyncDisposable {
  /** The socket below. */
  readonly conn: PacketConn;
  readonly #makeCodec: () => Codec<In, Out>;

  /**
   * Makes one.
   *
   * @param conn the socket; dialled, it has one peer
   * @param makeCodec makes a codec, for each datagram anew: each is a stream of its own, and what one of them spoils is
   *   nothing to the next
   */
  constructor(conn: PacketConn, makeCodec: () => Codec<In, Out>) {
    this.conn = conn;
    this.#makeCodec = makeCodec;
  }

  /**
   * The next item. A datagram that is refused is gone, and the next read goes on with the next one.
   *
   * @throws {FrameError} when the codec refuses it, or it holds none or more than one
   * @throws {UnexpectedEofError} when it holds a part of one
   * @throws {DeadlineExceededError} when the read deadline passes first
   * @throws {ClosedError} after `close`
   */
  async read(options?: WaitOptions): Promise<PacketItem<In>> {
    const { data, addr } = await this.conn.readFrom(undefined, options);
    const received = new FramedReceived<In>(this.#makeCodec());
    received.add(data);
    received.add(null);
    const item = received.take();
    if (item === null || item === undefined) throw new FrameFormatError("datagram", "it holds no item", 0);
    if (received.take() !== null) throw new FrameFormatError("datagram", "it holds more than one item", 0);
    return { item, addr };
  }

  /** All items until this side closes. A datagram that is refused throws, and ends the loop, not the socket. */
  async *[Symbol.asyncIterator](): AsyncGenerator<PacketItem<In>, void, void> {
    for (;;) {
      try {
        yield await this.read();
      } catch (error) {
        if (error instanceof ClosedError) return;
        throw error;
      }
    }
  }

  /**
   * Sends an item in one datagram.
   *
   * @param addr to whom; a dialled socket takes none
   * @throws {FrameError} when the codec refuses it; nothing is sent then
   * @throws {NetError} as `PacketConn.writeTo`; `EMSGSIZE` when it is larger than a datagram
   */
  async write(item: Out, addr?: UdpAddr | string, options?: WaitOptions): Promise<void> {
    const encoded = new ByteBuffer();
    this.#makeCodec().encode(item, encoded);
    const bytes = encoded.take(encoded.length);
    if (addr !== undefined) await this.conn.writeTo(bytes, addr, options);
    else if (isDialled(this.conn)) await this.conn.write(bytes, options);
    else throw new TypeError("Cannot send: the socket was not dialled, so it needs an address");
  }

  /** Both deadlines at once. */
  setDeadline(t: Deadline): void {
    this.conn.setDeadline(t);
  }

  /** When pending and later reads fail. Moving it makes the socket readable again. */
  setReadDeadline(t: Deadline): void {
    this.conn.setReadDeadline(t);
  }

  /** When pending and later writes fail. */
  setWriteDeadline(t: Deadline): void {
    this.conn.setWriteDeadline(t);
  }

  /** Closes the socket. */
  close(): Promise<void> {
    return this.conn.close();
  }

  /** Closes as {@linkcode FramedPackets.close} does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function isDialled(conn: PacketConn): conn is UdpConn {
  return "remoteAddr" in conn;
}
