import { checkMethods, wrongArgument } from "../bytes/check_argument.ts";
import { ByteBuffer } from "../bytes/byte_buffer.ts";
import type { UdpAddr } from "../net/addr.ts";
import type { WaitOptions } from "../net/conn.ts";
import type { Deadline } from "../net/deadline.ts";
import { ClosedError } from "../net/errors.ts";
import { handled } from "../net/handled.ts";
import type { PacketConn, UdpConn } from "../net/packet_conn.ts";
import { type Codec, FrameFormatError } from "./codec.ts";
import { FramedReceived } from "./framed_received.ts";

/** An item and the sender of its datagram. */
export interface PacketItem<T> {
  /** The datagram's item. */
  readonly item: T;
  /** Source address of the datagram, which a sender can forge. */
  readonly addr: UdpAddr;
}

/**
 * A UDP socket that carries items instead of bytes, one in each datagram. tokio: `UdpFramed`.
 *
 * A `FramedPackets` owns its socket. Calls may overlap, as with the socket itself.
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
   * Creates a framed socket.
   *
   * @param conn the socket, owned from now on; a dialled one has one peer
   * @param makeCodec creates a codec, once for each datagram: a bad datagram then has no effect on the next
   */
  constructor(conn: PacketConn, makeCodec: () => Codec<In, Out>) {
    checkMethods("frame the datagrams", "conn", conn, ["readFrom", "writeTo"]);
    if (typeof makeCodec !== "function") {
      throw wrongArgument("frame the datagrams", "makeCodec", makeCodec, "a function that makes a codec");
    }
    this.conn = conn;
    this.#makeCodec = makeCodec;
  }

  /**
   * Resolves to the next datagram's item. A datagram that is refused is dropped, and the next read takes the next one.
   *
   * @throws {FrameError} when the codec refuses the datagram, or it does not hold exactly one item
   * @throws {UnexpectedEofError} when it holds a part of an item
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

  /**
   * Iterates over all items until this side closes. A refused datagram throws: it ends the loop, but not the socket.
   */
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
   * @param addr destination; required unless the socket was dialled, and not allowed if it was
   * @throws {FrameError} when the codec refuses the item; nothing is sent
   * @throws {NetError} as `PacketConn.writeTo`; `EMSGSIZE` when the item does not fit into a datagram
   * @throws {TypeError} when the destination is missing
   */
  write(item: Out, addr?: UdpAddr | string, options?: WaitOptions): Promise<void> {
    try {
      const encoded = new ByteBuffer();
      this.#makeCodec().encode(item, encoded);
      return handled(this.#send(encoded.take(encoded.length), addr, options).then(nothing));
    } catch (error) {
      // A fault of the item or of the call.
      return Promise.reject(error);
    }
  }

  #send(bytes: Uint8Array, addr?: UdpAddr | string, options?: WaitOptions): Promise<number> {
    if (addr !== undefined) return this.conn.writeTo(bytes, addr, options);
    if (isDialled(this.conn)) return this.conn.write(bytes, options);
    throw new TypeError("Cannot write: the socket was not dialled, so pass an address");
  }

  /** Sets both deadlines. */
  setDeadline(t: Deadline): void {
    this.conn.setDeadline(t);
  }

  /** Sets the time at which pending and later reads fail. Moving it makes the socket readable again. */
  setReadDeadline(t: Deadline): void {
    this.conn.setReadDeadline(t);
  }

  /** Sets the time at which pending and later writes fail. */
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

function nothing(): void {}
