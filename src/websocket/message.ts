/** What a message is, RFC 6455, 5.6. */
export type MessageType = "text" | "binary";

/**
 * A message that came. Bytes are the receiver's to keep and to change; they may lie in a buffer with other messages of the
 * same connection, so make views with their `byteOffset`, which is a multiple of eight.
 */
export type Message =
  | { readonly type: "text"; readonly data: string }
  | { readonly type: "binary"; readonly data: Uint8Array };

/** Any bytes. Of a view, just what it shows is sent. */
export type Bytes = ArrayBufferLike | ArrayBufferView;

/** What can be sent: a string as text, bytes as binary. */
export type MessageData = string | Bytes;

/**
 * The bytes as a `Uint8Array`, without a copy.
 *
 * @throws {TypeError} when it is something else, a number, say, which is never taken for a length; or when its buffer
 * was given away
 */
export function toBytes(data: unknown): Uint8Array {
  const bytes = viewOf(data);
  if (bytes.length === 0 && isDetached(bytes.buffer)) {
    throw new TypeError("Cannot send: the data's buffer was transferred to somebody else");
  }
  return bytes;
}

/** Nobody can look into a buffer that was given away. Its property `detached` is younger than the oldest runtime. */
function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    return new Uint8Array(buffer).length < 0;
  } catch {
    return true;
  }
}

function viewOf(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (typeof SharedArrayBuffer !== "undefined" && data instanceof SharedArrayBuffer) {
    return new Uint8Array(data);
  }
  throw new TypeError("Cannot send: the data is neither a string, an ArrayBuffer nor a view of one");
}
