import type { Conn, WaitOptions } from "../net/conn.ts";
import type { ResponseHead } from "../protocol/http_head.ts";

/** Body of a refusal that the error keeps, bytes. */
const KEPT_BODY = 1024;
/** Bytes to read for it: with room for what holds the chunks of a chunked body together. */
const READ_BODY = 2 * KEPT_BODY;

/** A server's refusal with the start of its body, as far as it comes; `null` where the web knows no such response. */
export async function readRefusal(
  conn: Conn,
  head: ResponseHead,
  rest: Uint8Array,
  wait?: WaitOptions,
): Promise<Response | null> {
  const { status, headers } = head;
  if (status < 200 || status > 599) return null;
  const hasNoBody = status === 204 || status === 205 || status === 304;
  const chunked = headers.get("transfer-encoding")?.toLowerCase().endsWith("chunked") ?? false;
  const length = Number(headers.get("content-length") ?? READ_BODY);
  const raw = hasNoBody ? rest : await readSome(conn, rest, Math.min(READ_BODY, length), chunked, wait);
  const body = chunked ? joinChunks(raw).body : raw;
  return new Response(hasNoBody ? null : body.slice(0, KEPT_BODY), {
    status,
    headers: new Headers([...headers]),
  });
}

/** Reads up to `wanted` bytes, the first of which are `rest`. */
async function readSome(
  conn: Conn,
  rest: Uint8Array,
  wanted: number,
  chunked: boolean,
  wait?: WaitOptions,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(wanted);
  let length = 0;
  try {
    for (let part: Uint8Array | null = rest; part !== null;) {
      part = part.subarray(0, wanted - length);
      bytes.set(part, length);
      length += part.length;
      if (length === wanted || (chunked && joinChunks(bytes.subarray(0, length)).complete)) break;
      part = await conn.readChunk(wait);
    }
  } catch {
    // What came is what the error shows.
  }
  return bytes.subarray(0, length);
}

/** What a chunked body holds as far as it came (RFC 9112, 7.1). */
function joinChunks(raw: Uint8Array): { body: Uint8Array; complete: boolean } {
  const body = new Uint8Array(raw.length);
  let length = 0;
  for (let at = 0;;) {
    const lineEnd = raw.indexOf(0x0a, at);
    // A size, and maybe an extension behind a semicolon.
    const line = lineEnd < 0 ? "" : String.fromCharCode(...raw.subarray(at, lineEnd));
    const size = parseInt(line, 16);
    if (!(size > 0)) return { body: body.subarray(0, length), complete: size === 0 };
    const part = raw.subarray(lineEnd + 1, lineEnd + 1 + size);
    body.set(part, length);
    length += part.length;
    at = lineEnd + 1 + size + 2;
  }
}
