import type { Conn, WaitOptions } from "../net/conn.ts";
import { ChunkedDecoder } from "../http/chunked.ts";
import type { ResponseHead } from "../http/head.ts";

/** Body of a refusal that the error keeps, at most, bytes. */
const KEPT_BODY = 1024;
/** Bytes that are read for it, at most: a chunked body has sizes and line ends between its data. */
const READ_BODY = 2 * KEPT_BODY;

/**
 * A server's refusal with the start of its body, as far as that comes; `null` for a status that `Response` does not take.
 *
 * @param rest bytes that came with the head
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
    // The connection failed or the time is up: the error shows what has come.
  }
  return body.slice(0, length);
}
