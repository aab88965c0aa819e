import { Utf8Validator } from "../bytes/utf8.ts";
import { FIN, headerSize, Opcode, writeHeader } from "../protocol/frame_header.ts";
import { type MessageData, type MessageType, toBytes } from "./message.ts";

/** Turns messages into bytes. Receivers that share the encoding object share the bytes. */
export interface MessageEncoding {
  /** The bytes of one message, frame and all. */
  encode(message: PreparedMessage): Uint8Array;
}

/** Returns the object that {@linkcode share} stored with a message, or `null`. Only `MessageBatch` calls it. */
export let sharedBy: (message: PreparedMessage) => object | null;

/** Stores the object that all receivers of a message share. A slot of the message, as a map would cost a lookup. */
export let share: (message: PreparedMessage, object: object) => void;

/**
 * A message for many receivers: each encoding is made once. Later changes of `data` do not reach the message.
 * Go: gorilla's `PreparedMessage`.
 *
 * @example
 * ```ts
 * import { listenAndServe, PreparedMessage, type WebSocketConn } from "jackfield";
 *
 * const conns = new Set<WebSocketConn>();
 * const server = await listenAndServe("tcp", "127.0.0.1:0", {
 *   websocket: async (conn) => {
 *     conns.add(conn);
 *     void conn.closed.then(() => conns.delete(conn));
 *     for await (const message of conn) {
 *       const prepared = new PreparedMessage(message.data);
 *       // A connection that is closing takes no message, which is no fault of this one.
 *       await Promise.allSettled(Array.from(conns, (each) => each.writePrepared(prepared)));
 *     }
 *   },
 * });
 * await server.shutdown();
 * ```
 */
export class PreparedMessage {
  /** Text or binary. */
  readonly type: MessageType;
  /** Whether the message may be compressed. */
  readonly compress: boolean;
  /** Bytes of the payload; must not be changed. */
  readonly payload: Uint8Array;
  #text: string | null;
  #encodings: Map<MessageEncoding, Uint8Array> | null = null;
  #lastEncoding: MessageEncoding | null = null;
  #lastBytes: Uint8Array = NOTHING;
  #shared: object | null = null;

  static {
    sharedBy = (message) => message.#shared;
    share = (message, object) => message.#shared = object;
  }

  /**
   * Makes a prepared message.
   *
   * @param data text or bytes; bytes are copied
   * @param options `type`: unless it is given, text for a string and binary for bytes; `compress`: whether the message
   *   may be compressed for peers that agreed to that, default true
   * @throws {TypeError} when `data` is neither text nor bytes, or the bytes of a text are not UTF-8
   */
  constructor(data: MessageData, options: { type?: MessageType; compress?: boolean } = {}) {
    this.#text = typeof data === "string" ? data : null;
    // Not `slice`: that of Node's Buffer is a view of the same bytes.
    this.payload = typeof data === "string" ? encoder.encode(data) : new Uint8Array(toBytes(data));
    this.compress = options.compress ?? true;
    this.type = options.type ?? (typeof data === "string" ? "text" : "binary");
    if (this.type === "text" && this.#text === null) checkUtf8(this.payload);
  }

  /** The payload as text. */
  text(): string {
    return this.#text ??= decoder.decode(this.payload);
  }

  /** Whether to compress the message, where payloads of at least `threshold` bytes are compressed. */
  isCompressible(threshold: number): boolean {
    return this.compress && this.payload.length >= threshold;
  }

  /** The bytes of the message in an encoding, made at the first call and shared from then on. */
  encodedBy(encoding: MessageEncoding): Uint8Array {
    if (this.#lastEncoding === encoding) return this.#lastBytes;
    this.#encodings ??= new Map();
    let bytes = this.#encodings.get(encoding);
    if (bytes === undefined) {
      bytes = encoding.encode(this);
      this.#encodings.set(encoding, bytes);
    }
    this.#lastEncoding = encoding;
    this.#lastBytes = bytes;
    return bytes;
  }
}

/** One unmasked frame, as every server sends it. */
export const serverFrame: MessageEncoding = {
  encode(message) {
    const { payload } = message;
    const size = headerSize(payload.length, false);
    const bytes = new Uint8Array(size + payload.length);
    const opcode = message.type === "text" ? Opcode.Text : Opcode.Binary;
    writeHeader(bytes, 0, FIN | opcode, payload.length, null);
    bytes.set(payload, size);
    return bytes;
  },
};

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function checkUtf8(bytes: Uint8Array): void {
  const validator = new Utf8Validator();
  if (!validator.push(bytes, 0, bytes.length) || !validator.complete) {
    throw new TypeError("Cannot prepare as text: the bytes are not UTF-8");
  }
}
