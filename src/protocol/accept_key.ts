import { base64ByteLength, encodeBase64 } from "../bytes/base64.ts";
import { encodeLatin1 } from "../bytes/latin1.ts";
import { sha1 } from "./sha1.ts";

/** The constant that RFC 6455, 1.3 appends to each key. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Whether the text is a `Sec-WebSocket-Key`: base64 of 16 bytes (RFC 6455, 4.2.1, item 5). */
export function isHandshakeKey(text: string): boolean {
  return base64ByteLength(text) === 16;
}

/** The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455, 4.2.2, item 5.4). */
export function acceptKey(key: string): string {
  return encodeBase64(sha1(encodeLatin1(key + GUID)));
}
