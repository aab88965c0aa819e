import type { Conn } from "../net/conn.ts";
import { encodeResponseHead, statusText } from "../protocol/http_head.ts";

/** How long a peer may take to end after it was answered, milliseconds. */
const LINGER_TIME = 1_000;
/** What it may still send in that time, bytes. */
const LINGER_BYTES = 1_048_576;

/** What the writer sets itself. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "transfer-encoding",
]);

/**
 * Writes a `Response` and ends the connection: one answer a connection, so no request can hide behind another.
 *
 * @param isHead whether it answers a HEAD request, whose answer has no body
 * @param now milliseconds since the epoch, for the Date field
 */
export async function writeResponse(
  conn: Conn,
  response: Response,
  isHead: boolean,
  now: number,
): Promise<void> {
  const body = new BodyReader(response);
  const first = await body.read();
  // Most bodies are one chunk: then their length is known, and head and body leave in one write.
  const second = first === null ? null : await body.read();
  const fields = [...response.headers].filter(([name]) => !OWN_FIELDS.has(name));
  fields.push(["date", new Date(now).toUTCString()], ["connection", "close"]);
  const hasNoBody = response.status === 204 || response.status === 304;
  if (second !== null) fields.push(["transfer-encoding", "chunked"]);
  else if (!hasNoBody) fields.push(["content-length", String(first?.length ?? 0)]);
  const head = encodeResponseHead(
    response.status,
    response.statusText || statusText(response.status),
    fields,
  );
  if (isHead || hasNoBody || first === null) {
    await body.cancel();
    await conn.write(head);
  } else if (second === null) {
    await conn.write(concat(head, first));
  } else {
    await conn.write(head);
    await writeChunked(conn, body, first, second);
  }
  await lingerAndClose(conn, now);
}

/**
 * Closes so that the peer can read the answer: closing with bytes of the peer unread makes the kernel send a reset,
 * which can overtake the answer. Reads on for a moment, within bounds.
 */
async function lingerAndClose(conn: Conn, now: number): Promise<void> {
  await conn.closeWrite();
  conn.setReadDeadline(now + LINGER_TIME);
  try {
    for (let left = LINGER_BYTES; left > 0;) {
      const chunk = await conn.readChunk();
      if (chunk === null) break;
      left -= chunk.length;
    }
  } catch {
    // The peer went or took too long: either way it is over.
  }
  await conn.close();
}

/** RFC 9112, 7.1. */
async function writeChunked(
  conn: Conn,
  body: BodyReader,
  first: Uint8Array,
  second: Uint8Array,
): Promise<void> {
  await conn.write(httpChunk(first));
  for (let part: Uint8Array | null = second; part !== null; part = await body.read()) {
    await conn.write(httpChunk(part));
  }
  await conn.write(encoder.encode("0\r\n\r\n"));
}

function httpChunk(part: Uint8Array): Uint8Array {
  return concat(concat(encoder.encode(`${part.length.toString(16)}\r\n`), part), encoder.encode("\r\n"));
}

/** A body's chunks, without the empty ones, which would end a chunked body. */
class BodyReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | null;

  constructor(response: Response) {
    this.#reader = response.body?.getReader() ?? null;
  }

  async read(): Promise<Uint8Array | null> {
    while (this.#reader !== null) {
      const { value, done } = await this.#reader.read();
      if (done) break;
      if (value.length > 0) return value;
    }
    return null;
  }

  async cancel(): Promise<void> {
    await this.#reader?.cancel();
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

const encoder = new TextEncoder();
