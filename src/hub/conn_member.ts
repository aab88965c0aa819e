import { ByteBuffer } from "../bytes/byte_buffer.ts";
import type { Encoder } from "../framing/codec.ts";
import type { Addr } from "../net/addr.ts";
import type { Conn } from "../net/conn.ts";
import type { MessageBatch } from "../websocket/message_batch.ts";
import type { MessageEncoding, PreparedMessage } from "../websocket/prepared_message.ts";
import type { HubSocket } from "./member.ts";

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
  readonly remoteAddr: Addr;
  readonly closed: Promise<void>;
  readonly #conn: Conn;
  readonly #encoding: MessageEncoding;
  #resolveClosed!: () => void;

  constructor(conn: Conn, encoding: MessageEncoding) {
    this.#conn = conn;
    this.#encoding = encoding;
    this.remoteAddr = conn.remoteAddr;
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
  }

  async writeBatch(batch: MessageBatch): Promise<void> {
    try {
      await this.#conn.write(batch.bytes(this.#encoding));
    } catch (error) {
      // The stream has a hole now, or the peer is gone.
      this.closeNow();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#conn.close();
    this.#resolveClosed();
  }

  closeNow(): void {
    this.#conn.closeNow();
    this.#resolveClosed();
  }
}
