import type { Conn, WaitOptions } from "../net/conn.ts";
import { ChunkedDecoder } from "../http/chunked.ts";
import type { ResponseHead } from "../http/head.ts";

/** Bound of the part of a refusal's body that the error keeps, bytes. */
const KEPT_BODY = 65_536;
/** Bound of the bytes read for that part, bytes. Twice as many, because a chunked body also has sizes and line ends. */
const READ_BODY = 2 * KEPT_BODY;

/**
 * A server's refusal with the beginning of its body, as far as it comes; `null` for a status that `Response` does not
 * accept.
 *
 * @param rest bytes that came after the head
 * @param wait cancels reading the body
 */
export async function readRefusal(
  conn: Conn,
  head: ResponseHead,
  rest: Uint8Array,
  wait?: WaitOptions,
): Promise<Response | null> {
  const { status, headers } = head;
  if (status < 200 || status > 599) return null;
  const hasNoBody = status === 204 || status === 205 || status === 304;
  const body = hasNoBody ? null : await readBodyStart(conn, head, rest, wait);
  return new Response(body, { status, headers: new Headers([...headers]) });
}

async function readBodyStart(
  conn: Conn,
  { headers }: ResponseHead,
  rest: Uint8Array,
  wait?: WaitOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunked = headers.get("transfer-encoding")?.toLowerCase().endsWith("chunked") ?? false;
  const decoder = chunked ? new ChunkedDecoder() : null;
  const body = new Uint8Array(Math.min(KEPT_BODY, Number(headers.get("content-length") ?? KEPT_BODY)));
  let length = 0;
  let left = READ_BODY;
  try {
    for (let part: Uint8Array | null = rest; part !== null; part = await conn.readChunk(wait)) {
      left -= part.length;
      for (const data of decoder?.receive(part) ?? [part]) {
        const fits = data.subarray(0, body.length - length);
        body.set(fits, length);
        length += fits.length;
      }
      const ended = decoder !== null && (decoder.complete || decoder.invalid);
      if (ended || length === body.length || left <= 0) break;
    }
  } catch {
    // The connection failed or the time is up: the bytes read so far are kept.
  }
  return body.slice(0, length);
}
