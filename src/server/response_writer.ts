import { concat } from "../bytes/concat.ts";
import type { Conn } from "../net/conn.ts";
import type { Runtime } from "../net/runtime.ts";
import { encodeChunk, LAST_CHUNK } from "../http/chunked.ts";
import { encodeResponseHead, statusText } from "../http/head_writer.ts";
import { BodyReader } from "./body_reader.ts";

/** Bound of the time from the answer to the client's FIN, milliseconds. */
const LINGER_TIME = 1_000;
/** Bound of the bytes that are read and ignored in that time. */
const LINGER_BYTES = 1_048_576;

/** The largest head and body that are joined into one write, bytes together. */
const MAX_JOINED = 65_536;

/** Fields that the writer sets itself; those of the response are left out. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "transfer-encoding",
]);

/** The parts of a request that its answer depends on. */
export interface AnsweredRequest {
  readonly method: string;
  readonly minorVersion: 0 | 1;
}

/** Writes one `Response` and closes the connection, so that no second request can be smuggled behind the first. */
export class ResponseWriter {
  readonly #conn: Conn;
  readonly #runtime: Runtime;
  readonly #timeout: number;
  #begun = false;

  /**
   * Makes a writer.
   *
   * @param timeout bound of the time in which the peer takes one part of the answer, milliseconds
   */
  constructor(conn: Conn, runtime: Runtime, timeout: number) {
    this.#conn = conn;
    this.#runtime = runtime;
    this.#timeout = timeout;
  }

  /** Whether a byte of an answer may have been written, so that no other answer can be sent. */
  get begun(): boolean {
    return this.#begun;
  }

  /**
   * Writes the response and closes the connection.
   *
   * @throws {NetError} when the connection breaks
   * @throws {BodyError} when the body's stream fails
   * @throws {TypeError} when a field, the reason or a chunk of the body cannot be sent
   */
  async write(response: Response, { method, minorVersion }: AnsweredRequest): Promise<void> {
    const isEmpty = method === "HEAD" || response.status === 204 || response.status === 304;
    const body = new BodyReader(response);
    try {
      // Most bodies are complete at once: then the length is known, and head and body leave in one write.
      const { parts, length, complete } = await body.readAhead(this.#runtime.adapter.clock);
      const chunked = !complete && minorVersion === 1;
      const fields = this.#fields(response);
      if (chunked) fields.push(["transfer-encoding", "chunked"]);
      else if (complete) fields.push(...lengthField(response, length, method));
      const reason = response.statusText || statusText(response.status);
      const head = encodeResponseHead(response.status, reason, fields);
      if (isEmpty) await this.#write([head]);
      else if (!chunked) await this.#write([head, ...parts]);
      else await this.#write([head, ...encodeChunk(parts, length)]);
      if (!isEmpty && !complete) await this.#writeRest(body, chunked);
    } finally {
      // The source of the body learns that the rest is not wanted.
      body.cancel();
    }
    await this.#lingerAndClose();
  }

  /** The response's fields, with `date` and `connection` added. */
  #fields({ headers }: Response): [string, string][] {
    const fields = [...headers].filter(([name]) => !OWN_FIELDS.has(name));
    if (!headers.has("date")) fields.push(["date", new Date(this.#runtime.timers.wallNow()).toUTCString()]);
    // RFC 9110, 7.8: a sender of Upgrade lists it in Connection too.
    fields.push(["connection", headers.has("upgrade") ? "upgrade, close" : "close"]);
    return fields;
  }

  async #writeRest(body: BodyReader, chunked: boolean): Promise<void> {
    for (let part = await body.read(); part !== null; part = await body.read()) {
      await this.#write(chunked ? encodeChunk([part], part.length) : [part]);
    }
    if (chunked) await this.#write([LAST_CHUNK]);
  }

  async #write(parts: Uint8Array[]): Promise<void> {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    this.#begun = true;
    for (const bytes of length <= MAX_JOINED ? [concat(parts)] : parts) {
      this.#conn.setWriteDeadline(this.#runtime.timers.wallNow() + this.#timeout);
      await this.#conn.write(bytes);
    }
  }

  /**
   * Sends FIN, reads until the peer's FIN within bounds, then closes. Closing with bytes of the peer unread would
   * make the kernel send a reset, which can destroy the answer before the peer has read it.
   */
  async #lingerAndClose(): Promise<void> {
    const conn = this.#conn;
    try {
      await conn.closeWrite();
      conn.setReadDeadline(this.#runtime.timers.wallNow() + LINGER_TIME);
      for (let left = LINGER_BYTES; left > 0;) {
        const chunk = await conn.readChunk();
        if (chunk === null) break;
        left -= chunk.length;
      }
    } catch {
      // The peer reset the connection or exceeded a bound: it is closed in either case.
    }
    await conn.close();
  }
}

/**
 * The `Content-Length` of an answer (RFC 9110, 8.6): none for 204 and 304; for HEAD without a body, the response's own
 * field if it has one.
 */
function lengthField(
  { status, headers, body }: Response,
  length: number,
  method: string,
): [string, string][] {
  if (status === 204 || status === 304) return [];
  const said = method === "HEAD" && body === null ? headers.get("content-length") : null;
  return [["content-length", said !== null && /^\d+$/.test(said) ? said : String(length)]];
}
