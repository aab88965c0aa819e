/**
 * Messages between hubs, in network byte order:
 *
 * ```text
 *  1  version, 1
 *  1  flags: 1 text, 2 may be compressed, 4 has a key
 * 16  the sending hub, drawn at random when the hub was made
 *  6  the message's number in the sending hub, counting up
 *  2  number of rooms; 0: the message is for all members
 *     for each room: 4 length, name in UTF-8
 *     with a key: 4 length, key in UTF-8
 *     the payload
 * ```
 *
 * A message to several rooms is published to each of them, under one number and with all of the names: a hub that gets
 * several of these envelopes takes the first and drops the rest as duplicates.
 */

import { uint8ArrayOf } from "../bytes/any_realm.ts";
import { MessageTooBigError } from "../protocol/protocol_error.ts";
import { PreparedMessage } from "../websocket/prepared_message.ts";

/** A message on its way between hubs. */
export interface Envelope {
  /** The sending hub, 16 bytes. */
  readonly origin: Uint8Array;
  /** The message's number in the sending hub, less than 2^48. */
  readonly number: number;
  /** Rooms that the message is for; `null` for all members. */
  readonly rooms: readonly string[] | null;
  readonly key: string | null;
  readonly message: PreparedMessage;
}

export const ORIGIN_LENGTH = 16;
/** The most rooms of one message. */
export const MAX_ROOMS = 0xffff;
/** The longest envelope that is read, bytes. */
const MAX_ENVELOPE = 1 << 26;
const VERSION = 1;
const TEXT = 1;
const COMPRESS = 2;
const KEYED = 4;
const HEAD_LENGTH = 2 + ORIGIN_LENGTH + 6 + 2;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Writes an envelope.
 *
 * @throws {TypeError} when a room or the key has a lone surrogate, or there are more than 65,535 rooms
 */
export function encodeEnvelope({ origin, number, rooms, key, message }: Envelope): Uint8Array {
  const names = (rooms ?? []).map((room) => encodeText(room, "a room"));
  if (names.length > MAX_ROOMS) {
    throw new TypeError(`Cannot publish to ${names.length} rooms at once, ${MAX_ROOMS} at most`);
  }
  const keyBytes = key === null ? null : encodeText(key, "a key");
  const texts = keyBytes === null ? names : [...names, keyBytes];
  const { payload } = message;
  const bytes = new Uint8Array(
    texts.reduce((sum, text) => sum + 4 + text.length, HEAD_LENGTH) + payload.length,
  );
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  bytes[1] = (message.type === "text" ? TEXT : 0) | (message.compress ? COMPRESS : 0) |
    (keyBytes === null ? 0 : KEYED);
  bytes.set(origin, 2);
  view.setUint16(18, Math.floor(number / 2 ** 32));
  view.setUint32(20, number % 2 ** 32);
  view.setUint16(24, names.length);
  let at = HEAD_LENGTH;
  for (const text of texts) {
    view.setUint32(at, text.length);
    bytes.set(text, at + 4);
    at += 4 + text.length;
  }
  bytes.set(payload, at);
  return bytes;
}

/**
 * Reads an envelope. The result keeps none of its bytes.
 *
 * @throws {TypeError} when the bytes are not a valid envelope
 * @throws {MessageTooBigError} when the envelope is longer than 64 MiB
 */
export function decodeEnvelope(envelope: unknown): Envelope {
  const bytes = uint8ArrayOf(envelope);
  if (bytes === null) throw malformed("it is not a Uint8Array");
  if (bytes.length > MAX_ENVELOPE) throw new MessageTooBigError(MAX_ENVELOPE);
  if (bytes.length < HEAD_LENGTH) throw malformed("it is cut short");
  if (bytes[0] !== VERSION) throw malformed(`its version is ${bytes[0]}, not ${VERSION}`);
  const flags = bytes[1]!;
  if (flags > 7) throw malformed("it has unknown flags");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = HEAD_LENGTH;
  const readText = (): string => {
    if (at + 4 > bytes.length) throw malformed("it is cut short");
    const end = at + 4 + view.getUint32(at);
    if (end > bytes.length) throw malformed("it is cut short");
    const text = decoder.decode(bytes.subarray(at + 4, end));
    at = end;
    return text;
  };
  const rooms = Array.from({ length: view.getUint16(24) }, readText);
  const key = (flags & KEYED) === 0 ? null : readText();
  return {
    origin: bytes.slice(2, 2 + ORIGIN_LENGTH),
    number: view.getUint16(18) * 2 ** 32 + view.getUint32(20),
    rooms: rooms.length === 0 ? null : rooms,
    key,
    message: new PreparedMessage(bytes.subarray(at), {
      type: (flags & TEXT) === 0 ? "binary" : "text",
      compress: (flags & COMPRESS) !== 0,
    }),
  };
}

const LONE_SURROGATE = /\p{Surrogate}/u;

function encodeText(text: string, what: string): Uint8Array {
  // UTF-8 has no lone surrogates: the encoder would replace them, and two names could become one.
  if (LONE_SURROGATE.test(text)) {
    throw new TypeError(`Cannot publish: ${what} has a lone surrogate, which UTF-8 cannot represent`);
  }
  return encoder.encode(text);
}

function malformed(why: string): TypeError {
  return new TypeError(`Cannot read an envelope of the broker: ${why}`);
}
