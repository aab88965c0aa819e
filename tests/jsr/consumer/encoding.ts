/** Base64 and varints, compared with those of `@std/encoding`. */

import { ByteBuffer, LengthDelimitedCodec } from "@jackfield/jackfield/framing";
import { acceptKey, isHandshakeKey } from "@jackfield/jackfield/protocol";
import { assert, assertEquals } from "@std/assert";
import { encodeBase64 } from "@std/encoding/base64";
import { decodeVarint32, encodeVarint } from "@std/encoding/varint";

/** RFC 6455, 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

Deno.test("RFC 6455, 1.3: the key of an opening handshake is accepted as base64 of its SHA-1", async () => {
  for (let i = 0; i < 200; i++) {
    const key = encodeBase64(crypto.getRandomValues(new Uint8Array(16)));
    assert(isHandshakeKey(key));
    const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(key + GUID));
    assertEquals(acceptKey(key), encodeBase64(digest));
  }
});

Deno.test("a key of another length is none", () => {
  for (const length of [0, 15, 17]) {
    assert(!isHandshakeKey(encodeBase64(new Uint8Array(length))), `${length}`);
  }
});

Deno.test("a length is written as a varint, and read", () => {
  const options = { lengthFieldLength: "varint", maxLength: 1 << 22 } as const;
  for (const length of [0, 1, 127, 128, 129, 16_383, 16_384, 65_536, 2_097_151, 2_097_152]) {
    const buffer = new ByteBuffer();
    new LengthDelimitedCodec(options).encode(new Uint8Array(length), buffer);
    const frame = buffer.take(buffer.length).slice();
    const [varint, size] = encodeVarint(length);
    assertEquals(frame.subarray(0, size), varint);
    assertEquals(decodeVarint32(frame), [length, frame.length - length]);

    const received = new ByteBuffer();
    received.append(varint);
    received.append(new Uint8Array(length));
    assertEquals(new LengthDelimitedCodec(options).decode(received)?.length, length);
  }
});
