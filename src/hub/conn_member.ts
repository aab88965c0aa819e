import { ByteBuffer } from "../bytes/byte_buffer.ts";
import type { Encoder } from "../framing/codec.ts";
import type { Addr } from "../net/addr.ts";
import type { Conn } from "../net/conn.ts";
import type { MessageEncoding, PreparedMessage } from "../websocket/prepared_message.ts";
import type { HubSocket } from "./hub_socket.ts";
import { offerBatches } from "./socket_writer.ts";

/**
 * An encoding of messages as a codec's frames, for members that are not WebSockets. Make one and give it to all members
 * of a kind: they share the bytes of each message.
 *
 * @param encoder the codec
 * @param toItem the item to encode for a message: for a codec of lines, the message's text
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

/** A hub's member over any {@linkcode Conn}: messages leave as a codec's frames. Reading stays with the application. */
export class ConnMember implements HubSocket {
  /** Address of the peer. */
  readonly remoteAddr: Addr;
  /** Settles when this side has closed the connection or a write has failed; never rejects. */
  readonly closed: Promise<void>;
  readonly #conn: Conn;
  readonly #encoding: MessageEncoding;
  #resolveClosed!: () => void;
  /** The write of the last message that `send` took, while it is under way. */
  #sending: Promise<void> | null = null;

  /**
   * A member that writes to `conn`.
   *
   * @param conn the connection; reading stays with the caller
   * @param encoding shared by all members of the kind; see {@linkcode codecEncoding}
   */
  constructor(conn: Conn, encoding: MessageEncoding) {
    this.#conn = conn;
    this.#encoding = encoding;
    this.remoteAddr = conn.remoteAddr;
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
    // A hub writes the messages of a turn at once, and counts them until the connection has taken them.
    offerBatches(this, { writeBatch: (batch) => this.#write(batch.bytes(encoding)) });
  }

  /** Writes a message; `false` while the message before it is still being written. */
  send(message: PreparedMessage): boolean {
    if (this.#sending !== null) return false;
    const end = () => {
      this.#sending = null;
    };
    // A failed write has closed the connection: `closed` reports it.
    this.#sending = this.#write(message.encodedBy(this.#encoding)).then(end, end);
    return true;
  }

  /** Resolves when the message that was sent last is written. */
  drained(): Promise<void> {
    return this.#sending ?? Promise.resolve();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#conn.write(bytes);
    } catch (error) {
      // Part of the bytes may have left: the stream cannot be continued.
      this.closeNow();
      throw error;
    }
  }

  /** Closes the connection after everything that was written. */
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
