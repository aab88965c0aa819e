import { bytesOf } from "../bytes/any_realm.ts";
import { wrongArgument } from "../bytes/check_argument.ts";

/** Type of a message, RFC 6455, 5.6. */
export type MessageType = "text" | "binary";

/**
 * A received message. The application may keep and change its bytes. They may share a buffer with other messages of the
 * connection, so make views with their `byteOffset`, which is a multiple of eight.
 */
export type Message =
  | { readonly type: "text"; readonly data: string }
  | { readonly type: "binary"; readonly data: Uint8Array<ArrayBuffer> };

/** Bytes to send. Of a view, only the part of the buffer that it covers is sent. */
export type Bytes = ArrayBufferLike | ArrayBufferView;

/** Data of a message to send: a string for text, bytes for binary. */
export type MessageData = string | Bytes;

/**
 * The bytes as a `Uint8Array`, without a copy.
 *
 * @throws {TypeError} when the data is not bytes (a number is not taken for a length), or its buffer was transferred
 */
export function toBytes(data: unknown): Uint8Array {
  const bytes = viewOf(data);
  if (bytes.length === 0 && isDetached(bytes.buffer)) {
    throw new TypeError("Cannot send: the data's buffer was transferred, so that its bytes are gone");
  }
  return bytes;
}

/** Whether the buffer was transferred. Its property `detached` is not in the oldest supported runtime. */
function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    return new Uint8Array(buffer).length < 0;
  } catch {
    return true;
  }
}

function viewOf(data: unknown): Uint8Array {
  const bytes = bytesOf(data);
  if (bytes !== null) return bytes;
  const wanted = "a string, an ArrayBuffer, a SharedArrayBuffer or a view of one";
  throw wrongArgument("send", "the data", data, wanted);
}
