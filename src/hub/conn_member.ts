import { ByteBuffer } from "../bytes/byte_buffer.ts";
import type { Encoder } from "../framing/codec.ts";
import type { Addr } from "../net/addr.ts";
import type { Conn } from "../net/conn.ts";
import type { MessageBatch } from "../websocket/message_batch.ts";
import type { MessageEncoding, PreparedMessage } from "../websocket/prepared_message.ts";
import type { HubSocket } from "./hub_socket.ts";

/**
 * Messages in a codec's frames, for members that are no WebSockets. Make one and give it to all members of a kind:
 * they share the bytes of each message.
 *
 * @param encoder the codec
 * @param toItem what of a message the codec is given: for lines, its text
 */
export function codecEncoding<T>(
  encoder: Encoder<T>,
  toItem: (message: PreparedMessage) => T,
): MessageEncoding {
  return {
    encode(message) {
      const buffer = new ByteBuffer();
      encoder.encode(toItem(message), buffer);
      return buffer.take(buffer.length);
    },
  };
}

/** A hub's member over any {@linkcode Conn}: what the hub sends leaves in a codec's frames. Reading is up to others. */
export class ConnMember implements HubSocket {
  /** The other end. */
  readonly remoteAddr: Addr;
  /** Settles when this side has closed the connection or a write has failed. */
  readonly closed: Promise<void>;
  readonly #conn: Conn;
  readonly #encoding: MessageEncoding;
  #resolveClosed!: () => void;

  /**
   * Makes one.
   *
   * @param conn what to write to; reading stays with the caller
   * @param encoding shared by all members of the kind; see {@linkcode codecEncoding}
   */
  constructor(conn: Conn, encoding: MessageEncoding) {
    this.#conn = conn;
    this.#encoding = encoding;
    this.remoteAddr = conn.remoteAddr;
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
  }

  /** Writes a batch; the hub queues until the promise settles. */
  async writeBatch(batch: MessageBatch): Promise<void> {
    try {
      await this.#conn.write(batch.bytes(this.#encoding));
    } catch (error) {
      // The stream has a hole now, or the peer is gone.
      this.closeNow();
      throw error;
    }
  }

  /** Closes the connection after what was written. */
  async close(): Promise<void> {
    await this.#conn.close();
    this.#resolveClosed();
  }

  /** Drops the connection. */
  closeNow(): void {
    this.#conn.closeNow();
    this.#resolveClosed();
  }
}
